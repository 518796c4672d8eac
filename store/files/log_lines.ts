import { type FileHandle, fillSync, readRangeSync } from "../../_internal/file_port.ts";
import {
  countLinesSync,
  type LineBlock,
  linePiecesSync,
  type LineSource,
  MAX_LINE_BYTES,
} from "../../_internal/json_lines.ts";
import { isJsonObject } from "../../_internal/line_file.ts";
import { decodeManyLines, NEWLINE } from "../../_internal/text.ts";
import type { RuntimeStoreError, StoreOperation } from "../runtime_store_error.ts";
import { asStoreError, storeCorruptError, wrapIo } from "../store_errors.ts";
import type { LineVerdict, LogCodec } from "./log_codecs.ts";
import type { RuntimeFolder } from "./runtime_folder.ts";

/** What a log is made of. */
interface LogParts {
  folder: RuntimeFolder;
  path: string;
  /** How many bytes of the file count; the rest of the log is `tail`. */
  fileEnd: number;
  /** Lines that follow those of the file, wherever the file has them too. */
  tail?: Uint8Array;
}

/**
 * The bytes of one log, as a reader is to see them. They are not always those of the file: lines
 * that the journal holds may not have reached the file yet, and the file may have more than what
 * belongs to the state that is read. `size` bytes count, and nothing behind them.
 */
export class LogBytes implements LineSource {
  /** The file, for errors. */
  readonly path: string;
  readonly #file: FileHandle | undefined;
  readonly #fileEnd: number;
  readonly #tail: Uint8Array;
  #position = 0;

  private constructor(
    path: string,
    { file, fileEnd, tail }: { file?: FileHandle; fileEnd: number; tail: Uint8Array },
  ) {
    this.path = path;
    this.#file = file;
    this.#fileEnd = fileEnd;
    this.#tail = tail;
  }

  /** Opens a log for reading. A log of which no byte counts may have no file. */
  static open({ folder, path, fileEnd, tail = new Uint8Array() }: LogParts): LogBytes {
    if (fileEnd === 0) return LogBytes.of(path, tail);
    const operation = path === folder.log(folder.events) ? "read events" : "read transcript";
    return new LogBytes(path, { file: folder.open({ operation, path }), fileEnd, tail });
  }

  /** A log that is in memory. */
  static of(path: string, tail: Uint8Array): LogBytes {
    return new LogBytes(path, { fileEnd: 0, tail });
  }

  /** How many bytes the log has. */
  get size(): number {
    return this.#fileEnd + this.#tail.length;
  }

  seekSync(offset: number, whence: Deno.SeekMode): number {
    return this.#position = whence === Deno.SeekMode.End ? this.size + offset : offset;
  }

  /** Fills the buffer, as far as there are bytes that count, in one call. */
  readSync(buffer: Uint8Array): number | null {
    const start = this.#position;
    const end = Math.min(this.size, start + buffer.length);
    if (end <= start) return null;
    if (this.#file !== undefined && start < this.#fileEnd) {
      const wanted = Math.min(end, this.#fileEnd) - start;
      const count = fillSync(this.#file, start, buffer.subarray(0, wanted));
      this.#position += count;
      if (count < wanted) return count === 0 ? null : count;
    }
    const [from, to] = [this.#position - this.#fileEnd, end - this.#fileEnd];
    if (to > from) buffer.set(this.#tail.subarray(from, to), this.#position - start);
    this.#position = end;
    return end - start;
  }

  /** Gives it to the body, and then gives up the file. */
  use<T>(body: (log: LogBytes) => T): T {
    try {
      return body(this);
    } finally {
      this.close();
    }
  }

  /** Gives up the file. */
  close(): void {
    this.#file?.close();
  }
}

/** One line of a log, inside the block that it was read with. */
export class LogLine {
  /** Where it begins. */
  readonly start: number;
  /** Where the next one begins. */
  readonly end: number;
  /** Whether it ends with a newline: only the last one may not. */
  readonly isWhole: boolean;
  /** The line decoded, where that is certain to be right. */
  readonly text: string | undefined;
  /** NULs in front that are too many to hold. */
  readonly hasSkippedNuls: boolean;
  /** Undefined when the line is too long to be held. */
  readonly #block: Uint8Array | undefined;
  readonly #blockStart: number;
  readonly #blockEnd: number;

  constructor({ start, end, isWhole }: Pick<LogLine, "start" | "end" | "isWhole">, content?: {
    block: Uint8Array;
    /** Where the block has the line, without its newline. */
    from: number;
    to: number;
    text?: string | undefined;
    hasSkippedNuls?: boolean;
  }) {
    this.start = start;
    this.end = end;
    this.isWhole = isWhole;
    this.text = content?.text;
    this.hasSkippedNuls = content?.hasSkippedNuls ?? false;
    this.#block = content?.block;
    this.#blockStart = content?.from ?? 0;
    this.#blockEnd = content?.to ?? 0;
  }

  /**
   * Its bytes without its newline, until the next line is asked for; undefined when too long. Made when
   * they are asked for, as most lines of a page are read as text.
   */
  get bytes(): Uint8Array | undefined {
    return this.#block?.subarray(this.#blockStart, this.#blockEnd);
  }

  /** The number in its head, where it stands as it is printed here. */
  numberBehind(prefix: Uint8Array): number | undefined {
    if (this.#block === undefined || this.hasSkippedNuls) return undefined;
    return numberAt(this.#block, this.#blockStart, prefix);
  }
}

const DIGIT_ZERO = 48;
const COMMA = 44;
const BLOCK_BYTES = 256 * 1024;
const PROBE_BYTES = 1024;
const SCAN_BYTES = 8 * 1024;
const NEAR_BYTES = 4 * 1024;
const NEAR_LINES = 32;

/** What is read, and from where on. */
interface LinesOptions {
  /** Where a line begins. */
  start?: number;
  /** How much to read at once. */
  blockBytes?: number;
}

/** The lines of a log; one that has become shorter meanwhile is refused. */
export function* logLines(
  log: LogBytes,
  { operation }: { operation: StoreOperation },
  { start = 0, blockBytes = BLOCK_BYTES }: LinesOptions = {},
): Generator<LogLine, void> {
  const place = { operation, path: log.path };
  const failed = (cause: unknown) => asStoreError(place, cause);
  for (const piece of linePiecesSync(log, { start, blockBytes, failed })) {
    if (piece.kind === "lines") {
      yield* linesIn(piece);
      continue;
    }
    const { byteOffset, byteLength } = piece;
    const end = byteOffset + byteLength;
    if (piece.kind === "too-long") {
      yield new LogLine({ start: byteOffset, end: end + 1, isWhole: true });
      continue;
    }
    if (end < log.size) {
      const problem = `the log ends at byte ${end}, expected ${log.size}`;
      throw storeCorruptError(place, { problem, byteOffset: end });
    }
    if (byteLength === 0) return;
    const last = { start: byteOffset, end, isWhole: false };
    if (byteLength > MAX_LINE_BYTES) return yield new LogLine(last);
    const block = readRangeSync(log, byteOffset, end);
    return yield new LogLine(last, { block, from: 0, to: block.length });
  }
}

function* linesIn({ bytes: block, byteOffset, skippedNuls }: LineBlock): Generator<LogLine, void> {
  const texts = decodeManyLines(block)?.split("\n");
  const offset = byteOffset + skippedNuls;
  let index = 0;
  let from = 0;
  for (let to; (to = block.indexOf(NEWLINE, from)) !== -1; from = to + 1) {
    const start = from === 0 ? byteOffset : offset + from;
    const place = { start, end: offset + to + 1, isWhole: true };
    const hasSkippedNuls = from === 0 && skippedNuls > 0;
    yield new LogLine(place, { block, from, to, text: texts?.[index++], hasSkippedNuls });
  }
}

/** Whether a line certainly holds a record whose number is below `number`, judged by its head. */
export function isBelow<T>(line: LogLine, codec: LogCodec<T>, number: number): boolean {
  const found = line.numberBehind(codec.numberPrefix);
  return found !== undefined && found < number;
}

/** What a line holds. */
export function parseLine<T>(line: LogLine, codec: LogCodec<T>): LineVerdict<T> {
  if (line.hasSkippedNuls) return codec.parse("\0");
  const content = line.text ?? line.bytes;
  return content === undefined || line.end - line.start > MAX_LINE_BYTES + 1
    ? { problem: "the line is over 16 MiB" }
    : codec.parse(content);
}

/** The bytes of the record in a line, without NULs in front; undefined when there is none. */
export function recordBytes<T>(line: LogLine, codec: LogCodec<T>): Uint8Array | undefined {
  const { bytes } = line;
  if (bytes === undefined) return undefined;
  if ("record" in parseLine(line, codec)) return bytes;
  const nul = bytes.lastIndexOf(0);
  const behind = bytes.subarray(nul + 1);
  const hasNuls = nul !== -1 || line.hasSkippedNuls;
  return hasNuls && "record" in codec.parse(behind) ? behind : undefined;
}

/**
 * The start of a line at most a few KiB before the first one whose number is at least `wanted`, found
 * by looking at some twenty lines. All lines before it have smaller numbers, provided that the
 * numbers grow; lines that hold no record are passed over.
 */
export function seekNumber<T>(
  log: LogBytes,
  { codec, wanted }: { codec: LogCodec<T>; wanted: number },
): number {
  let low = { start: 0, number: 0 };
  let high = log.size;
  /** How long a line is, as far as seen. */
  let lineBytes = Infinity;
  for (let looks = 0; high - low.start > SCAN_BYTES; looks++) {
    const isNear = (wanted - low.number) * lineBytes < NEAR_BYTES;
    if (isNear && wanted - low.number < NEAR_LINES) break;
    const start = looks % 3 === 0
      ? low.start + Math.floor((high - low.start) / 2)
      : guess(low, { high, lineBytes, wanted });
    const found = firstNumber(log, { codec, start, end: high });
    if (found !== undefined && found.number > low.number) {
      lineBytes = (found.start - low.start) / (found.number - low.number);
    }
    if (found === undefined || found.number >= wanted) high = start;
    else low = found;
  }
  return low.start;
}

/** Where the line of a number should be, a little before it, if all lines are about as long. */
function guess(
  low: { start: number; number: number },
  { high, lineBytes, wanted }: { high: number; lineBytes: number; wanted: number },
): number {
  const distance = (wanted - low.number) * lineBytes - PROBE_BYTES;
  return Math.floor(Math.min(Math.max(low.start + distance, low.start), high - 1));
}

/** The first line with a number that begins behind `start` and before `end`. */
function firstNumber<T>(
  log: LogBytes,
  { codec, start, end }: { codec: LogCodec<T>; start: number; end: number },
): { number: number; start: number } | undefined {
  const { operation, numberPrefix: prefix } = codec;
  // One read shows it but where lines are long or damaged.
  const probe = wrapIo({ operation, path: log.path }, () => {
    return readRangeSync(log, start, Math.min(start + PROBE_BYTES, log.size));
  });
  const next = probe.indexOf(NEWLINE) + 1;
  const number = next === 0 ? undefined : numberAt(probe, next, prefix);
  if (number !== undefined) {
    return start + next < end ? { number, start: start + next } : undefined;
  }
  for (const line of logLines(log, codec, { start, blockBytes: PROBE_BYTES })) {
    // What is read first is the rest of a line, or one that begins at `start`.
    if (line.start === start) continue;
    if (line.start >= end) return undefined;
    const number = line.numberBehind(prefix);
    if (number !== undefined) return { number, start: line.start };
    const verdict = parseLine(line, codec);
    if ("record" in verdict) return { number: codec.numberOf(verdict.record), start: line.start };
  }
  return undefined;
}

/** The number in the head of a line that stands as it is printed here; else undefined. */
function numberAt(bytes: Uint8Array, start: number, prefix: Uint8Array): number | undefined {
  for (let index = 0; index < prefix.length; index++) {
    if (bytes[start + index] !== prefix[index]) return undefined;
  }
  const first = start + prefix.length;
  let number = 0;
  for (let at = first; at < first + 15; at++) {
    const byte = bytes[at];
    if (byte === COMMA) return at === first ? undefined : number;
    if (byte === undefined || byte < DIGIT_ZERO || byte > DIGIT_ZERO + 9) return undefined;
    number = number * 10 + byte - DIGIT_ZERO;
  }
  return undefined;
}

/**
 * A line that holds no record, with the original program's message (FRS-7). Counting the line costs a
 * scan.
 */
export function badLineError(
  log: LogBytes,
  { byteOffset, problem, operation }: {
    byteOffset: number;
    problem: string;
    operation: StoreOperation;
  },
): RuntimeStoreError {
  const line = countLinesSync(log, 0, byteOffset).lines + 1;
  const place = { operation, path: log.path };
  return storeCorruptError(place, { problem: `line ${line}: ${problem}`, line, byteOffset });
}

const FIRST_LOOK_BYTES = 4096;

/** The end of a log. */
export interface LogEnd {
  /** Where the next line begins: behind the last newline. */
  end: number;
  /** What stands behind the last newline: nothing, a record that lacks only that, or a stub. */
  tail: "none" | "whole" | "torn";
  /** The number of the last record; 0 without one, undefined when the last line holds none. */
  lastNumber: number | undefined;
  /** Why it holds none. */
  problem?: RuntimeStoreError;
}

/** Looks at the end of a log in two reads at most, however long it is. */
export function readLogEnd<T>(log: LogBytes, codec: LogCodec<T>): LogEnd {
  const near = readEnd(log, FIRST_LOOK_BYTES);
  const { bytes, start } = near.isEnough ? near : readEnd(log, MAX_LINE_BYTES * 2);
  const lineEnd = bytes.lastIndexOf(NEWLINE) + 1;
  const tailBytes = bytes.subarray(lineEnd);
  const tail = tailBytes.length === 0 ? "none" : isJsonObject(tailBytes) ? "whole" : "torn";
  const end: LogEnd = { end: start + lineEnd, tail, lastNumber: start === 0 ? 0 : undefined };
  const counted = tail === "whole" ? bytes.length : lineEnd;
  for (let lineAfter = counted; lineAfter > 0;) {
    const isWhole = bytes[lineAfter - 1] === NEWLINE;
    const content = bytes.subarray(0, isWhole ? lineAfter - 1 : lineAfter);
    const from = content.lastIndexOf(NEWLINE) + 1;
    const place = { start: from, end: lineAfter, isWhole };
    const line = new LogLine(place, { block: content, from, to: content.length });
    const verdict = parseLine(line, codec);
    lineAfter = from;
    if ("blank" in verdict) continue;
    if ("record" in verdict) return { ...end, lastNumber: codec.numberOf(verdict.record) };
    const { operation } = codec;
    const { problem } = verdict;
    const error = badLineError(log, { byteOffset: start + from, problem, operation });
    return { ...end, lastNumber: undefined, problem: error };
  }
  return end;
}

/** The last bytes of a log from a line's start on, and whether that are whole lines at all. */
function readEnd(
  log: LogBytes,
  length: number,
): { bytes: Uint8Array; start: number; isEnough: boolean } {
  const readFrom = Math.max(0, log.size - length);
  const bytes = readRangeSync(log, readFrom, log.size);
  // The first line is whole only if it begins the log.
  const from = readFrom === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
  const isEnough = readFrom === 0 || (from !== 0 && from !== bytes.lastIndexOf(NEWLINE) + 1);
  return { bytes: bytes.subarray(from), start: readFrom + from, isEnough };
}
