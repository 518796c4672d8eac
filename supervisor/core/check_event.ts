import type { ExternalEvent } from "../types.ts";
import { checkInteger, checkOneOf, checkString } from "./check.ts";

const KINDS: readonly ExternalEvent["kind"][] = ["Pump", "DataAvailable", "Command"];

/** Refuses what {@linkcode createEvent} would not have made, as far as a glance tells. */
export function checkEvent(event: ExternalEvent): void {
  checkString(event.id, "event.id");
  checkOneOf(event.kind, "event.kind", KINDS);
  checkInteger(event.at.secs, "event.at.secs");
  checkInteger(event.at.nanos, "event.at.nanos", 999_999_999);
  if (!(event.payload instanceof Uint8Array)) {
    throw new TypeError(
      "Cannot use event.payload: it is no Uint8Array; make events by createEvent",
    );
  }
  if (!(event.context instanceof Map)) {
    throw new TypeError("Cannot use event.context: it is no Map; make events by createEvent");
  }
}
