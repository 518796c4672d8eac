import { isObject } from "./errors.ts";
import { isWindows } from "./path.ts";
import {
  denoFilePort,
  type FileHandle,
  type FileInfo,
  type FilePort,
  inEitherForm,
  isHeldByOthers,
  isSameFile,
  lookAtSync,
  openRegularSync,
  readFileSync,
  readRangeSync,
  runStepsSync,
  type Steps,
  writeWholeSync,
} from "./file_port.ts";
import { decodeUtf8, encodeUtf8 } from "./text.ts";

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

/** Waits, blocking this thread: it sleeps on a word that nobody changes. */
function pauseSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** {@linkcode pause} or {@linkcode pauseSync}, as a step. */
export function pauseSteps(ms: number): Steps<void> {
  return inEitherForm({ sync: () => pauseSync(ms), async: () => pause(ms) });
}

/** Tries, again and again, until it succeeds or the time is over; without time it fails (OLG-4). */
export function* tryUntilDeadline(attempt: () => boolean, timeoutMs: number): Steps<boolean> {
  if (timeoutMs <= 0) return false;
  if (attempt()) return true;
  for (const pauseMs of pausesUntilDeadline(timeoutMs)) {
    yield* pauseSteps(pauseMs);
    if (attempt()) return true;
  }
  return false;
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
export function* acquireLockSteps(file: FileHandle, options: LockOptions): Steps<void> {
  const isGranted = yield* tryUntilDeadline(() => tryLock(file, options), options.timeoutMs);
  if (!isGranted) throw options.timedOut();
}

/** Takes a lock that is free, without the steps that would cost a tenth of an append. */
function takeIfFree(file: FileHandle, options: LockOptions): boolean {
  return options.timeoutMs > 0 && tryLock(file, options);
}

/** Unlocking fails only for a file that was closed, and closing it gave up the lock. */
export function unlock(file: FileHandle): void {
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

/**
 * Runs a synchronous body under the lock in the very turn in which it is granted: a lock does not
 * exclude two users of one handle, so nothing else in this process may run in between.
 */
export function* withLockSteps<T>(
  file: FileHandle,
  options: LockOptions,
  body: () => T,
): Steps<T> {
  if (!takeIfFree(file, options)) yield* acquireLockSteps(file, options);
  try {
    return body();
  } finally {
    unlock(file);
  }
}

/** Runs the body under the lock, blocking. */
export function withLockSync<T>(file: FileHandle, options: LockOptions, body: () => T): T {
  if (!takeIfFree(file, options)) runStepsSync(acquireLockSteps(file, options));
  try {
    return body();
  } finally {
    unlock(file);
  }
}

/**
 * Whether a path still leads to the file that was opened there. An editor that saves, a rotation of logs
 * or a clean-up moves the file away, and a lock on it keeps nobody out any more.
 */
export function leadsToSync(port: FilePort, path: string, opened: FileInfo): boolean {
  try {
    const present = lookAtSync(port, path);
    return present !== undefined && isSameFile(present, opened);
  } catch (error) {
    // A part of the path is a file now.
    if (error instanceof Error && error.name === "NotADirectory") return false;
    throw error;
  }
}

/**
 * Whether the lock of a file, which the caller holds exclusively, keeps its readers out too, as locks do
 * on some network drives, and on Windows always. Then a file of its own beside it has to be locked.
 */
export function blocksReadersSync(port: FilePort, path: string): boolean {
  // Where nothing stands any more there is nothing to be kept out of.
  if (lookAtSync(port, path) === undefined) return false;
  const reader = openRegularSync(port, path, { read: true });
  try {
    reader.readSync(new Uint8Array(1));
    return false;
  } catch (error) {
    if (isHeldByOthers(error)) return true;
    throw error;
  } finally {
    reader.close();
  }
}

const MAX_OWNER_BYTES = 1024;

/**
 * Opens a file whose lock is held as long as something is in use, and which says by whom. Nobody
 * removes it but with the whole directory: a lock on it could be waited for.
 */
export function openOwnerFileSync(port: FilePort, path: string): FileHandle {
  return openRegularSync(port, path, { read: true, write: true, create: true, mode: 0o600 });
}

/** Says who holds the lock of the file: the caller. */
export function writeOwnerSync(file: FileHandle, text: string): void {
  file.truncateSync(0);
  file.seekSync(0, Deno.SeekMode.Start);
  writeWholeSync(file, encodeUtf8(text));
}

/** Who holds the lock of the file, or held it last. */
export function readOwnerSync(file: FileHandle): string {
  try {
    return new TextDecoder().decode(readRangeSync(file, 0, MAX_OWNER_BYTES));
  } catch (error) {
    // Windows lets nobody read what is locked exclusively.
    if (isWindows) return "";
    throw error;
  }
}

/** A caller who waits for an answer. */
export interface WaitingRequest<R, A> {
  readonly request: R;
  resolve(answer: A): void;
  reject(reason: unknown): void;
}

/** A {@linkcode WaitingRequest} with its place among all who ever came. */
interface Queued<R, A> extends WaitingRequest<R, A> {
  readonly ticket: number;
}

/** What commits groups of those who wait. */
export interface GroupCommitter {
  /**
   * Takes some of those who wait, does what they ask and answers them. When it rejects, those who
   * still wait and had come before it was called are rejected with the same.
   */
  commitGroup(): Promise<void>;
}

/**
 * Group commit: who asks while others are being served waits, and all who wait share the next write
 * and sync. The first group begins in the next turn, so that callers of one turn share it.
 */
export class CommitQueue<R, A> {
  readonly #committer: GroupCommitter;
  readonly #queue: Queued<R, A>[] = [];
  #lastTicket = 0;
  #draining: Promise<void> | undefined;
  /** How many waited when the last group but one was begun, and when the last one was. */
  #groups: [number, number] = [0, 0];

  constructor(committer: GroupCommitter) {
    this.#committer = committer;
  }

  /** How many wait. */
  get size(): number {
    return this.#queue.length;
  }

  /**
   * Whether as many have come as for the last group, which are then the same: one caller who waits each
   * time, or many who go on together. Of many the first one is alone for a moment, and that is no such group.
   */
  get isSteady(): boolean {
    return this.#queue.length === 0 && this.#groups[0] === this.#groups[1];
  }

  /** Has a request committed. The signal acts only as long as nobody has taken it. */
  submit(request: R, signal?: AbortSignal): Promise<A> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const ticket = ++this.#lastTicket;
      const waiting: Queued<R, A> = { ticket, request, resolve, reject };
      if (signal !== undefined) this.#leaveOnAbort(waiting, signal);
      this.#queue.push(waiting);
      this.#draining ??= Promise.resolve().then(() => this.#drain());
    });
  }

  /** Takes one after the other of those who wait, who are to be answered by the caller from now on. */
  *take(): Generator<WaitingRequest<R, A>, void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) yield next;
  }

  /** Takes the first ones at once, until together they weigh `enough`. */
  takeGroup(weigh: (request: R) => number, enough: number): WaitingRequest<R, A>[] {
    let count = 0;
    for (let weight = 0; count < this.#queue.length && weight < enough; count++) {
      weight += weigh(this.#queue[count]!.request);
    }
    return this.#queue.splice(0, count);
  }

  /** Rejects all who wait. */
  rejectAll(reason: unknown): void {
    for (const waiting of this.#queue.splice(0)) waiting.reject(reason);
  }

  /** Resolves when all who wait have their answer. */
  async drained(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const lastTicket = this.#lastTicket;
      this.#groups = [this.#groups[1], this.#queue.length];
      try {
        await this.#committer.commitGroup();
      } catch (error) {
        // Those who came since then have not had their turn.
        const later = this.#queue.findIndex(({ ticket }) => ticket > lastTicket);
        const refused = this.#queue.splice(0, later === -1 ? this.#queue.length : later);
        for (const waiting of refused) waiting.reject(error);
      }
    }
    this.#draining = undefined;
  }

  #leaveOnAbort(waiting: Queued<R, A>, signal: AbortSignal): void {
    const { resolve, reject } = waiting;
    const leave = () => {
      const index = this.#queue.indexOf(waiting);
      if (index === -1) return;
      this.#queue.splice(index, 1);
      waiting.reject(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    waiting.resolve = (answer) => {
      signal.removeEventListener("abort", leave);
      resolve(answer);
    };
    waiting.reject = (reason) => {
      signal.removeEventListener("abort", leave);
      reject(reason);
    };
  }
}

/**
 * What a live lock says of whoever opened the run first. A process id is given again to others, and a file
 * may be copied, or be another program's that was put in its place: so it says too when that process began,
 * where the system tells, and which file this is.
 */
export interface RunOpener {
  /** The process. */
  pid: number;
  /** When it began, in the clock ticks of the system. */
  start_time?: number;
  /** The boot that this counts from. */
  boot_id?: string;
  /** The file system of the lock file. */
  dev?: number;
  /** The number of the lock file in it. */
  ino?: number;
}

/** Says who opens the run of a live lock: this process. */
export function openerOf(file: FileHandle): RunOpener {
  const { dev, ino } = file.statSync();
  const isKnown = ino !== null && ino !== 0;
  return { pid: Deno.pid, ...ownBegin(), ...(isKnown && { dev, ino }) };
}

/** What a live lock says; undefined for anything that this program has not written. */
export function parseOpener(text: string): RunOpener | undefined {
  try {
    const opener: unknown = JSON.parse(text);
    if (!isObject(opener)) return undefined;
    const { pid } = opener as { pid: unknown };
    const isPid = typeof pid === "number" && Number.isSafeInteger(pid) && pid > 0;
    return isPid ? opener as unknown as RunOpener : undefined;
  } catch {
    return undefined;
  }
}

let begin: Pick<RunOpener, "start_time" | "boot_id"> | undefined;

/** When this process began, as far as that may be known without asking for a permission. */
export function ownBegin(): Pick<RunOpener, "start_time" | "boot_id"> {
  return begin ??= readOwnBegin();
}

function readOwnBegin(): Pick<RunOpener, "start_time" | "boot_id"> {
  const paths = ["/proc/self/stat", "/proc/sys/kernel/random/boot_id"] as const;
  const mayRead = (path: string) =>
    Deno.permissions.querySync({ name: "read", path }).state === "granted";
  if (Deno.build.os !== "linux" || !paths.every(mayRead)) return {};
  try {
    const [stat, boot] = paths.map((path) => decodeUtf8(readFileSync(denoFilePort, path)));
    return { start_time: startTimeIn(statFields(stat!)), boot_id: boot!.trim() };
  } catch {
    return {};
  }
}

/** The fields of `/proc/<pid>/stat` behind the name of the program, which is in brackets and may hold anything. */
export function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** When a process began: field 22, where the name is field 2. */
export function startTimeIn(fields: readonly string[]): number {
  return Number(fields[19]);
}
