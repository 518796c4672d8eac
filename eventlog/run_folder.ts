import { atomicReplaceSync } from "../_internal/atomic_replace.ts";
import { openDirectorySync } from "../_internal/directories.ts";
import { checkTypes, isObject } from "../_internal/errors.ts";
import {
  denoFilePort,
  type FileHandle,
  type FileInfo,
  type FilePort,
  isNotFound,
  lookAtSync,
  openRegularSync,
  readFileSync,
  runSteps,
  type Steps,
} from "../_internal/file_port.ts";
import {
  closeLock,
  leadsToSync,
  openerOf,
  openOwnerFileSync,
  parseOpener,
  readOwnerSync,
  tryUntilDeadline,
  unlock,
  writeOwnerSync,
} from "../_internal/lock.ts";
import { dirname, join } from "../_internal/path.ts";
import {
  MAX_RUN_FILE_BYTES,
  partsOfRunId,
  type RunPaths,
  runPaths,
} from "../_internal/root_layout.ts";
import { encodeUtf8, parseJsonFile, reasonOf } from "../_internal/text.ts";
import { VERSION } from "../_internal/version.ts";
import {
  asModuleError,
  EventLogError,
  eventLogError,
  ioError,
  lockTimeoutError,
  wrapIo,
} from "./event_log_error.ts";

/**
 * The folder of one run, but for its log: `run.json`, which says what the folder is, and `live.lock`,
 * which is held as long as anybody has the run open.
 */

/** The format of a run's folder that this version reads and writes. */
const RUN_FORMAT = 1;

/** `run.json`, written once when a run's folder is made. */
interface RunFile {
  format: number;
  /** The run id without its ULID. */
  name: string;
  /** RFC 3339, UTC. */
  created_at: string;
  taffrail_version: string;
  cwd: string;
}

/**
 * The folders for which this process made ids that nobody has opened since, by their lower case. That no
 * other run is called so but for case is known of them without looking at all runs.
 */
const newFolders = new Map<string, string>();
const MAX_NEW_FOLDERS = 1000;

/** Remembers that the id of a run has just been made. */
export function rememberNewRun({ directory }: RunPaths): void {
  // To forget one costs no more than a look at all runs.
  if (newFolders.size >= MAX_NEW_FOLDERS) newFolders.clear();
  newFolders.set(directory.toLowerCase(), directory);
}

/** Whether the id of a run was made by this process and never opened here, in whatever case; once. */
export function takeNewRun({ directory }: RunPaths): boolean {
  const key = directory.toLowerCase();
  const isNew = newFolders.get(key) === directory;
  newFolders.delete(key);
  return isNew;
}

/** Writes `run.json`, so that a later version knows what it has before it. */
export function writeRunFileSync(port: FilePort, paths: RunPaths, runId: string): void {
  const file: RunFile = {
    format: RUN_FORMAT,
    name: partsOfRunId(runId)?.name ?? runId,
    created_at: new Date().toISOString(),
    taffrail_version: VERSION,
    cwd: Deno.cwd(),
  };
  atomicReplaceSync(port, {
    path: paths.run,
    bytes: encodeUtf8(JSON.stringify(file, null, 2) + "\n"),
    toError: ({ path, cause }) => ioError(path, cause),
  });
}

/** Refuses a run of a later format. A run without `run.json` is another program's, of format 1. */
export function checkRunFormatSync(port: FilePort, paths: RunPaths): void {
  const path = paths.run;
  if (lookAtSync(port, path) === undefined) return;
  const format = readFormat(port, path);
  if (format > RUN_FORMAT) {
    const problem = `Cannot use ${paths.directory}: it has format ${format}, and this version ` +
      `knows formats up to ${RUN_FORMAT}`;
    throw eventLogError("format", problem, {
      details: { path, expected: RUN_FORMAT, actual: format },
      remedy: "use a newer version of taffrail",
    });
  }
}

function readFormat(port: FilePort, path: string): number {
  const bytes = wrapIo(path, () => readFileSync(port, path, MAX_RUN_FILE_BYTES));
  try {
    const content = parseJsonFile(bytes);
    const format = isObject(content) ? content.format : undefined;
    if (typeof format === "number" && Number.isSafeInteger(format) && format > 0) return format;
    throw new TypeError("it names no format");
  } catch (cause) {
    const remedy = "if it is damaged, move it away: the run is then opened as format 1";
    const problem = `Cannot read ${path}: ${reasonOf(cause)}`;
    throw eventLogError("format", problem, { details: { path }, remedy, cause });
  }
}

/** Throws a `TypeError` for a link: it could lead out of the root. */
export function refuseLinksSync(port: FilePort, paths: readonly string[]): void {
  for (const path of paths) {
    if (lookAtSync(port, path)?.isSymlink) {
      throw new TypeError(`Cannot use ${path}: it is a symbolic link`);
    }
  }
}

/** How to hold a run open. */
interface LiveOptions {
  path: string;
  exclusive: boolean;
  timeoutMs: number;
}

const PROBE_MS = 50;
const ENOUGH_SIGHTINGS = 4;

/**
 * A run that is held open: by the lock of `live.lock`, which tells by whom, and by that of its folder,
 * which stays when somebody removes the file. Windows removes no file that is open, and lets nobody open
 * a folder.
 */
export class HeldRun {
  /** The open `live.lock`. */
  readonly file: FileHandle;
  readonly #port: FilePort;
  readonly #path: string;
  readonly #opened: FileInfo;
  readonly #folder: FileHandle | undefined;
  readonly #openedFolder: FileInfo | undefined;

  constructor(port: FilePort, path: string) {
    this.#port = port;
    this.#path = path;
    this.file = openOwnerFileSync(port, path);
    try {
      this.#opened = this.file.statSync();
      this.#folder = openDirectorySync(port, dirname(path));
      this.#openedFolder = this.#folder?.statSync();
    } catch (error) {
      this.#folder?.close();
      this.file.close();
      throw error;
    }
  }

  /** Tries to hold both. Where there are no locks on folders the one of the file has to be enough. */
  tryHold(options: LiveOptions): boolean {
    const folder = this.#folder;
    if (folder !== undefined && !tryLockFolder(folder, options.exclusive)) return false;
    const isHeld = tryHold(this.file, options.exclusive);
    if (!isHeld && folder !== undefined) unlock(folder);
    return isHeld;
  }

  /** Whether `live.lock` is still the file that is held. */
  isInPlace(): boolean {
    return leadsToSync(this.#port, this.#path, this.#opened);
  }

  /** Whether the run's folder is still the one that is held: whoever waited may have one that was removed. */
  isFolderInPlace(): boolean {
    const folder = this.#openedFolder;
    return folder === undefined || leadsToSync(this.#port, dirname(this.#path), folder);
  }

  /** Gives the run free. */
  release(): void {
    if (this.#folder !== undefined) closeLock(this.#folder);
    closeLock(this.file);
  }
}

/** Some network drives lock only what is open for writing, and nobody opens a folder so. */
function tryLockFolder(folder: FileHandle, exclusive: boolean): boolean {
  try {
    return folder.tryLockSync(exclusive);
  } catch {
    return true;
  }
}

const MOST_TRIES = 100;
const REMOVED = "the run was removed while it was waited for";
const REPLACED_AGAIN = "others remove it again and again";

/**
 * Holds a run open. Who waited for a `live.lock` that was replaced meanwhile waits for that one; who
 * waited for a run that was removed meanwhile does not get another one that has its place.
 */
export function* holdLiveSteps(port: FilePort, options: LiveOptions): Steps<HeldRun> {
  for (let tries = 1;; tries++) {
    const held = new HeldRun(port, options.path);
    try {
      if (!(yield* tryUntilDeadline(() => held.tryHold(options), options.timeoutMs))) {
        throw heldError(held.file, options);
      }
      if (!held.isFolderInPlace()) throw new Deno.errors.NotFound(REMOVED);
      if (held.isInPlace()) return held;
      if (tries === MOST_TRIES) throw new Deno.errors.NotFound(REPLACED_AGAIN);
    } catch (error) {
      held.release();
      throw error;
    }
    held.release();
  }
}

/**
 * Whoever is alone leaves its process id; those who join later leave that one, as it is the process
 * that runs the work. That others are there is believed when it is seen several times: a probe that
 * ends between the two tries looks like them.
 */
function tryHold(file: FileHandle, exclusive: boolean): boolean {
  for (let sightings = 1;; sightings++) {
    if (file.tryLockSync(true)) break;
    if (exclusive || !file.tryLockSync(false)) return false;
    if (sightings === ENOUGH_SIGHTINGS) return true;
    file.unlockSync();
  }
  writeOwnerSync(file, JSON.stringify(openerOf(file)) + "\n");
  if (exclusive) return true;
  file.unlockSync();
  return file.tryLockSync(false);
}

function heldError(file: FileHandle, options: LiveOptions): EventLogError {
  const { path, exclusive, timeoutMs } = options;
  if (timeoutMs <= 0) return lockTimeoutError(path);
  const holder = readPid(file);
  const who = holder === undefined ? "another process" : `process ${holder}`;
  const message = `Cannot open the run of ${path}: ${who} has it open` +
    (exclusive ? ", and this needs it alone" : " for itself alone");
  return new EventLogError("live", message, {
    details: { path, ...(holder !== undefined && { actual: holder }) },
  });
}

/** The holder that named itself last, where that can be read: that it is held is the news. */
function readPid(file: FileHandle): number | undefined {
  try {
    return parseOpener(readOwnerSync(file))?.pid;
  } catch {
    return undefined;
  }
}

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
