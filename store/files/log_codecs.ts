import {
  type Codec,
  decodeJson,
  encodeJson,
  leftOutWhenEmpty,
  optional,
  string,
  u64,
} from "../../_internal/wire_json/codec.ts";
import { internallyTagged, unitEnum } from "../../_internal/wire_json/enums.ts";
import { JsonSyntaxError } from "../../_internal/wire_json/errors.ts";
import { closedStruct, openStruct, type StructMaker } from "../../_internal/wire_json/struct.ts";
import type { StoreOperation } from "../runtime_store_error.ts";
import type {
  ConfigBundle,
  CreateWorkerRequest,
  RuntimeEvent,
  TranscriptEntry,
  WorkerInput,
  WorkerRef,
} from "../types.ts";
import { decodeUtf8, encodeUtf8, reasonOf } from "../../_internal/text.ts";

// Unknown fields are kept in what files hold, and refused in what callers ask for.

/** Who may say something. */
const INPUT_KINDS = ["user", "system"] as const;

/** What an event may be about. */
const EVENT_KINDS = [
  "runtime_started",
  "runtime_stopped",
  "worker_created",
  "worker_input_accepted",
  "worker_stopped",
  "worker_cancelled",
] as const;

/** A worker and its runtime. */
export const workerRef: Codec<WorkerRef> = openStruct({ runtime_id: string, worker_id: string });

const intentVariants = {
  assistant: { purpose: optional(string) },
  task: { objective: string },
  role: { role: string, purpose: optional(string) },
};

const profileVariants = {
  runtime_default: {},
  builtin: { value: string },
  named: { value: string },
};

function requestOf(structOf: StructMaker): Codec<CreateWorkerRequest> {
  const reference = structOf({ name: string, reference: string });
  return structOf({
    intent: internallyTagged("kind", intentVariants, structOf),
    profile: internallyTagged("kind", profileVariants, structOf),
    config_bundle: optional(structOf({ id: string, digest: string })),
    requested_capabilities: leftOutWhenEmpty(structOf({ name: string, reason: optional(string) })),
    workspace_refs: leftOutWhenEmpty(reference),
    mount_refs: leftOutWhenEmpty(reference),
  }) as Codec<CreateWorkerRequest>;
}

function bundleOf(structOf: StructMaker): Codec<ConfigBundle> {
  const metadata = structOf({
    id: string,
    digest: string,
    revision: string,
    workspace_id: string,
    created_at: string,
    provenance: structOf({ source: string, detail: optional(string) }),
  });
  const profile = structOf({
    selector: internallyTagged("kind", profileVariants, structOf),
    label: optional(string),
  });
  const declaration = structOf({
    kind: unitEnum([
      "secret_ref",
      "mount_grant",
      "network_policy",
      "shell_policy",
      "git_policy",
      "capability_grant",
      "unsupported",
    ]),
    name: string,
    reference: string,
  });
  return structOf({
    metadata,
    profiles: leftOutWhenEmpty(profile),
    declarations: leftOutWhenEmpty(declaration),
  }) as Codec<ConfigBundle>;
}

/** The request that a `worker.json` holds. */
export const storedRequest: Codec<CreateWorkerRequest> = requestOf(openStruct);

/** The request that a caller makes. */
export const givenRequest: Codec<CreateWorkerRequest> = requestOf(closedStruct);

/** A config bundle that a `runtime.json` holds. */
export const storedBundle: Codec<ConfigBundle> = bundleOf(openStruct);

/** A config bundle that a caller gives. */
export const givenBundle: Codec<ConfigBundle> = bundleOf(closedStruct);

/** An input that a caller gives. */
export const givenInput: Codec<WorkerInput> = closedStruct({
  kind: unitEnum(INPUT_KINDS),
  content: string,
});

const eventVariants = Object.fromEntries(EVENT_KINDS.map((kind) => [kind, {}])) as {
  [Kind in typeof EVENT_KINDS[number]]: Record<never, never>;
};

/** A line of an `events.jsonl`. */
export const runtimeEvent: Codec<RuntimeEvent> = openStruct({
  id: u64,
  worker_ref: optional(workerRef),
  kind: internallyTagged("kind", eventVariants, openStruct),
  message: string,
}) as Codec<RuntimeEvent>;

/** A line of a `transcript.jsonl`. */
export const transcriptEntry: Codec<TranscriptEntry> = openStruct({
  sequence: u64,
  worker_ref: workerRef,
  role: unitEnum(INPUT_KINDS),
  content: string,
  event_id: u64,
});

type Members = Readonly<Record<string, unknown>>;

const KINDS: ReadonlySet<unknown> = new Set(EVENT_KINDS);
const ROLES: ReadonlySet<unknown> = new Set(INPUT_KINDS);
/** How a lone surrogate stands in JSON text; the codecs look closer. */
const SURROGATE = /\\u[dD]/;

/** What a line of a log holds, or why it holds none. */
export type LineVerdict<T> = { record: T } | { problem: string } | { blank: true };

/** One kind of log: how its lines are printed and read, and what numbers them. */
export interface LogCodec<T> {
  /** The line of a record, without its newline. A `TypeError` or `RangeError` for what is none. */
  print(record: T): string;
  /** What a line, without its newline, holds. */
  parse(line: Uint8Array | string): LineVerdict<T>;
  /** The same, but with an eye on what costs time: members that stand twice, numbers as floats. */
  parseStrictly(line: Uint8Array): LineVerdict<T>;
  /** Its number: they grow from line to line. */
  numberOf(record: T): number;
  /** What stands before the number in a line as {@linkcode LogCodec.print} makes it. */
  readonly numberPrefix: Uint8Array;
  /** What is being done when a line is read, for errors. */
  readonly operation: StoreOperation;
}

/**
 * Makes a codec that handles plain records by itself, which is all that this project and the original
 * program write; all else is left to `codec`, which keeps unknown fields and knows how to say what is
 * wrong.
 */
function logCodec<T>({ codec, isPlain, inOrder, ...rest }:
  & {
    codec: Codec<T>;
    /** Whether a record has all its members, of the right types, and no others. */
    isPlain: (record: T) => boolean;
    /** The record with its members in the order in which they are printed. */
    inOrder: (record: T) => T;
  }
  & Pick<LogCodec<T>, "numberOf" | "numberPrefix" | "operation">): LogCodec<T> {
  const parseStrictly = (line: Uint8Array | string): LineVerdict<T> => {
    const text = typeof line === "string" ? line : decode(line);
    if (text === undefined) return { problem: "stream did not contain valid UTF-8" };
    if (/^[ \t\r]*$/.test(text)) return { blank: true };
    try {
      return { record: decodeJson(codec, text) };
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) return { problem: reasonOf(error) };
      const { problem, column } = error.details;
      return { problem: `${problem} at column ${column}` };
    }
  };
  return {
    ...rest,
    parseStrictly,
    parse: (line) => {
      const text = typeof line === "string" ? line : decode(line);
      try {
        const record = JSON.parse(text ?? "");
        if (isPlain(record) && !SURROGATE.test(text!)) return { record };
      } catch { /* The codec says what is wrong. */ }
      return parseStrictly(text ?? line);
    },
    print: (record) => {
      if (!isPlain(record)) return encodeJson(codec, record);
      const text = JSON.stringify(inOrder(record));
      return SURROGATE.test(text) ? encodeJson(codec, record) : text;
    },
  };
}

/** The lines of an `events.jsonl`. */
export const eventLog: LogCodec<RuntimeEvent> = logCodec({
  codec: runtimeEvent,
  isPlain: isPlainEvent,
  inOrder: ({ id, worker_ref, kind: { kind }, message }) => {
    const ref = worker_ref === undefined ? {} : { worker_ref: refInOrder(worker_ref) };
    return { id, ...ref, kind: { kind }, message };
  },
  numberOf: ({ id }) => id,
  numberPrefix: encodeUtf8('{"id":'),
  operation: "read events",
});

/** The lines of a `transcript.jsonl`. */
export const transcriptLog: LogCodec<TranscriptEntry> = logCodec({
  codec: transcriptEntry,
  isPlain: isPlainEntry,
  inOrder: ({ sequence, worker_ref, role, content, event_id }) => {
    return { sequence, worker_ref: refInOrder(worker_ref), role, content, event_id };
  },
  numberOf: ({ sequence }) => sequence,
  numberPrefix: encodeUtf8('{"sequence":'),
  operation: "read transcript",
});

function decode(line: Uint8Array): string | undefined {
  try {
    return decodeUtf8(line);
  } catch {
    return undefined;
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

function refInOrder({ runtime_id, worker_id }: WorkerRef): WorkerRef {
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
