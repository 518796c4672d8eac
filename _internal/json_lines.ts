/**
 * How JSON Lines are read while others may be writing, for the event log, the capture journal and the
 * store. What is always true:
 *
 * 1. **A line is what ends in a newline.** What stands behind the last newline is never delivered: it
 *    is a line in flight, or torn, and only who knows the lock can tell which.
 * 2. **Whole lines never change**, so a block that begins at the start of a line and ends with a newline
 *    is right for ever, with one exception: before its newline was there, it may have been a torn tail
 *    that a writer moved aside meanwhile, with another line in its place. So every read begins at the
 *    start of a line, and what came in several reads, or ended where the file was just growing, is
 *    read again until it stays the same.
 * 3. **Memory is bounded.** A line over 16 MiB is passed over and reported; leading NULs, which a power
 *    cut leaves by the megabyte, are counted and not held.
 * 4. **Offsets and numbers are physical.** A damaged line counts, so the number of a line never depends
 *    on who reads it.
 *
 * Reading takes no lock and changes nothing. The blocking and the asynchronous form are one generator
 * of steps ({@linkcode linePieceSteps}).
 */
import {
  type FileHandle,
  inEitherForm,
  isNul,
  itemsOfSteps,
  itemsOfStepsSync,
  sizeOf,
  type Step,
  type Steps,
} from "./file_port.ts";
import { NEWLINE } from "./text.ts";

/** The longest line that is written or delivered, in bytes without its newline. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** Whole lines that stand together in a file. */
export interface LineBlock {
  kind: "lines";
  /** The lines with their newlines; valid until the next block is asked for. */
  bytes: Uint8Array;
  /** Where the first line begins, the skipped NUL bytes included. */
  byteOffset: number;
  /** NUL bytes of the first line that were left out because there were too many to hold. */
  skippedNuls: number;
}

/** A terminated line over {@linkcode MAX_LINE_BYTES}. */
export interface LongLine {
  kind: "too-long";
  byteOffset: number;
  byteLength: number;
}

/** Where the last newline stood when the file was read to its end. */
interface LinesEnd {
  kind: "end";
  byteOffset: number;
  /** Bytes behind the last newline: a line in flight, or torn. */
  byteLength: number;
}

/** A step through a JSON Lines file. */
export type LinePiece = LineBlock | LongLine | LinesEnd;

/**
 * Cuts what is read into blocks of whole lines. Every read begins at the start of a line: bytes of
 * an unterminated tail are never kept to be joined with a later read, as a writer may have moved
 * that tail aside in between.
 */
class LineSplitter {
  #buffer: Uint8Array;
  /** Start of the line that the next read begins with or lies inside of. */
  #lineStart: number;
  /** Bytes of that line already passed over: leading NULs, or a line too long to hold. */
  #skipped = 0;
  #tooLong = false;

  constructor(start: number, blockBytes: number) {
    this.#lineStart = start;
    this.#buffer = new Uint8Array(blockBytes);
  }

  get readOffset(): number {
    return this.#lineStart + this.#skipped;
  }

  get buffer(): Uint8Array {
    return this.#buffer;
  }

  /** Takes the bytes now in the buffer; undefined when more of the line must be read first. */
  take(filled: number): LinePiece | undefined {
    const bytes = this.#buffer.subarray(0, filled);
    if (this.#tooLong) return this.#passOver(bytes);
    // What a power cut leaves may be gigabytes of them, where looking for a newline takes far longer.
    const hasNulsOnly = isNul(bytes);
    const newline = hasNulsOnly ? -1 : bytes.lastIndexOf(NEWLINE);
    if (newline !== -1) return this.#lines(bytes.subarray(0, newline + 1));
    if (filled < this.#buffer.length) return this.#end(filled);
    if (hasNulsOnly) this.#skipped += filled;
    else if (filled > MAX_LINE_BYTES) this.#tooLong = true;
    else this.#buffer = new Uint8Array(Math.min(this.#buffer.length * 2, MAX_LINE_BYTES + 1));
    return undefined;
  }

  #lines(bytes: Uint8Array): LineBlock {
    const byteOffset = this.#lineStart;
    const skippedNuls = this.#skipped;
    this.#lineStart = this.readOffset + bytes.length;
    this.#skipped = 0;
    return { kind: "lines", bytes, byteOffset, skippedNuls };
  }

  #passOver(bytes: Uint8Array): LinePiece | undefined {
    const newline = bytes.indexOf(NEWLINE);
    if (newline === -1 && bytes.length < this.#buffer.length) return this.#end(bytes.length);
    this.#skipped += newline === -1 ? bytes.length : newline;
    if (newline === -1) return undefined;
    const piece = {
      kind: "too-long",
      byteOffset: this.#lineStart,
      byteLength: this.#skipped,
    } as const;
    this.#lineStart += this.#skipped + 1;
    this.#skipped = 0;
    this.#tooLong = false;
    return piece;
  }

  /** Goes back to the line's start: when there is more to read, it is read as a whole. */
  #end(filled: number): LinesEnd {
    const byteLength = this.#skipped + filled;
    this.#skipped = 0;
    this.#tooLong = false;
    return { kind: "end", byteOffset: this.#lineStart, byteLength };
  }
}

/** How many bytes came, and in how many reads. */
interface Filled {
  count: number;
  reads: number;
}

function* read(file: LineSource, offset: number, buffer: Uint8Array): Steps<Filled> {
  file.seekSync(offset, Deno.SeekMode.Start);
  const filled = { count: 0, reads: 0 };
  while (filled.count < buffer.length) {
    const rest = buffer.subarray(filled.count);
    const count = yield* inEitherForm({
      sync: () => file.readSync(rest),
      async: () => file.read?.(rest) ?? Promise.resolve(file.readSync(rest)),
    });
    if (count === null) break;
    filled.count += count;
    filled.reads++;
  }
  return filled;
}

/**
 * Fills the buffer as far as the file goes. Meanwhile a torn tail may be moved aside and a line
 * appended in its place, between two reads, or between two pages of one read, as no system takes a
 * snapshot of a file for it. So what came in several reads, and what stood where the file ended when
 * that was about to change, is read again until it stays the same. Only what came twice counts: what
 * has been appended since is for the next read, since it may be mixed in its turn.
 */
function* fill(
  file: LineSource,
  offset: number,
  whole: Uint8Array,
  end: number,
): Steps<number> {
  const buffer = whole.subarray(0, Math.max(0, end - offset));
  const size = sizeOf(file);
  let filled = yield* read(file, offset, buffer);
  // A tail is no longer than a line: what stands further from the end was whole before.
  const isNearEnd = size - offset - filled.count <= MAX_LINE_BYTES;
  const mayBeMixed = isNearEnd && sizeOf(file) !== size;
  if (filled.reads <= 1 && !mayBeMixed) return filled.count;
  for (;;) {
    const before = buffer.slice(0, filled.count);
    filled = yield* read(file, offset, buffer);
    if (startsWith(buffer.subarray(0, filled.count), before)) return before.length;
  }
}

/** Whether bytes begin with others. */
export function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  if (bytes.length < start.length) return false;
  for (let index = 0; index < start.length; index++) {
    if (bytes[index] !== start[index]) return false;
  }
  return true;
}

/** Whether the NULs that were passed over were a torn tail that has been moved aside since. */
function hasMovedSync(file: LineSource, piece: LinePiece): boolean {
  if (piece.kind !== "lines" || piece.skippedNuls === 0) return false;
  const first = new Uint8Array(1);
  file.seekSync(piece.byteOffset, Deno.SeekMode.Start);
  return file.readSync(first) !== 1 || first[0] !== 0;
}

/** What lines can be read from: an open file, or bytes that are read like one. */
export type LineSource =
  & Pick<FileHandle, "seekSync" | "readSync">
  & Partial<Pick<FileHandle, "read">>;

/** How to read lines. */
export interface LineReading {
  /** Where a line begins. */
  start: number;
  /** How much to read at once; a longer line is read whole all the same. */
  blockBytes: number;
  /** Where to end; by default where the file ends at each read, however far others make it grow. */
  end?: number;
  /** Makes the error for what the file system threw; that itself by default. */
  failed?: (cause: unknown) => unknown;
}

/** {@linkcode linePieces} and {@linkcode linePiecesSync}, as steps that give pieces on the way. */
export function* linePieceSteps(
  file: LineSource,
  { start, blockBytes, end = Infinity, failed = (cause) => cause }: LineReading,
): Generator<Step | LinePiece, never, void> {
  let splitter = new LineSplitter(start, blockBytes);
  for (;;) {
    let piece: LinePiece | undefined;
    try {
      piece = splitter.take(yield* fill(file, splitter.readOffset, splitter.buffer, end));
      if (piece === undefined) continue;
      if (hasMovedSync(file, piece)) {
        splitter = new LineSplitter(piece.byteOffset, blockBytes);
        continue;
      }
    } catch (cause) {
      throw failed(cause);
    }
    yield piece;
  }
}

/**
 * The pieces of a file from a line's start on. After an `end` piece the caller may go on asking,
 * for what has been appended since.
 */
export function* linePiecesSync(
  file: LineSource,
  options: LineReading,
): Generator<LinePiece, never> {
  // The pieces never end; the loop only says so to the compiler.
  for (;;) yield* itemsOfStepsSync(linePieceSteps(file, options));
}

/** {@linkcode linePiecesSync} that leaves the event loop free while it reads. */
export async function* linePieces(
  file: LineSource,
  options: LineReading,
): AsyncGenerator<LinePiece, never> {
  for (;;) yield* itemsOfSteps(linePieceSteps(file, options));
}

/** One line, without its newline. */
export interface Line {
  /** Its bytes, but for NULs that were left out in front. */
  bytes: Uint8Array;
  /** Where it begins in the file, NULs included. */
  byteOffset: number;
  /** How long it is, NULs included. */
  byteLength: number;
}

/** The lines of a block, one by one. What stands behind the last newline is none. */
export function* linesOf(block: Omit<LineBlock, "kind">): Generator<Line> {
  const { bytes } = block;
  let { byteOffset, skippedNuls } = block;
  let start = 0;
  for (let end; (end = bytes.indexOf(NEWLINE, start)) !== -1; start = end + 1) {
    const byteLength = skippedNuls + end - start;
    yield { bytes: bytes.subarray(start, end), byteOffset, byteLength };
    byteOffset += byteLength + 1;
    skippedNuls = 0;
  }
}

/** Where a piece ends: where the next line begins. */
export function endOfPiece(piece: LinePiece): number {
  switch (piece.kind) {
    case "lines":
      return piece.byteOffset + piece.skippedNuls + piece.bytes.length;
    case "too-long":
      return piece.byteOffset + piece.byteLength + 1;
    case "end":
      return piece.byteOffset;
  }
}

/** The first lines of a block. */
export function firstLines(block: LineBlock, limit: number): LineBlock {
  let end = 0;
  for (let lines = 0; lines < limit && end < block.bytes.length; lines++) {
    end = block.bytes.indexOf(NEWLINE, end) + 1;
  }
  return { ...block, bytes: block.bytes.subarray(0, end) };
}

/** What {@linkcode countLinesSync} found. */
interface LineCount {
  lines: number;
  /** Behind the last newline. */
  lineEnd: number;
  /** Where the file ended. */
  size: number;
}

const COUNT_BLOCK_BYTES = 256 * 1024;

/** Counts the newlines of the next block, and tells whether there were any. */
function countBlock(count: LineCount, block: Uint8Array): boolean {
  const before = count.lines;
  for (let at = block.indexOf(NEWLINE); at !== -1; at = block.indexOf(NEWLINE, at + 1)) {
    count.lines++;
    count.lineEnd = count.size + at + 1;
  }
  count.size += block.length;
  return count.lines > before;
}

/**
 * Counts the newlines from a line's start to the present end of the file, and no further: others
 * may append faster than this reads. Every read begins at the start of a line where it can, since
 * a torn tail may be moved aside, and a line appended in its place, between two reads.
 */
export function countLinesSync(
  file: Pick<FileHandle, "seekSync" | "readSync">,
  start: number,
  end = sizeOf(file),
): LineCount {
  const count = { lines: 0, lineEnd: start, size: start };
  const buffer = new Uint8Array(Math.max(0, Math.min(COUNT_BLOCK_BYTES, end - start)));
  file.seekSync(start, Deno.SeekMode.Start);
  while (count.size < end) {
    const filled = file.readSync(buffer.subarray(0, end - count.size));
    if (filled === null) break;
    const found = countBlock(count, buffer.subarray(0, filled));
    if (found && count.size < end) {
      count.size = file.seekSync(count.lineEnd, Deno.SeekMode.Start);
    }
  }
  return count;
}
