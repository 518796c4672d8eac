import { type Codec, decodeJson, encodeJson } from "../_internal/wire_json/codec.ts";
import { JsonSyntaxError } from "../_internal/wire_json/errors.ts";
import { EVENT_KINDS, INPUT_KINDS, runtimeEvent, transcriptEntry } from "./record_codecs.ts";
import type { StoreOperation } from "./runtime_store_error.ts";
import type { RuntimeEvent, TranscriptEntry, WorkerRef } from "./types.ts";

type Members = Readonly<Record<string, unknown>>;

const KINDS: ReadonlySet<unknown> = new Set(EVENT_KINDS);
const ROLES: ReadonlySet<unknown> = new Set(INPUT_KINDS);
/** How a lone surrogate stands in JSON text; the codecs look closer. */
const SURROGATE = /\\u[dD]/;
/** `ignoreBOM` keeps a byte order mark, so that it is seen and refused. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a line of a log holds, or why it holds none. */
export type LineVerdict<T> = { record: T } | { problem: string } | { blank: true };

/** One kind of log: how its lines are printed and read, and what numbers them. */
export interface LogCodec<T> {
  /** The line of a record, without its newline. A `TypeError` or `RangeError` for what is none. */
  readonly print: (record: T) => string;
  /** What a line, without its newline, holds. */
  readonly parse: (line: Uint8Array | string) => LineVerdict<T>;
  /** The same, but with an eye on what costs time: members that stand twice, numbers as floats. */
  readonly parseStrictly: (line: Uint8Array) => LineVerdict<T>;
  /** Its number: they grow from line to line. */
  readonly numberOf: (record: T) => number;
  /** What stands before the number in a line as {@linkcode LogCodec.print} makes it. */
  readonly numberPrefix: Uint8Array;
  /** What is being done when a line is read, for errors. */
  readonly operation: StoreOperation;
}

/** The lines of an `events.jsonl`. */
export const eventLog: LogCodec<RuntimeEvent> = {
  print: (event) => {
    if (!isPlainEvent(event)) return encodeJson(runtimeEvent, event);
    const { id, worker_ref, kind: { kind }, message } = event;
    const ref = worker_ref === undefined ? {} : { worker_ref: inOrder(worker_ref) };
    const text = JSON.stringify({ id, ...ref, kind: { kind }, message });
    return SURROGATE.test(text) ? encodeJson(runtimeEvent, event) : text;
  },
  parse: (line) => parseLine(line, { codec: runtimeEvent, isPlain: isPlainEvent }),
  parseStrictly: (line) => parseLine(line, { codec: runtimeEvent, isPlain: () => false }),
  numberOf: ({ id }) => id,
  numberPrefix: new TextEncoder().encode('{"id":'),
  operation: "read events",
};

/** The lines of a `transcript.jsonl`. */
export const transcriptLog: LogCodec<TranscriptEntry> = {
  print: (entry) => {
    if (!isPlainEntry(entry)) return encodeJson(transcriptEntry, entry);
    const { sequence, worker_ref, role, content, event_id } = entry;
    const ref = inOrder(worker_ref);
    const text = JSON.stringify({ sequence, worker_ref: ref, role, content, event_id });
    return SURROGATE.test(text) ? encodeJson(transcriptEntry, entry) : text;
  },
  parse: (line) => parseLine(line, { codec: transcriptEntry, isPlain: isPlainEntry }),
  parseStrictly: (line) => parseLine(line, { codec: transcriptEntry, isPlain: () => false }),
  numberOf: ({ sequence }) => sequence,
  numberPrefix: new TextEncoder().encode('{"sequence":'),
  operation: "read transcript",
};

/**
 * Parses a line. Plain records, which is all that this project and the seed write, are checked here;
 * all else is left to the codec, which keeps unknown fields and knows how to say what is wrong.
 */
function parseLine<T>(
  line: Uint8Array | string,
  { codec, isPlain }: { codec: Codec<T>; isPlain: (record: T) => boolean },
): LineVerdict<T> {
  const text = typeof line === "string" ? line : decode(line);
  if (text === undefined) return { problem: "stream did not contain valid UTF-8" };
  try {
    const record = JSON.parse(text);
    if (isPlain(record) && !SURROGATE.test(text)) return { record };
  } catch { /* The codec says what is wrong. */ }
  if (/^[ \t\r]*$/.test(text)) return { blank: true };
  return parseAny(text, codec);
}

function decode(line: Uint8Array): string | undefined {
  try {
    return utf8.decode(line);
  } catch {
    return undefined;
  }
}

function parseAny<T>(text: string, codec: Codec<T>): LineVerdict<T> {
  try {
    return { record: decodeJson(codec, text) };
  } catch (error) {
    if (error instanceof JsonSyntaxError) {
      return { problem: `${error.problem} at column ${error.column}` };
    }
    return { problem: (error as Error).message };
  }
}

/** Whether an event has all its members, of the right types, and no others. */
function isPlainEvent(event: RuntimeEvent): boolean {
  if (!isObject(event)) return false;
  const { id, worker_ref, kind, message } = event;
  return isCount(id) && isText(message) && isObject(kind) && KINDS.has(kind.kind) &&
    countOf(kind) === 1 &&
    (worker_ref === undefined
      ? countOf(event) === 3
      : isPlainRef(worker_ref) && countOf(event) === 4);
}

/** The same for an entry of a transcript. */
function isPlainEntry(entry: TranscriptEntry): boolean {
  if (!isObject(entry)) return false;
  const { sequence, worker_ref, role, content, event_id } = entry;
  return isCount(sequence) && isCount(event_id) && isText(content) && ROLES.has(role) &&
    isPlainRef(worker_ref) && countOf(entry) === 5;
}

function isPlainRef(ref: WorkerRef): boolean {
  return isObject(ref) && isText(ref.runtime_id) && isText(ref.worker_id) && countOf(ref) === 2;
}

function inOrder({ runtime_id, worker_id }: WorkerRef): WorkerRef {
  return { runtime_id, worker_id };
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null;
}

/** Counts without making a list, as this is asked of every line. */
function countOf(record: object): number {
  let count = 0;
  for (const _name in record) count++;
  return count;
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}
