/**
 * What the URL of a root on PostgreSQL says, and what it leaves to the environment, as PostgreSQL's own programs
 * read it. Whoever reads what is thrown here finds no value of the URL in it: there may be a password in any.
 */
import {
  isSocketFolder,
  isThisMachine,
  type PostgresTlsMode,
} from "../../postgres/postgres_socket.ts";
import { UsageError } from "../exit_codes.ts";
import { refusePassword } from "../reading/find_root.ts";
import type { PasswordFor, Variables } from "./password_file.ts";

/** A database, and how it is reached. */
export interface UrlServer extends PasswordFor {
  /** What TLS has to prove; undefined where nobody has said it. */
  readonly mode: PostgresTlsMode | undefined;
  /** The file with the authorities that are trusted; `system` for those of the system. */
  readonly rootCertificates: string | undefined;
  /** The file with the certificate of this client. */
  readonly certificate: string | undefined;
  /** The file with its key. */
  readonly key: string | undefined;
}

/** What is asked where the URL says nothing. */
export interface Surroundings {
  /** The variables of the environment. */
  readonly variables: Variables;
  /** The name of the user of this process; undefined where it cannot be told. */
  userName(): string | undefined;
  /** The folder of the socket of a server of this machine, or its name. */
  defaultHost(): string;
}

const MODES: readonly PostgresTlsMode[] = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full",
];

/** What the URL may say behind its `?`, and the variable that says the same. */
const VARIABLES = {
  host: "PGHOST",
  port: "PGPORT",
  dbname: "PGDATABASE",
  user: "PGUSER",
  sslmode: "PGSSLMODE",
  sslrootcert: "PGSSLROOTCERT",
  sslcert: "PGSSLCERT",
  sslkey: "PGSSLKEY",
} as const;

type Parameter = keyof typeof VARIABLES;
type Parameters = Partial<Record<Parameter, string>>;

/**
 * Which database a URL means.
 *
 * @throws {UsageError} If it means none, or has a password in it.
 */
export function readServerUrl(url: string, surroundings: Surroundings): UrlServer {
  const said = parseUrl(url);
  const find = (name: Parameter) => said[name] || surroundings.variables(VARIABLES[name]);
  const host = find("host") || surroundings.defaultHost();
  if (host.includes(",")) throw problem("it names several servers", "name one");
  const user = find("user") || surroundings.userName();
  if (user === undefined) throw problem("it names no user", "postgres://USER@HOST/DATABASE does");
  const server = {
    host,
    port: readPort(find("port")),
    database: find("dbname") || user,
    user,
    mode: readMode(find("sslmode")),
    rootCertificates: find("sslrootcert") || undefined,
    certificate: find("sslcert") || undefined,
    key: find("sslkey") || undefined,
  };
  if ((server.certificate === undefined) !== (server.key === undefined)) {
    throw problem("it has one of sslcert and sslkey", "give both");
  }
  return server;
}

/** What is weaker than it may be about the way to a server, in one line; undefined where nothing is. */
export function warningOf({ host, mode }: Pick<UrlServer, "host" | "mode">): string | undefined {
  if (mode === undefined || mode === "verify-full") return undefined;
  if (isSocketFolder(host) || isThisMachine(host)) return undefined;
  const risk = mode === "disable"
    ? "whoever is between here and the server can read and change all"
    : mode === "verify-ca"
    ? "any server of the same authority can stand in for the one that is meant"
    : "whoever is between here and the server can stand in for it";
  return `warning: with sslmode=${mode} ${risk}; sslmode=verify-full prevents that`;
}

function problem(what: string, remedy: string): UsageError {
  return new UsageError(`Cannot use the URL of the root: ${what}; ${remedy}`);
}

/** User, host, database, parameters. */
const FORM = /^\s*postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?\s*$/i;
/** Host and port; the address of IPv6 stands in brackets. */
const HOST_FORM = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/;

function parseUrl(url: string): Parameters {
  refusePassword(url, "the root");
  const [form, user = "", address = "", database = "", query = ""] = FORM.exec(url) ?? [];
  const [hostForm, ipv6, name = "", port = ""] = HOST_FORM.exec(address) ?? [];
  if (form === undefined || hostForm === undefined) {
    throw problem("it is not written as one", "postgres://USER@HOST:PORT/DATABASE is");
  }
  return {
    user: decode(user),
    host: decode(ipv6 ?? name),
    port: decode(port),
    dbname: decode(database),
    ...parseQuery(query),
  };
}

function parseQuery(query: string): Parameters {
  const parameters: Parameters = {};
  for (const part of query.split("&").filter((part) => part !== "")) {
    const [, name = "", value = ""] = /^([^=]*)=?([^]*)$/.exec(part)!;
    const known = decode(name);
    if (!Object.hasOwn(VARIABLES, known)) {
      const names = Object.keys(VARIABLES).join(", ");
      const shown = JSON.stringify(known);
      throw problem(`it has ${shown}, which is not known here`, `leave it out; known: ${names}`);
    }
    parameters[known as Parameter] = decode(value);
  }
  return parameters;
}

function decode(text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw problem("it has a % that encodes nothing", "write % as %25");
  }
  // Such a byte would end a name on its way to the server, and begin something else.
  // deno-lint-ignore no-control-regex -- they are what is refused
  if (/[\0-\x1f\x7f]/.test(decoded)) throw problem("it has control characters", "leave them out");
  return decoded;
}

function readPort(text: string | undefined): number {
  if (!text) return 5432;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port > 0 && port < 2 ** 16) return port;
  throw problem("its port is none", "a port is a number from 1 to 65535");
}

function readMode(text: string | undefined): PostgresTlsMode | undefined {
  if (!text) return undefined;
  const mode = MODES.find((known) => known === text);
  if (mode === undefined) throw problem("its sslmode is none", `known: ${MODES.join(", ")}`);
  return mode;
}
