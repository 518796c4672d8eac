/** PostgreSQL as Debian has it: the package is installed where it is missing and that is possible. */
import { outputOf } from "../harness/run_command.ts";

/** As a server has them that loses nothing, and whom no network reaches. */
const SETTINGS = {
  listen_addresses: "",
  fsync: "on",
  synchronous_commit: "on",
  lc_messages: "C",
};

/** Whom it runs as where the benchmark is root, which it refuses to be. */
const USER = "postgres";

/** A server of its own, which is ended and removed afterwards. */
export class Postgres implements AsyncDisposable {
  /** Where a database is that need not be there yet. */
  readonly url: string;
  /** Its version. */
  readonly version: string;
  readonly #directory: string;
  readonly #server: Deno.ChildProcess;

  private constructor(directory: string, version: string, server: Deno.ChildProcess) {
    this.url = `postgresql://bench@localhost/bench?host=${encodeURIComponent(directory)}`;
    this.version = version;
    this.#directory = directory;
    this.#server = server;
  }

  /** Starts one with its data where the topics write their files; undefined where it is not to be had. */
  static async start(): Promise<Postgres | undefined> {
    const programs = await findPrograms() ?? (await install() ? await findPrograms() : undefined);
    if (programs === undefined) return undefined;
    const version = await textOf([`${programs}/postgres`, "--version"]);
    const directory = await Deno.makeTempDir({ prefix: "taffrail_bench_" });
    try {
      const user = await userToBe();
      if (user !== undefined) await Deno.chown(directory, user.uid, user.gid);
      const server = await startServer(programs, directory, user);
      return new Postgres(directory, version.trim(), server);
    } catch (error) {
      await Deno.remove(directory, { recursive: true });
      throw error;
    }
  }

  /** The URL of a new database, as the command and its own programs read it. */
  async database(name: string): Promise<string> {
    const programs = await findPrograms();
    await textOf([`${programs}/createdb`, "-h", this.#directory, "-U", "bench", name]);
    return `postgres://bench@/${name}?host=${this.#directory}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its fast end: those who are connected are let go.
    this.#server.kill("SIGINT");
    await this.#server.status;
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/** How often it is asked whether it is ready. */
const READY_EVERY_MS = 50;

interface User {
  uid: number;
  gid: number;
}

/** The user to whom to change; undefined where it may stay as it is. */
async function userToBe(): Promise<User | undefined> {
  if (Deno.uid() !== 0) return undefined;
  const [uid, gid] = await Promise.all(["-u", "-g"].map((which) => textOf(["id", which, USER])));
  return { uid: Number(uid), gid: Number(gid) };
}

async function startServer(
  programs: string,
  directory: string,
  user: User | undefined,
): Promise<Deno.ChildProcess> {
  const data = `${directory}/data`;
  const how = { cwd: directory, stdin: "null", stdout: "null", stderr: "null", ...user } as const;
  const madeBy = ["-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C"];
  await succeed(new Deno.Command(`${programs}/initdb`, { args: madeBy, ...how }), "initdb");
  const settings = { ...SETTINGS, unix_socket_directories: directory };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = new Deno.Command(`${programs}/postgres`, { args: ["-D", data, ...args], ...how })
    .spawn();
  let hasEnded = false;
  void server.status.then(() => hasEnded = true);
  const isReady = new Deno.Command(`${programs}/pg_isready`, { args: ["-q", "-h", directory] });
  while (!(await isReady.output()).success) {
    if (hasEnded) throw new Error("PostgreSQL did not start");
    await new Promise((resolve) => setTimeout(resolve, READY_EVERY_MS));
  }
  return server;
}

async function succeed(command: Deno.Command, what: string): Promise<void> {
  const { success } = await command.output();
  if (!success) throw new Error(`${what} failed`);
}

/** The directory with its programs, of the newest version that is there. */
async function findPrograms(): Promise<string | undefined> {
  const all = "/usr/lib/postgresql";
  try {
    const versions = await Array.fromAsync(Deno.readDir(all), ({ name }) => Number(name));
    return versions.length === 0 ? undefined : `${all}/${Math.max(...versions)}/bin`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function install(): Promise<boolean> {
  if (Deno.uid() !== 0) return false;
  const script = "apt-get update -qq && apt-get install -y -qq postgresql";
  return await outputOf(["sh", "-c", script]) !== undefined;
}

async function textOf(words: [string, ...string[]]): Promise<string> {
  const text = await outputOf(words);
  if (text === undefined) throw new Error(`${words[0]} failed`);
  return text;
}
