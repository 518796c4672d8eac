import {
  moveAsideSync,
  openDirectorySync,
  removeMovedAsideSync,
  removeTreeSync,
} from "../_internal/directories.ts";
import { checkTypes } from "../_internal/errors.ts";
import {
  denoFilePort,
  type FileHandle,
  type FilePort,
  isNotFound,
  lookAtSync,
  openRegularSync,
  runSteps,
} from "../_internal/file_port.ts";
import { closeLock, tryUntilDeadline } from "../_internal/lock.ts";
import { dirname, isWindows, join } from "../_internal/path.ts";
import {
  absoluteRoot,
  checkRoot,
  checkRunName,
  foreignRunIdProblem,
  isSystemFile,
  lastUlidPath,
  runPaths,
  runsDirectory,
} from "../_internal/root_layout.ts";
import {
  checkRunFormatSync,
  type HeldRun,
  holdLiveSteps,
  nextUlidSteps,
  refuseLinksSync,
  rememberNewRun,
  tryLockFolder,
} from "../_internal/run_folder.ts";
import { compareUtf8 } from "../_internal/text.ts";
import { asModuleError, wrapIo } from "./event_log_error.ts";

/** The runs of a root: the ids that are given to them, which ones there are, and their removal. */

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
  checkRunName(name);
  return await newRunIdOnPort(denoFilePort, root, name);
}

/** {@linkcode newRunId} on a given file system, of an absolute root and a name that is right. */
async function newRunIdOnPort(port: FilePort, root: string, name: string): Promise<string> {
  try {
    const ulid = await runSteps(nextUlidSteps(port, root, { isOnDisk: true }));
    const runId = `${name}-${ulid}`;
    rememberNewRun(runPaths(root, runId));
    return runId;
  } catch (error) {
    throw asModuleError(lastUlidPath(root), error);
  }
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
      .sort(compareUtf8);
  });
}

function isRunFolder(entry: { name: string; isDirectory: boolean }): boolean {
  return entry.isDirectory && !entry.name.startsWith(".") && !isSystemFile(entry.name) &&
    foreignRunIdProblem(entry.name) === undefined;
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

const PROBE_MS = 50;

/**
 * Tells whether somebody has a run open for writing. The answer is the operating system's (a file
 * lock dies with its process), so there is nothing stale about it. Another probe may hold the lock
 * for a moment; "live" is said when it stays taken for 50 ms. What is no file of the run alone, a link, a
 * pipe, a folder, or a file with a second name whose lock is held, tells nothing and is refused.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @returns Whether the run is open; false when there is no such run.
 * @throws {TypeError} If the run id is not allowed, or `live.lock` is no file of the run alone.
 *
 * @example Usage
 * ```ts
 * import { isLive, openEventLog } from "@taffrail/taffrail/eventlog";
 * import { assert } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const log = await openEventLog({ root, runId: "demo" });
 * assert(await isLive(root, "demo"));
 * await log.close();
 * assert(!await isLive(root, "demo"));
 * ```
 */
export async function isLive(root: string, runId: string): Promise<boolean> {
  const path = runPaths(root, runId).liveLock;
  const file = openToProbe(path, () => openRegularSync(denoFilePort, path, { read: true }));
  if (file !== undefined) {
    try {
      if (!await runSteps(tryUntilDeadline(() => file.tryLockSync(true), PROBE_MS))) {
        checkOnlyName(path, file);
        return true;
      }
    } finally {
      closeLock(file);
    }
  }
  // Somebody may have removed the file of a run that is open.
  const folder = openToProbe(path, () => openDirectorySync(denoFilePort, dirname(path)));
  if (folder === undefined) return false;
  try {
    return !await runSteps(tryUntilDeadline(() => tryLockFolder(folder, true), PROBE_MS));
  } finally {
    closeLock(folder);
  }
}

/** A lock that is held through another name may be anybody's. */
function checkOnlyName(path: string, file: FileHandle): void {
  if ((file.statSync().nlink ?? 1) <= 1) return;
  throw new TypeError(
    `Cannot tell whether the run of ${path} is open: the file has another name too (a hard ` +
      "link), and its lock may be held there; replace it by a copy of its own",
  );
}

function openToProbe(path: string, open: () => FileHandle | undefined): FileHandle | undefined {
  try {
    return open();
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw asModuleError(path, error);
  }
}

/** What {@linkcode probeLock} found. */
export interface LockProbe {
  /** Whether a lock held by one handle keeps another out. */
  excludes: boolean;
  /** What that means, for people. */
  message: string;
}

/**
 * Tries whether file locks exclude in a directory. On some network and user-space file systems
 * they are granted to everybody, or to nobody; then several processes must not write one run. The
 * probe is of one machine: it cannot tell whether *another* machine is kept out.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the directory.
 *
 * @param directory An existing directory.
 * @returns Whether locks work there.
 * @throws {EventLogError} `io` if no file can be made there.
 *
 * @example Usage
 * ```ts
 * import { probeLock } from "@taffrail/taffrail/eventlog";
 * import { assert } from "@std/assert";
 *
 * assert((await probeLock(await Deno.makeTempDir())).excludes);
 * ```
 */
// deno-lint-ignore require-await -- nothing waits here; the signature stays free
export async function probeLock(directory: string): Promise<LockProbe> {
  checkTypes({ directory }, { directory: "string" });
  const path = join(directory, `.lock-probe-${crypto.randomUUID()}`);
  return wrapIo(path, () => {
    const options = { read: true, write: true, createNew: true, mode: 0o600 };
    const first = openRegularSync(denoFilePort, path, options);
    try {
      return tryBoth(first, path);
    } finally {
      first.close();
      denoFilePort.removeSync(path);
    }
  });
}

function tryBoth(first: FileHandle, path: string): LockProbe {
  const second = openRegularSync(denoFilePort, path, { read: true, write: true });
  try {
    if (!first.tryLockSync(true)) {
      return { excludes: false, message: "a lock that nobody holds is not granted" };
    }
    if (second.tryLockSync(true)) {
      return { excludes: false, message: "a second handle gets the lock too: writers would mix" };
    }
    first.unlockSync();
    if (!second.tryLockSync(true)) {
      return { excludes: false, message: "a lock that was given up is not granted again" };
    }
    return { excludes: true, message: "locks exclude" };
  } finally {
    second.close();
  }
}
