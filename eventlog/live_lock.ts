import {
  denoFilePort,
  type FileHandle,
  type FilePort,
  isNotFound,
} from "../_internal/file_port.ts";
import { closeLock, pause, pausesUntilDeadline, pauseSync } from "../_internal/lock.ts";
import { join } from "../_internal/path.ts";
import { readRangeSync } from "../_internal/tail.ts";
import { EventLogError, ioError, lockTimeoutError, wrapIo } from "./event_log_error.ts";
import { runPaths } from "../_internal/root_layout.ts";
import { encodeUtf8 } from "../_internal/text.ts";

/** How to hold a run open. */
export interface LiveOptions {
  path: string;
  exclusive: boolean;
  timeoutMs: number;
}

const PROBE_MS = 50;
const ENOUGH_SIGHTINGS = 4;
const PID_BYTES = 32;
const MARK_BYTES = 64;
const REMOVAL = "removal ";

/** Holds the live lock until the handle is closed. */
export async function holdLive(port: FilePort, options: LiveOptions): Promise<FileHandle> {
  const file = openLiveLock(port, options.path);
  try {
    for (const pauseMs of pausesUntilHeld(port, file, options)) await pause(pauseMs);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** {@linkcode holdLive}, blocking. */
export function holdLiveSync(port: FilePort, options: LiveOptions): FileHandle {
  const file = openLiveLock(port, options.path);
  try {
    for (const pauseMs of pausesUntilHeld(port, file, options)) pauseSync(pauseMs);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function openLiveLock(port: FilePort, path: string): FileHandle {
  return port.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
}

/** The pauses between the tries until the lock is held; a timeout of 0 always fails (OLG-4). */
function* pausesUntilHeld(
  port: FilePort,
  file: FileHandle,
  options: LiveOptions,
): Generator<number> {
  for (const pauseMs of pausesUntilDeadline(options.timeoutMs)) {
    if (tryHold(port, file, options)) return;
    yield pauseMs;
  }
  if (options.timeoutMs > 0 && tryHold(port, file, options)) return;
  throw heldError(file, options);
}

/**
 * Whoever is alone leaves its process id; those who join later leave that one, as it is the process
 * that runs the work. That others are there is believed when it is seen several times: a probe that
 * ends between the two tries looks like them.
 */
function tryHold(port: FilePort, file: FileHandle, { path, exclusive }: LiveOptions): boolean {
  for (let sightings = 1;; sightings++) {
    if (file.tryLockSync(true)) break;
    if (exclusive || !file.tryLockSync(false)) return false;
    if (sightings === ENOUGH_SIGHTINGS) return true;
    file.unlockSync();
  }
  if (readMark(file).startsWith(REMOVAL) && !isInPlaceSync(port, path, file)) {
    throw ioError(path, new Deno.errors.NotFound("the run was removed while it was waited for"));
  }
  rewriteSync(file, `${Deno.pid}\n`);
  if (exclusive) return true;
  file.unlockSync();
  return file.tryLockSync(false);
}

function rewriteSync(file: FileHandle, text: string): void {
  file.truncateSync(0);
  file.seekSync(0, Deno.SeekMode.Start);
  file.writeSync(encodeUtf8(text));
}

function readMark(file: FileHandle): string {
  return new TextDecoder().decode(readRangeSync(file, 0, MARK_BYTES));
}

/**
 * Leaves a mark in a live lock that is held exclusively, by which it can be told from one that
 * another run has in the same place: whoever opened the file before the run was removed is granted
 * its lock afterwards.
 */
export function markRemovalSync(file: FileHandle): void {
  rewriteSync(file, `${REMOVAL}${crypto.randomUUID()}\n`);
}

/**
 * Whether a live lock with a mark is the one of the run that is in its place. Windows removes no
 * run whose lock anybody has open, nor lets anyone read what is locked exclusively.
 */
export function isInPlaceSync(port: FilePort, path: string, file: FileHandle): boolean {
  if (Deno.build.os === "windows") return true;
  const mark = readMark(file);
  let there: FileHandle;
  try {
    there = port.openSync(path, { read: true });
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
  try {
    return readMark(there) === mark;
  } finally {
    there.close();
  }
}

function heldError(file: FileHandle, options: LiveOptions): EventLogError {
  const { path, exclusive, timeoutMs } = options;
  if (timeoutMs <= 0) return lockTimeoutError(path);
  const holder = readPid(file);
  const who = holder === undefined ? "another process" : `process ${holder}`;
  const message = `Cannot open the run of ${path}: ${who} has it open` +
    (exclusive ? ", and this needs it alone" : " for itself alone");
  return new EventLogError("live", message, { path, ...(holder && { actual: holder }) });
}

/** The holder that named itself last. Windows does not let anyone read what is locked exclusively. */
function readPid(file: FileHandle): number | undefined {
  try {
    const pid = Number(new TextDecoder().decode(readRangeSync(file, 0, PID_BYTES)));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Tells whether somebody has a run open for writing. The answer is the operating system's (a file
 * lock dies with its process), so there is nothing stale about it. Another probe may hold the lock
 * for a moment; "live" is said when it stays taken for 50 ms.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @returns Whether the run is open; false when there is no such run.
 * @throws {TypeError} If the run id is not allowed.
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
  let file: FileHandle;
  try {
    file = denoFilePort.openSync(path, { read: true });
  } catch (error) {
    if (isNotFound(error)) return false;
    return wrapIo(path, () => {
      throw error;
    });
  }
  try {
    if (file.tryLockSync(true)) return false;
    for (const pauseMs of pausesUntilDeadline(PROBE_MS)) {
      await pause(pauseMs);
      if (file.tryLockSync(true)) return false;
    }
    return true;
  } finally {
    closeLock(file);
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
  const path = join(directory, `.lock-probe-${crypto.randomUUID()}`);
  return wrapIo(path, () => {
    const options = { read: true, write: true, createNew: true, mode: 0o600 };
    const first = denoFilePort.openSync(path, options);
    try {
      return tryBoth(first, path);
    } finally {
      first.close();
      denoFilePort.removeSync(path);
    }
  });
}

function tryBoth(first: FileHandle, path: string): LockProbe {
  const second = denoFilePort.openSync(path, { read: true, write: true });
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
