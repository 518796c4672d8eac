import {
  makeDirectoriesSync,
  moveAsideSync,
  removeMovedAsideSync,
  removeTreeSync,
  syncDirectorySync,
} from "../_internal/directories.ts";
import { checkTypes } from "../_internal/errors.ts";
import {
  denoFilePort,
  type FileHandle,
  type FilePort,
  lookAtSync,
  openRegularSync,
  readRangeSync,
  runSteps,
  writeWholeSync,
} from "../_internal/file_port.ts";
import { withLockSteps } from "../_internal/lock.ts";
import { isWindows } from "../_internal/path.ts";
import {
  absoluteRoot,
  checkRoot,
  foreignRunIdProblem,
  isSystemFile,
  isUlid,
  lastUlidPath,
  MAX_RUN_NAME_LENGTH,
  runIdProblem,
  runPaths,
  runsDirectory,
  ulidAfter,
} from "../_internal/root_layout.ts";
import { encodeUtf8 } from "../_internal/text.ts";
import { asModuleError, eventLogError, lockTimeoutError, wrapIo } from "./event_log_error.ts";
import {
  checkRunFormatSync,
  type HeldRun,
  holdLiveSteps,
  refuseLinksSync,
  rememberNewRun,
} from "./run_folder.ts";

/** The runs of a root: the ids that are given to them, which ones there are, and their removal. */

const ID_LOCK_TIMEOUT_MS = 5000;
const LAST_ULID_BYTES = 64;

/**
 * Makes the id of a new run, `<name>-<lower-case ULID>` (OEV-3). The ULID is greater than every one
 * given out before for this root, by whatever process and whatever the clock does; the last one is
 * kept in `<root>/.ulid-last` (OUL-1, OUL-2).
 *
 * **Durability**: the last ULID is on disk before this returns.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param options The directory that holds the runs, and the name of what is run.
 * @returns The run id.
 * @throws {TypeError} If the name makes no allowed run id, the root is a URL, or `.ulid-last` is no
 * regular file of its own.
 * @throws {RangeError} If no greater ULID exists (OUL-3).
 * @throws {EventLogError} `io`, `lock-timeout`, or `corrupt` if `.ulid-last` is unreadable.
 *
 * @example Usage
 * ```ts
 * import { newRunId } from "@taffrail/taffrail/eventlog";
 * import { assert, assertMatch } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const first = await newRunId({ root, name: "nightly" });
 * assertMatch(first, /^nightly-[0-9a-z]{26}$/);
 * assert(await newRunId({ root, name: "nightly" }) > first);
 * ```
 */
export async function newRunId(options: { root: string; name: string }): Promise<string> {
  checkTypes(options, { root: "string", name: "string" });
  const { name } = options;
  const root = absoluteRoot(options.root);
  const problem = nameProblem(name);
  if (problem !== undefined) {
    throw new TypeError(`Cannot make a run id of the name ${JSON.stringify(name)}: ${problem}`);
  }
  const path = lastUlidPath(root);
  let file: FileHandle | undefined;
  try {
    makeDirectoriesSync(denoFilePort, root, []);
    const options = { read: true, write: true, create: true, mode: 0o600 };
    file = openRegularSync(denoFilePort, path, options);
    const state = file;
    const ulid = await runSteps(withLockSteps(
      state,
      { exclusive: true, timeoutMs: ID_LOCK_TIMEOUT_MS, timedOut: () => lockTimeoutError(path) },
      () => allocate(state, path),
    ));
    syncDirectorySync(denoFilePort, root);
    const runId = `${name}-${ulid}`;
    rememberNewRun(runPaths(root, runId));
    return runId;
  } catch (error) {
    throw asModuleError(path, error);
  } finally {
    file?.close();
  }
}

const ULID_PLACE = "-00000000000000000000000000";

/** What is wrong with the name of a run; undefined when it is right. */
function nameProblem(name: string): string | undefined {
  if (name.length > MAX_RUN_NAME_LENGTH) {
    return `it has ${name.length} characters, and at most ${MAX_RUN_NAME_LENGTH} leave room for the ` +
      "rest of the run id; choose a shorter name";
  }
  return runIdProblem(name + ULID_PLACE);
}

/** One line that is written over in place: it lies in one sector, so it is the old or the new. */
function allocate(file: FileHandle, path: string): string {
  const ulid = ulidAfter(readLast(file, path), Date.now());
  file.seekSync(0, Deno.SeekMode.Start);
  writeWholeSync(file, encodeUtf8(`${ulid}\n`));
  file.syncDataSync();
  return ulid;
}

/** A file that was never written, or lost its first content in a power cut, names no ULID. */
function readLast(file: FileHandle, path: string): string | undefined {
  const text = new TextDecoder().decode(readRangeSync(file, 0, LAST_ULID_BYTES)).trim();
  if (/^\0*$/.test(text)) return undefined;
  if (isUlid(text)) return text;
  const problem = `Cannot read the last run id from ${path}: it holds no ULID`;
  throw eventLogError("corrupt", problem, { details: { path }, remedy: "remove the file" });
}

/**
 * Lists the runs of a root (OLG-6): the folders below `runs/`, sorted by bytes, whatever another
 * program has called them. A run needs no log to be listed. Files, links, hidden folders, those of the
 * operating system and names that are no Unicode are passed over.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @param root The directory that holds the runs.
 * @returns The run ids; none when the root does not exist.
 * @throws {EventLogError} `io` if the folder cannot be read.
 *
 * @example Usage
 * ```ts
 * import { listRuns, openEventLog } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using _b = await openEventLog({ root, runId: "b" });
 * await using _a = await openEventLog({ root, runId: "a" });
 * assertEquals(await listRuns(root), ["a", "b"]);
 * ```
 */
// deno-lint-ignore require-await -- reading a folder at once is faster; the signature stays free
export async function listRuns(root: string): Promise<string[]> {
  const runs = runsDirectory(root);
  return wrapIo(runs, () => {
    if (lookAtSync(denoFilePort, runs) === undefined) return [];
    return Array.from(denoFilePort.readDirSync(runs))
      .filter(isRunFolder)
      .map(({ name }) => name)
      .sort(compareBytes);
  });
}

function isRunFolder(entry: { name: string; isDirectory: boolean }): boolean {
  return entry.isDirectory && !entry.name.startsWith(".") && !isSystemFile(entry.name) &&
    foreignRunIdProblem(entry.name) === undefined;
}

/** The order of the UTF-8 bytes, from which that of JavaScript differs beyond U+FFFF. */
function compareBytes(one: string, other: string): number {
  const [ones, others] = [encodeUtf8(one), encodeUtf8(other)];
  const at = ones.findIndex((byte, index) => byte !== others[index]);
  return at === -1 ? ones.length - others.length : ones[at]! - (others[at] ?? -1);
}

/**
 * Tells whether a run's folder exists (OLG-7). None does of a name that can be no folder's.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @returns Whether it exists.
 * @throws {TypeError} If the root is a URL, or one of them is not a string.
 * @throws {EventLogError} `io` if that cannot be found out.
 *
 * @example Usage
 * ```ts
 * import { runExists } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await runExists(await Deno.makeTempDir(), "nightly"), false);
 * ```
 */
// deno-lint-ignore require-await -- see listRuns()
export async function runExists(root: string, runId: string): Promise<boolean> {
  checkRoot(root);
  checkTypes({ runId }, { runId: "string" });
  if (foreignRunIdProblem(runId) !== undefined) return false;
  const { directory } = runPaths(root, runId);
  return wrapIo(directory, () => lookAtSync(denoFilePort, directory)?.isDirectory === true);
}

/** Another probe may hold the lock for a moment; a writer holds it for long. */
const LOCK_TIMEOUT_MS = 500;

/**
 * Removes a run with all that is in its folder. It is done under the run's live lock, held
 * exclusively, so a run that anybody has open stays as it is; whoever waits to open the run
 * meanwhile gets an error instead of a log that is no more.
 *
 * The folder is renamed first, so that there is a whole run or none: if the process dies before all
 * files are gone, {@linkcode sweepRemovedRuns} finishes that.
 *
 * **Durability**: that the run is gone is on disk when this returns.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @throws {TypeError} If the run id is not allowed, or the run is a symbolic link.
 * @throws {EventLogError} `live` when the run is open, `format` when a newer version wrote it, `io`
 * when there is no such run or the file system refuses.
 *
 * @example Usage
 * ```ts
 * import { listRuns, openEventLog, removeRun } from "@taffrail/taffrail/eventlog";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const log = await openEventLog({ root, runId: "demo" });
 * await assertRejects(() => removeRun(root, "demo"), Error, "needs it alone");
 * await log.close();
 * await removeRun(root, "demo");
 * assertEquals(await listRuns(root), []);
 * ```
 */
export async function removeRun(root: string, runId: string): Promise<void> {
  await removeOnPort(denoFilePort, root, runId);
}

/** {@linkcode removeRun} on a given file system. */
export async function removeOnPort(port: FilePort, root: string, runId: string): Promise<void> {
  const paths = runPaths(root, runId);
  const { directory, liveLock: path } = paths;
  wrapIo(directory, () => {
    refuseLinksSync(port, [runsDirectory(root), ...Object.values(paths)]);
    if (lookAtSync(port, directory)?.isDirectory !== true) {
      throw new Deno.errors.NotFound("there is no such run");
    }
    checkRunFormatSync(port, paths);
  });
  const holding = holdLiveSteps(port, { path, exclusive: true, timeoutMs: LOCK_TIMEOUT_MS });
  const live = await runSteps(holding).catch((error) => {
    throw asModuleError(path, error);
  });
  const moved = takeOutOfList(port, directory, live);
  wrapIo(moved, () => removeTreeSync(port, moved));
}

/** Moves the run aside and gives up its lock; returns where its files are now. */
function takeOutOfList(port: FilePort, directory: string, live: HeldRun): string {
  return wrapIo(directory, () => {
    try {
      // Windows renames no folder with an open file in it, and so guards the run by itself.
      if (isWindows) live.release();
      return moveAsideSync(port, directory);
    } finally {
      if (!isWindows) live.release();
    }
  });
}

/**
 * Removes what is left of runs whose removal was cut short.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param root The directory that holds the runs.
 * @returns How many there were; 0 when the root does not exist.
 * @throws {TypeError} If the folder of the runs is a symbolic link.
 * @throws {EventLogError} `io` when the file system refuses.
 *
 * @example Usage
 * ```ts
 * import { sweepRemovedRuns } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.mkdir(`${root}/runs/.removed-1`, { recursive: true });
 * assertEquals(await sweepRemovedRuns(root), 1);
 * assertEquals(await sweepRemovedRuns(root), 0);
 * ```
 */
// deno-lint-ignore require-await -- the signature stays free for a port that is asynchronous
export async function sweepRemovedRuns(root: string): Promise<number> {
  return sweepOnPort(denoFilePort, root);
}

/** {@linkcode sweepRemovedRuns} on a given file system. */
export function sweepOnPort(port: FilePort, root: string): number {
  const runs = runsDirectory(root);
  return wrapIo(runs, () => {
    refuseLinksSync(port, [runs]);
    if (lookAtSync(port, runs) === undefined) return 0;
    return removeMovedAsideSync(port, runs);
  });
}
