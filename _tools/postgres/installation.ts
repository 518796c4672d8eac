/**
 * Finds what the tests of roots on PostgreSQL need of the machine, and installs it where that may be
 * done. Nothing that an installation brings is started: each test has servers of its own.
 */
import { install, isFile, mayInstall } from "../_debian.ts";

/** A PostgreSQL server as it is installed. */
export interface Installation {
  /** The folder with `postgres`, `initdb`, `pg_ctl`, `psql` and their like. */
  bin: string;
  /** Its major version. */
  version: number;
}

/** Where Debian installs, a folder for each version, and where other systems do. */
const FOLDERS = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"];

const OLDEST_VERSION = 14;
const PROGRAMS = ["postgres", "initdb", "pg_ctl", "psql", "pg_basebackup"];

/** The newest server that is installed below `folders` or in a folder of `path`, if it is new enough. */
export async function findPostgres(
  { folders = FOLDERS, path = Deno.env.get("PATH") ?? "" } = {},
): Promise<Installation | undefined> {
  const versioned = await Promise.all(folders.map(binariesBelow));
  const candidates = [...path.split(":").filter((folder) => folder !== ""), ...versioned.flat()];
  const found: Installation[] = [];
  for (const bin of candidates) {
    const version = await versionIn(bin);
    if (version !== undefined && version >= OLDEST_VERSION) found.push({ bin, version });
  }
  return found.toSorted((a, b) => b.version - a.version)[0];
}

async function binariesBelow(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => `${folder}/${name}/bin`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The version of the server in a folder; undefined where there is none, or not all of it. */
async function versionIn(bin: string): Promise<number | undefined> {
  for (const program of PROGRAMS) if (!await isFile(`${bin}/${program}`)) return undefined;
  const command = new Deno.Command(`${bin}/postgres`, { args: ["--version"], stderr: "null" });
  const said = new TextDecoder().decode((await command.output()).stdout);
  return Number(/\) (\d+)/.exec(said)?.[1]);
}

/** The connection pooler pgbouncer, if it is installed. */
export async function findPgbouncer(
  path: string = Deno.env.get("PATH") ?? "",
): Promise<string | undefined> {
  for (const folder of [...path.split(":"), "/usr/sbin"]) {
    if (await isFile(`${folder}/pgbouncer`)) return `${folder}/pgbouncer`;
  }
  return undefined;
}

/**
 * The server, which is installed if there is none, and so is the pooler.
 *
 * @throws {Error} When it is not there and cannot be installed.
 */
export async function requirePostgres(): Promise<Installation> {
  const found = await findPostgres();
  if (found !== undefined && await findPgbouncer() !== undefined) return found;
  if (await mayInstall()) await install(["postgresql", "pgbouncer"]);
  const installed = await findPostgres();
  if (installed !== undefined) return installed;
  throw new Error(
    `Cannot test roots on PostgreSQL: no server of version ${OLDEST_VERSION} or newer is in PATH or ` +
      `below ${
        FOLDERS.join(", ")
      }; install one, as with "sudo apt-get install postgresql pgbouncer"`,
  );
}
