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
  fillSync,
  inEitherForm,
  isAlreadyExists,
  isNul,
  isSameFile,
  lookAtSync,
  openRegularSync,
  readRangeSync,
  sizeOf,
  type Steps,
  withFileSync,
  writeWholeSync,
} from "./file_port.ts";
import {
  countLinesSync,
  endOfPiece,
  linePiecesSync,
  linesOf,
  MAX_LINE_BYTES,
  startsWith,
} from "./json_lines.ts";
import { dirname, isWindows } from "./path.ts";
import { lostPath, tornPath } from "./root_layout.ts";
import { type SyncOptions, SyncPace } from "./sync_pace.ts";
import { decodeUtf8, joinBytes, NEWLINE, reasonOf } from "./text.ts";

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

/** Of more, what earlier syncs took tells nothing. */
const SHORT_SYNC_BYTES = 64 * 1024;

const NOTHING = new Uint8Array();
const CHECKED_BYTES = 4096;
/** So much of what was appended last is kept; of more, only the end. */
const KEPT_BYTES = 64 * 1024;

/** The end of an open file of lines. Whoever calls it is the only writer at that moment. */
export class LineFile {
  readonly #file: FileHandle;
  readonly #growthBytes: number;
  readonly #cut: (length: number) => void;
  #end: number;
  /** Where the file ends; behind `#end` there are only NULs. */
  #fileEnd: number;
  /** What stands before `#end`, as far as it is known: what was appended last. */
  #last: Uint8Array = NOTHING;
  readonly #pace = new SyncPace();
  /** Where the lines ended when they were synced last. */
  #syncedEnd: number;

  constructor(file: FileHandle, { end, growthBytes = 0, cut }: LineFileOptions) {
    this.#file = file;
    this.#growthBytes = growthBytes;
    this.#cut = cut ?? ((length) => this.#cutThroughHandle(length));
    this.#end = end;
    this.#fileEnd = end;
    this.#syncedEnd = end;
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
    this.#last = readRangeSync(this.#file, Math.max(0, end - CHECKED_BYTES), end);
  }

  /** Whether the last line, or its last 4 KiB, is still in its place. */
  hasLastLine(): boolean {
    const last = this.#lastLine();
    return startsWith(readRangeSync(this.#file, this.#end - last.length, this.#end), last);
  }

  /**
   * Goes on behind the whole lines that others have appended to a file of `size` bytes, and tells how
   * many these were; undefined when the last line is not in its place any more.
   */
  takeIn(size: number): number | undefined {
    const last = this.#lastLine();
    const start = this.#end - last.length;
    if (size - start > KEPT_BYTES) return this.#takeInMuch(size);
    const bytes = readRangeSync(this.#file, start, size);
    if (!startsWith(bytes, last)) return undefined;
    let lines = 0;
    let lineEnd = last.length;
    for (let at; (at = bytes.indexOf(NEWLINE, lineEnd)) !== -1; lineEnd = at + 1) lines++;
    this.#end = this.#fileEnd = start + lineEnd;
    this.#last = bytes.subarray(0, lineEnd);
    return lines;
  }

  #takeInMuch(size: number): number | undefined {
    if (!this.hasLastLine()) return undefined;
    // More than a line may be NULs by the gigabyte, which are faster to look at from behind.
    const isHuge = size - this.#end > MAX_LINE_BYTES;
    const end = isHuge ? lastLineEndSync(this.#file, size, this.#end) : size;
    const { lines, lineEnd } = countLinesSync(this.#file, this.#end, end);
    this.moveTo(lineEnd);
    return lines;
  }

  /** The last line that is known, or as much of it as is compared. */
  #lastLine(): Uint8Array {
    const { length } = this.#last;
    const lineStart = this.#last.lastIndexOf(NEWLINE, -2) + 1;
    return this.#last.subarray(Math.max(lineStart, length - CHECKED_BYTES));
  }

  /**
   * Appends the bytes of whole lines in one write: all of them or, when it throws, none. Throws an
   * {@linkcode UnknownOutcomeError} when it can say neither. The bytes must stay as they are until the
   * next call.
   */
  append(lines: Uint8Array): void {
    const { length } = lines;
    // The bytes of the last call may be in the same buffer.
    this.#last = NOTHING;
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
    this.#last = length > KEPT_BYTES ? lines.slice(-CHECKED_BYTES) : lines;
  }

  /** Takes back what was appended behind `end`, before anybody else can write. */
  takeBack(end: number): void {
    this.#cut(end);
    this.moveTo(end);
  }

  /** Makes what was appended survive a power cut. */
  sync({ mayBlock = false, isTurnOver = false }: SyncOptions = {}): Steps<void> {
    const isShort = this.#end - this.#syncedEnd <= SHORT_SYNC_BYTES;
    const end = this.#end;
    return inEitherForm({
      sync: () => this.#file.syncDataSync(),
      async: async () => {
        const isBlocking = mayBlock && isShort && this.#pace.mayBlock;
        const startedMs = performance.now();
        if (isBlocking) this.#file.syncDataSync();
        else await this.#file.syncData();
        this.#pace.took(performance.now() - startedMs, { isBlocking, isTurnOver });
        this.#syncedEnd = end;
      },
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

const FIRST_BLOCK_BYTES = 64 * 1024;
const BLOCK_BYTES = 1024 * 1024;

/** What had to be mended at the end of a JSON Lines file before it could be appended to. */
export interface Recovery {
  /** The last line was a whole JSON object that only lacked its newline; it got it. */
  completed: boolean;
  /** The file to which an unterminated, unreadable tail was moved, byte for byte. */
  tornFile?: string;
}

/**
 * The offset behind the last newline between `start` and `size`, found by reading backwards; `start`
 * without one. What a crash leaves may be gigabytes of NULs: looking for a newline in them costs more
 * than reading them.
 */
export function lastLineEndSync(file: FileHandle, size: number, start = 0): number {
  let buffer = new Uint8Array(Math.max(0, Math.min(FIRST_BLOCK_BYTES, size - start)));
  for (let end = size; end > start;) {
    const blockStart = Math.max(start, end - buffer.length);
    const block = buffer.subarray(0, end - blockStart);
    const bytes = block.subarray(0, fillSync(file, blockStart, block));
    const newline = isNul(bytes) ? -1 : bytes.lastIndexOf(NEWLINE);
    if (newline !== -1) return blockStart + newline + 1;
    end = blockStart;
    if (buffer.length < BLOCK_BYTES) buffer = new Uint8Array(BLOCK_BYTES);
  }
  return start;
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

/** An open file of lines, and where it was opened. */
interface OpenLines {
  path: string;
  /** Open for reading and writing. */
  file: FileHandle;
}

/**
 * Shortens an open file. Never through its path alone, where another file may stand meanwhile: where an
 * append-only handle cannot do it, as on Windows, the one that can is compared first.
 */
export function cutSync(port: FilePort, { path, file }: OpenLines, length: number): void {
  if (!isWindows) return file.truncateSync(length);
  withFileSync(port, { path, write: true }, (other) => {
    if (!isSameFile(file.statSync(), other.statSync())) {
      throw new Error(`Cannot shorten ${path}: another file has taken its place`);
    }
    other.truncateSync(length);
  });
}

/** Where an unterminated tail stands. */
interface TailSource extends OpenLines {
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
  cutSync(port, source, source.tailStart);
  source.file.syncDataSync();
  return { completed: false, tornFile };
}

/** Copies the tail to `<path>.torn-<n>`, holes kept, which is on disk before anything is cut. */
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

function createTornFileSync(port: FilePort, source: TailSource): string {
  const { path, file, tailStart: start, size: end } = source;
  return createNumberedSync(port, (number) => tornPath(path, number), () => {
    return blocksOf(file, { start, end });
  });
}

/** Creates the first file that is not there yet of those that a number names. */
export function createNumberedSync(
  port: FilePort,
  pathOf: (number: number) => string,
  content: () => Iterable<Uint8Array>,
): string {
  for (let number = 1;; number++) {
    try {
      createFileSync(port, pathOf(number), content());
      return pathOf(number);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}

const MOST_COMPARED_BYTES = 64 * 1024 * 1024;

/** What was saved of a file that is not its path's any more. */
interface SavedLines {
  /** What has happened, and where the lines are, for people. */
  problem: string;
  /** Why they could not be saved. */
  cause?: unknown;
}

/**
 * Saves, as `<path>.lost-<n>`, the lines of an open file that are not in the one that stands at its path
 * now. Whole lines of a file never change, so no lock is needed.
 */
export function saveLostLinesSync(port: FilePort, path: string, file: FileHandle): SavedLines {
  const moved = "the file that was open has been moved, replaced or removed";
  try {
    return { problem: `${moved}; ${saveMissingSync(port, path, file)}` };
  } catch (cause) {
    const problem = `${moved}, and its lines could not be saved: ${reasonOf(cause)} ` +
      "(that is tried once more when it is closed)";
    return { problem, cause };
  }
}

/** Says where the lines are. */
function saveMissingSync(port: FilePort, path: string, file: FileHandle): string {
  const folder = dirname(path);
  if (lookAtSync(port, folder)?.isDirectory !== true) {
    const { nlink } = file.statSync();
    return `its folder ${folder} is gone too` +
      (nlink === 0 ? ", and its lines with it" : "; its lines are in it, wherever it is now");
  }
  const isFile = lookAtSync(port, path)?.isFile === true;
  const present = isFile ? openRegularSync(port, path, { read: true }) : undefined;
  try {
    const hasLost = linesMissingIn(present, file).next().done === false;
    if (!hasLost) return "none of its lines is missing in the file that is there now";
    const lostFile = createNumberedSync(port, (number) => lostPath(path, number), () => {
      return linesMissingIn(present, file);
    });
    syncDirectorySync(port, folder);
    return `the lines that are missing there are kept in ${lostFile}`;
  } finally {
    present?.close();
  }
}

/** The lines of `old` that `present` lacks, in blocks. Too much to be compared counts as lacking. */
function* linesMissingIn(present: FileHandle | undefined, old: FileHandle): Generator<Uint8Array> {
  const start = present === undefined ? 0 : commonEndSync(present, old);
  const lines = present === undefined ? new Map() : countTextsSync(present, start);
  for (const piece of linePiecesSync(old, { start, blockBytes: BLOCK_BYTES })) {
    if (piece.kind === "end") return;
    if (piece.kind === "too-long" || piece.skippedNuls > 0) {
      yield* blocksOf(old, { start: piece.byteOffset, end: endOfPiece(piece) });
      continue;
    }
    for (const { bytes, byteOffset, byteLength } of linesOf(piece)) {
      const text = toText(bytes);
      const count = lines.get(text) ?? 0;
      if (count > 0) lines.set(text, count - 1);
      else yield readRangeSync(old, byteOffset, byteOffset + byteLength + 1);
    }
  }
}

/** Where the lines end that two files begin with alike. */
function commonEndSync(one: FileHandle, other: FileHandle): number {
  let lineEnd = 0;
  for (let at = 0;; at += BLOCK_BYTES) {
    const block = readRangeSync(one, at, at + BLOCK_BYTES);
    const otherBlock = readRangeSync(other, at, at + BLOCK_BYTES);
    const difference = block.findIndex((byte, index) => byte !== otherBlock[index]);
    const common = difference === -1 ? block.length : difference;
    const newline = block.subarray(0, common).lastIndexOf(NEWLINE);
    if (newline !== -1) lineEnd = at + newline + 1;
    if (common < BLOCK_BYTES) return lineEnd;
  }
}

/** How often each line stands in a file behind `start`. */
function countTextsSync(file: FileHandle, start: number): Map<string, number> {
  const counts = new Map<string, number>();
  if (sizeOf(file) - start > MOST_COMPARED_BYTES) return counts;
  for (const piece of linePiecesSync(file, { start, blockBytes: BLOCK_BYTES })) {
    if (piece.kind === "end") return counts;
    if (piece.kind === "too-long" || piece.skippedNuls > 0) continue;
    for (const { bytes } of linesOf(piece)) {
      const text = toText(bytes);
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
  }
  return counts;
}

/** A text that is different for different bytes. */
function toText(bytes: Uint8Array): string {
  return latin1.decode(bytes);
}

const latin1 = new TextDecoder("latin1");
