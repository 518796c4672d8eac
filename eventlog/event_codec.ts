import { isObject } from "../_internal/errors.ts";
import {
  type Line,
  type LineBlock,
  linesOf,
  type LongLine,
  MAX_LINE_BYTES,
} from "../_internal/json_lines.ts";
import { decodeManyLines, decodeUtf8, encodeUtf8, reasonOf } from "../_internal/text.ts";
import {
  lossInJson,
  redactOrMask,
  SIXTEEN_DIGITS,
  stringifyVisiting,
  unsafeIntegerAt,
} from "../_internal/visit_json.ts";
import type { Gap, GapReason, StandardSchema, Stored } from "./types.ts";

/**
 * Replaces a value before it is kept: gets every member, objects before their members, with a path
 * such as `$.env.TOKEN`, and returns what is to be written. Where it throws, a mask is written.
 */
export type Redact = (value: unknown, path: string) => unknown;

/**
 * The one line of an event, without its newline. What JSON would change without a word (NaN,
 * lone surrogates, integers that a reader would round) is refused with its path.
 */
export function encodeEvent(event: unknown, redact?: Redact): string {
  const text = redact === undefined ? stringify(event) : stringifyRedacted(event, redact);
  if (text === undefined || text.charCodeAt(0) !== 123) {
    throw new TypeError("failed to serialize event: an event must be one JSON object");
  }
  if (text.length * 3 > MAX_LINE_BYTES && encodeUtf8(text).length > MAX_LINE_BYTES) {
    throw new RangeError(`failed to serialize event: it is over ${MAX_LINE_BYTES} bytes`);
  }
  return text;
}

function stringify(event: unknown): string | undefined {
  let text: string | undefined;
  try {
    text = JSON.stringify(event);
  } catch {
    return stringifyEach(event, refuseLoss);
  }
  if (text !== undefined && MAY_HIDE_LOSS.test(text)) stringifyEach(event, refuseLoss);
  return text;
}

/** Ten times as slow, but it can say where something is wrong. */
function stringifyEach(
  event: unknown,
  visitor: (value: unknown, path: string) => unknown,
): string | undefined {
  try {
    return stringifyVisiting(event, visitor);
  } catch (cause) {
    throw new TypeError(`failed to serialize event: ${reasonOf(cause)}`, { cause });
  }
}

function stringifyRedacted(event: unknown, redact: Redact): string | undefined {
  return stringifyEach(event, (value, path) => refuseLoss(redactOrMask(value, path, redact), path));
}

/** What JSON changes without a word leaves one of these in the text; looking is cheap. */
const MAY_HIDE_LOSS = new RegExp(`null|\\\\u[dD]|${SIXTEEN_DIGITS.source}`);

function refuseLoss(value: unknown, path: string): unknown {
  const problem = lossInJson(value);
  if (problem !== undefined) {
    throw new TypeError(`${path} ${problem}`);
  }
  return value;
}

/** The events and gaps of some lines. */
export interface DecodedLines<E> {
  events: Stored<E>[];
  gaps: Gap[];
  /** How many lines there were: each uses up one seq. */
  lines: number;
}

/** What a line is, but for its place. */
type Verdict<E> = { event: E } | { reason: GapReason; message: string; event?: E };

/** The message of the gap of a blank line, which strict reading passes over (OLG-5). */
export const BLANK = "the line is blank";

/** Parses a block of whole lines, at once where all is well and line by line where it is not. */
export function decodeLines<E>(
  block: LineBlock,
  options: { firstSeq: number; schema?: StandardSchema<E> | undefined },
): DecodedLines<E> {
  const events = block.skippedNuls === 0 ? decodeGoodLines<E>(block.bytes, options) : undefined;
  if (events !== undefined) return { events, gaps: [], lines: events.length };
  return decodeAnyLines(block, options);
}

/** The events of a block in which every line is one; undefined when there is something else. */
function decodeGoodLines<E>(
  bytes: Uint8Array,
  options: { firstSeq: number; schema?: StandardSchema<E> | undefined },
): Stored<E>[] | undefined {
  const events: Stored<E>[] = [];
  try {
    const text = decodeManyLines(bytes);
    if (text === undefined) return undefined;
    const longDigits = SIXTEEN_DIGITS.test(text);
    let seq = options.firstSeq;
    for (let start = 0; start < text.length; seq++) {
      const end = text.indexOf("\n", start);
      const line = text.slice(start, end);
      const event = JSON.parse(line);
      if (!isObject(event) || (longDigits && unsafeIntegerAt(line) !== -1)) return undefined;
      events.push({ seq, event: event as E });
      start = end + 1;
    }
  } catch {
    return undefined;
  }
  if (options.schema === undefined) return events;
  return applySchema(events, options.schema);
}

function applySchema<E>(events: Stored<E>[], schema: StandardSchema<E>): Stored<E>[] | undefined {
  for (const stored of events) {
    const result = validate(stored.event, schema);
    if (result.issues !== undefined) return undefined;
    stored.event = result.value;
  }
  return events;
}

function decodeAnyLines<E>(
  block: LineBlock,
  options: { firstSeq: number; schema?: StandardSchema<E> | undefined },
): DecodedLines<E> {
  const decoded: DecodedLines<E> = { events: [], gaps: [], lines: 0 };
  for (const line of linesOf(block)) {
    const { byteOffset, byteLength } = line;
    const seq = options.firstSeq + decoded.lines++;
    const verdict = judgeLine(line, options.schema);
    if ("reason" in verdict) {
      const { reason, message } = verdict;
      decoded.gaps.push({ seq, reason, message, byteOffset, byteLength });
    }
    if (verdict.event !== undefined) decoded.events.push({ seq, event: verdict.event });
  }
  return decoded;
}

function judgeLine<E>(
  { bytes, byteLength }: Line,
  schema: StandardSchema<E> | undefined,
): Verdict<E> {
  const nul = bytes.lastIndexOf(0);
  if (byteLength === bytes.length && nul === -1) return judgeText(bytes, schema);
  const message = "bytes of the line are NUL, as a power cut leaves what was not on disk";
  const behind = judgeText(bytes.subarray(nul + 1), schema);
  const gap = { reason: "nul-run", message } as const;
  return "reason" in behind ? gap : { ...gap, event: behind.event };
}

function judgeText<E>(line: Uint8Array, schema: StandardSchema<E> | undefined): Verdict<E> {
  let text: string;
  try {
    text = decodeUtf8(line);
  } catch {
    return { reason: "not-utf8", message: "the line is not valid UTF-8" };
  }
  if (/^[ \t\r]*$/.test(text)) return { reason: "not-json", message: BLANK };
  let event: unknown;
  try {
    event = JSON.parse(text);
  } catch (error) {
    return { reason: "not-json", message: (error as SyntaxError).message };
  }
  if (!isObject(event)) return { reason: "not-json", message: "the line is no JSON object" };
  const unsafe = unsafeIntegerAt(text);
  if (unsafe !== -1) {
    const message = `the integer at character ${
      unsafe + 1
    } is beyond 2^53 - 1 and would be rounded`;
    return { reason: "number", message };
  }
  if (schema === undefined) return { event: event as E };
  const result = validate(event, schema);
  if (result.issues === undefined) return { event: result.value };
  return { reason: "schema", message: result.issues.map((issue) => issue.message).join("; ") };
}

/** Refuses what is no Standard Schema. Some libraries make functions of theirs, others objects. */
export function checkSchema(schema: StandardSchema<unknown> | undefined): void {
  if (schema === undefined || typeof schema?.["~standard"]?.validate === "function") return;
  throw new TypeError("Cannot use schema: expected a Standard Schema, such as those of zod");
}

/** Asks a schema; one that answers later cannot be used here. */
export function validate<E>(value: unknown, schema: StandardSchema<E>) {
  const result = schema["~standard"].validate(value);
  if (result instanceof Promise) {
    // Nobody else would hear of its rejection.
    result.catch(() => {});
    throw new TypeError(
      "Cannot use a schema that validates asynchronously: give a synchronous one",
    );
  }
  return result;
}

/** The gap of a line that is too long to be looked at. */
export function longLineGap(piece: LongLine, seq: number): Gap {
  const { byteOffset, byteLength } = piece;
  return { seq, reason: "too-long", message: "the line is over 16 MiB", byteOffset, byteLength };
}
