import type { FileHandle } from "./file_port.ts";

/** How to take a file lock. */
export interface LockOptions {
  /** Exclude every other holder, or share with other sharers. */
  exclusive: boolean;
  /** Milliseconds to keep trying; 0 always fails (OLG-4). */
  timeoutMs: number;
  /** Makes the error for a lock that was not granted in time. */
  timedOut: () => Error;
  /** Makes the error for a file system that knows no locks; what it threw by default. */
  failed?: (cause: unknown) => Error;
}

const BACKOFF_MIN_MS = 0.05;
const BACKOFF_MAX_MS = 2;

/** A thread may sleep on this word; nobody ever wakes it. */
const sleepWord = new Int32Array(new SharedArrayBuffer(4));

/** Jitter keeps waiters from trying in step, which would starve the unlucky one. */
function backoffMs(attempt: number): number {
  const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(attempt, 10));
  return ceiling * (0.5 + Math.random() / 2);
}

/** The pauses between the tries, in milliseconds, until the time is over. */
export function* pausesUntilDeadline(timeoutMs: number): Generator<number> {
  const deadline = performance.now() + timeoutMs;
  for (let attempt = 0;; attempt++) {
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return;
    yield Math.min(backoffMs(attempt), leftMs);
  }
}

/** Waits without blocking the event loop. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits, blocking this thread. */
export function pauseSync(ms: number): void {
  Atomics.wait(sleepWord, 0, 0, ms);
}

function tryLock(file: FileHandle, options: LockOptions): boolean {
  try {
    return file.tryLockSync(options.exclusive);
  } catch (cause) {
    throw options.failed?.(cause) ?? cause;
  }
}

/**
 * Takes the lock of an open file. Never Deno's blocking `lock()`: a pending one cannot be
 * cancelled and keeps the process alive.
 */
export function acquireLockSync(file: FileHandle, options: LockOptions): void {
  if (options.timeoutMs <= 0) throw options.timedOut();
  if (tryLock(file, options)) return;
  for (const pauseMs of pausesUntilDeadline(options.timeoutMs)) {
    pauseSync(pauseMs);
    if (tryLock(file, options)) return;
  }
  throw options.timedOut();
}

/** {@linkcode acquireLockSync} that leaves the event loop free while it waits. */
export async function acquireLock(file: FileHandle, options: LockOptions): Promise<void> {
  await withLock(file, options, { body: () => {}, keep: true });
}

/** Unlocking fails only for a file that was closed, and closing it gave up the lock. */
function unlock(file: FileHandle): void {
  try {
    file.unlockSync();
  } catch { /* What the body did stands. */ }
}

/**
 * Gives up a lock and closes its file. To close it only could leave the lock taken for a moment: a
 * process that is being started has a copy of every handle until it runs its program.
 */
export function closeLock(file: FileHandle): void {
  unlock(file);
  file.close();
}

/** Runs the body under the lock. */
export function withLockSync<T>(file: FileHandle, options: LockOptions, body: () => T): T {
  acquireLockSync(file, options);
  try {
    return body();
  } finally {
    unlock(file);
  }
}

/**
 * Runs a synchronous body under the lock in the very turn in which it is granted: a lock does not
 * exclude two users of one handle, so nothing else in this process may run in between.
 */
export async function withLock<T>(
  file: FileHandle,
  options: LockOptions,
  task: { body: () => T; keep?: boolean },
): Promise<T> {
  if (options.timeoutMs <= 0) throw options.timedOut();
  const pauses = pausesUntilDeadline(options.timeoutMs);
  while (!tryLock(file, options)) {
    const next = pauses.next();
    if (next.done) throw options.timedOut();
    await pause(next.value);
  }
  try {
    return task.body();
  } finally {
    if (!task.keep) unlock(file);
  }
}
