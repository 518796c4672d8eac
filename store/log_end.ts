import { MAX_LINE_BYTES } from "../_internal/json_lines.ts";
import { isJsonObject } from "../_internal/tail.ts";
import type { LogBytes } from "./log_bytes.ts";
import type { LogCodec } from "./log_codecs.ts";
import { badLineError, logLines, parseLine } from "./log_lines.ts";
import type { RuntimeStoreError } from "./runtime_store_error.ts";

const NEWLINE = 10;
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
