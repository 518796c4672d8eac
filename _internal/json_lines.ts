import type { FileHandle } from "./file_port.ts";
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
export interface LinesEnd {
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
    const newline = bytes.lastIndexOf(NEWLINE);
    if (newline !== -1) return this.#lines(bytes.subarray(0, newline + 1));
    if (filled < this.#buffer.length) return this.#end(filled);
    if (bytes.every((byte) => byte === 0)) this.#skipped += filled;
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

function readSync(file: FileHandle, offset: number, buffer: Uint8Array): Filled {
  file.seekSync(offset, Deno.SeekMode.Start);
  const filled = { count: 0, reads: 0 };
  while (filled.count < buffer.length) {
    const count = file.readSync(buffer.subarray(filled.count));
    if (count === null) break;
    filled.count += count;
    filled.reads++;
  }
  return filled;
}

async function read(file: FileHandle, offset: number, buffer: Uint8Array): Promise<Filled> {
  file.seekSync(offset, Deno.SeekMode.Start);
  const filled = { count: 0, reads: 0 };
  while (filled.count < buffer.length) {
    const count = await file.read(buffer.subarray(filled.count));
    if (count === null) break;
    filled.count += count;
    filled.reads++;
  }
  return filled;
}

/**
 * Fills the buffer as far as the file goes. Between two reads a torn tail may be moved aside and a
 * line appended in its place: what came in several reads is read again until it stays the same.
 */
function fillSync(file: FileHandle, offset: number, buffer: Uint8Array): number {
  let filled = readSync(file, offset, buffer);
  while (filled.reads > 1) {
    const before = buffer.slice(0, filled.count);
    filled = readSync(file, offset, buffer);
    if (startsWith(buffer.subarray(0, filled.count), before)) break;
  }
  return filled.count;
}

async function fill(file: FileHandle, offset: number, buffer: Uint8Array): Promise<number> {
  let filled = await read(file, offset, buffer);
  while (filled.reads > 1) {
    const before = buffer.slice(0, filled.count);
    filled = await read(file, offset, buffer);
    if (startsWith(buffer.subarray(0, filled.count), before)) break;
  }
  return filled.count;
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length >= start.length && start.every((byte, index) => byte === bytes[index]);
}

/** Whether the NULs that were passed over were a torn tail that has been moved aside since. */
function hasMovedSync(file: FileHandle, piece: LinePiece): boolean {
  if (piece.kind !== "lines" || piece.skippedNuls === 0) return false;
  const first = new Uint8Array(1);
  file.seekSync(piece.byteOffset, Deno.SeekMode.Start);
  return file.readSync(first) !== 1 || first[0] !== 0;
}

/**
 * The pieces of a file from a line's start on. After an `end` piece the caller may go on asking,
 * for what has been appended since.
 */
export function* linePiecesSync(
  file: FileHandle,
  options: { start: number; blockBytes: number },
): Generator<LinePiece, never> {
  let splitter = new LineSplitter(options.start, options.blockBytes);
  for (;;) {
    const piece = splitter.take(fillSync(file, splitter.readOffset, splitter.buffer));
    if (piece === undefined) continue;
    if (hasMovedSync(file, piece)) {
      splitter = new LineSplitter(piece.byteOffset, options.blockBytes);
    } else {
      yield piece;
    }
  }
}

/** {@linkcode linePiecesSync} that leaves the event loop free while it reads. */
export async function* linePieces(
  file: FileHandle,
  options: { start: number; blockBytes: number },
): AsyncGenerator<LinePiece, never> {
  let splitter = new LineSplitter(options.start, options.blockBytes);
  for (;;) {
    const piece = splitter.take(await fill(file, splitter.readOffset, splitter.buffer));
    if (piece === undefined) continue;
    if (hasMovedSync(file, piece)) {
      splitter = new LineSplitter(piece.byteOffset, options.blockBytes);
    } else {
      yield piece;
    }
  }
}

/** What {@linkcode countLinesSync} found. */
export interface LineCount {
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
export function countLinesSync(file: FileHandle, start: number): LineCount {
  const count = { lines: 0, lineEnd: start, size: start };
  const end = file.seekSync(0, Deno.SeekMode.End);
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

/** Sixteen digits in a row; written out, as V8 searches that six times as fast as `\d{16}`. */
export const SIXTEEN_DIGITS = /\d\d\d\d\d\d\d\d\d\d\d\d\d\d\d\d/;

/**
 * The index of the first integer literal beyond 2^53 - 1 in a JSON text, which `JSON.parse` would
 * round silently; -1 without one. Such a literal has 16 digits, so most texts need one look.
 */
export function unsafeIntegerAt(text: string): number {
  if (!SIXTEEN_DIGITS.test(text)) return -1;
  for (let index = 0; index < text.length;) {
    const character = text.charCodeAt(index);
    if (character === 34) {
      index = stringEnd(text, index);
    } else if (character === 45 || (character >= 48 && character <= 57)) {
      const literal = numberAt(text, index);
      if (/^-?\d+$/.test(literal) && !Number.isSafeInteger(Number(literal))) return index;
      index += literal.length;
    } else {
      index++;
    }
  }
  return -1;
}

/** The index behind the string that begins at `start`. */
function stringEnd(text: string, start: number): number {
  for (
    let quote = text.indexOf('"', start + 1);
    quote !== -1;
    quote = text.indexOf('"', quote + 1)
  ) {
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 92) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

function numberAt(text: string, start: number): string {
  const pattern = /[-+.eE0-9]+/y;
  pattern.lastIndex = start;
  return pattern.exec(text)?.[0] ?? "";
}
