import {
  checkDuration,
  checkInteger,
  checkKeys,
  checkObject,
  checkOneOf,
  checkString,
  defined,
} from "../../_internal/errors.ts";
import { contextOfPayload } from "../../_internal/event_payload.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { EVENT_KINDS } from "../../_internal/wire_names.ts";
import type { EventInit, EventRetry, ExternalEvent } from "../types.ts";
import { readBackoff } from "./rules.ts";

const RETRY = ["max_retries", "deadline", "backoff"];

/**
 * Makes an event. Its payload is the bytes or the text of one JSON object, or nothing (EVT-3); the
 * context of a run is derived from it here, once (EVT-4): numbers, strings, booleans and arrays of
 * numbers of its top level. The event keeps a copy of the bytes and cannot be changed.
 *
 * Refused are invalid UTF-8, a byte order mark, lone surrogates, numbers beyond the range of an f64 and
 * nesting deeper than 127 levels. Of a key that stands twice the last one counts, and the others are
 * checked all the same.
 *
 * Permissions: none.
 *
 * @param init The event's id, kind, time and payload, which attempt its first one is, and how it is tried.
 * @returns The event.
 * @throws {ExternalEventPayloadError} When the payload is not one JSON object.
 * @throws {TypeError} When a field has the wrong shape.
 * @throws {RangeError} When a number of `at` or `retry`, or `firstAttempt`, is out of range.
 *
 * @example An event with a payload
 * ```ts
 * import { createEvent } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const event = createEvent({
 *   id: "e1",
 *   kind: "Command",
 *   at: { secs: 1, nanos: 500_000_000 },
 *   payload: JSON.stringify({ price: 101.25, symbol: "EUR", note: null }),
 * });
 * assertEquals([...event.context], [["price", { Number: 101.25 }], ["symbol", { String: "EUR" }]]);
 * ```
 */
export function createEvent(init: EventInit): ExternalEvent {
  checkObject(init, "event");
  const { payload = "" } = init;
  const bytes = typeof payload === "string" ? encodeUtf8(payload) : payload;
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError("Cannot use event.payload: expected a text or a Uint8Array");
  }
  const { firstAttempt } = init;
  const retry = init.retry === undefined ? {} : readRetry(init.retry);
  const event = Object.freeze({
    id: init.id,
    kind: init.kind,
    at: checkDuration(init.at, "event.at"),
    payload: typeof payload === "string" ? bytes : Uint8Array.from(bytes),
    context: contextOfPayload(bytes),
    ...(firstAttempt !== undefined && { firstAttempt }),
    // What says nothing is left out, so that two events that are tried alike are alike.
    ...(Object.keys(retry).length > 0 && { retry }),
  });
  checkEvent(event);
  return event;
}

/** Refuses what {@linkcode createEvent} would not have made, as far as a glance shows. */
export function checkEvent(event: ExternalEvent): void {
  const { id, kind, at, payload, context, firstAttempt, retry } = checkObject(event, "event");
  checkString(id, "event.id");
  checkOneOf(kind, "event.kind", EVENT_KINDS);
  const { secs, nanos } = checkObject(at, "event.at");
  checkInteger(secs, "event.at.secs");
  checkInteger(nanos, "event.at.nanos", 999_999_999);
  if (!(payload instanceof Uint8Array)) {
    throw new TypeError(
      "Cannot use event.payload: it is no Uint8Array; make events by createEvent",
    );
  }
  if (!(context instanceof Map)) {
    throw new TypeError("Cannot use event.context: it is no Map; make events by createEvent");
  }
  if (retry !== undefined) {
    readRetry(retry);
    if (kind === "Pump") {
      throw new TypeError("Cannot use event.retry: a Pump has no episode of its own");
    }
  }
  if (firstAttempt === undefined) return;
  if (checkInteger(firstAttempt, "event.firstAttempt") > 0) return;
  throw new RangeError("Cannot use event.firstAttempt: attempts are counted from 1, got 0");
}

function readRetry(value: unknown): EventRetry {
  const retry = checkObject(value, "event.retry");
  checkKeys(retry, "event.retry", RETRY);
  const { max_retries: maxRetries, deadline, backoff } = retry;
  return Object.freeze(defined({
    max_retries: ifSaid(maxRetries, "event.retry.max_retries", checkInteger),
    deadline: ifSaid(deadline, "event.retry.deadline", checkDuration),
    backoff: ifSaid(backoff, "event.retry.backoff", readBackoff),
  }));
}

function ifSaid<T>(
  value: unknown,
  name: string,
  check: (value: unknown, name: string) => T,
): T | undefined {
  return value === undefined ? undefined : check(value, name);
}
