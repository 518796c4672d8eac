import { decodeUtf8 } from "./text.ts";

/**
 * Event payloads: the bytes of one JSON object, or none. The supervisor derives the context of a run
 * from them when an event is made, capture when a recorded event is replayed (EVT-3, EVT-4).
 */

/** A value of an execution context, in serde's externally tagged form. */
export type Value =
  | { readonly Number: number }
  | { readonly Series: readonly number[] }
  | { readonly Bool: boolean }
  | { readonly String: string };

/** Why a payload was refused. */
export type ExternalEventPayloadErrorKind = "InvalidJson" | "PayloadMustBeJsonObject";

/**
 * Thrown for a payload that is not the bytes of one JSON object (EVT-3). `kind` tells the two cases
 * apart; `detail` is what is wrong with the JSON, or the JSON type that was found.
 *
 * @example Usage
 * ```ts
 * import { createEvent, ExternalEventPayloadError } from "@taffrail/taffrail/supervisor";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const error = assertThrows(
 *   () => createEvent({ id: "e1", kind: "Command", at: { secs: 0, nanos: 0 }, payload: "[1]" }),
 *   ExternalEventPayloadError,
 *   "payload must be a JSON object, got array",
 * );
 * assertEquals(error.kind, "PayloadMustBeJsonObject");
 * ```
 */
export class ExternalEventPayloadError extends Error {
  /** The name of the class. */
  override name = "ExternalEventPayloadError";
  /** Which rule the payload breaks. */
  readonly kind: ExternalEventPayloadErrorKind;
  /** What is wrong with the JSON, or the JSON type that stands in the place of the object. */
  readonly detail: string;

  /** An error with the seed's message for its kind. */
  constructor(kind: ExternalEventPayloadErrorKind, detail: string, options?: ErrorOptions) {
    const message = kind === "InvalidJson"
      ? `payload bytes are not valid JSON: ${detail}`
      : `payload must be a JSON object, got ${detail}`;
    super(message, options);
    this.kind = kind;
    this.detail = detail;
  }
}

/** Payloads nested deeper are refused, as a parser with a bounded stack must. */
const DEPTH_LIMIT = 128;
/** `ignoreBOM` keeps a byte order mark, so that the parser meets it and refuses it. */

/**
 * The context of a payload (EVT-4): numbers, strings, booleans and arrays of numbers of the top level;
 * nulls, objects and mixed arrays are left out. No bytes make an empty context.
 */
export function contextOfPayload(payload: Uint8Array): Map<string, Value> {
  const context = new Map<string, Value>();
  if (payload.length === 0) return context;
  for (const [key, member] of Object.entries(parseObject(payload))) {
    const value = asValue(member);
    if (value !== undefined) context.set(key, value);
  }
  return context;
}

function parseObject(payload: Uint8Array): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(decodeUtf8(payload));
  } catch (error) {
    throw new ExternalEventPayloadError("InvalidJson", (error as Error).message, { cause: error });
  }
  checkTree(parsed, 0);
  const type = jsonType(parsed);
  if (type !== "object") throw new ExternalEventPayloadError("PayloadMustBeJsonObject", type);
  return parsed as object;
}

/** Refuses what `JSON.parse` takes and a strict reader does not. */
function checkTree(value: unknown, depth: number): void {
  if (typeof value === "string") return checkText(value);
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new ExternalEventPayloadError("InvalidJson", "a number is out of range");
  }
  if (typeof value !== "object" || value === null) return;
  if (depth === DEPTH_LIMIT) {
    throw new ExternalEventPayloadError("InvalidJson", `nested deeper than ${DEPTH_LIMIT}`);
  }
  if (Array.isArray(value)) {
    for (const item of value) checkTree(item, depth + 1);
    return;
  }
  for (const [key, member] of Object.entries(value)) {
    checkText(key);
    checkTree(member, depth + 1);
  }
}

function checkText(text: string): void {
  if (text.isWellFormed()) return;
  throw new ExternalEventPayloadError("InvalidJson", "a string holds a lone surrogate");
}

function jsonType(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function asValue(member: unknown): Value | undefined {
  switch (typeof member) {
    case "number":
      return { Number: member };
    case "string":
      return { String: member };
    case "boolean":
      return { Bool: member };
  }
  if (!Array.isArray(member) || !member.every((item) => typeof item === "number")) return undefined;
  return { Series: member };
}
