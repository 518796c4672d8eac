import { contextOfPayload, ExternalEventPayloadError } from "../../_internal/event_payload.ts";
import { CaptureError } from "../errors.ts";
import type {
  DecisionLogEntry,
  DecisionRecord,
  Duration,
  EpisodeInvocationRecord,
  ExternalEvent,
  ExternalEventRecord,
  RunTermination,
} from "../types.ts";
import { sha256Hex } from "./effects.ts";

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
  return sha256Hex(payload);
}

/**
 * The record of an event (EVT-5): its id, time, kind and payload, and the hash of the payload.
 *
 * Permissions: none.
 *
 * @param event The event.
 * @returns The record, which shares nothing with the event.
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
  return {
    event_id: event.id,
    event_time: { secs: event.at.secs, nanos: event.at.nanos },
    kind: event.kind,
    payload: Array.from(event.payload),
    payload_hash: computePayloadHash(event.payload),
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
export function hasValidHash(record: ExternalEventRecord): boolean {
  return computePayloadHash(Uint8Array.from(record.payload)) === record.payload_hash;
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
 * @throws {CaptureError} `PayloadHashMismatch` or `InvalidPayload`.
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
export function rehydrateEvent(record: ExternalEventRecord): ExternalEvent {
  const payload = Uint8Array.from(record.payload);
  const actual = computePayloadHash(payload);
  if (actual !== record.payload_hash) {
    throw new CaptureError({ kind: "PayloadHashMismatch", expected: record.payload_hash, actual });
  }
  return Object.freeze({
    id: record.event_id,
    kind: record.kind,
    at: Object.freeze({ secs: record.event_time.secs, nanos: record.event_time.nanos }),
    payload,
    context: contextOf(payload),
  });
}

function contextOf(payload: Uint8Array): ExternalEvent["context"] {
  try {
    return contextOfPayload(payload);
  } catch (error) {
    if (!(error instanceof ExternalEventPayloadError)) throw error;
    throw new CaptureError({ kind: "InvalidPayload", cause: error });
  }
}

/** The record of a decision, which shares nothing with the entry, and has no effects yet (CAP-3). */
export function recordDecision(entry: DecisionLogEntry): DecisionRecord {
  const { numbers } = entry;
  return {
    event_id: entry.event_id,
    decision: entry.decision,
    schedule_at: copyOf(entry.schedule_at),
    episode_id: entry.episode_id,
    deadline: copyOf(entry.deadline),
    termination: copyOfTermination(entry.termination),
    retry_count: entry.retry_count,
    effects: [],
    attempt_termination: copyOfTermination(entry.attemptTermination),
    reason: entry.reason,
    numbers: {
      now: { secs: numbers.now.secs, nanos: numbers.now.nanos },
      in_flight: numbers.in_flight,
      in_window: numbers.in_window,
      deferred: numbers.deferred,
      next_due: copyOf(numbers.next_due),
      defer_count: numbers.defer_count,
    },
    origin_event_id: entry.originEventId,
  };
}

/** The decision without what the seed's format cannot say. */
export function asSeedDecision(record: DecisionRecord): EpisodeInvocationRecord {
  const {
    attempt_termination: _answer,
    reason: _reason,
    numbers: _numbers,
    origin_event_id: _origin,
    ...rest
  } = record;
  return rest;
}

/** A copy of an answer. */
export function copyOfTermination<T extends RunTermination | null>(termination: T): T {
  return typeof termination === "object" && termination !== null
    ? { Failed: termination.Failed } as T
    : termination;
}

function copyOf(time: Duration | null): Duration | null {
  return time === null ? null : { secs: time.secs, nanos: time.nanos };
}
