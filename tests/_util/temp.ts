/**
 * What nearly every test needs: a directory of its own, a number of rounds that fits the occasion, and
 * one seed for all that is random.
 */

/** Runs `use` with a fresh directory (its real path) and removes the directory afterwards. */
export async function withTempDir<T>(use: (directory: string) => T | Promise<T>): Promise<T> {
  return await withDirectory(await Deno.makeTempDir({ prefix: PREFIX }), use);
}

/**
 * As {@linkcode withTempDir}, in memory where the system has a place for that. It is for tests whose
 * disk is simulated, and those that kill processes and no machine: to wait for a real disk would prove
 * nothing more, and takes most of their time. The files must be small, and no child with fewer
 * permissions than all can use the directory.
 */
export async function withMemoryDir<T>(use: (directory: string) => T | Promise<T>): Promise<T> {
  return await withDirectory(await makeMemoryDir(), use);
}

const PREFIX = "taffrail-test-";

async function makeMemoryDir(): Promise<string> {
  try {
    return await Deno.makeTempDir({ dir: "/dev/shm", prefix: PREFIX });
  } catch {
    return await Deno.makeTempDir({ prefix: PREFIX });
  }
}

async function withDirectory<T>(
  made: string,
  use: (directory: string) => T | Promise<T>,
): Promise<T> {
  // The real path, because macOS's temp directory is a symlink and tests compare paths.
  const directory = await Deno.realPath(made);
  try {
    return await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** True when the tests run with the large counts (`deno task test:long`). */
export function isLongRun(): boolean {
  return Deno.env.get("TAFFRAIL_LONG") === "1";
}

/** `short` normally, `long` when `TAFFRAIL_LONG=1`. */
export function longCount(short: number, long: number): number {
  return isLongRun() ? long : short;
}

let chosenSeed: number | undefined;

/**
 * The seed of this run: `TAFFRAIL_SEED` when it is set, else a random one. It is printed when it is
 * asked for the first time, so that a failure can be had again; it stays the same afterwards.
 */
export function seed(): number {
  if (chosenSeed === undefined) {
    chosenSeed = parseSeed(Deno.env.get("TAFFRAIL_SEED"));
    // deno-lint-ignore no-console -- the one place where a test must tell something even if it passes
    console.log(`TAFFRAIL_SEED=${chosenSeed}`);
  }
  return chosenSeed;
}

/** The seed that an environment variable's text asks for; a random one when there is no text. */
export function parseSeed(text: string | undefined): number {
  if (text === undefined || text === "") return Math.floor(Math.random() * 2 ** 32);
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
    throw new RangeError(`Cannot use TAFFRAIL_SEED "${text}": it is not an integer in [0, 2^32)`);
  }
  return value;
}
