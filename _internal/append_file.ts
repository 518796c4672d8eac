/**
 * A file of lines to which many processes append: the event log and the journal of capture. What a
 * write leaves and how a tail is mended stands in `line_file.ts`; what this file adds is always true
 * too:
 *
 * 1. **Who writes holds the lock**, that of the file itself, which programs share that know nothing of
 *    this one. Where a lock keeps readers out, as on Windows, it is that of a file of its own beside the
 *    lines, which is never removed. The lock is taken for a group of requests, for as long as their one
 *    write takes.
 * 2. **Nothing is written behind something unknown.** Under the lock, before each write, the file's
 *    size is compared with where this handle left it. What others appended is counted, a tail that a
 *    dead writer left is mended; a file that has become shorter is not written to any more.
 * 3. **The lock is given up before the sync**, so that nobody waits for the disk while others want to
 *    write. A sync makes everything before it durable, whoever wrote it, so order is kept.
 * 4. **A handle that has failed promises nothing any more** (`#failure`): neither those who wait nor
 *    those whose sync is under way are answered, and it refuses every further append.
 * 5. **Nobody is answered for lines that nobody can find.** Whether the path still leads to this file is
 *    looked at after every sync, and, with the last line and the held lock, with a write when a
 *    millisecond has passed since that (`#lookBehind`). When it leads elsewhere, what the path's file
 *    lacks is saved beside it, once.
 * 6. Callers are answered in the order in which they came, but `appendSync` overtakes those who wait.
 *
 * It is safe to die anywhere: the system gives up the lock of a dead process, and the next writer
 * finds at most a tail to mend. Who waits for the lock waits in bounded pauses, and learns when that
 * took too long; nothing was written for that caller then.
 */
import {
  type FileHandle,
  type FileInfo,
  type FilePort,
  openRegularSync,
  runSteps,
  runStepsSync,
  sizeOf,
  type Steps,
} from "./file_port.ts";
import {
  cutSync,
  lastLineEndSync,
  LineFile,
  recoverTailSync,
  type Recovery,
  saveLostLinesSync,
} from "./line_file.ts";
import {
  blocksReadersSync,
  CommitQueue,
  leadsToSync,
  type LockOptions,
  type WaitingRequest,
  withLockSteps,
  withLockSync,
} from "./lock.ts";
import { isWindows } from "./path.ts";
import type { SyncOptions } from "./sync_pace.ts";
import { LineEncoder } from "./text.ts";

/** Lines to be appended together, each without its newline. */
export interface AppendRequest {
  lines: readonly string[];
  /** Answer only after an fdatasync. */
  onDisk: boolean;
  /** How many lines the file must have before; else `conflict`. */
  expectedLastSeq?: number | undefined;
}

/** The physical, 1-based line numbers that an append got. */
export interface Appended {
  /** Line number of the first event. */
  firstSeq: number;
  /** Line number of the last event; `firstSeq - 1` when nothing was given. */
  lastSeq: number;
}

/** Why an append did not succeed; the module that owns the file makes its error from it. */
export interface AppendFailure {
  kind: "busy" | "closed" | "conflict" | "io" | "lock-timeout" | "replaced" | "rewound" | "sync";
  cause?: unknown;
  /** The file whose lock was not granted in time. */
  lockPath?: string;
  /** What has become of the file that was `replaced`, and of its lines. */
  problem?: string;
  expected?: number;
  actual?: number;
}

/** What {@linkcode AppendFile.open} needs. */
export interface AppendFileOptions {
  port: FilePort;
  path: string;
  /** What is locked in place of the file, where its lock would keep readers out. */
  lockPath: string;
  lockTimeoutMs: number;
  /** Another lock that is held as long as the file is open, and whose file must stay in its place. */
  held?: { isInPlace(): boolean };
  /** How failures become the errors of the module that owns the file. */
  toError: (failure: AppendFailure) => Error;
}

type WaitingAppend = WaitingRequest<AppendRequest, Appended>;

/** A request whose lines are written but not yet on disk. */
interface Unsynced {
  waiting: WaitingAppend;
  appended: Appended;
}

const MAX_WAITING = 10_000;
const GROUP_CHARACTERS = 4 * 1024 * 1024;
const MOST_OPENINGS = 100;
const OPEN = { read: true, append: true, create: true, mode: 0o600 };

/** A file of lines, open for appending. */
export class AppendFile {
  readonly #options: AppendFileOptions;
  readonly #lines: SharedLines;
  readonly #queue: CommitQueue<AppendRequest, Appended>;
  #lockOptions: LockOptions;
  /** What is locked: the handle of the lines, or that of a file beside them. */
  #lock: FileHandle;
  #isClosed = false;
  /** Why nothing is promised any more: a sync that failed, or a file that is not what it was. */
  #failure: AppendFailure | undefined;

  private constructor(options: AppendFileOptions) {
    this.#options = options;
    this.#queue = new CommitQueue({ commitGroup: () => runSteps(this.#commitGroup()) });
    this.#lines = new SharedLines(options, (failure) => this.#refuse(failure));
    this.#lock = this.#lines.handle;
    this.#lockOptions = this.#lockOptionsFor(options.path);
  }

  /**
   * Opens or creates the file and mends an unterminated tail. Who waited for the lock of a file that was
   * replaced meanwhile opens the one that has taken its place.
   */
  static *open(options: AppendFileOptions): Steps<AppendFile> {
    for (let openings = 0; openings < MOST_OPENINGS; openings++) {
      const opened = new AppendFile(options);
      try {
        if (yield* opened.#begin()) return opened;
      } catch (error) {
        opened.#closeHandles();
        throw error;
      }
      opened.#closeHandles();
    }
    throw options.toError({ kind: "replaced", problem: "others take its place again and again" });
  }

  /** Returns false when another file has taken the place of the one that was opened. */
  *#begin(): Steps<boolean> {
    const { port, path, lockPath } = this.#options;
    if (isWindows || (yield* this.#underLock(() => blocksReadersSync(port, path)))) {
      this.#lock = openRegularSync(port, lockPath, OPEN);
      this.#lockOptions = this.#lockOptionsFor(lockPath);
    }
    return yield* this.#underLock(() => {
      if (!this.#lines.isInPlace()) return false;
      this.#lines.mendTail();
      return true;
    });
  }

  #underLock<T>(body: () => T): Steps<T> {
    return withLockSteps(this.#lock, this.#lockOptions, body);
  }

  #lockOptionsFor(lockPath: string): LockOptions {
    const { lockTimeoutMs, toError } = this.#options;
    return {
      exclusive: true,
      timeoutMs: lockTimeoutMs,
      timedOut: () => toError({ kind: "lock-timeout", lockPath }),
      failed: (cause) => toError({ kind: "io", cause }),
    };
  }

  /** The last mending of the file's end by this handle. */
  get recovery(): Recovery {
    return this.#lines.recovery;
  }

  /** Appends, sharing a write and a sync with everybody who waits at the same time. */
  append(request: AppendRequest, signal?: AbortSignal): Promise<Appended> {
    const { size } = this.#queue;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const refusal = this.#refusal() ??
      (size >= MAX_WAITING ? { kind: "busy" as const, actual: size } : undefined);
    if (refusal !== undefined) return Promise.reject(this.#options.toError(refusal));
    return this.#queue.submit(request, signal);
  }

  /** Appends before returning, overtaking those who wait. */
  appendSync(request: AppendRequest): Appended {
    this.#checkOpen();
    const appended = withLockSync(this.#lock, this.#lockOptions, () => this.#lines.commit(request));
    if (request.onDisk) runStepsSync(this.#sync());
    return appended;
  }

  /** Makes everything appended so far survive a power cut, as {@linkcode LineFile.sync}. */
  async sync(options?: SyncOptions): Promise<void> {
    this.#checkOpen();
    await runSteps(this.#sync(options));
  }

  /** {@linkcode AppendFile.sync}, blocking. */
  syncSync(): void {
    this.#checkOpen();
    runStepsSync(this.#sync());
  }

  /**
   * Closes when those who wait have their answer. Appends from now on are refused. Throws, but is
   * closed, when what was appended is not in the path's file any more and nobody was told yet.
   */
  async close(): Promise<void> {
    if (this.#isClosed) return await this.#queue.drained();
    this.#isClosed = true;
    await this.#queue.drained();
    this.#finish();
  }

  /** Writes what waits, then closes, before returning. */
  closeSync(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    while (this.#queue.size > 0) {
      try {
        runStepsSync(this.#commitGroup());
      } catch (error) {
        this.#queue.rejectAll(error);
      }
    }
    this.#finish();
  }

  #finish(): void {
    // What could not be saved may be saved now, such as when there is room again.
    const isUnsaved = this.#failure?.kind === "replaced" && this.#failure.cause !== undefined;
    try {
      if (this.#failure === undefined || isUnsaved) this.#lines.lookBeforeClosing();
    } finally {
      this.#closeHandles();
    }
  }

  #closeHandles(): void {
    this.#lines.handle.close();
    if (this.#lock !== this.#lines.handle) this.#lock.close();
  }

  /** Writes as many waiting requests as fit a group, and syncs those that want it. */
  *#commitGroup(): Steps<void> {
    const unsynced = yield* this.#underLock(() => this.#writeGroup());
    if (unsynced.length === 0) return;
    try {
      yield* this.#sync({ mayBlock: this.#queue.isSteady });
    } catch (error) {
      for (const { waiting } of unsynced) waiting.reject(error);
      return;
    }
    for (const { waiting, appended } of unsynced) waiting.resolve(appended);
  }

  /** Returns those that want it on disk; the others have their answer. */
  #writeGroup(): Unsynced[] {
    const group = this.#queue.takeGroup(charactersOf, GROUP_CHARACTERS);
    let outcomes: (Appended | Error)[];
    try {
      outcomes = this.#lines.commitAll(group.map((waiting) => waiting.request));
    } catch (error) {
      for (const waiting of group) waiting.reject(error);
      return [];
    }
    const unsynced: Unsynced[] = [];
    for (const [index, waiting] of group.entries()) {
      const outcome = outcomes[index]!;
      if (outcome instanceof Error) waiting.reject(outcome);
      else if (waiting.request.onDisk) unsynced.push({ waiting, appended: outcome });
      else waiting.resolve(outcome);
    }
    return unsynced;
  }

  /**
   * Of two syncs at the same time that lose the same lines, the system tells only one: a success
   * counts only if nothing else has failed until then.
   */
  *#sync(options?: SyncOptions): Steps<void> {
    let isInPlace: boolean;
    try {
      yield* this.#lines.file.sync(options);
      isInPlace = this.#lines.isInPlace();
    } catch (cause) {
      // The lines are in the file but perhaps never on disk, and a later sync would succeed without
      // writing them, or nobody knows whether others find them. So nothing more is promised.
      throw this.#refuse({ kind: "sync", cause });
    }
    if (this.#failure !== undefined) throw this.#options.toError(this.#failure);
    if (!isInPlace) throw this.#lines.replaced();
  }

  #refusal(): AppendFailure | undefined {
    return this.#isClosed ? { kind: "closed" } : this.#failure;
  }

  #checkOpen(): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw this.#options.toError(refusal);
  }

  /** Accepts nothing any more, and rejects those who wait. */
  #refuse(failure: AppendFailure): Error {
    this.#failure ??= failure;
    const error = this.#options.toError(failure);
    this.#queue.rejectAll(error);
    return error;
  }
}

function charactersOf({ lines }: AppendRequest): number {
  let characters = 0;
  for (const line of lines) characters += line.length;
  return characters;
}

const LOOK_AFTER_MS = 1;
const LOCK_IS_GONE = "another program has removed the lock by which others see that it is open";
const REWRITTEN = "another program has cut or rewritten it: what was its last line is not there";

/**
 * The lines themselves, which others append to as well. Whoever calls `mendTail`, `commit` or
 * `commitAll` holds the lock.
 */
class SharedLines {
  readonly handle: FileHandle;
  readonly #options: AppendFileOptions;
  /** What was opened, to be compared with what is at the path. */
  readonly #opened: FileInfo;
  /** Accepts no more appends; returns the error that says so. */
  readonly #refuse: (failure: AppendFailure) => Error;
  readonly file: LineFile;
  readonly #encoder = new LineEncoder();
  /** Lines before the end of `file`; both are 0 until the first commit counts them. */
  #count = 0;
  /** The last mending of the file's end. */
  recovery: Recovery = { completed: false };
  #lookedAtMs = performance.now();
  #hasWritten = false;

  constructor(options: AppendFileOptions, refuse: (failure: AppendFailure) => Error) {
    const { port, path } = options;
    this.#options = options;
    this.#refuse = refuse;
    this.handle = openRegularSync(port, path, OPEN);
    this.#opened = this.handle.statSync();
    this.file = new LineFile(this.handle, {
      end: 0,
      cut: (length) => cutSync(port, { path, file: this.handle }, length),
    });
  }

  /** Completes or moves aside what a killed writer left behind the last newline. */
  mendTail(): void {
    const size = sizeOf(this.handle);
    this.#recover(lastLineEndSync(this.handle, size), size);
  }

  /** Writes one request. */
  commit(request: AppendRequest): Appended {
    const isLookDue = this.#catchUp();
    const firstSeq = this.#count + 1;
    const conflict = this.#conflict(request, this.#count);
    if (conflict !== undefined) throw conflict;
    if (request.lines.length > 0) this.#write(request.lines, isLookDue);
    return { firstSeq, lastSeq: this.#count };
  }

  /** One write for all requests of a group whose expectation holds, in order. */
  commitAll(requests: readonly AppendRequest[]): (Appended | Error)[] {
    const isLookDue = this.#catchUp();
    const lines: string[] = [];
    const outcomes = requests.map((request) => {
      const lastSeq = this.#count + lines.length;
      const conflict = this.#conflict(request, lastSeq);
      if (conflict !== undefined) return conflict;
      for (const line of request.lines) lines.push(line);
      return { firstSeq: lastSeq + 1, lastSeq: lastSeq + request.lines.length };
    });
    if (lines.length > 0) this.#write(lines, isLookDue);
    return outcomes;
  }

  /** Whether the path still leads to this file. */
  isInPlace(): boolean {
    const { port, path } = this.#options;
    return leadsToSync(port, path, this.#opened);
  }

  /** Throws when what was appended is not in the path's file any more. */
  lookBeforeClosing(): void {
    if (!this.#hasWritten) return;
    if (!this.#attempt(() => this.isInPlace())) throw this.replaced();
    const size = this.#attempt(() => sizeOf(this.handle));
    this.#check(size, this.file.end, this.#attempt(() => this.file.hasLastLine()));
  }

  /** Saves what the path's file lacks, accepts nothing any more, and returns the error that says so. */
  replaced(): Error {
    const { port, path } = this.#options;
    return this.#refuse({ kind: "replaced", ...saveLostLinesSync(port, path, this.handle) });
  }

  #conflict({ expectedLastSeq: expected }: AppendRequest, actual: number): Error | undefined {
    if (expected === undefined || expected === actual) return undefined;
    return this.#options.toError({ kind: "conflict", expected, actual });
  }

  #write(lines: readonly string[], mustLook: boolean): void {
    const { end } = this.file;
    try {
      this.file.append(this.#encoder.encode(lines));
    } catch (cause) {
      throw this.#options.toError({ kind: "io", cause });
    }
    if (mustLook) this.#lookBehind(end);
    this.#count += lines.length;
    this.#hasWritten = true;
  }

  /** What was written behind `end` into a file that is not the path's any more is taken back. */
  #lookBehind(end: number): void {
    this.#lookedAtMs = performance.now();
    let failure: Error | undefined;
    try {
      if (this.isInPlace()) {
        if (this.#options.held?.isInPlace() ?? true) return;
        failure = this.#refuse({ kind: "replaced", problem: LOCK_IS_GONE });
      }
    } catch (cause) {
      failure = this.#options.toError({ kind: "io", cause });
    }
    this.#attempt(() => this.file.takeBack(end));
    throw failure ?? this.replaced();
  }

  /** Takes in what others appended, and mends what a killed writer left; tells whether to look at the path. */
  #catchUp(): boolean {
    const isLookDue = performance.now() - this.#lookedAtMs >= LOOK_AFTER_MS;
    const { end } = this.file;
    let size: number;
    let isKnown = true;
    try {
      size = sizeOf(this.handle);
      if (size > end) isKnown = this.#takeInOthers(size);
      else if (isLookDue && size === end) isKnown = this.file.hasLastLine();
    } catch (cause) {
      throw this.#options.toError({ kind: "io", cause });
    }
    this.#check(size, end, isKnown);
    return isLookDue;
  }

  #check(actual: number, expected: number, isKnown: boolean): void {
    if (actual < expected) throw this.#refuse({ kind: "rewound", expected, actual });
    if (!isKnown) throw this.#refuse({ kind: "replaced", problem: REWRITTEN });
  }

  /** Returns false when what stood before is not there any more. */
  #takeInOthers(size: number): boolean {
    const lines = this.file.takeIn(size);
    if (lines === undefined) return false;
    this.#count += lines;
    if (this.file.end < size && this.#recover(this.file.end, size).completed) {
      this.#count++;
      this.file.moveTo(size + 1);
    }
    return true;
  }

  #recover(tailStart: number, size: number): Recovery {
    const { port, path } = this.#options;
    const recovery = recoverTailSync(port, { path, file: this.handle, tailStart, size });
    if (recovery.completed || recovery.tornFile !== undefined) this.recovery = recovery;
    return recovery;
  }

  /** What the file system refuses is an error of the module. */
  #attempt<T>(operation: () => T): T {
    try {
      return operation();
    } catch (cause) {
      throw this.#options.toError({ kind: "io", cause });
    }
  }
}
