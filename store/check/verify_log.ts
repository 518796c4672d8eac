import { pause } from "../../_internal/lock.ts";
import { isJsonObject } from "../../_internal/line_file.ts";
import { decodeUtf8 } from "../../_internal/text.ts";
import type { LineVerdict, LogCodec } from "../files/log_codecs.ts";
import { LogBytes, type LogLine, logLines, parseLine, recordBytes } from "../files/log_lines.ts";
import type { RuntimeFiles } from "../runtime/load_runtime.ts";
import { viewLog } from "../runtime/recover_logs.ts";
import type { Finding, Fix, LinePlace } from "./store_problem.ts";

/** What stands in one log, line by line. */

/** After so many lines the event loop has a turn. */
const LINES_A_TURN = 20_000;

type LineProblem = Pick<Finding, "kind" | "message">;

/** What a log has. */
export interface ScannedLog {
  /** How many bytes. */
  size: number;
  records: number;
  /** The greatest number; 0 without records. */
  last: number;
}

/** Which log is scanned, and what for. */
interface ScanOptions<T> {
  codec: LogCodec<T>;
  /** How the log is called in the journal. */
  name: string;
  /** Its file, which may be in a directory that has another name than it should. */
  path: string;
  /** How big the file is; undefined when there is none. */
  size: number | undefined;
  findings: Finding[];
  /** Gets the number that a record should have, where it has another one. */
  onRecord: (record: T, place: LinePlace, number: number) => void;
}

/**
 * Goes through a log as opening the runtime would leave it, from its first to its last line; gives each
 * record to `onRecord`, and adds to `findings` the lines that hold none and the numbers that do not
 * follow. Undefined when there is neither file nor lines.
 */
export async function scanLog<T>(
  { folder, unapplied: { found } }: RuntimeFiles,
  { codec, name, path, size, findings, onRecord }: ScanOptions<T>,
): Promise<ScannedLog | undefined> {
  const unapplied = found?.logs.get(name);
  if (unapplied === undefined && size === undefined) return undefined;
  const view = viewLog(folder, path, { size: size ?? 0, unapplied });
  if (view.missing > 0) {
    const message = `${view.missing} bytes before the lines of the journal are missing`;
    findings.push({ kind: "lost", path, byteOffset: view.fileEnd, message });
  }
  const fix: Fix = { action: "mend-log", path, name };
  const known = unapplied && unapplied.start + unapplied.bytes.length;
  if (known !== undefined && size !== undefined && size > known) {
    // Records that the journal lacks are damage to it: these bytes hold none that can be read.
    const message =
      `${size - known} bytes stand behind what the journal holds: it has lost what they ` +
      "tell of, or another program wrote them";
    findings.push({ kind: "journal", path, byteOffset: known, message, fix });
  }
  const log = LogBytes.open({ folder, path, ...view });
  const scanned: ScannedLog = { size: log.size, records: 0, last: 0 };
  const numbers = new NumberCheck<T>(scanned, { path, findings, onRecord });
  let line = 0;
  try {
    for (const read of logLines(log, codec)) {
      if (++line % LINES_A_TURN === 0) await pause(0);
      const place = { line, byteOffset: read.start };
      const verdict = parseLine(read, codec);
      const problem = lineProblem(read, verdict);
      if (problem !== undefined) findings.push({ ...problem, path, ...place, fix });
      const record = recordOf(read, { codec, verdict });
      if (record === undefined) continue;
      if ("record" in verdict) {
        const loose = looseProblem(read, { codec, record });
        if (loose !== undefined) findings.push({ kind: "record", path, ...place, message: loose });
      }
      numbers.take({ record, place, number: codec.numberOf(record) });
    }
    numbers.finish();
    return scanned;
  } finally {
    log.close();
  }
}

/** A record of a log. */
interface NumberedRecord<T> {
  record: T;
  place: LinePlace;
  number: number;
}

/** Looks whether the numbers of a log follow each other. */
class NumberCheck<T> {
  readonly #scanned: ScannedLog;
  readonly #options: Pick<ScanOptions<T>, "path" | "findings" | "onRecord">;
  /** One whose number does not follow, as long as the next one is not known. */
  #odd: NumberedRecord<T> | undefined;

  constructor(
    scanned: ScannedLog,
    options: Pick<ScanOptions<T>, "path" | "findings" | "onRecord">,
  ) {
    this.#scanned = scanned;
    this.#options = options;
  }

  take(taken: NumberedRecord<T>): void {
    const next = this.#scanned.last + 1;
    // Where only the number itself is wrong, what is behind it goes on as if it were right.
    if (this.#odd !== undefined && taken.number === next + 1) {
      const { number, place } = this.#odd;
      const message = `the number ${number} stands where ${next} should be`;
      const kind = number < next ? numberProblem(number, next - 1).kind : "order";
      this.#options.findings.push({ kind, path: this.#options.path, ...place, message });
      this.#add({ ...this.#odd, number: next });
      this.#odd = undefined;
    }
    this.finish();
    if (taken.number === this.#scanned.last + 1) this.#add(taken);
    else this.#odd = taken;
  }

  /** There is no further record. */
  finish(): void {
    if (this.#odd === undefined) return;
    const { place, number } = this.#odd;
    const problem = numberProblem(number, this.#scanned.last);
    this.#options.findings.push({ ...problem, path: this.#options.path, ...place });
    this.#add(this.#odd);
    this.#odd = undefined;
  }

  #add({ record, place, number }: NumberedRecord<T>): void {
    this.#scanned.records++;
    this.#scanned.last = Math.max(this.#scanned.last, number);
    this.#options.onRecord(record, place, number);
  }
}

/** What is wrong with a line itself. */
function lineProblem(line: LogLine, verdict: LineVerdict<unknown>): LineProblem | undefined {
  if (!line.isWhole) {
    return "record" in verdict
      ? { kind: "no-newline", message: "the last line lacks only its newline" }
      : {
        kind: "torn",
        message: "the last line is a stub: its writer was killed, or the disk was full",
      };
  }
  if ("problem" in verdict) return { kind: kindOf(line), message: verdict.problem };
  if ("blank" in verdict) return { kind: "blank", message: "the line is blank" };
  return undefined;
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
 * What the original program would refuse and a reader here does not notice: members that stand twice, numbers as
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

/** What is wrong with a number that is not the one behind `last`. */
function numberProblem(number: number, last: number): LineProblem {
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
function kindOf({ bytes, hasSkippedNuls }: LogLine): Finding["kind"] {
  if (bytes === undefined) return "too-long";
  if (hasSkippedNuls || bytes.includes(0)) return "nul-run";
  try {
    decodeUtf8(bytes);
  } catch {
    return "not-utf8";
  }
  return isJsonObject(bytes) ? "record" : "not-json";
}
