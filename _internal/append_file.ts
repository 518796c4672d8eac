import type { FileHandle, FilePort } from "./file_port.ts";
import { countLinesSync } from "./json_lines.ts";
import { LineEncoder } from "./line_encoder.ts";
import { type LockOptions, withLock, withLockSync } from "./lock.ts";
import { cutFileSync, lastLineEndSync, recoverTailSync, type Recovery } from "./tail.ts";

/** Lines to be appended together, each without its newline. */
export interface AppendRequest {
  lines: readonly string[];
  /** Answer only after an fdatasync. */
  onDisk: boolean;
  /** How many lines the file must have before; else `conflict`. */
  expectedLastSeq?: number | undefined;
}

/** The 1-based physical line numbers that a request got. */
export interface Appended {
  /** Number of the first line. */
  firstSeq: number;
  /** Number of the last line. */
  lastSeq: number;
}

/** Why an append did not succeed; the module that owns the file makes its error from it. */
export interface AppendFailure {
  kind: "busy" | "closed" | "conflict" | "io" | "lock-timeout" | "rewound" | "sync";
  cause?: unknown;
  expected?: number;
  actual?: number;
}

/** What {@linkcode AppendFile.open} needs. */
export interface AppendFileOptions {
  port: FilePort;
  path: string;
  /** A sidecar that is never removed: locking it blocks no reader, on Windows either. */
  lockPath: string;
  lockTimeoutMs: number;
  toError: (failure: AppendFailure) => Error;
}

interface Waiting {
  request: AppendRequest;
  resolve(appended: Appended): void;
  reject(reason: unknown): void;
}

/** A request whose lines are written but not yet on disk. */
interface Unsynced {
  waiting: Waiting;
  appended: Appended;
}

const MAX_WAITING = 10_000;
const GROUP_CHARACTERS = 4 * 1024 * 1024;

/**
 * A file of lines to which many processes append. A group of requests is one write under one lock;
 * it leaves either all its lines or, when the write fails, none. The lock is released before the
 * file is synced, so that nobody waits for a disk while others want to write.
 */
export class AppendFile {
  readonly #options: AppendFileOptions;
  readonly #lockOptions: LockOptions;
  readonly #file: FileHandle;
  readonly #lock: FileHandle;
  readonly #encoder = new LineEncoder();
  /** Lines before `#end`; both are 0 until the first append counts them. */
  #lines = 0;
  #end = 0;
  #queue = new Set<Waiting>();
  #draining: Promise<void> | undefined;
  /** Why no more is accepted: closed, or a sync that failed. */
  #refusal: AppendFailure | undefined;
  #recovery: Recovery = { completed: false };

  private constructor(options: AppendFileOptions) {
    const { port, path, lockPath } = options;
    const openOptions = { read: true, append: true, create: true, mode: 0o600 };
    this.#options = options;
    this.#lockOptions = {
      exclusive: true,
      timeoutMs: options.lockTimeoutMs,
      timedOut: () => options.toError({ kind: "lock-timeout" }),
    };
    this.#file = port.openSync(path, openOptions);
    try {
      this.#lock = port.openSync(lockPath, openOptions);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** Opens or creates the file and mends an unterminated tail. */
  static async open(options: AppendFileOptions): Promise<AppendFile> {
    const opened = new AppendFile(options);
    try {
      await withLock(opened.#lock, opened.#lockOptions, { body: () => opened.#mendTail() });
    } catch (error) {
      opened.#closeHandles();
      throw error;
    }
    return opened;
  }

  /** {@linkcode AppendFile.open}, blocking. */
  static openSync(options: AppendFileOptions): AppendFile {
    const opened = new AppendFile(options);
    try {
      withLockSync(opened.#lock, opened.#lockOptions, () => opened.#mendTail());
    } catch (error) {
      opened.#closeHandles();
      throw error;
    }
    return opened;
  }

  /** The last mending of the file's end by this handle. */
  get recovery(): Recovery {
    return this.#recovery;
  }

  /** Whether {@linkcode AppendFile.close} was called. */
  get closed(): boolean {
    return this.#refusal?.kind === "closed";
  }

  /** Appends, sharing a write and a sync with everybody who waits at the same time. */
  append(request: AppendRequest, signal?: AbortSignal): Promise<Appended> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#refusal !== undefined) return reject(this.#options.toError(this.#refusal));
      if (this.#queue.size >= MAX_WAITING) {
        return reject(this.#options.toError({ kind: "busy", actual: this.#queue.size }));
      }
      const waiting: Waiting = { request, resolve, reject };
      if (signal !== undefined) this.#leaveOnAbort(waiting, signal);
      this.#queue.add(waiting);
      this.#draining ??= Promise.resolve().then(() => this.#drain());
    });
  }

  /** Appends before returning, overtaking those who wait. */
  appendSync(request: AppendRequest): Appended {
    if (this.#refusal !== undefined) throw this.#options.toError(this.#refusal);
    const appended = withLockSync(this.#lock, this.#lockOptions, () => this.#commit(request));
    if (request.onDisk) this.syncSync();
    return appended;
  }

  /** Makes everything appended so far survive a power cut. */
  async sync(): Promise<void> {
    if (this.#refusal !== undefined) throw this.#options.toError(this.#refusal);
    try {
      await this.#file.syncData();
    } catch (cause) {
      throw this.#refuseAfterSync(cause);
    }
  }

  /** {@linkcode AppendFile.sync}, blocking. */
  syncSync(): void {
    if (this.#refusal !== undefined) throw this.#options.toError(this.#refusal);
    try {
      this.#file.syncDataSync();
    } catch (cause) {
      throw this.#refuseAfterSync(cause);
    }
  }

  /** Closes when those who wait have their answer. Appends from now on are refused. */
  async close(): Promise<void> {
    if (this.closed) return await this.#draining;
    this.#refusal = { kind: "closed" };
    await this.#draining;
    this.#closeHandles();
  }

  /** Writes what waits, then closes, before returning. */
  closeSync(): void {
    if (this.closed) return;
    if (this.#queue.size > 0) this.#drainSync();
    this.#refusal = { kind: "closed" };
    this.#closeHandles();
  }

  #closeHandles(): void {
    this.#file.close();
    this.#lock.close();
  }

  #leaveOnAbort(waiting: Waiting, signal: AbortSignal): void {
    const leave = () => {
      if (this.#queue.delete(waiting)) waiting.reject(signal.reason);
    };
    const { resolve, reject } = waiting;
    signal.addEventListener("abort", leave, { once: true });
    waiting.resolve = (appended) => {
      signal.removeEventListener("abort", leave);
      resolve(appended);
    };
    waiting.reject = (reason) => {
      signal.removeEventListener("abort", leave);
      reject(reason);
    };
  }

  async #drain(): Promise<void> {
    while (this.#queue.size > 0) {
      const early = [...this.#queue];
      try {
        const unsynced = await withLock(this.#lock, this.#lockOptions, {
          body: () => this.#commitGroup(),
        });
        if (unsynced.length > 0) await this.#syncGroup(unsynced);
      } catch (error) {
        for (const waiting of early) if (this.#queue.delete(waiting)) waiting.reject(error);
      }
    }
    this.#draining = undefined;
  }

  #drainSync(): void {
    while (this.#queue.size > 0) {
      try {
        const unsynced = withLockSync(this.#lock, this.#lockOptions, () => this.#commitGroup());
        if (unsynced.length > 0) this.#syncGroupSync(unsynced);
      } catch (error) {
        for (const waiting of this.#queue) waiting.reject(error);
        this.#queue.clear();
      }
    }
  }

  /** Writes as many waiting requests as fit a group; returns those that want it on disk. */
  #commitGroup(): Unsynced[] {
    const group = this.#takeGroup();
    let outcomes: (Appended | Error)[];
    try {
      outcomes = this.#commitAll(group.map((waiting) => waiting.request));
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

  #takeGroup(): Waiting[] {
    const group = [];
    let characters = 0;
    for (const waiting of this.#queue) {
      this.#queue.delete(waiting);
      group.push(waiting);
      for (const line of waiting.request.lines) characters += line.length;
      if (characters >= GROUP_CHARACTERS) break;
    }
    return group;
  }

  async #syncGroup(unsynced: Unsynced[]): Promise<void> {
    let failure: unknown;
    try {
      await this.#file.syncData();
    } catch (cause) {
      failure = this.#refuseAfterSync(cause);
    }
    this.#answer(unsynced, failure);
  }

  #syncGroupSync(unsynced: Unsynced[]): void {
    let failure: unknown;
    try {
      this.#file.syncDataSync();
    } catch (cause) {
      failure = this.#refuseAfterSync(cause);
    }
    this.#answer(unsynced, failure);
  }

  #answer(unsynced: Unsynced[], failure: unknown): void {
    for (const { waiting, appended } of unsynced) {
      if (failure === undefined) waiting.resolve(appended);
      else waiting.reject(failure);
    }
  }

  /**
   * After a failed sync the lines are in the file but perhaps never on disk, and a later sync
   * would succeed without writing them. So nothing more is promised through this handle.
   */
  #refuseAfterSync(cause: unknown): Error {
    const failure: AppendFailure = { kind: "sync", cause };
    if (!this.closed) this.#refusal = failure;
    const error = this.#options.toError(failure);
    for (const waiting of this.#queue) waiting.reject(error);
    this.#queue.clear();
    return error;
  }

  /** Under the lock: writes one request. */
  #commit(request: AppendRequest): Appended {
    this.#catchUp();
    const firstSeq = this.#lines + 1;
    const conflict = this.#conflict(request, this.#lines);
    if (conflict !== undefined) throw conflict;
    if (request.lines.length > 0) this.#write(request.lines);
    return { firstSeq, lastSeq: this.#lines };
  }

  /** Under the lock: one write for all requests of a group whose expectation holds, in order. */
  #commitAll(requests: readonly AppendRequest[]): (Appended | Error)[] {
    this.#catchUp();
    const lines: string[] = [];
    const outcomes = requests.map((request) => {
      const lastSeq = this.#lines + lines.length;
      const conflict = this.#conflict(request, lastSeq);
      if (conflict !== undefined) return conflict;
      for (const line of request.lines) lines.push(line);
      return { firstSeq: lastSeq + 1, lastSeq: lastSeq + request.lines.length };
    });
    if (lines.length > 0) this.#write(lines);
    return outcomes;
  }

  #conflict({ expectedLastSeq: expected }: AppendRequest, actual: number): Error | undefined {
    if (expected === undefined || expected === actual) return undefined;
    return this.#options.toError({ kind: "conflict", expected, actual });
  }

  #write(lines: readonly string[]): void {
    const bytes = this.#encoder.encode(lines);
    try {
      const written = this.#file.writeSync(bytes);
      if (written !== bytes.length) {
        throw new Error(`Only ${written} of ${bytes.length} bytes were written: is the disk full?`);
      }
    } catch (error) {
      throw this.#options.toError({ kind: "io", cause: this.#cutBack(error) });
    }
    this.#end += bytes.length;
    this.#lines += lines.length;
  }

  /** Removes what a failed write left, and returns the cause to tell. */
  #cutBack(writeError: unknown): unknown {
    try {
      cutFileSync(this.#options.port, this.#options.path, this.#end);
      return writeError;
    } catch (cutError) {
      const message = "The write failed and could not be cut back: some of its lines may remain";
      return new AggregateError([writeError, cutError], message, { cause: writeError });
    }
  }

  /** Under the lock: takes in what others appended, and mends what a killed writer left. */
  #catchUp(): void {
    let size: number;
    try {
      size = this.#file.seekSync(0, Deno.SeekMode.End);
      if (size > this.#end) return this.#takeInOthers();
    } catch (cause) {
      throw this.#options.toError({ kind: "io", cause });
    }
    if (size < this.#end) {
      throw this.#options.toError({ kind: "rewound", expected: this.#end, actual: size });
    }
  }

  #takeInOthers(): void {
    const count = countLinesSync(this.#file, this.#end);
    const recovery = this.#recover(count.lineEnd, count.size);
    this.#lines += count.lines + (recovery.completed ? 1 : 0);
    this.#end = recovery.completed ? count.size + 1 : count.lineEnd;
  }

  #mendTail(): void {
    const size = this.#file.seekSync(0, Deno.SeekMode.End);
    this.#recover(lastLineEndSync(this.#file, size), size);
  }

  #recover(tailStart: number, size: number): Recovery {
    const { port, path } = this.#options;
    const recovery = recoverTailSync(port, { path, file: this.#file, tailStart, size });
    if (recovery.completed || recovery.tornFile !== undefined) this.#recovery = recovery;
    return recovery;
  }
}
