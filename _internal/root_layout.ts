/**
 * Where everything below a root is. No other file joins such a path by hand, so that this page is
 * the whole map:
 *
 *     ROOT/
 *       .gitignore  .ulid-last
 *       runs/<run id>/
 *         run.json  events.jsonl  events.lock  live.lock             the event log
 *         flow.json  capture.jsonl  capture.json  trace.json         the run engine
 *         nodes/<node>.<attempt>.out|err                             what commands printed
 *       runtimes/id-<hexadecimal id>/
 *         runtime.json  events.jsonl  owner.lock  journal-<n>.jsonl  the store
 *         workers/id-<hexadecimal id>/worker.json  transcript.jsonl
 */
import { join } from "./path.ts";

/** The name of a root, where it is not chosen. */
export const DEFAULT_ROOT = ".taffrail";

/** Where the files of a run are. */
export interface RunPaths {
  /** The folder that holds all of them. */
  directory: string;
  /** Name, time and format of the run. */
  run: string;
  /** The event log. */
  events: string;
  /** What a writer of the event log locks. */
  eventsLock: string;
  /** What tells whether the log is open for writing anywhere. */
  liveLock: string;
  /** What the command was asked to run. */
  flow: string;
  /** The capture journal. */
  journal: string;
  /** The capture bundle, made of the journal when the run ends. */
  bundle: string;
  /** The last steps, when something failed. */
  trace: string;
  /** What commands printed. */
  nodes: string;
}

const MAX_RUN_ID_LENGTH = 128;
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i;

/** Whether Windows takes a file name for a device, whatever follows its first dot. */
export function isWindowsDevice(name: string): boolean {
  return WINDOWS_DEVICE.test(name);
}

/** What is wrong with a run id; undefined when it is right. */
export function runIdProblem(runId: string): string | undefined {
  if (runId.length < 1 || runId.length > MAX_RUN_ID_LENGTH) {
    return `it must have 1 to ${MAX_RUN_ID_LENGTH} characters`;
  }
  if (!/^[A-Za-z0-9._-]+$/.test(runId)) return "it may only have letters, digits, '.', '_' and '-'";
  if (runId.startsWith(".") || runId.endsWith(".")) return "it may not begin or end with '.'";
  if (isWindowsDevice(runId)) return "it is the name of a Windows device";
  return undefined;
}

/** Throws a `TypeError` for a run id that could be no folder, or escape its root (OLG-8). */
export function checkRunId(runId: string): void {
  const problem = runIdProblem(runId);
  if (problem !== undefined) {
    throw new TypeError(`Cannot use run id ${JSON.stringify(runId)}: ${problem}`);
  }
}

/** The folder below a root that holds the runs. */
export function runsDirectory(root: string): string {
  return join(root, "runs");
}

/**
 * Where the files of a run are. The id is checked first: no path can escape the root.
 *
 * Permissions: none.
 *
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @returns The paths, whether or not the files are there.
 * @throws {TypeError} The id could be no folder (OLG-8).
 *
 * @example Usage
 * ```ts
 * import { runPaths } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(runPaths(".taffrail", "demo").trace, ".taffrail/runs/demo/trace.json");
 * ```
 */
export function runPaths(root: string, runId: string): RunPaths {
  checkRunId(runId);
  const directory = join(runsDirectory(root), runId);
  return {
    directory,
    run: join(directory, "run.json"),
    events: join(directory, "events.jsonl"),
    eventsLock: join(directory, "events.lock"),
    liveLock: join(directory, "live.lock"),
    flow: join(directory, "flow.json"),
    journal: join(directory, "capture.jsonl"),
    bundle: join(directory, "capture.json"),
    trace: join(directory, "trace.json"),
    nodes: join(directory, "nodes"),
  };
}

/** Which of the two outputs of a command. */
export type OutputStream = "out" | "err";

/** Where what an attempt prints is kept. */
export function outputPath(
  run: { root: string; runId: string },
  attempt: { nodeId: string; attempt: number; stream: OutputStream },
): string {
  const { nodeId, attempt: number, stream } = attempt;
  return join(runPaths(run.root, run.runId).nodes, `${nodeId}.${number}.${stream}`);
}

/** What keeps a root out of the repository that it lies in. */
export function gitignorePath(root: string): string {
  return join(root, ".gitignore");
}

const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";
const TIME_LENGTH = 10;
const RANDOM_LENGTH = 16;
const MAX_TIME_MS = 2 ** 48 - 1;

/** Whether the text is a ULID in lower case. */
export function isUlid(text: string): boolean {
  return /^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(text);
}

/** A new ULID of the time in milliseconds since 1970, in lower case so that it sorts and types well. */
export function createUlid(timeMs: number): string {
  if (!Number.isInteger(timeMs) || timeMs < 0 || timeMs > MAX_TIME_MS) {
    throw new RangeError(`Cannot make a ULID of the time ${timeMs}`);
  }
  let time = "";
  for (let rest = timeMs; time.length < TIME_LENGTH; rest = Math.floor(rest / 32)) {
    time = DIGITS[rest % 32] + time;
  }
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_LENGTH));
  return time + Array.from(random, (byte) => DIGITS[byte % 32]).join("");
}

/** The ULID that follows; a full random part carries into the time. */
export function incrementUlid(ulid: string): string {
  const digits = [...ulid];
  for (let index = digits.length - 1; index >= 0; index--) {
    const value = DIGITS.indexOf(digits[index]!);
    if (value < DIGITS.length - 1) {
      digits[index] = DIGITS[value + 1]!;
      const next = digits.join("");
      if (isUlid(next)) return next;
      break;
    }
    digits[index] = DIGITS[0]!;
  }
  throw new RangeError(`Cannot make a ULID greater than ${ulid}`);
}

/** A fresh ULID that is greater than `last`, also when the clock has gone back. */
export function ulidAfter(last: string | undefined, timeMs: number): string {
  const fresh = createUlid(timeMs);
  return last === undefined || fresh > last ? fresh : incrementUlid(last);
}
