import { atomicReplaceSync } from "./atomic_replace.ts";
import {
  makeDirectoriesSync,
  makeDirectorySync,
  openDirectorySync,
  syncDirectorySync,
} from "./directories.ts";
import { isObject, TaffrailError } from "./errors.ts";
import {
  discardSync,
  type FileHandle,
  type FileInfo,
  type FilePort,
  lookAtSync,
  openRegularSync,
  readFileSync,
  readRangeSync,
  type Steps,
  writeWholeSync,
} from "./file_port.ts";
import {
  closeLock,
  leadsToSync,
  openerOf,
  openOwnerFileSync,
  parseOpener,
  readOwnerSync,
  tryUntilDeadline,
  unlock,
  withLockSteps,
  writeOwnerSync,
} from "./lock.ts";
import { dirname, join } from "./path.ts";
import {
  isUlid,
  lastUlidPath,
  MAX_RUN_FILE_BYTES,
  partsOfRunId,
  type RunPaths,
  runsDirectory,
  ulidAfter,
} from "./root_layout.ts";
import { encodeUtf8, parseJsonFile, reasonOf } from "./text.ts";
import { VERSION } from "./version.ts";

/**
 * The folder of one run, but for what is appended to it: `run.json`, which says what the folder is, and
 * `live.lock`, which is held as long as anybody has the run open. What this file keeps:
 *
 * 1. `run.json` is the first file of a run, and it is whole or not there: a later version always knows
 *    what it has before it.
 * 2. Of two that make one run at the same time one makes it.
 * 3. An id that was given out is greater than every one before, whatever the clock does.
 */

/** Why a run's folder could not be made, held or used; the module that was asked makes its error of it. */
export class RunFolderError extends TaffrailError<
  "corrupt" | "format" | "io" | "live" | "lock-timeout",
  { path: string; expected?: number; actual?: number }
> {
  /** The name of the class. */
  override readonly name = "RunFolderError";
}

function ioError(path: string, cause: unknown): RunFolderError {
  const message = `I/O error on ${path}: ${reasonOf(cause)}`;
  return new RunFolderError("io", message, { details: { path }, cause });
}

function lockTimeoutError(path: string): RunFolderError {
  const message = `event log lock ${path} was not released within the acquire budget`;
  return new RunFolderError("lock-timeout", message, { details: { path } });
}

/** The format of a run's folder that this version reads and writes. */
export const RUN_FORMAT = 1;

/** `run.json`, written once when a run's folder is made. */
export interface RunFile {
  format: number;
  /** What is run; the run id without its ULID where that is not said. */
  name: string;
  /** RFC 3339, UTC; absent where it is not known any more. */
  created_at?: string;
  /** What wrote it. */
  taffrail_version: string;
  /** Where it was begun. */
  cwd?: string;
  /** The command that goes on with it, where it is a program. */
  command?: readonly string[];
  /** The version of the program. */
  version?: string;
  /** What may be private was left out when the run was exported. */
  redacted?: true;
}

/** What whoever makes a run knows of it. */
export type RunFileFacts = Omit<Partial<RunFile>, "format" | "taffrail_version">;

/** The text of `run.json`. */
export function runFileText(runId: string, facts: RunFileFacts): string {
  const { name = partsOfRunId(runId)?.name ?? runId, created_at, cwd, command } = facts;
  const { version, redacted } = facts;
  const file: RunFile = {
    format: RUN_FORMAT,
    name,
    ...(created_at !== undefined && { created_at }),
    taffrail_version: VERSION,
    ...(cwd !== undefined && { cwd }),
    ...(command !== undefined && { command }),
    ...(version !== undefined && { version }),
    ...(redacted !== undefined && { redacted }),
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** The members of a `run.json`; throws for what names no format. */
export function parseRunFile(bytes: Uint8Array): Record<string, unknown> & { format: number } {
  const content = parseJsonFile(bytes);
  if (isObject(content)) {
    const { format } = content;
    if (typeof format === "number" && Number.isSafeInteger(format) && format > 0) {
      return { ...content, format };
    }
  }
  throw new TypeError("it names no format");
}

/** Whether a `run.json` says that what may be private was left out of the run. */
export function isRedactedIn(document: Uint8Array | undefined): boolean {
  try {
    return document !== undefined && parseRunFile(document).redacted === true;
  } catch {
    return false;
  }
}

/** When a run was created, by its `run.json`; undefined where that does not say it, or cannot be read. */
export function createdAtIn(document: Uint8Array | undefined): string | undefined {
  try {
    const createdAt = document && parseRunFile(document).created_at;
    return typeof createdAt === "string" ? createdAt : undefined;
  } catch {
    return undefined;
  }
}

/** Writes `run.json`, so that a later version knows what it has before it. */
export function writeRunFileSync(
  port: FilePort,
  path: string,
  text: string,
  options: { syncsDirectory?: boolean } = {},
): void {
  atomicReplaceSync(port, {
    path,
    bytes: encodeUtf8(text),
    toError: ({ path, cause }) => ioError(path, cause),
    ...options,
  });
}

/** Refuses a run of a later format. A run without `run.json` is another program's, of format 1. */
export function checkRunFormatSync(port: FilePort, paths: RunPaths): void {
  const path = paths.run;
  if (lookAtSync(port, path) === undefined) return;
  const format = readFormat(port, path);
  if (format > RUN_FORMAT) {
    const remedy = "use a newer version of taffrail";
    const problem = `Cannot use ${paths.directory}: it has format ${format}, and this version ` +
      `knows formats up to ${RUN_FORMAT}; ${remedy}`;
    throw new RunFolderError("format", problem, {
      details: { path, expected: RUN_FORMAT, actual: format },
      remedy,
    });
  }
}

function readFormat(port: FilePort, path: string): number {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(port, path, MAX_RUN_FILE_BYTES);
  } catch (cause) {
    if (cause instanceof TypeError || cause instanceof RangeError) throw cause;
    throw ioError(path, cause);
  }
  try {
    return parseRunFile(bytes).format;
  } catch (cause) {
    const remedy = "if it is damaged, move it away: the run is then opened as format 1";
    const problem = `Cannot read ${path}: ${reasonOf(cause)}; ${remedy}`;
    throw new RunFolderError("format", problem, { details: { path }, remedy, cause });
  }
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
function takeNewRun({ directory }: RunPaths): boolean {
  const key = directory.toLowerCase();
  const isNew = newFolders.get(key) === directory;
  newFolders.delete(key);
  return isNew;
}

/** A run, and what its `run.json` is to say. */
interface NewRun {
  root: string;
  runId: string;
  paths: RunPaths;
  facts: RunFileFacts;
}

/**
 * Makes the folder of a run with its `run.json`, and tells whether it was missing. The names are not yet
 * on disk.
 */
export function makeRunFolderSync(port: FilePort, run: NewRun): boolean {
  if (!reserveRunFolderSync(port, run)) return false;
  beginRun(port, run);
  return true;
}

/** Makes the folder of a run, empty, and tells whether it was missing. */
export function reserveRunFolderSync(
  port: FilePort,
  { root, runId, paths }: Omit<NewRun, "facts">,
): boolean {
  const runs = runsDirectory(root);
  const isNew = takeNewRun(paths);
  refuseLinksSync(port, [runs]);
  if (lookAtSync(port, paths.directory) !== undefined) {
    if (isThereInOtherCase(port, runs, runId)) refuseOtherCase(port, runs, runId);
    return false;
  }
  makeDirectoriesSync(port, root, ["runs"]);
  // The ULID of an id that was just made is in no other id, so that not all runs are looked at.
  if (!isNew) refuseOtherCase(port, runs, runId);
  return makeDirectorySync(port, paths.directory);
}

/** A run that cannot be begun, on a full disk for one, leaves no folder behind. */
function beginRun(port: FilePort, { runId, paths, facts }: NewRun): void {
  try {
    const text = runFileText(runId, { created_at: new Date().toISOString(), ...facts });
    // Whoever makes a run syncs its folder when it has all its files.
    writeRunFileSync(port, paths.run, text, { syncsDirectory: false });
  } catch (error) {
    // Where somebody has put something into it, it stays.
    discardSync(port, paths.directory);
    throw error;
  }
}

/** True for every id on a file system that ignores case; otherwise it is rare. */
function isThereInOtherCase(port: FilePort, runs: string, runId: string): boolean {
  const lower = runId.toLowerCase();
  const other = runId === lower ? runId.toUpperCase() : lower;
  return other !== runId && lookAtSync(port, join(runs, other)) !== undefined;
}

/** Two such runs would be one on a file system that ignores case. */
function refuseOtherCase(port: FilePort, runs: string, runId: string): void {
  const lower = runId.toLowerCase();
  for (const { name } of port.readDirSync(runs)) {
    if (name !== runId && name.toLowerCase() === lower) {
      throw new TypeError(`Cannot use run id "${runId}": it differs from "${name}" only in case`);
    }
  }
}

const ID_LOCK_TIMEOUT_MS = 5000;
const LAST_ULID_BYTES = 64;

/**
 * Gives out the next ULID of a root, and makes the root and its folder of runs where they are missing.
 * All three names are on disk when this returns; whoever finds a ULID in the file need not see to that
 * any more. `isOnDisk` also asks that the number itself is.
 */
export function* nextUlidSteps(
  port: FilePort,
  root: string,
  { isOnDisk }: { isOnDisk: boolean },
): Steps<string> {
  const path = lastUlidPath(root);
  makeDirectoriesSync(port, root, []);
  const file = openRegularSync(port, path, { read: true, write: true, create: true, mode: 0o600 });
  try {
    const timedOut = () => lockTimeoutError(path);
    const lock = { exclusive: true, timeoutMs: ID_LOCK_TIMEOUT_MS, timedOut };
    return yield* withLockSteps(file, lock, () => {
      const last = readLast(file, path);
      const runs = runsDirectory(root);
      refuseLinksSync(port, [runs]);
      const isNew = makeDirectorySync(port, runs);
      // Before the number, so that a number says that it was done.
      if (isNew || last === undefined) syncDirectorySync(port, root);
      const ulid = ulidAfter(last, Date.now());
      file.seekSync(0, Deno.SeekMode.Start);
      // One line that is written over in place: it lies in one sector, so it is the old or the new.
      writeWholeSync(file, encodeUtf8(`${ulid}\n`));
      if (isOnDisk) file.syncDataSync();
      return ulid;
    });
  } finally {
    file.close();
  }
}

/** A file that was never written, or lost its first content in a power cut, names no ULID. */
function readLast(file: FileHandle, path: string): string | undefined {
  const text = new TextDecoder().decode(readRangeSync(file, 0, LAST_ULID_BYTES)).trim();
  if (/^\0*$/.test(text)) return undefined;
  if (isUlid(text)) return text;
  const remedy = "remove the file";
  const problem = `Cannot read the last run id from ${path}: it holds no ULID; ${remedy}`;
  throw new RunFolderError("corrupt", problem, { details: { path }, remedy });
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

const ENOUGH_SIGHTINGS = 4;

/**
 * A run that is held open: by the lock of `live.lock`, which tells by whom, and by that of its folder,
 * which stays when somebody removes the file. Windows locks no folder: there a file that is removed is
 * noticed, and until then somebody else may hold the run.
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
export function tryLockFolder(folder: FileHandle, exclusive: boolean): boolean {
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

function heldError(file: FileHandle, options: LiveOptions): RunFolderError {
  const { path, exclusive, timeoutMs } = options;
  if (timeoutMs <= 0) return lockTimeoutError(path);
  const holder = readPid(file);
  const who = holder === undefined ? "another process" : `process ${holder}`;
  const message = `Cannot open the run of ${path}: ${who} has it open` +
    (exclusive ? ", and this needs it alone" : " for itself alone");
  return new RunFolderError("live", message, {
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
