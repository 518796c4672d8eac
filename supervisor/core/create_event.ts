import { contextOfPayload } from "../../_internal/event_payload.ts";
import type { EventInit, ExternalEvent } from "../types.ts";
import { checkDuration, checkEvent } from "./check.ts";

const utf8 = new TextEncoder();

/**
 * Makes an event. Its payload is the bytes or the text of one JSON object, or nothing (EVT-3); the
 * context of a run is derived from it here, once (EVT-4): numbers, strings, booleans and arrays of
 * numbers of its top level. The event keeps a copy of the bytes and cannot be changed.
 *
 * Refused are invalid UTF-8, a byte order mark, lone surrogates, numbers beyond the range of an f64 and
 * nesting deeper than 128. Of a key that stands twice the last one counts.
 *
 * Permissions: none.
 *
 * @param init The event's id, kind, time and payload.
 * @returns The event.
 * @throws {ExternalEventPayloadError} When the payload is not one JSON object.
 * @throws {TypeError} When a field has the wrong shape.
 * @throws {RangeError} When a number of `at` is out of range.
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
  const { payload = "" } = init;
  const bytes = typeof payload === "string" ? utf8.encode(payload) : Uint8Array.from(payload);
  const event = Object.freeze({
    id: init.id,
    kind: init.kind,
    at: checkDuration(init.at, "event.at"),
    payload: bytes,
    context: contextOfPayload(bytes),
  });
  checkEvent(event);
  return event;
}
