/**
 * Where a password comes from: the variable `PGPASSWORD`, or a file of passwords, as for PostgreSQL's own programs.
 * The npm package `postgres` reads no such file. A password is only asked for when the server does, and is no part
 * of any error.
 */
import { isNotFound } from "../../_internal/file_port.ts";
import { isWindows, join } from "../../_internal/path.ts";
import { reasonOf } from "../../_internal/text.ts";

/** A database, and who uses it, as far as passwords tell them apart. */
export interface PasswordFor {
  /** The name or address of the server, or the folder of its socket. */
  readonly host: string;
  /** Its port. */
  readonly port: number;
  /** The database. */
  readonly database: string;
  /** The role. */
  readonly user: string;
}

/** The variables of the environment that say something. */
export type Variables = (name: string) => string | undefined;

/** Folders in which servers have their sockets unless they are told otherwise: in the file that is `localhost`. */
const USUAL_FOLDERS = ["/run/postgresql", "/var/run/postgresql", "/tmp"];

/**
 * The password for a database; undefined where there is none.
 *
 * @throws {Error} If the file of passwords cannot be read, or others can read it.
 */
export function passwordFor(server: PasswordFor, variables: Variables): string | undefined {
  const said = variables("PGPASSWORD");
  if (said) return said;
  const path = passwordFile(variables);
  const text = path === undefined ? undefined : readPrivateFile(path);
  return text === undefined ? undefined : findPassword(text, server);
}

/** Where the file of passwords is; undefined where the environment does not tell. */
function passwordFile(variables: Variables): string | undefined {
  const chosen = variables("PGPASSFILE");
  if (chosen) return chosen;
  const home = variables(isWindows ? "APPDATA" : "HOME");
  if (!home) return undefined;
  return isWindows ? join(home, "postgresql", "pgpass.conf") : join(home, ".pgpass");
}

/**
 * Reads a file with something secret in it; undefined where there is none, or it is no file, as `/dev/null`.
 *
 * @throws {Error} If it cannot be read, or somebody else can.
 */
export function readPrivateFile(path: string): string | undefined {
  try {
    if (!Deno.statSync(path).isFile) return undefined;
    using file = Deno.openSync(path, { read: true });
    const { mode, size } = file.statSync();
    // Windows has no such modes: there the folder of the user is private.
    if (mode !== null && (mode & 0o077) !== 0) {
      throw new Error("others than you may use it; take that from them by chmod 600");
    }
    const bytes = new Uint8Array(size);
    let length = 0;
    for (let read: number | null = 0; read !== null && length < size; length += read ?? 0) {
      read = file.readSync(bytes.subarray(length));
    }
    return new TextDecoder().decode(bytes.subarray(0, length));
  } catch (cause) {
    if (isNotFound(cause)) return undefined;
    throw new Error(`Cannot use ${path}: ${reasonOf(cause)}`, { cause });
  }
}

/** A field, with a backslash before each colon or backslash that belongs to it. */
const FIELD = String.raw`((?:\\.|[^:\\])*)`;
/** `host:port:database:user:password`; what stands behind another colon is no part of the password. */
const LINE = new RegExp(String.raw`^${FIELD}:${FIELD}:${FIELD}:${FIELD}:((?:\\.|[^:\\]|\\$)*)`);

/** The password of the first line that fits; an empty one is none. */
export function findPassword(text: string, server: PasswordFor): string | undefined {
  const hosts = USUAL_FOLDERS.includes(server.host) ? [server.host, "localhost"] : [server.host];
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    const [, host, port, database, user, password = ""] = LINE.exec(line.replace(/\r$/, "")) ?? [];
    const fits = hosts.some((name) => isFor(host, name)) && isFor(port, String(server.port)) &&
      isFor(database, server.database) && isFor(user, server.user);
    if (fits) return unescape(password) || undefined;
  }
  return undefined;
}

/** Whether a field fits: a bare `*` fits all. */
function isFor(field: string | undefined, value: string): boolean {
  return field === "*" || (field !== undefined && unescape(field) === value);
}

function unescape(field: string): string {
  return field.replace(/\\(.)/g, "$1");
}
