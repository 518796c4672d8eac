import { type FileHandle, readRangeSync } from "../_internal/file_port.ts";
import { crc32, NEWLINE } from "../_internal/text.ts";
import { countLinesSync, linePiecesSync, linesOf } from "../_internal/json_lines.ts";
import { EventLogError } from "./event_log_error.ts";
import type { Cursor, ReadAfter } from "./types.ts";

/** A place in a log file: behind the line `seq`, where the next line begins. */
export interface Position {
  seq: number;
  byteOffset: number;
}

const CHECKED_BYTES = 4096;
const SCAN_BYTES = 256 * 1024;

/**
 * A cursor carries the position and a checksum of the line before it, so that a log which was
 * rewound, or another log, is noticed instead of read from the middle of a line.
 */
export function toCursor(file: FileHandle, position: Position): Cursor {
  const { seq, byteOffset } = position;
  const checksum = checksumBefore(file, byteOffset) >>> 0;
  return `${seq}-${byteOffset}-${checksum.toString(16)}`;
}

/** The CRC-32 of the line before, or of its last 4 KiB; -1, which is none, where no line ends. */
function checksumBefore(file: FileHandle, byteOffset: number): number {
  const bytes = readRangeSync(file, Math.max(0, byteOffset - CHECKED_BYTES), byteOffset);
  if (byteOffset > 0 && bytes.at(-1) !== NEWLINE) return -1;
  const lineStart = bytes.subarray(0, -1).lastIndexOf(NEWLINE) + 1;
  return crc32(bytes.subarray(lineStart));
}

/** Finds where to begin to read. */
export function locateSync(
  file: FileHandle,
  options: { path: string; after: ReadAfter | undefined },
): Position {
  const after = options.after ?? 0;
  if (after === "end") {
    const { lines, lineEnd } = countLinesSync(file, 0);
    return { seq: lines, byteOffset: lineEnd };
  }
  if (typeof after === "string") return fromCursor(file, { path: options.path, cursor: after });
  if (!Number.isSafeInteger(after) || after < 0) {
    throw new RangeError(`Cannot read after seq ${after}: it must be a whole number from 0 on`);
  }
  return behindLine(file, { path: options.path, seq: after });
}

function fromCursor(file: FileHandle, options: { path: string; cursor: Cursor }): Position {
  const { path, cursor } = options;
  const match = /^(\d{1,16})-(\d{1,16})-([0-9a-f]{1,8})$/.exec(cursor);
  const position = { seq: Number(match?.[1]), byteOffset: Number(match?.[2]) };
  if (match === null || !isPossible(position)) {
    throw new TypeError(`Cannot read from ${JSON.stringify(cursor)}: no cursor`);
  }
  const size = file.seekSync(0, Deno.SeekMode.End);
  if (size < position.byteOffset) throw rewoundError(path, position, size);
  if (checksumBefore(file, position.byteOffset) !== parseInt(match[3]!, 16)) {
    throw rewoundError(path, position, size);
  }
  return position;
}

/** Each line has at least its newline. */
function isPossible({ seq, byteOffset }: Position): boolean {
  return seq === 0 ? byteOffset === 0 : byteOffset >= seq;
}

function rewoundError(path: string, position: Position, size: number): EventLogError {
  const message = `Cannot go on reading ${path} behind seq ${position.seq}: ` +
    "the cursor is of another log, or the log was rewound; read it from the beginning";
  const { seq: line, byteOffset } = position;
  return new EventLogError("cursor", message, { path, line, byteOffset, actual: size });
}

function behindLine(file: FileHandle, options: { path: string; seq: number }): Position {
  if (options.seq === 0) return { seq: 0, byteOffset: 0 };
  const pieces = linePiecesSync(file, { start: 0, blockBytes: SCAN_BYTES });
  for (let seq = 0;;) {
    const piece = pieces.next().value;
    if (piece.kind === "end") throw beyondEndError(options, seq);
    for (const line of piece.kind === "too-long" ? [piece] : linesOf(piece)) {
      if (++seq === options.seq) return { seq, byteOffset: line.byteOffset + line.byteLength + 1 };
    }
  }
}

function beyondEndError(options: { path: string; seq: number }, lines: number): EventLogError {
  const { path, seq } = options;
  const message = `Cannot read ${path} after seq ${seq}: the log has ${lines} lines`;
  return new EventLogError("cursor", message, { path, expected: seq, actual: lines });
}
