import { type Codec, decodeJson, encodeJson } from "../_internal/wire_json/codec.ts";
import { JsonSyntaxError } from "../_internal/wire_json/errors.ts";
import { EVENT_KINDS, INPUT_KINDS, runtimeEvent, transcriptEntry } from "./record_codecs.ts";
import type { RuntimeEvent, TranscriptEntry, WorkerRef } from "./types.ts";

type Members = Readonly<Record<string, unknown>>;

const KINDS: ReadonlySet<unknown> = new Set(EVENT_KINDS);
const ROLES: ReadonlySet<unknown> = new Set(INPUT_KINDS);
/** `ignoreBOM` keeps a byte order mark, so that it is seen and refused. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a line of a log holds, or why it holds none. */
export type LineVerdict<T> = { record: T } | { problem: string } | { blank: true };

/** One kind of log: how its lines are printed and read, and what numbers them. */
export interface LogCodec<T> {
  /** The line of a record, without its newline. A `TypeError` or `RangeError` for what is none. */
  readonly print: (record: T) => string;
  /** What a line, without its newline, holds. */
  readonly parse: (line: Uint8Array) => LineVerdict<T>;
  /** Its number: they grow from line to line. */
  readonly numberOf: (record: T) => number;
  /** The number that stands in a line as {@linkcode LogCodec.print} makes it, without parsing. */
  readonly numberPattern: RegExp;
}

/** The lines of an `events.jsonl`. */
export const eventLog: LogCodec<RuntimeEvent> = {
  print: (event) => {
    const plain = plainEvent(event);
    return plain === undefined ? encodeJson(runtimeEvent, event) : JSON.stringify(plain);
  },
  parse: (line) => parseLine(line, { codec: runtimeEvent, plainOf: plainEvent }),
  numberOf: ({ id }) => id,
  numberPattern: /^\{"id":(\d{1,15}),/,
};

/** The lines of a `transcript.jsonl`. */
export const transcriptLog: LogCodec<TranscriptEntry> = {
  print: (entry) => {
    const plain = plainEntry(entry);
    return plain === undefined ? encodeJson(transcriptEntry, entry) : JSON.stringify(plain);
  },
  parse: (line) => parseLine(line, { codec: transcriptEntry, plainOf: plainEntry }),
  numberOf: ({ sequence }) => sequence,
  numberPattern: /^\{"sequence":(\d{1,15}),/,
};

/**
 * Parses a line. Plain records, which is all that this project and the seed write, are checked here;
 * all else is left to the codec, which keeps unknown fields and knows how to say what is wrong.
 */
function parseLine<T>(
  line: Uint8Array,
  { codec, plainOf }: { codec: Codec<T>; plainOf: (record: T) => T | undefined },
): LineVerdict<T> {
  let text: string;
  try {
    text = utf8.decode(line);
  } catch {
    return { problem: "stream did not contain valid UTF-8" };
  }
  try {
    const plain = plainOf(JSON.parse(text));
    if (plain !== undefined) return { record: plain };
  } catch { /* The codec says what is wrong. */ }
  if (/^[ \t\r]*$/.test(text)) return { blank: true };
  return parseAny(text, codec);
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

/** The event, with its members in the order of the wire; undefined when it is not plain. */
function plainEvent(event: RuntimeEvent): RuntimeEvent | undefined {
  if (!isObject(event)) return undefined;
  const { id, worker_ref, kind, message } = event;
  if (!isCount(id) || !isText(message) || !isObject(kind)) return undefined;
  if (!KINDS.has(kind.kind) || countOf(kind) !== 1) return undefined;
  if (worker_ref === undefined) {
    return countOf(event) === 3 ? { id, kind: { kind: kind.kind }, message } : undefined;
  }
  const ref = plainRef(worker_ref);
  if (ref === undefined || countOf(event) !== 4) return undefined;
  return { id, worker_ref: ref, kind: { kind: kind.kind }, message };
}

/** The entry, with its members in the order of the wire; undefined when it is not plain. */
function plainEntry(entry: TranscriptEntry): TranscriptEntry | undefined {
  if (!isObject(entry)) return undefined;
  const { sequence, worker_ref, role, content, event_id } = entry;
  if (!isCount(sequence) || !isCount(event_id) || !isText(content)) return undefined;
  const ref = plainRef(worker_ref);
  if (ref === undefined || !ROLES.has(role) || countOf(entry) !== 5) return undefined;
  return { sequence, worker_ref: ref, role, content, event_id };
}

function plainRef(ref: WorkerRef): WorkerRef | undefined {
  if (!isObject(ref)) return undefined;
  const { runtime_id, worker_id } = ref;
  if (!isText(runtime_id) || !isText(worker_id) || countOf(ref) !== 2) return undefined;
  return { runtime_id, worker_id };
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null;
}

function countOf(record: object): number {
  return Object.keys(record).length;
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.isWellFormed();
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}
