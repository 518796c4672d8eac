import { pause } from "../../_internal/lock.ts";
import { isJsonObject } from "../../_internal/line_file.ts";
import type { LineVerdict, LogCodec } from "../files/log_codecs.ts";
import { type LogLine, logLines, parseLine, recordBytes } from "../files/log_lines.ts";
import type { LogView } from "./runtime_view.ts";
import type { Finding, Fix, StoreProblemKind } from "./store_problem.ts";

/** What stands in one log, line by line. */

const BLOCK_BYTES = 256 * 1024;
/** After so many lines the event loop has a turn. */
const LINES_A_TURN = 20_000;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** Where a record stands. */
export interface RecordPlace {
  line: number;
  byteOffset: number;
}

/** What a log has. */
export interface ScannedLog {
  records: number;
  /** The greatest number; 0 without records. */
  last: number;
}

/**
 * Goes through a log, from its first to its last line; tells each record to `onRecord`, and adds to
 * `findings` the lines that hold none and the numbers that do not follow.
 */
export async function scanLog<T>(
  { log, fileEnd, missing }: LogView,
  { codec, name, findings, onRecord, path }: {
    codec: LogCodec<T>;
    /** How the log is called in the journal. */
    name: string;
    path: string;
    findings: Finding[];
    onRecord: (record: T, place: RecordPlace) => void;
  },
): Promise<ScannedLog> {
  const fix: Fix = { action: "mend-log", path, name };
  const scanned: ScannedLog = { records: 0, last: 0 };
  let line = 0;
  if (missing > 0) {
    const message = `${missing} bytes before the lines of the journal are missing`;
    findings.push({ kind: "lost", path, byteOffset: fileEnd, message });
  }
  const options = { start: 0, blockBytes: BLOCK_BYTES, operation: codec.operation };
  for (const read of logLines(log, options)) {
    if (++line % LINES_A_TURN === 0) await pause(0);
    const place: RecordPlace = { line, byteOffset: read.start };
    const verdict = parseLine(read, codec);
    if (!read.isWhole) {
      const isTorn = !("record" in verdict);
      const kind = isTorn ? "torn" : "no-newline";
      const message = isTorn
        ? "the last line is a stub: its writer was killed, or the disk was full"
        : "the last line lacks only its newline";
      findings.push({ kind, path, ...place, message, fix });
    } else if ("problem" in verdict) {
      findings.push({ kind: kindOf(read), path, ...place, message: verdict.problem, fix });
    } else if ("blank" in verdict) {
      findings.push({ kind: "blank", path, ...place, message: "the line is blank", fix });
    }
    const record = recordOf(read, { codec, verdict });
    if (record === undefined) continue;
    if ("record" in verdict) {
      const loose = looseProblem(read, { codec, record });
      if (loose !== undefined) findings.push({ kind: "record", path, ...place, message: loose });
    }
    const number = codec.numberOf(record);
    const problem = numberProblem(number, scanned.last);
    if (problem !== undefined) findings.push({ ...problem, path, ...place });
    scanned.records++;
    scanned.last = Math.max(scanned.last, number);
    onRecord(record, place);
  }
  return scanned;
}

/** The record of a line, also one behind NULs, which repairing keeps. */
function recordOf<T>(
  line: LogLine,
  { codec, verdict }: { codec: LogCodec<T>; verdict: LineVerdict<T> },
): T | undefined {
  if ("record" in verdict) return verdict.record;
  const bytes = line.isWhole ? recordBytes(line, codec) : undefined;
  const behindNuls = bytes && codec.parse(bytes);
  return behindNuls && "record" in behindNuls ? behindNuls.record : undefined;
}

/**
 * What the seed would refuse and a reader here does not notice: members that stand twice, numbers as
 * floats. Only a line that is not as it is printed here can have such things.
 */
function looseProblem<T>(
  line: LogLine,
  { codec, record }: { codec: LogCodec<T>; record: T },
): string | undefined {
  if (line.text === codec.print(record)) return undefined;
  const verdict = codec.parseStrictly(line.bytes!);
  return "problem" in verdict ? verdict.problem : undefined;
}

function numberProblem(
  number: number,
  last: number,
): { kind: StoreProblemKind; message: string } | undefined {
  if (number === last + 1) return undefined;
  if (number === last) {
    return { kind: "duplicate", message: `the number ${number} is that of the line before` };
  }
  if (number < last) {
    return { kind: "order", message: `the number ${number} stands behind ${last}` };
  }
  const missing = last + 1 === number - 1
    ? `the number ${last + 1} is missing`
    : `the numbers ${last + 1} to ${number - 1} are missing`;
  return { kind: "gap", message: missing };
}

/** Why a line holds no record, in one word. */
function kindOf({ bytes }: LogLine): StoreProblemKind {
  if (bytes === undefined) return "too-long";
  if (bytes.includes(0)) return "nul-run";
  try {
    strictUtf8.decode(bytes);
  } catch {
    return "not-utf8";
  }
  return isJsonObject(bytes) ? "record" : "not-json";
}
