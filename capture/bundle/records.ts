import { copyOfTermination, copyOfTime, episodeRecordOf } from "../../_internal/episode_record.ts";
import {
  checkDuration,
  checkObject,
  checkString,
  defined,
  describe,
} from "../../_internal/errors.ts";
import { contextOfPayload, ExternalEventPayloadError } from "../../_internal/event_payload.ts";
import { decodeUtf8, encodeUtf8 } from "../../_internal/text.ts";
import { copyOfPlain } from "../../_internal/wire_json/json_value.ts";
import type {
  CompletionInput,
  DecisionLogEntry,
  EventRetry,
  ExternalEvent,
  WithdrawInput,
} from "../../supervisor/types.ts";
import { CaptureError } from "../errors.ts";
import type {
  CaptureBundle,
  CompletionInputRecord,
  DecisionRecord,
  EpisodeInvocationRecord,
  EventInputRecord,
  ExternalEventRecord,
  InputRecord,
  TaffrailCaptureBundle,
  V3CaptureBundle,
  WithdrawInputRecord,
} from "../types.ts";
import { sha256Hex } from "./effects.ts";
import { isByteList } from "./record_codecs.ts";

/** The format of bundles that the original program reads: `"v3"`. */
export const CAPTURE_VERSION = "v3";

/** The format of bundles that `"v3"` cannot say: `"taffrail-v1"`. */
export const TAFFRAIL_CAPTURE_VERSION = "taffrail-v1";

/** The adapter provenance of a session without adapter: `"none"` (CAP-1). */
export const NO_ADAPTER_PROVENANCE = "none";

/**
 * The hash of an event's payload (EVT-1): SHA-256 of the bytes as they are, so that two texts of the
 * same JSON have two hashes.
 *
 * Permissions: none.
 *
 * @param payload The bytes.
 * @returns 64 lower-case hexadecimal digits.
 *
 * @example Usage
 * ```ts
 * import { computePayloadHash } from "@taffrail/taffrail/capture";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   computePayloadHash(new TextEncoder().encode('{"x":1}')),
 *   "5041bf1f713df204784353e82f6a4a535931cb64f1f4b4a5aeaffcb720918b22",
 * );
 * ```
 */
export function computePayloadHash(payload: Uint8Array): string {
  return sha256Hex(checkBytes(payload, "payload"));
}

function checkBytes(value: unknown, name: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`Cannot use ${name}: expected a Uint8Array, got ${describe(value)}`);
}

/**
 * The record of an event (EVT-5): its id, time, kind and payload, and the hash of the payload.
 *
 * Permissions: none.
 *
 * @param event The event.
 * @returns The record, which shares nothing with the event.
 * @throws {TypeError} When the event says its `firstAttempt` or its `retry`, which the format `"v3"` cannot say.
 *
 * @example Usage
 * ```ts
 * import { recordEvent } from "@taffrail/taffrail/capture";
 * import { createEvent } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const at = { secs: 1, nanos: 500_000_000 };
 * const record = recordEvent(createEvent({ id: "e1", kind: "Command", at, payload: "{}" }));
 * assertEquals(record.event_time, at);
 * assertEquals(record.payload, [123, 125]);
 * ```
 */
export function recordEvent(event: ExternalEvent): ExternalEventRecord {
  checkObject(event, "event");
  const { id, at, kind, payload } = event;
  for (const name of ["firstAttempt", "retry"] as const) {
    if (event[name] === undefined) continue;
    throw new TypeError(
      `Cannot record event ${JSON.stringify(id)}: the format v3 cannot say its ${name}; ` +
        "have a CapturingSession record it",
    );
  }
  const { secs, nanos } = checkDuration(at, "event.at");
  return {
    event_id: id,
    event_time: { secs, nanos },
    kind,
    payload: Array.from(checkBytes(payload, "event.payload")),
    payload_hash: computePayloadHash(payload),
  };
}

/**
 * Whether a record's hash is that of its payload: the texts must be equal, so that the right digits in
 * upper case are not (EVT-2). The payload itself is not looked at (EVT-7).
 *
 * Permissions: none.
 *
 * @param record The record.
 * @returns Whether it is.
 *
 * @example Usage
 * ```ts
 * import { hasValidHash, recordEvent } from "@taffrail/taffrail/capture";
 * import { createEvent } from "@taffrail/taffrail/supervisor";
 * import { assert } from "@std/assert";
 *
 * const event = createEvent({ id: "e1", kind: "Pump", at: { secs: 0, nanos: 0 } });
 * assert(hasValidHash(recordEvent(event)));
 * ```
 */
export function hasValidHash(record: ExternalEventRecord | EventInputRecord): boolean {
  checkObject(record, "record");
  return computePayloadHash(payloadOf(record)) === record.payload_hash;
}

/**
 * The event of a record, checked (EVT-6): first the hash of the payload, then that the payload is one
 * JSON object, or nothing. The context is derived again from the payload (REP-2), by the rules of
 * `createEvent`.
 *
 * Permissions: none.
 *
 * @param record The record.
 * @returns The event.
 * @throws {CaptureError} `payload-hash-mismatch` or `invalid-payload`.
 *
 * @example Usage
 * ```ts
 * import { recordEvent, rehydrateEvent } from "@taffrail/taffrail/capture";
 * import { createEvent } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const at = { secs: 7, nanos: 0 };
 * const event = createEvent({ id: "e1", kind: "Command", at, payload: '{"n":1}' });
 * assertEquals(rehydrateEvent(recordEvent(event)), event);
 * ```
 */
export function rehydrateEvent(record: ExternalEventRecord | EventInputRecord): ExternalEvent {
  checkObject(record, "record");
  const payload = payloadOf(record);
  const actual = computePayloadHash(payload);
  const expected = checkString(record.payload_hash, "record.payload_hash");
  if (actual !== expected) {
    const message = `payload hash mismatch (expected '${expected}', actual '${actual}')`;
    throw new CaptureError("payload-hash-mismatch", message, { details: { expected, actual } });
  }
  return Object.freeze({
    id: record.event_id,
    kind: record.kind,
    at: checkDuration(record.event_time, "record.event_time"),
    payload,
    context: contextOf(payload),
    ...("type" in record && beyondV3(record)),
  });
}

/** What only an event among the inputs can say. */
function beyondV3(
  { first_attempt: firstAttempt, retry }: EventInputRecord,
): Pick<ExternalEvent, "firstAttempt" | "retry"> {
  return defined({ firstAttempt, retry: copyOfRetry(retry) });
}

function copyOfRetry(retry: EventRetry | undefined): EventRetry | undefined {
  return retry === undefined ? undefined : copyOfPlain(retry);
}

/** The bytes of a payload, which v3 says as numbers and this project's format as their text. */
function payloadOf({ payload }: ExternalEventRecord | EventInputRecord): Uint8Array {
  if (typeof payload === "string") return encodeUtf8(payload);
  if (isByteList(payload)) return Uint8Array.from(payload);
  throw new TypeError(
    "Cannot use record.payload: expected a text, or a list of bytes, each an integer from 0 to 255",
  );
}

function contextOf(payload: Uint8Array): ExternalEvent["context"] {
  try {
    return contextOfPayload(payload);
  } catch (cause) {
    if (!(cause instanceof ExternalEventPayloadError)) throw cause;
    throw new CaptureError("invalid-payload", cause.message, { cause });
  }
}

/** The record of an event among the inputs, where its payload is a text. */
export function recordEventInput(event: ExternalEvent): EventInputRecord {
  const { id, at: { secs, nanos }, kind, payload, firstAttempt, retry } = event;
  return {
    type: "event",
    event_id: id,
    event_time: { secs, nanos },
    kind,
    payload: textOf(event),
    payload_hash: computePayloadHash(payload),
    ...(firstAttempt !== undefined && { first_attempt: firstAttempt }),
    ...(retry !== undefined && { retry: copyOfPlain(retry) }),
  };
}

/** The record of an input that is no event. What it says of an end is shared with it. */
export function recordOtherInput(
  input: CompletionInput | WithdrawInput,
): CompletionInputRecord | WithdrawInputRecord {
  const { episode_id, at: { secs, nanos } } = input;
  const at = { secs, nanos };
  if (input.type === "withdraw") return { type: input.type, episode_id, at };
  const { attempt, termination: ended, end } = input;
  const termination = copyOfTermination(ended);
  const record = { type: input.type, episode_id, attempt, termination, at };
  return end === undefined ? record : { ...record, end };
}

function textOf({ id, payload }: ExternalEvent): string {
  try {
    return decodeUtf8(payload);
  } catch (cause) {
    const message = `Cannot record event ${JSON.stringify(id)}: its payload is not UTF-8; ` +
      "make events by createEvent";
    throw new TypeError(message, { cause });
  }
}

/**
 * The runtime that ran a session last: whoever went on with it may have had another one than it began with.
 *
 * Permissions: none.
 *
 * @param bundle The recording.
 * @returns What it says of the runtime; `runtime_provenance` where nobody went on with it.
 *
 * @example Usage
 * ```ts
 * import { CapturingSession, lastRuntimeOf } from "@taffrail/taffrail/capture";
 * import { FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const session = new CapturingSession({
 *   graphId: "g",
 *   constraints: { max_retries: 0 },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: new FaultInvoker(),
 *   createSupervisor: (options) => new Supervisor(options),
 *   runtimeProvenance: "rpv1:sha256:test",
 * });
 * assertEquals(lastRuntimeOf(session.intoBundle()), "rpv1:sha256:test");
 * ```
 */
export function lastRuntimeOf(bundle: CaptureBundle): string {
  const notes = "inputs" in bundle ? bundle.notes ?? [] : [];
  const resumed = notes.findLast((note) => note.type === "resumed");
  return resumed?.runtime_provenance ?? bundle.runtime_provenance;
}

/** What v3 can say of a bundle, in its order. */
export function asV3Bundle(bundle: TaffrailCaptureBundle): V3CaptureBundle {
  const { graph_id, config, inputs, adapter_provenance } = bundle;
  const { egress_provenance } = bundle;
  return {
    capture_version: CAPTURE_VERSION,
    graph_id,
    config,
    events: inputs.filter((input) => input.type === "event").map(asV3Event),
    decisions: bundle.decisions.map(asV3Decision),
    adapter_provenance,
    runtime_provenance: lastRuntimeOf(bundle),
    ...defined({ egress_provenance }),
  };
}

/** An event among the inputs as v3 has it. */
function asV3Event(
  { type: _, first_attempt: __, retry: ___, ...record }: EventInputRecord,
): ExternalEventRecord {
  const { payload } = record;
  // Whoever compares bundles may have put the parsed JSON in its place: that stays as it is.
  return { ...record, payload: typeof payload === "string" ? [...encodeUtf8(payload)] : payload };
}

/** The record of a decision, which shares nothing with the entry, and has no effects yet (CAP-3). */
export function recordDecision(entry: DecisionLogEntry): DecisionRecord {
  const { numbers } = entry;
  return {
    ...episodeRecordOf(entry),
    attempt_termination: copyOfTermination(entry.attemptTermination),
    reason: entry.reason,
    numbers: {
      now: { secs: numbers.now.secs, nanos: numbers.now.nanos },
      in_flight: numbers.in_flight,
      in_window: numbers.in_window,
      deferred: numbers.deferred,
      next_due: copyOfTime(numbers.next_due),
      defer_count: numbers.defer_count,
      ...(numbers.max_retries !== undefined && { max_retries: numbers.max_retries }),
    },
    origin_event_id: entry.originEventId,
  };
}

/** The decision without what v3 cannot say. */
export function asV3Decision(record: DecisionRecord): EpisodeInvocationRecord {
  const {
    attempt_termination: _termination,
    reason: _reason,
    numbers: _numbers,
    origin_event_id: _origin,
    ...rest
  } = record;
  return rest;
}

/** Whether v3 can say an input: events and how attempts ended, and nothing beyond that. */
export function isV3Input(input: InputRecord): boolean {
  if (input.type === "event") {
    return input.first_attempt === undefined && input.retry === undefined;
  }
  return input.type === "completion" && input.end === undefined;
}

/** The name of an attempt in its session. */
export function attemptId(episodeId: number, attempt: number): string {
  return `${episodeId} ${attempt}`;
}
