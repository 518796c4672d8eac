import { MAX_LINE_BYTES } from "../../_internal/json_lines.ts";
import { isJsonObject } from "../../_internal/line_file.ts";
import { NEWLINE } from "../../_internal/text.ts";
import type { RuntimeStoreError, StoreOperation } from "../runtime_store_error.ts";
import { storeCorruptError, wrapIo } from "../store_errors.ts";
import type { LogBytes } from "./log_bytes.ts";
import type { LineVerdict, LogCodec } from "./log_codecs.ts";

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
  /** Undefined when the line is too long to be held. */
  readonly #block: Uint8Array | undefined;
  readonly #blockStart: number;

  constructor(
    block: Uint8Array | undefined,
    { blockStart, start, end, isWhole, text }: {
      blockStart: number;
      start: number;
      end: number;
      isWhole: boolean;
      text?: string | undefined;
    },
  ) {
    this.#block = block;
    this.#blockStart = blockStart;
    this.start = start;
    this.end = end;
    this.isWhole = isWhole;
    this.text = text;
  }

  /** Its bytes without its newline; undefined when it is too long to be held. */
  get bytes(): Uint8Array | undefined {
    const behind = this.end - this.#blockStart - (this.isWhole ? 1 : 0);
    return this.#block?.subarray(this.start - this.#blockStart, behind);
  }

  /** The number in its head, where it stands as it is printed here. */
  numberBehind(prefix: Uint8Array): number | undefined {
    return this.#block && numberAt(this.#block, this.start - this.#blockStart, prefix);
  }
}

const DIGIT_ZERO = 48;
const COMMA = 44;
const PROBE_BYTES = 1024;
const SCAN_BYTES = 8 * 1024;
const NEAR_BYTES = 4 * 1024;
const NEAR_LINES = 32;
const PASS_OVER_BYTES = 256 * 1024;
/** What it cannot decode becomes U+FFFD; `ignoreBOM` keeps a byte order mark. */
const lossyUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The bytes from `start` to `end`; a log that has become shorter meanwhile is refused. */
function readSync(
  log: LogBytes,
  { start, end, operation }: { start: number; end: number; operation: StoreOperation },
): Uint8Array {
  const place = { operation, path: log.path };
  const bytes = wrapIo(place, () => log.read(start, end));
  if (bytes.length === end - start) return bytes;
  throw storeCorruptError(place, {
    problem: `the log ends at byte ${start + bytes.length}, expected ${log.size}`,
    byteOffset: start + bytes.length,
  });
}

/** The lines from a line's start on, read in blocks. */
export function* logLines(
  log: LogBytes,
  { start, blockBytes, operation }: {
    start: number;
    blockBytes: number;
    operation: StoreOperation;
  },
): Generator<LogLine, void> {
  let wanted = blockBytes;
  for (let at = start; at < log.size;) {
    const end = Math.min(at + wanted, log.size);
    const block = readSync(log, { start: at, end, operation });
    const last = block.lastIndexOf(NEWLINE);
    if (last !== -1) {
      const texts = decodeLines(block.subarray(0, last + 1));
      let index = 0;
      for (let from = 0; from <= last;) {
        const behind = block.indexOf(NEWLINE, from) + 1;
        const place = { blockStart: at, start: at + from, end: at + behind, isWhole: true };
        yield new LogLine(block, { ...place, text: texts?.[index++] });
        from = behind;
      }
      at += last + 1;
      wanted = blockBytes;
    } else if (block.length > MAX_LINE_BYTES) {
      const newline = newlineBehind(log, { start: end, end: log.size, operation });
      const next = newline === undefined ? log.size : newline + 1;
      const isWhole = newline !== undefined;
      yield new LogLine(undefined, { blockStart: at, start: at, end: next, isWhole });
      at = next;
      wanted = blockBytes;
    } else if (end === log.size) {
      return yield new LogLine(block, { blockStart: at, start: at, end, isWhole: false });
    } else {
      wanted = Math.min(wanted * 2, MAX_LINE_BYTES + 1);
    }
  }
}

/** Decodes whole lines at once, which costs a tenth of decoding each; undefined for bad UTF-8. */
function decodeLines(block: Uint8Array): string[] | undefined {
  const text = lossyUtf8.decode(block);
  return text.includes("\uFFFD") ? undefined : text.split("\n");
}

/** The offset of the first newline between two offsets. */
function newlineBehind(
  log: LogBytes,
  { start, end, operation, blockBytes = PASS_OVER_BYTES }: {
    start: number;
    end: number;
    operation: StoreOperation;
    blockBytes?: number;
  },
): number | undefined {
  let wanted = blockBytes;
  for (let at = start; at < end;) {
    const block = readSync(log, { start: at, end: Math.min(at + wanted, end), operation });
    const newline = block.indexOf(NEWLINE);
    if (newline !== -1) return at + newline;
    at += block.length;
    wanted = Math.min(wanted * 2, PASS_OVER_BYTES);
  }
  return undefined;
}

/** Whether a line certainly holds a record whose number is below `number`, told by its head. */
export function isBelow<T>(line: LogLine, codec: LogCodec<T>, number: number): boolean {
  const found = line.numberBehind(codec.numberPrefix);
  return found !== undefined && found < number;
}

/** What a line holds. */
export function parseLine<T>(line: LogLine, codec: LogCodec<T>): LineVerdict<T> {
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
  return nul !== -1 && "record" in codec.parse(behind) ? behind : undefined;
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
  const { operation } = codec;
  const probe = readSync(log, { start, end: Math.min(start + PROBE_BYTES, log.size), operation });
  const first = probe.indexOf(NEWLINE);
  const number = first === -1 ? undefined : numberAt(probe, first + 1, codec.numberPrefix);
  if (number !== undefined) {
    return start + first + 1 < end ? { number, start: start + first + 1 } : undefined;
  }
  const newline = first === -1
    ? newlineBehind(log, { start, end, operation, blockBytes: 2 * PROBE_BYTES })
    : start + first;
  if (newline === undefined) return undefined;
  const options = { start: newline + 1, blockBytes: 2 * PROBE_BYTES, operation };
  for (const line of logLines(log, options)) {
    if (line.start >= end) return undefined;
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
  let number = 0;
  for (let at = start + prefix.length; at < start + prefix.length + 15; at++) {
    const byte = bytes[at];
    if (byte === COMMA) return at === start + prefix.length ? undefined : number;
    if (byte === undefined || byte < DIGIT_ZERO || byte > DIGIT_ZERO + 9) return undefined;
    number = number * 10 + byte - DIGIT_ZERO;
  }
  return undefined;
}

/** A line that holds no record, with the seed's message (FRS-7). Counting the line costs a scan. */
export function badLineError(
  log: LogBytes,
  { byteOffset, problem, operation }: {
    byteOffset: number;
    problem: string;
    operation: StoreOperation;
  },
): RuntimeStoreError {
  const line = countLines(log, { end: byteOffset, operation }) + 1;
  const place = { operation, path: log.path };
  return storeCorruptError(place, { problem: `line ${line}: ${problem}`, line, byteOffset });
}

/** How many newlines stand before an offset. */
function countLines(
  log: LogBytes,
  { end, operation }: { end: number; operation: StoreOperation },
): number {
  let lines = 0;
  for (let at = 0; at < end; at += PASS_OVER_BYTES) {
    const block = readSync(log, { start: at, end: Math.min(at + PASS_OVER_BYTES, end), operation });
    for (let found = block.indexOf(NEWLINE); found !== -1; lines++) {
      found = block.indexOf(NEWLINE, found + 1);
    }
  }
  return lines;
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
  for (const wanted of [FIRST_LOOK_BYTES, MAX_LINE_BYTES * 2]) {
    const start = Math.max(0, log.size - wanted);
    const bytes = log.read(start, log.size);
    // The first line is whole only if it begins the log.
    const from = start === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    const isTooShort = start > 0 && (from === 0 || from === end);
    if (isTooShort && wanted === FIRST_LOOK_BYTES) continue;
    return endOf(log, { codec, bytes: bytes.subarray(from), start: start + from });
  }
  throw new Error("unreachable");
}

/** The end of a log whose last bytes, from a line's start on, are these. */
function endOf<T>(
  log: LogBytes,
  { codec, bytes, start }: { codec: LogCodec<T>; bytes: Uint8Array; start: number },
): LogEnd {
  const lineEnd = bytes.lastIndexOf(NEWLINE) + 1;
  const tailBytes = bytes.subarray(lineEnd);
  const tail = tailBytes.length === 0 ? "none" : isJsonObject(tailBytes) ? "whole" : "torn";
  const end: LogEnd = { end: start + lineEnd, tail, lastNumber: start === 0 ? 0 : undefined };
  const counted: LogBytes = {
    path: log.path,
    size: tail === "whole" ? bytes.length : lineEnd,
    read: (from, to) => bytes.subarray(from, to),
    close: () => {},
  };
  const { operation } = codec;
  const lines = [...logLines(counted, { start: 0, blockBytes: bytes.length + 1, operation })];
  for (const line of lines.reverse()) {
    const verdict = parseLine(line, codec);
    if ("blank" in verdict) continue;
    if ("record" in verdict) return { ...end, lastNumber: codec.numberOf(verdict.record) };
    const { problem } = verdict;
    const error = badLineError(log, { byteOffset: start + line.start, problem, operation });
    return { ...end, lastNumber: undefined, problem: error };
  }
  return end;
}
