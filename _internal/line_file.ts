/**
 * How files of lines grow and are mended: the event log and the capture journal, to which many
 * processes append (`append_file.ts` adds their lock), and the journal of the store, which has one
 * owner. What is always true of them:
 *
 * 1. **Whole lines only.** Behind the last newline stands nothing, or what a dead writer left. Lines
 *    are never joined with that: before anything is appended it is completed or moved aside
 *    ({@linkcode recoverTailSync}).
 * 2. **All or none.** The lines of a group are one write. What a failed or short write left is cut
 *    off before anybody else can write ({@linkcode LineFile.append}), so a rejected caller's line is
 *    not in the file. If that fails too, the error says that nobody knows.
 * 3. **Acknowledged means written.** A caller is answered after the write of its group, and, if it
 *    wants its lines on disk, after a sync that began behind that write. A sync that failed is never
 *    repeated: the system marks the lines as clean all the same, and the next sync would succeed
 *    without having written them.
 *
 * It is safe to die at any line of this file. Killed inside a write: the file has a prefix of the
 * group's bytes, of which the whole lines stay and the rest is a tail for the next writer. Killed
 * between write and sync: the lines are there, and nobody was answered. Killed while a tail is mended:
 * its copy is on disk before it is cut, so it is there once or twice, and mending it again does no
 * harm. A power cut may turn unsynced pages into NULs, which readers take for damage of these lines.
 */
import { syncDirectorySync } from "./directories.ts";
import { isObject } from "./errors.ts";
import {
  blocksOf,
  createFileSync,
  discardSync,
  type FileHandle,
  type FilePort,
  inEitherForm,
  isAlreadyExists,
  readRangeSync,
  type Steps,
  withFileSync,
  writeWholeSync,
} from "./file_port.ts";
import { MAX_LINE_BYTES } from "./json_lines.ts";
import { dirname } from "./path.ts";
import { decodeUtf8, joinBytes, NEWLINE } from "./text.ts";

/** A write that failed and could not be cut back, so that nobody can vouch for the end of the file. */
export class UnknownOutcomeError extends AggregateError {
  override readonly name = "UnknownOutcomeError";

  constructor(writeError: unknown, cutError: unknown) {
    const message = "The write failed and could not be cut back: some of its lines may remain";
    super([writeError, cutError], message, { cause: writeError });
  }
}

/** How a {@linkcode LineFile} grows. */
interface LineFileOptions {
  /** Where the next line begins. */
  end: number;
  /**
   * How far to grow at once, in NULs that later lines take the place of: as long as a file does not
   * become longer, syncing it takes a third less time. The file must not be open for appending then,
   * and nobody else may write to it.
   *
   * @default {0}
   */
  growthBytes?: number;
  /** Shortens the file; by default through its handle. */
  cut?: (length: number) => void;
}

/** The end of an open file of lines. Whoever calls it is the only writer at that moment. */
export class LineFile {
  readonly #file: FileHandle;
  readonly #growthBytes: number;
  readonly #cut: (length: number) => void;
  #end: number;
  /** Where the file ends; behind `#end` there are only NULs. */
  #fileEnd: number;

  constructor(file: FileHandle, { end, growthBytes = 0, cut }: LineFileOptions) {
    this.#file = file;
    this.#growthBytes = growthBytes;
    this.#cut = cut ?? ((length) => this.#cutThroughHandle(length));
    this.#end = end;
    this.#fileEnd = end;
  }

  /** Where the next line begins. */
  get end(): number {
    return this.#end;
  }

  /** Where the file ends: behind the lines, as far as it has grown for later ones. */
  get fileEnd(): number {
    return this.#fileEnd;
  }

  /** Goes on behind what others have appended. */
  moveTo(end: number): void {
    this.#end = end;
    this.#fileEnd = end;
  }

  /**
   * Appends the bytes of whole lines in one write: all of them or, when it throws, none. Throws an
   * {@linkcode UnknownOutcomeError} when it can say neither.
   */
  append(lines: Uint8Array): void {
    const { length } = lines;
    try {
      const count = this.#file.writeSync(this.#withRoom(lines));
      if (count < length) {
        throw new Error(`Only ${count} of ${length} bytes were written: is the disk full?`);
      }
      this.#fileEnd = Math.max(this.#fileEnd, this.#end + count);
      if (count > length) this.#file.seekSync(this.#end + length, Deno.SeekMode.Start);
    } catch (error) {
      this.#cutBack(error);
      throw error;
    }
    this.#end += length;
  }

  /** Makes what was appended survive a power cut. */
  sync(): Steps<void> {
    return inEitherForm({
      sync: () => this.#file.syncDataSync(),
      async: () => this.#file.syncData(),
    });
  }

  #withRoom(lines: Uint8Array): Uint8Array {
    const end = this.#end + lines.length;
    if (this.#growthBytes === 0 || end <= this.#fileEnd) return lines;
    return joinBytes([lines, new Uint8Array(this.#growthBytes - end % this.#growthBytes)]);
  }

  #cutBack(writeError: unknown): void {
    try {
      this.#cut(this.#end);
      this.#fileEnd = this.#end;
    } catch (cutError) {
      throw new UnknownOutcomeError(writeError, cutError);
    }
  }

  #cutThroughHandle(length: number): void {
    this.#file.truncateSync(length);
    this.#file.seekSync(length, Deno.SeekMode.Start);
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

  constructor(committer: GroupCommitter) {
    this.#committer = committer;
  }

  /** How many wait. */
  get size(): number {
    return this.#queue.length;
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

const BLOCK_BYTES = 64 * 1024;

/** What had to be mended at the end of a JSON Lines file before it could be appended to. */
export interface Recovery {
  /** The last line was a whole JSON object that only lacked its newline; it got it. */
  completed: boolean;
  /** The file to which an unterminated, unreadable tail was moved, byte for byte. */
  tornFile?: string;
}

/** The offset behind the last newline before `size`, found by reading backwards; 0 without one. */
export function lastLineEndSync(file: FileHandle, size: number): number {
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const newline = readRangeSync(file, start, end).lastIndexOf(NEWLINE);
    if (newline !== -1) return start + newline + 1;
    end = start;
  }
  return 0;
}

/** Whether the bytes are the text of exactly one JSON object. */
export function isJsonObject(bytes: Uint8Array): boolean {
  try {
    return isObject(JSON.parse(decodeUtf8(bytes)));
  } catch {
    return false;
  }
}

/** Whether what stands behind the last newline is a whole object that lacks only that. */
export function isWholeTailSync(
  file: FileHandle,
  { tailStart, size }: { tailStart: number; size: number },
): boolean {
  return size - tailStart <= MAX_LINE_BYTES && isJsonObject(readRangeSync(file, tailStart, size));
}

/** Shortens a file. An append-only handle cannot do that on Windows, so it takes one of its own. */
export function cutFileSync(port: FilePort, path: string, length: number): void {
  withFileSync(port, { path, write: true }, (file) => file.truncateSync(length));
}

/** Where an unterminated tail stands. */
interface TailSource {
  path: string;
  /** Open for reading and appending. */
  file: FileHandle;
  tailStart: number;
  size: number;
}

/**
 * Mends the end of a JSON Lines file whose writer died inside a write, so that the next line
 * cannot fuse with the stub: a whole object gets its newline, anything else is moved aside and
 * cut. The caller holds the lock of the file. Done twice, it does nothing the second time.
 */
export function recoverTailSync(port: FilePort, source: TailSource): Recovery {
  if (source.tailStart === source.size) return { completed: false };
  if (isWholeTailSync(source.file, source)) {
    writeWholeSync(source.file, new Uint8Array([NEWLINE]));
    source.file.syncDataSync();
    return { completed: true };
  }
  const tornFile = quarantineSync(port, source);
  cutFileSync(port, source.path, source.tailStart);
  source.file.syncDataSync();
  return { completed: false, tornFile };
}

/** Copies the tail to `<path>.torn-<n>`, which is on disk before anything is cut. */
export function quarantineSync(port: FilePort, source: TailSource): string {
  const tornFile = createTornFileSync(port, source);
  try {
    syncDirectorySync(port, dirname(source.path));
  } catch (error) {
    discardSync(port, tornFile);
    throw error;
  }
  return tornFile;
}

function createTornFileSync(port: FilePort, { path, file, tailStart, size }: TailSource): string {
  for (let number = 1;; number++) {
    const tornFile = `${path}.torn-${number}`;
    try {
      createFileSync(port, tornFile, blocksOf(file, { start: tailStart, end: size }));
      return tornFile;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}
