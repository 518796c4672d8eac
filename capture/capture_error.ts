import type { ExternalEventPayloadError } from "../_internal/event_payload.ts";

/** Which check an event record failed: its hash first, then its payload (EVT-6). */
export type CaptureErrorKind = "PayloadHashMismatch" | "InvalidPayload";

/** What a {@linkcode CaptureError} is made of. */
export type CaptureErrorDetails =
  | { kind: "PayloadHashMismatch"; expected: string; actual: string }
  | { kind: "InvalidPayload"; cause: ExternalEventPayloadError };

/**
 * Thrown for an event record that is not what was recorded: its payload does not have the recorded
 * hash (`PayloadHashMismatch`), or is not one JSON object (`InvalidPayload`, with the reason as `cause`).
 *
 * @example Usage
 * ```ts
 * import { CaptureError, rehydrateEvent } from "@taffrail/taffrail/capture";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const record = {
 *   event_id: "e1",
 *   event_time: { secs: 0, nanos: 0 },
 *   kind: "Command",
 *   payload: [],
 *   payload_hash: "none",
 * } as const;
 * const error = assertThrows(
 *   () => rehydrateEvent({ ...record, payload: [] }),
 *   CaptureError,
 *   "payload hash mismatch (expected 'none', actual 'e3b0c442",
 * );
 * assertEquals(error.kind, "PayloadHashMismatch");
 * ```
 */
export class CaptureError extends Error {
  /** The name of the class. */
  override name = "CaptureError";
  /** Which check failed. */
  readonly kind: CaptureErrorKind;
  /** The recorded hash, when it is the hash that is wrong. */
  readonly expected: string | undefined;
  /** The hash of the payload, when it is the hash that is wrong. */
  readonly actual: string | undefined;

  /** Makes an error; the module's functions do it for you. */
  constructor(details: CaptureErrorDetails) {
    super(messageOf(details), "cause" in details ? { cause: details.cause } : undefined);
    this.kind = details.kind;
    this.expected = "expected" in details ? details.expected : undefined;
    this.actual = "actual" in details ? details.actual : undefined;
  }
}

function messageOf(details: CaptureErrorDetails): string {
  return details.kind === "InvalidPayload"
    ? details.cause.message
    : `payload hash mismatch (expected '${details.expected}', actual '${details.actual}')`;
}
