/**
 * How the command reaches the database that a root's URL names: what PostgreSQL's own programs take from the
 * environment, a way that nobody can listen to, and words for what goes wrong. This folder and all that it loads
 * are loaded for such a root only.
 */
import { isWindows } from "../../_internal/path.ts";
import { reasonOf } from "../../_internal/text.ts";
import { openPostgresRoot } from "../../postgres/open_postgres_root.ts";
import { postgresClient } from "../../postgres/postgres_client.ts";
import type { PostgresTls } from "../../postgres/postgres_socket.ts";
import type { PostgresClient } from "../../postgres/types.ts";
import type { RunsRoot } from "../../run/types.ts";
import { isDirectory } from "../files.ts";
import { Screen } from "../text/screen.ts";
import { explainConnecting } from "./connect_problem.ts";
import { passwordFor, readPrivateFile } from "./password_file.ts";
import { readServerUrl, type UrlServer, warningOf } from "./server_url.ts";

/** Roles that get rights. */
export interface Granted {
  /** Who may read runs. */
  readers: readonly string[];
  /** Who may also record them. */
  runners: readonly string[];
  /** Who may work for them. */
  workers: readonly string[];
}

/** What was made in a database. */
export interface MadeSchema {
  /** What people call the database. */
  root: string;
  /** The version of what is there now. */
  version: number;
  /** Whether it was there before. */
  wasThere: boolean;
}

/**
 * The runs in the database that a URL names.
 *
 * @throws {UsageError} If the URL names none, or has a password in it.
 * @throws {RunError} If it cannot be used; `taffrail init` makes what runs need there.
 */
export async function openDatabase(url: string): Promise<RunsRoot> {
  return await openPostgresRoot(await openPostgresClient(url));
}

/** Makes the schema of the database that a URL names, where it is not there, and gives rights to roles. */
export async function makeSchema(url: string, granted: Granted): Promise<MadeSchema> {
  const { migratePostgres } = await import("../../postgres/migrate_postgres.ts");
  const client = await openPostgresClient(url);
  return { root: client.name, ...await migratePostgres(client, granted) };
}

/**
 * A client of the database that a URL names.
 *
 * @param variables The variables of the environment, by their names.
 * @throws {UsageError} If the URL names none, or has a password in it.
 */
export async function openPostgresClient(
  url: string,
  variables = (name: string) => Deno.env.get(name),
): Promise<PostgresClient> {
  const { postgres, net, tls, userInfo } = await import("./postgres_driver.ts");
  const server = readServerUrl(url, {
    variables,
    userName: () => userNameBy(userInfo),
    defaultHost: findDefaultHost,
  });
  warnOnce(warningOf(server));
  const { host, port, database, user } = server;
  const client = postgresClient({ postgres, net, tls }, {
    ...{ host, port, database, user },
    tls: tlsOf(server, () => tls.getCACertificates("system")),
    password: () => passwordFor(server, variables),
  });
  return explained(client, server);
}

/** The same client; what it throws when it cannot connect says what to do about that. */
function explained(client: PostgresClient, server: UrlServer): PostgresClient {
  const { name } = client;
  return {
    name,
    async connect(listener) {
      try {
        return await client.connect(listener);
      } catch (error) {
        const explanation = new Error(explainConnecting(name, server, error), { cause: error });
        throw Object.assign(explanation, { code: Reflect.get(Object(error), "code") });
      }
    },
  };
}

function tlsOf(server: UrlServer, systemRoots: () => string[]): PostgresTls {
  const { mode, rootCertificates, certificate, key } = server;
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(rootCertificates === undefined ? {} : {
      ca: rootCertificates === "system" ? systemRoots() : readNamed(rootCertificates),
    }),
    ...(certificate === undefined ? {} : { cert: readNamed(certificate) }),
    ...(key === undefined ? {} : { key: readKey(key) }),
  };
}

/** Reads a file that the URL or the environment names; it may be a link. */
function readNamed(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    throw new Error(`Cannot use ${path}: ${reasonOf(cause)}`, { cause });
  }
}

function readKey(path: string): string {
  const key = readPrivateFile(path);
  if (key === undefined) {
    throw new Error(`Cannot use ${path}: there is no such file; correct sslkey`);
  }
  return key;
}

function userNameBy(userInfo: () => { username: string }): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/** Where a server of this machine has its socket: by Debian's custom, or by that of PostgreSQL. */
function findDefaultHost(): string {
  if (isWindows) return "localhost";
  return isDirectory("/var/run/postgresql") ? "/var/run/postgresql" : "/tmp";
}

const warned = new Set<string>();

function warnOnce(warning: string | undefined): void {
  if (warning === undefined || warned.has(warning)) return;
  warned.add(warning);
  new Screen(Deno.stderr).line(warning);
}
