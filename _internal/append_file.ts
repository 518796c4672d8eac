/**
 * A file of lines to which many processes append: the event log and the journal of capture. What a
 * write leaves and how a tail is mended stands in `line_file.ts`; what this file adds is always true
 * too:
 *
 * 1. **Who writes holds the lock**, that of a file of its own beside the lines, which is never
 *    removed: so no reader is ever blocked, on Windows either, and nobody waits for a lock on
 *    nothing. The lock is taken for a group of requests, for as long as their one write takes.
 * 2. **Nothing is written behind something unknown.** Under the lock, before each write, the file's
 *    size is compared with where this handle left it. What others appended is counted, a tail that a
 *    dead writer left is mended; a file that has become shorter is not written to any more.
 * 3. **The lock is given up before the sync**, so that nobody waits for the disk while others want to
 *    write. A sync makes everything before it durable, whoever wrote it, so order is kept.
 * 4. **A handle whose sync has failed promises nothing any more.** It refuses every further append.
 * 5. Callers are answered in the order in which they came, but `appendSync` overtakes those who wait.
 *
 * It is safe to die anywhere: the system gives up the lock of a dead process, and the next writer
 * finds at most a tail to mend. Who waits for the lock waits in bounded pauses, and learns when that
 * took too long; nothing was written for that caller then.
 */
import { type FileHandle, type FilePort, runSteps, runStepsSync, type Steps } from "./file_port.ts";
import { countLinesSync } from "./json_lines.ts";
import {
  CommitQueue,
  cutFileSync,
  lastLineEndSync,
  LineFile,
  recoverTailSync,
  type Recovery,
  type WaitingRequest,
} from "./line_file.ts";
import { type LockOptions, withLockSteps, withLockSync } from "./lock.ts";
import { NEWLINE } from "./text.ts";

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

/** A file of lines, open for appending. */
export class AppendFile {
  readonly #options: AppendFileOptions;
  readonly #lockOptions: LockOptions;
  readonly #lines: SharedLines;
  readonly #lock: FileHandle;
  readonly #queue: CommitQueue<AppendRequest, Appended>;
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
    this.#queue = new CommitQueue({ commitGroup: () => runSteps(this.#commitGroup()) });
    this.#lines = new SharedLines(options);
    try {
      const openOptions = { read: true, append: true, create: true, mode: 0o600 };
      this.#lock = options.port.openSync(options.lockPath, openOptions);
    } catch (error) {
      this.#lines.close();
      throw error;
    }
  }

  /** Opens or creates the file and mends an unterminated tail. */
  static *open(options: AppendFileOptions): Steps<AppendFile> {
    const opened = new AppendFile(options);
    try {
      yield* withLockSteps(opened.#lock, opened.#lockOptions, () => opened.#lines.mendTail());
    } catch (error) {
      opened.#closeHandles();
      throw error;
    }
    return opened;
  }

  /** The last mending of the file's end by this handle. */
  get recovery(): Recovery {
    return this.#lines.recovery;
  }

  /** Whether {@linkcode AppendFile.close} was called. */
  get closed(): boolean {
    return this.#refusal?.kind === "closed";
  }

  /** Appends, sharing a write and a sync with everybody who waits at the same time. */
  append(request: AppendRequest, signal?: AbortSignal): Promise<Appended> {
    const { toError } = this.#options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#refusal !== undefined) return Promise.reject(toError(this.#refusal));
    const { size } = this.#queue;
    if (size >= MAX_WAITING) return Promise.reject(toError({ kind: "busy", actual: size }));
    return this.#queue.submit(request, signal);
  }

  /** Appends before returning, overtaking those who wait. */
  appendSync(request: AppendRequest): Appended {
    if (this.#refusal !== undefined) throw this.#options.toError(this.#refusal);
    const appended = withLockSync(this.#lock, this.#lockOptions, () => this.#lines.commit(request));
    if (request.onDisk) this.syncSync();
    return appended;
  }

  /** Makes everything appended so far survive a power cut. */
  async sync(): Promise<void> {
    if (this.#refusal !== undefined) throw this.#options.toError(this.#refusal);
    await runSteps(this.#sync());
  }

  /** {@linkcode AppendFile.sync}, blocking. */
  syncSync(): void {
    if (this.#refusal !== undefined) throw this.#options.toError(this.#refusal);
    runStepsSync(this.#sync());
  }

  /** Closes when those who wait have their answer. Appends from now on are refused. */
  async close(): Promise<void> {
    if (this.closed) return await this.#queue.drained();
    this.#refusal = { kind: "closed" };
    await this.#queue.drained();
    this.#closeHandles();
  }

  /** Writes what waits, then closes, before returning. */
  closeSync(): void {
    if (this.closed) return;
    while (this.#queue.size > 0) {
      try {
        runStepsSync(this.#commitGroup());
      } catch (error) {
        this.#queue.rejectAll(error);
      }
    }
    this.#refusal = { kind: "closed" };
    this.#closeHandles();
  }

  #closeHandles(): void {
    this.#lines.close();
    this.#lock.close();
  }

  /** Writes as many waiting requests as fit a group, and syncs those that want it. */
  *#commitGroup(): Steps<void> {
    const unsynced = yield* withLockSteps(this.#lock, this.#lockOptions, () => this.#writeGroup());
    if (unsynced.length === 0) return;
    try {
      yield* this.#sync();
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
   * counts only if no other sync has failed until then.
   */
  *#sync(): Steps<void> {
    try {
      yield* this.#lines.sync();
    } catch (cause) {
      throw this.#refuseAfterSync(cause);
    }
    if (this.#syncFailure !== undefined) throw this.#options.toError(this.#syncFailure);
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
    this.#queue.rejectAll(error);
    return error;
  }
}

function charactersOf({ lines }: AppendRequest): number {
  let characters = 0;
  for (const line of lines) characters += line.length;
  return characters;
}

/**
 * The lines themselves, which others append to as well. Whoever calls `mendTail`, `commit` or
 * `commitAll` holds the lock.
 */
class SharedLines {
  readonly #options: AppendFileOptions;
  readonly #handle: FileHandle;
  readonly #file: LineFile;
  readonly #encoder = new LineEncoder();
  /** Lines before the end of `#file`; both are 0 until the first commit counts them. */
  #count = 0;
  #recovery: Recovery = { completed: false };

  constructor(options: AppendFileOptions) {
    const { port, path } = options;
    this.#options = options;
    this.#handle = port.openSync(path, { read: true, append: true, create: true, mode: 0o600 });
    this.#file = new LineFile(this.#handle, {
      end: 0,
      cut: (length) => cutFileSync(port, path, length),
    });
  }

  get recovery(): Recovery {
    return this.#recovery;
  }

  /** Completes or moves aside what a killed writer left behind the last newline. */
  mendTail(): void {
    const size = this.#handle.seekSync(0, Deno.SeekMode.End);
    this.#recover(lastLineEndSync(this.#handle, size), size);
  }

  /** Writes one request. */
  commit(request: AppendRequest): Appended {
    this.#catchUp();
    const firstSeq = this.#count + 1;
    const conflict = this.#conflict(request, this.#count);
    if (conflict !== undefined) throw conflict;
    if (request.lines.length > 0) this.#write(request.lines);
    return { firstSeq, lastSeq: this.#count };
  }

  /** One write for all requests of a group whose expectation holds, in order. */
  commitAll(requests: readonly AppendRequest[]): (Appended | Error)[] {
    this.#catchUp();
    const lines: string[] = [];
    const outcomes = requests.map((request) => {
      const lastSeq = this.#count + lines.length;
      const conflict = this.#conflict(request, lastSeq);
      if (conflict !== undefined) return conflict;
      for (const line of request.lines) lines.push(line);
      return { firstSeq: lastSeq + 1, lastSeq: lastSeq + request.lines.length };
    });
    if (lines.length > 0) this.#write(lines);
    return outcomes;
  }

  sync(): Steps<void> {
    return this.#file.sync();
  }

  close(): void {
    this.#handle.close();
  }

  #conflict({ expectedLastSeq: expected }: AppendRequest, actual: number): Error | undefined {
    if (expected === undefined || expected === actual) return undefined;
    return this.#options.toError({ kind: "conflict", expected, actual });
  }

  #write(lines: readonly string[]): void {
    try {
      this.#file.append(this.#encoder.encode(lines));
    } catch (cause) {
      throw this.#options.toError({ kind: "io", cause });
    }
    this.#count += lines.length;
  }

  /** Takes in what others appended, and mends what a killed writer left. */
  #catchUp(): void {
    const { end } = this.#file;
    let size: number;
    try {
      size = this.#handle.seekSync(0, Deno.SeekMode.End);
      if (size > end) return this.#takeInOthers();
    } catch (cause) {
      throw this.#options.toError({ kind: "io", cause });
    }
    if (size < end) {
      throw this.#options.toError({ kind: "rewound", expected: end, actual: size });
    }
  }

  #takeInOthers(): void {
    const count = countLinesSync(this.#handle, this.#file.end);
    const recovery = this.#recover(count.lineEnd, count.size);
    this.#count += count.lines + (recovery.completed ? 1 : 0);
    this.#file.moveTo(recovery.completed ? count.size + 1 : count.lineEnd);
  }

  #recover(tailStart: number, size: number): Recovery {
    const { port, path } = this.#options;
    const recovery = recoverTailSync(port, { path, file: this.#handle, tailStart, size });
    if (recovery.completed || recovery.tornFile !== undefined) this.#recovery = recovery;
    return recovery;
  }
}

const KEPT_BUFFER_BYTES = 1024 * 1024;
const KEPT_VIEWS = 4096;
const encoder = new TextEncoder();

/** Turns lines into the bytes of one write, in a buffer that is used again. */
export class LineEncoder {
  #buffer = new Uint8Array(4096);
  /** Views of the buffer by length: making one costs as much as encoding a short line. */
  #views: Uint8Array[] = [];

  /** The lines, each with a newline; valid until the next call. */
  encode(lines: readonly string[]): Uint8Array {
    const text = lines.length === 1 ? lines[0]! : lines.join("\n");
    const most = text.length * 3 + 1;
    if (most > KEPT_BUFFER_BYTES) return encoder.encode(text + "\n");
    if (most > this.#buffer.length) this.#grow(most);
    const { written } = encoder.encodeInto(text, this.#buffer);
    this.#buffer[written] = NEWLINE;
    return this.#view(written + 1);
  }

  #grow(most: number): void {
    this.#buffer = new Uint8Array(2 ** Math.ceil(Math.log2(most)));
    this.#views = [];
  }

  #view(length: number): Uint8Array {
    if (length >= KEPT_VIEWS) return this.#buffer.subarray(0, length);
    return this.#views[length] ??= this.#buffer.subarray(0, length);
  }
}
