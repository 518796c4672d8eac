/** Events as lines: how they are written, what a line is that is read, and how whoever follows gets both. */
import { defined, isObject } from "./errors.ts";
import { type Line, type LineBlock, linesOf, type LongLine, MAX_LINE_BYTES } from "./json_lines.ts";
import { decodeManyLines, decodeUtf8, encodeUtf8, reasonOf } from "./text.ts";
import {
  hasSurelyKeptMembers,
  isSurelyKept,
  type JsonVisitor,
  lossyNumberIn,
  redactOrMask,
  refuseLoss,
  stringifyQuickly,
  stringifyVisiting,
} from "./visit_json.ts";

/** An event with the place it has in its log. */
export interface Stored<E> {
  /** The physical, 1-based line number. */
  seq: number;
  /** The event as it was appended. */
  event: E;
}

/**
 * Why a line gives no event: `torn` = unterminated, at the end; `not-json` = not one JSON object
 * (blank lines too); `not-utf8`; `encoding` = in UTF-16 or UTF-32; `nul-run` = bytes lost in a power
 * cut; `too-long` = over 16 MiB; `schema` = refused by the schema; `number` = a number that nobody
 * could read as it stands there: an integer beyond 2^53 - 1 and below 1e21, however it is spelt, which
 * would be rounded, or one beyond all doubles.
 */
export type GapReason =
  | "torn"
  | "not-json"
  | "not-utf8"
  | "encoding"
  | "nul-run"
  | "too-long"
  | "schema"
  | "number";

/** A line that gives no event. */
export interface Gap {
  /** The physical, 1-based line number. */
  seq: number;
  /** Why there is no event. */
  reason: GapReason;
  /** What exactly is wrong, for people. */
  message: string;
  /** Where the line begins in the file; left out where it is in none. */
  byteOffset?: number;
  /** Bytes of the line, without its newline; left out where that is not known. */
  byteLength?: number;
}

/**
 * The part of [Standard Schema](https://standardschema.dev) version 1 that is used here; what zod,
 * valibot, arktype and others make fits it.
 *
 * @typeParam E What the schema gives for a valid event.
 */
export interface StandardSchema<E> {
  /** The interface of the standard. */
  readonly "~standard": {
    /** The version of the standard. */
    readonly version: 1;
    /** Who made the schema. */
    readonly vendor: string;
    /** Checks a value. A promise is refused. */
    readonly validate: (value: unknown) => StandardResult<E> | Promise<StandardResult<E>>;
  };
}

/** What a {@linkcode StandardSchema} says of a value. */
export type StandardResult<E> =
  | { readonly value: E; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

/**
 * Replaces a value before it is kept: gets every member, objects before their members, with a path
 * such as `$.env.TOKEN`, and returns what is to be written. Where it throws, a mask is written.
 */
export type Redact = (value: unknown, path: string) => unknown;

/**
 * The one line of an event, without its newline. What JSON would change without a word (NaN, lone
 * surrogates, integers that a reader would round, a Map) is refused with its path; an error is written
 * with what it says.
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
  const text = stringifyQuickly(event, isSurelyKept);
  return text === undefined ? stringifyEach(event, refuseLoss) : text;
}

function stringifyEach(event: unknown, visitor: JsonVisitor): string | undefined {
  try {
    return stringifyVisiting(event, visitor);
  } catch (cause) {
    throw new TypeError(`failed to serialize event: ${failureOf(cause)}`, { cause });
  }
}

function failureOf(cause: unknown): string {
  return isStackOverflow(cause) ? "a member's own code calls itself too deeply" : reasonOf(cause);
}

/** What the engine says of its stack is of no use to whoever gave an event. */
function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message.includes("call stack");
}

function stringifyRedacted(event: unknown, redact: Redact): string | undefined {
  return stringifyEach(event, (value, path, member) => {
    const kept = redactOrMask(value, path, redact);
    return kept === value ? refuseLoss(value, path, member) : refuseLoss(kept, path, kept);
  });
}

/** The gap of a line in a file. */
export type FileGap = Gap & Required<Pick<Gap, "byteOffset" | "byteLength">>;

/** The events and gaps of some lines. */
export interface DecodedLines<E> {
  events: Stored<E>[];
  gaps: FileGap[];
  /** How many lines there were: each uses up one seq. */
  lines: number;
}

/** Events and gaps by seq; the gap first where bytes before an event were lost. */
export function* inOrder<E>(
  { events, gaps }: { events: readonly Stored<E>[]; gaps: readonly Gap[] },
): Generator<Stored<E> | Gap> {
  let nextGap = 0;
  for (const stored of events) {
    while (nextGap < gaps.length && gaps[nextGap]!.seq <= stored.seq) yield gaps[nextGap++]!;
    yield stored;
  }
  yield* gaps.slice(nextGap);
}

/** What a line that gives no event is refused with by who reads strictly (OLG-5). */
export function malformedLine(path: string, { seq: line, byteOffset, message }: Gap) {
  return {
    message: `malformed event at ${path}:${line}: ${message}`,
    details: { path, line, ...defined({ byteOffset }) },
  };
}

/**
 * Items that may be waited for without end, as an iterator that can be left at any time: a generator that waits takes
 * notice of `return()` only when it goes on, so leaving the loop makes it go on.
 *
 * @param begin Makes the generator; it ends soon after its signal aborts.
 * @param signals Others that end it.
 */
export function leavable<T>(
  begin: (signal: AbortSignal) => AsyncGenerator<T, void>,
  ...signals: (AbortSignal | undefined)[]
): AsyncIterableIterator<T> {
  const left = new AbortController();
  const others = signals.filter((signal) => signal !== undefined);
  const items = begin(AbortSignal.any([left.signal, ...others]));
  return {
    next: () => items.next(),
    return: (value) => {
      left.abort();
      return items.return(value);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** What a line is, but for its place. */
export type Verdict<E> = { event: E } | { reason: GapReason; message: string; event?: E };

/** The message of the gap of a blank line. */
const BLANK = "the line is blank";

/** Whether a line is only blank, which strict reading passes over (OLG-5). */
export function isBlankLine({ message }: Pick<Gap, "message">): boolean {
  return message === BLANK;
}

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
    let seq = options.firstSeq;
    for (let start = 0; start < text.length; seq++) {
      const end = text.indexOf("\n", start);
      const line = text.slice(start, end);
      const event = JSON.parse(line);
      if (!isObject(event) || !hasSurelyKeptMembers(event)) return undefined;
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
  let before: Uint8Array | undefined;
  for (const line of linesOf(block)) {
    const { byteOffset, byteLength } = line;
    const seq = options.firstSeq + decoded.lines++;
    const verdict = judgeLine({ ...line, before }, options.schema);
    before = line.bytes;
    if ("reason" in verdict) {
      const { reason, message } = verdict;
      decoded.gaps.push({ seq, reason, message, byteOffset, byteLength });
    }
    if (verdict.event !== undefined) decoded.events.push({ seq, event: verdict.event });
  }
  return decoded;
}

/** The events and gaps of lines that are in no file: their texts, or the bytes of those that are no text. */
export function decodeTexts<E>(
  lines: readonly (string | Uint8Array)[],
  options: { firstSeq: number; schema?: StandardSchema<E> | undefined },
): { events: Stored<E>[]; gaps: Gap[] } {
  const events: Stored<E>[] = [];
  const gaps: Gap[] = [];
  for (const [index, line] of lines.entries()) {
    const seq = options.firstSeq + index;
    const event = typeof line === "string" ? goodEvent<E>(line, options.schema) : undefined;
    if (event !== undefined) {
      events.push({ seq, event });
      continue;
    }
    const bytes = typeof line === "string" ? encodeUtf8(line) : line;
    const verdict = judgeLine({ bytes, byteLength: bytes.length }, options.schema);
    if ("reason" in verdict) gaps.push({ seq, reason: verdict.reason, message: verdict.message });
    if (verdict.event !== undefined) events.push({ seq, event: verdict.event });
  }
  return { events, gaps };
}

/** The event of a line in which all is well. */
function goodEvent<E>(line: string, schema: StandardSchema<E> | undefined): E | undefined {
  try {
    const event = JSON.parse(line);
    if (!isObject(event) || !hasSurelyKeptMembers(event)) return undefined;
    if (schema === undefined) return event as E;
    const result = validate(event, schema);
    return result.issues === undefined ? result.value : undefined;
  } catch {
    return undefined;
  }
}

/** What a line is; `before` is the line before, where that is at hand. */
export function judgeLine<E>(
  { bytes, byteLength, before }: Pick<Line, "bytes" | "byteLength"> & {
    before?: Uint8Array | undefined;
  },
  schema: StandardSchema<E> | undefined,
): Verdict<E> {
  const encoding = byteLength === bytes.length ? wideEncodingOf(bytes) : undefined;
  if (encoding !== undefined) return encodingGap(encoding);
  const nul = bytes.lastIndexOf(0);
  if (byteLength === bytes.length && nul === -1) return judgeText(bytes, schema);
  const behind = judgeText(bytes.subarray(nul + 1), schema);
  const gap = newlineRestGap(before, bytes.subarray(0, nul + 1)) ?? NUL_RUN;
  return "reason" in behind ? gap : { ...gap, event: behind.event };
}

const NUL_RUN: { reason: GapReason; message: string } = {
  reason: "nul-run",
  message: "bytes of the line are NUL, as a power cut leaves what was not on disk",
};

function judgeText<E>(line: Uint8Array, schema: StandardSchema<E> | undefined): Verdict<E> {
  let text: string;
  try {
    text = decodeUtf8(line);
  } catch {
    return { reason: "not-utf8", message: "the line is not valid UTF-8" };
  }
  if (/^[ \t\r]*$/.test(text)) return { reason: "not-json", message: BLANK };
  if (text.startsWith("\uFEFF")) {
    const message = "the line begins with a byte order mark (U+FEFF), which is no JSON: " +
      "write UTF-8 without one";
    return { reason: "not-json", message };
  }
  let event: unknown;
  try {
    event = JSON.parse(text);
  } catch (error) {
    const isSyntax = error instanceof SyntaxError;
    return { reason: "not-json", message: isSyntax ? error.message : "it is nested too deeply" };
  }
  if (!isObject(event)) return { reason: "not-json", message: "the line is no JSON object" };
  const lossy = hasSurelyKeptMembers(event) ? undefined : lossyNumberIn(text);
  if (lossy !== undefined) return { reason: "number", message: lossyMessage(lossy) };
  if (schema === undefined) return { event: event as E };
  const result = validate(event, schema);
  if (result.issues === undefined) return { event: result.value };
  return { reason: "schema", message: messagesOf(result.issues) };
}

function lossyMessage({ index, literal }: { index: number; literal: string }): string {
  const number = literal.length > MAX_SHOWN_DIGITS
    ? `${literal.slice(0, MAX_SHOWN_DIGITS)}…`
    : literal;
  const problem = Number.isFinite(Number(literal))
    ? "is beyond 2^53 - 1 and would be rounded"
    : "is beyond what a double can hold";
  return `the number ${number} at character ${index + 1} ${problem}`;
}

const MAX_SHOWN_DIGITS = 40;

/** The marks that tell how a text of two or four bytes a character is encoded. */
const WIDE_MARKS: [mark: number[], encoding: string][] = [
  [[0xff, 0xfe, 0, 0], "UTF-32"],
  [[0, 0, 0xfe, 0xff], "UTF-32"],
  [[0xff, 0xfe], "UTF-16"],
  [[0xfe, 0xff], "UTF-16"],
];

/**
 * Whether a line has two or four bytes a character, by its mark or by the NULs between its first
 * characters. It begins where the last byte of a newline was cut off, so that more NULs can stand there.
 */
function wideEncodingOf(line: Uint8Array): string | undefined {
  const marked = WIDE_MARKS.find(([mark]) => mark.every((byte, index) => line[index] === byte));
  if (marked !== undefined) return marked[1];
  const first = line.subarray(0, 4).findIndex((byte) => byte !== 0);
  if (first === -1) return undefined;
  for (const [width, encoding] of [[2, "UTF-16"], [4, "UTF-32"]] as const) {
    const isWide = (at: number) => {
      return isAscii(line[at]) && line.subarray(at + 1, at + width).every((byte) => byte === 0);
    };
    const second = first + width;
    // What ends behind one character is blank.
    const isAlone = second > line.length - width && line.length > first + 1 && line[first]! <= 32;
    if (isWide(first) && (isAlone || isWide(second))) return encoding;
  }
  return undefined;
}

/**
 * The gap of bytes that are the rest of a newline in another encoding, behind a line in that: where the
 * lower byte comes first, only NULs stand behind it. Undefined when they are something else.
 */
export function newlineRestGap(
  before: Uint8Array | undefined,
  rest: Uint8Array,
): { reason: GapReason; message: string } | undefined {
  const width = rest.length + 1;
  if ((width !== 2 && width !== 4) || rest.some((byte) => byte !== 0)) return undefined;
  const last = before?.subarray(-width);
  const isWide = last?.length === width && isAscii(last[0]) &&
    last.subarray(1).every((byte) => byte === 0);
  if (!isWide) return undefined;
  const message = `the rest of a newline in ${width === 2 ? "UTF-16" : "UTF-32"} stands there`;
  return { reason: "encoding", message };
}

function isAscii(byte: number | undefined): boolean {
  return byte !== undefined && byte > 0 && byte < 128;
}

/** The gap of a line that is text, but not in the one encoding that JSON has. */
function encodingGap(encoding: string): { reason: GapReason; message: string } {
  const writer = encoding === "UTF-16" ? ", as PowerShell's >> writes it" : "";
  const message = `the line is in ${encoding}${writer}: write it in UTF-8`;
  return { reason: "encoding", message };
}

/** Refuses what is no Standard Schema. Some libraries make functions of theirs, others objects. */
export function checkSchema(schema: StandardSchema<unknown> | undefined): void {
  if (schema === undefined || typeof schema?.["~standard"]?.validate === "function") return;
  throw new TypeError("Cannot use schema: expected a Standard Schema, such as those of zod");
}

/** What a schema has against an event, in one line. */
export function messagesOf(issues: readonly { message: string }[]): string {
  return issues.map((issue) => issue.message).join("; ");
}

/** Asks a schema; one that answers later cannot be used here. */
export function validate<E>(value: unknown, schema: StandardSchema<E>): StandardResult<E> {
  const result = ask(value, schema);
  if (result instanceof Promise) {
    // Nobody else would hear of its rejection.
    result.catch(() => {});
    throw new TypeError(
      "Cannot use a schema that validates asynchronously: give a synchronous one",
    );
  }
  return result;
}

/** A schema that calls itself for each level can take the engine's whole stack, which only it can help. */
function ask<E>(value: unknown, schema: StandardSchema<E>) {
  try {
    return schema["~standard"].validate(value);
  } catch (error) {
    if (!isStackOverflow(error)) throw error;
    return { issues: [{ message: "the event is nested too deeply for the schema" }] };
  }
}

/** The gap of a line that is too long to be looked at. */
export function longLineGap(piece: LongLine, seq: number): FileGap {
  const { byteOffset, byteLength } = piece;
  return { seq, reason: "too-long", message: "the line is over 16 MiB", byteOffset, byteLength };
}
