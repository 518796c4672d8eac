import type { FileHandle } from "./file_port.ts";
import {
  type Appended,
  type AppendFailure,
  type AppendRequest,
  LineFile,
  type LineFileOptions,
} from "./line_file.ts";
import { type LockOptions, withLock, withLockSync } from "./lock.ts";
import type { Recovery } from "./tail.ts";

/** What {@linkcode AppendFile.open} needs. */
export interface AppendFileOptions extends LineFileOptions {
  /** A sidecar that is never removed: locking it blocks no reader, on Windows either. */
  lockPath: string;
  lockTimeoutMs: number;
}

interface Waiting {
  /** Who came later has a greater one. */
  ticket: number;
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
  readonly #file: LineFile;
  readonly #lock: FileHandle;
  #queue: Waiting[] = [];
  #lastTicket = 0;
  #draining: Promise<void> | undefined;
  /** Why no more is accepted: closed, or a sync that failed. */
  #refusal: AppendFailure | undefined;
  #syncFailure: AppendFailure | undefined;

  private constructor(options: AppendFileOptions) {
    this.#options = options;
    this.#lockOptions = {
      exclusive: true,
      timeoutMs: options.lockTimeoutMs,
      timedOut: () => options.toError({ kind: "lock-timeout" }),
      failed: (cause) => options.toError({ kind: "io", cause }),
    };
    this.#file = new LineFile(options);
    try {
      const openOptions = { read: true, append: true, create: true, mode: 0o600 };
      this.#lock = options.port.openSync(options.lockPath, openOptions);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** Opens or creates the file and mends an unterminated tail. */
  static async open(options: AppendFileOptions): Promise<AppendFile> {
    const opened = new AppendFile(options);
    try {
      await withLock(opened.#lock, opened.#lockOptions, { body: () => opened.#file.mendTail() });
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
      withLockSync(opened.#lock, opened.#lockOptions, () => opened.#file.mendTail());
    } catch (error) {
      opened.#closeHandles();
      throw error;
    }
    return opened;
  }

  /** The last mending of the file's end by this handle. */
  get recovery(): Recovery {
    return this.#file.recovery;
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
      if (this.#queue.length >= MAX_WAITING) {
        return reject(this.#options.toError({ kind: "busy", actual: this.#queue.length }));
      }
      const waiting: Waiting = { ticket: ++this.#lastTicket, request, resolve, reject };
      if (signal !== undefined) this.#leaveOnAbort(waiting, signal);
      this.#queue.push(waiting);
      this.#draining ??= Promise.resolve().then(() => this.#drain());
    });
  }

  /** Appends before returning, overtaking those who wait. */
  appendSync(request: AppendRequest): Appended {
    if (this.#refusal !== undefined) throw this.#options.toError(this.#refusal);
    const appended = withLockSync(this.#lock, this.#lockOptions, () => this.#file.commit(request));
    if (request.onDisk) this.syncSync();
    return appended;
  }

  /** Makes everything appended so far survive a power cut. */
  async sync(): Promise<void> {
    if (this.#refusal !== undefined) throw this.#options.toError(this.#refusal);
    await this.#syncFile();
  }

  /** {@linkcode AppendFile.sync}, blocking. */
  syncSync(): void {
    if (this.#refusal !== undefined) throw this.#options.toError(this.#refusal);
    try {
      this.#file.syncSync();
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
    if (this.#queue.length > 0) this.#drainSync();
    this.#refusal = { kind: "closed" };
    this.#closeHandles();
  }

  #closeHandles(): void {
    this.#file.close();
    this.#lock.close();
  }

  #leaveOnAbort(waiting: Waiting, signal: AbortSignal): void {
    const leave = () => {
      const index = this.#queue.indexOf(waiting);
      if (index === -1) return;
      this.#queue.splice(index, 1);
      waiting.reject(signal.reason);
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
    const options = this.#lockOptions;
    while (this.#queue.length > 0) {
      const lastTicket = this.#lastTicket;
      try {
        const unsynced = await withLock(this.#lock, options, { body: () => this.#commitGroup() });
        if (unsynced.length > 0) await this.#syncGroup(unsynced);
      } catch (error) {
        // Those who came while the lock was waited for have time left.
        const later = this.#queue.findIndex(({ ticket }) => ticket > lastTicket);
        this.#rejectAll(this.#queue.splice(0, later === -1 ? this.#queue.length : later), error);
      }
    }
    this.#draining = undefined;
  }

  #rejectAll(refused: readonly Waiting[], reason: unknown): void {
    for (const waiting of refused) waiting.reject(reason);
  }

  #drainSync(): void {
    while (this.#queue.length > 0) {
      try {
        const unsynced = withLockSync(this.#lock, this.#lockOptions, () => this.#commitGroup());
        if (unsynced.length > 0) this.#syncGroupSync(unsynced);
      } catch (error) {
        this.#rejectAll(this.#queue.splice(0), error);
      }
    }
  }

  /** Writes as many waiting requests as fit a group; returns those that want it on disk. */
  #commitGroup(): Unsynced[] {
    const group = this.#takeGroup();
    let outcomes: (Appended | Error)[];
    try {
      outcomes = this.#file.commitAll(group.map((waiting) => waiting.request));
    } catch (error) {
      this.#rejectAll(group, error);
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
    let count = 0;
    for (let characters = 0; count < this.#queue.length && characters < GROUP_CHARACTERS; count++) {
      for (const line of this.#queue[count]!.request.lines) characters += line.length;
    }
    return this.#queue.splice(0, count);
  }

  async #syncGroup(unsynced: Unsynced[]): Promise<void> {
    let failure: unknown;
    try {
      await this.#syncFile();
    } catch (error) {
      failure = error;
    }
    this.#answer(unsynced, failure);
  }

  /**
   * Of two syncs at the same time that lose the same lines, the system tells only one: a success
   * counts only if no other sync has failed until then.
   */
  async #syncFile(): Promise<void> {
    try {
      await this.#file.sync();
    } catch (cause) {
      throw this.#refuseAfterSync(cause);
    }
    if (this.#syncFailure !== undefined) throw this.#options.toError(this.#syncFailure);
  }

  #syncGroupSync(unsynced: Unsynced[]): void {
    let failure: unknown;
    try {
      this.#file.syncSync();
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
    this.#syncFailure = failure;
    if (!this.closed) this.#refusal = failure;
    const error = this.#options.toError(failure);
    this.#rejectAll(this.#queue.splice(0), error);
    return error;
  }
}
