/**
 * Servers of the tests' own, on loopback, in a folder of their own. Invariants:
 *
 * - A server runs as a user that is not root, and never uses what the machine has of PostgreSQL but its
 *   programs.
 * - It is gone with its folder when the test is over, also when the test's process was killed: a shell waits
 *   for the end of a pipe to it, and clears up.
 * - Who shares a server has a database of their own there.
 */
import { findPostgres } from "../../_tools/postgres/installation.ts";

/** How a server is ended: cleanly, or as by a crash. */
export type StopMode = "fast" | "immediate";

/** A server, by where it is. */
export interface ServerPlace {
  /** The folder with its programs. */
  bin: string;
  /** Where its data, its log and its socket are. */
  folder: string;
  /** Its port on loopback. */
  port: number;
}

/** What a server is started with. */
export interface ServerOptions {
  /** Whether what it calls durable survives the machine, which is slow; the process it survives anyway. */
  fsync?: boolean;
  /** Settings beside those of {@linkcode SETTINGS}. */
  settings?: Record<string, string>;
}

/** The variable by which `deno task test:postgres` tells of the server that the tests share. */
export const SHARED_SERVER = "TAFFRAIL_POSTGRES_SERVER";

/** Small, quick to start, and made for many short connections; all else is as the server has it. */
const SETTINGS: Record<string, string> = {
  listen_addresses: "127.0.0.1",
  shared_buffers: "32MB",
  max_connections: "200",
  log_line_prefix: "%m [%p] %d %a: ",
  log_checkpoints: "off",
  wal_compression: "off",
};

/** A database of a server. */
export interface TestDatabase {
  /** Its name. */
  name: string;
  /** How it is reached. */
  url: string;
}

/** A server that somebody else may have started. */
export class PostgresServer {
  readonly place: ServerPlace;
  /** Whether its log is printed when a test fails; not where tests have to fail. */
  printsLog = true;

  constructor(place: ServerPlace) {
    this.place = place;
  }

  /** How a database is reached. */
  url(database = "postgres"): string {
    return `postgres://postgres@127.0.0.1:${this.place.port}/${database}`;
  }

  /** Runs one statement as the superuser, and gives its rows as lines, with `|` between the columns. */
  async sql(text: string, database = "postgres"): Promise<string[]> {
    const args = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text, this.url(database)];
    const said = await run([`${this.place.bin}/psql`, ...args]);
    return said === "" ? [] : said.split("\n");
  }

  /** Ends sessions, all but this one or those that a condition on `pg_stat_activity` names; how many. */
  async terminateBackends(condition = "true"): Promise<number> {
    const rows = await this.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' " +
        `and pid <> pg_backend_pid() and (${condition})`,
    );
    return rows.length;
  }

  /** What it has logged of a database, or of everything. */
  async log(database?: string): Promise<string> {
    const text = await Deno.readTextFile(`${this.place.folder}/log`);
    if (database === undefined) return text;
    return text.split("\n").filter((line) => line.includes(` ${database} `)).join("\n");
  }

  /** Runs `use`; if that fails, prints the server's log, of a database or of everything. */
  async orLog<T>(use: () => Promise<T>, database?: string): Promise<T> {
    try {
      return await use();
    } catch (error) {
      if (this.printsLog) printLog(await this.log(database));
      throw error;
    }
  }

  /**
   * Runs `use` with a new database, and removes that afterwards. If `use` fails, the server's log of it is
   * printed.
   */
  async withDatabase<T>(use: (database: TestDatabase) => Promise<T>): Promise<T> {
    const name = `test_${crypto.randomUUID().slice(0, 13).replace("-", "_")}`;
    await this.sql(`create database ${name}`);
    try {
      return await this.orLog(() => use({ name, url: this.url(name) }), name);
    } finally {
      await this.sql(`drop database ${name} with (force)`);
    }
  }
}

/** A server that is the caller's alone. */
export class OwnServer extends PostgresServer implements AsyncDisposable {
  readonly #attendant: Attendant;

  /** Use {@linkcode startServer} or {@linkcode startStandby}. */
  constructor(place: ServerPlace, attendant: Attendant) {
    super(place);
    this.#attendant = attendant;
  }

  /** Starts it; resolves when it takes connections. */
  async start(): Promise<void> {
    await this.#control(["start", "-w", "-t", "120", "-l", `${this.place.folder}/log`]);
  }

  /** Ends it. */
  async stop(mode: StopMode): Promise<void> {
    await this.#control(["stop", "-w", "-t", "120", "-m", mode]);
  }

  /** Ends it and starts it again, on the same port. */
  async restart(mode: StopMode): Promise<void> {
    await this.stop(mode);
    await this.start();
  }

  /** Makes a standby the primary. */
  async promote(): Promise<void> {
    await this.#control(["promote", "-w", "-t", "120"]);
  }

  /** Reads its settings again, and the lines that are given first. */
  async configure(settings: Record<string, string>): Promise<void> {
    const { folder } = this.place;
    await Deno.writeTextFile(`${folder}/data/postgresql.auto.conf`, linesOf(settings), {
      append: true,
    });
    await this.#control(["reload"]);
  }

  async #control(args: string[]): Promise<void> {
    const { bin, folder } = this.place;
    try {
      await run(asServerUser([`${bin}/pg_ctl`, "-D", `${folder}/data`, "-s", ...args]), folder);
    } catch (error) {
      printLog(await this.log());
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#attendant[Symbol.asyncDispose]();
  }
}

function linesOf(settings: Record<string, string>): string {
  return Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`).join("");
}

function printLog(text: string): void {
  if (text === "") return;
  // deno-lint-ignore no-console -- a test has failed, and this is gone with the server
  console.error(`The log of the server:\n${text.slice(-20_000)}`);
}

/** Starts a server with an empty cluster. */
export async function startServer(options: ServerOptions = {}): Promise<OwnServer> {
  return await startIn(options, (bin, data) => [
    ...[`${bin}/initdb`, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"],
    ...["--locale=C", "--no-sync", "--no-instructions"],
  ]);
}

/** Starts a standby of a server, which follows it by the name `standby`. */
export async function startStandby(
  primary: PostgresServer,
  options: ServerOptions = {},
): Promise<OwnServer> {
  const source = `host=127.0.0.1 port=${primary.place.port} user=postgres application_name=standby`;
  return await startIn(options, (bin, data) => [
    ...[`${bin}/pg_basebackup`, "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync"],
    ...["-d", source],
  ]);
}

const ATTEMPTS_AT_A_PORT = 10;

async function startIn(
  { fsync = false, settings = {} }: ServerOptions,
  makeData: (bin: string, data: string) => string[],
): Promise<OwnServer> {
  const installation = await findPostgres();
  if (installation === undefined) {
    throw new Error('Cannot start a server: there is none; run "deno task test:postgres"');
  }
  const { bin } = installation;
  const folder = await makeFolder();
  const server = (port: number) => new OwnServer({ bin, folder, port }, attendant);
  const attendant = attend(SERVER, [bin, folder]);
  try {
    await run(asServerUser(makeData(bin, `${folder}/data`)), folder);
    for (let attempt = 1;; attempt++) {
      const port = freePort();
      const own = { port: String(port), unix_socket_directories: folder, fsync: onOff(fsync) };
      await Deno.writeTextFile(
        `${folder}/data/postgresql.auto.conf`,
        linesOf({ ...SETTINGS, ...settings, ...own }),
        { append: true },
      );
      try {
        await server(port).start();
        return server(port);
      } catch (error) {
        // Another process may have taken the port.
        if (attempt === ATTEMPTS_AT_A_PORT || isFree(port)) throw error;
      }
    }
  } catch (error) {
    await server(0)[Symbol.asyncDispose]();
    throw error;
  }
}

function onOff(value: boolean): string {
  return value ? "on" : "off";
}

/** A folder that the server's user can reach and owns: below a private `TMPDIR` of root nobody else can. */
export async function makeFolder(): Promise<string> {
  const prefix = "taffrail-test-postgres-";
  if (!IS_ROOT) return await Deno.realPath(await Deno.makeTempDir({ prefix }));
  const folder = await Deno.makeTempDir({ dir: "/tmp", prefix });
  await run(["chown", SERVER_USER, folder]);
  return folder;
}

/** Ends the server and removes its folder when its input ends. */
const SERVER = `cat >/dev/null
cd /
# A server that was just being started is there only at the second look.
while [ -e "$2" ]; do
  "$1/pg_ctl" -D "$2/data" -s -m immediate -w stop >/dev/null 2>&1
  rm -rf "$2" || sleep 0.1
done`;

/** A shell that clears up when this process disposes of it, or is gone. */
export class Attendant implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.status;
  }
}

/** Starts a shell, as the user of the servers, with a script that ends when its input does. */
export function attend(script: string, args: readonly string[]): Attendant {
  const shell = ["sh", "-c", `trap '' INT TERM HUP\n${script}`, "attendant", ...args];
  const [program = "", ...rest] = asServerUser(shell);
  const options = { args: rest, stdin: "piped", stdout: "null", stderr: "null" } as const;
  return new Attendant(new Deno.Command(program, options).spawn());
}

/** Below the ports that the system gives to whoever connects, so that none is taken by chance. */
const PORTS = { first: 12_000, count: 18_000 };

/** A port where nobody listens. */
export function freePort(): number {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (isFree(port)) return port;
  }
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

const IS_ROOT = Deno.build.os !== "windows" && Deno.uid() === 0;

/** The user that Debian's package makes. */
const SERVER_USER = "postgres";

/** A command as the user of the server: PostgreSQL refuses to be run by root. */
function asServerUser(command: readonly string[]): string[] {
  if (!IS_ROOT) return [...command];
  const user = [`--reuid=${SERVER_USER}`, `--regid=${SERVER_USER}`, "--clear-groups"];
  return ["setpriv", ...user, ...command];
}

/**
 * Runs a command and gives what it prints. It has nothing of the environment, which all tests of a process
 * share, and where some of them say how PostgreSQL is to be used.
 */
async function run([program = "", ...args]: readonly string[], cwd = "/"): Promise<string> {
  const env = { PATH: Deno.env.get("PATH") ?? "" };
  const command = new Deno.Command(program, { args, cwd, env, clearEnv: true });
  const { success, stdout, stderr } = await command.output();
  const [said, warned] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trimEnd());
  if (!success) throw new Error(`Cannot run ${program} ${args.join(" ")}: ${warned} ${said}`);
  return said ?? "";
}

/** Runs `use` with the server that `deno task test:postgres` has started, or with a new one. */
export async function withSharedServer<T>(
  use: (server: PostgresServer) => Promise<T>,
): Promise<T> {
  const shared = Deno.env.get(SHARED_SERVER);
  if (shared !== undefined) return await use(new PostgresServer(JSON.parse(shared)));
  await using server = await startServer();
  return await use(server);
}

/** Runs `use` with a new database of the server that the tests share. */
export async function withDatabase<T>(use: (database: TestDatabase) => Promise<T>): Promise<T> {
  return await withSharedServer((server) => server.withDatabase(use));
}
