import { isObject, TaffrailError } from "./errors.ts";
import { decodeUtf8 } from "./text.ts";
import { JsonSyntaxError } from "./wire_json/errors.ts";
import { type JsonValue, numberOf } from "./wire_json/json_value.ts";
import { parseJson } from "./wire_json/parse_json.ts";

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
export type ExternalEventPayloadErrorKind = "invalid-json" | "not-an-object";

/** What a payload was refused for. */
export interface ExternalEventPayloadErrorDetails {
  /** What is wrong with the JSON, with line and column, for `invalid-json`. */
  readonly problem?: string;
  /** The JSON type that stands in the place of the object, for `not-an-object`. */
  readonly actual?: string;
}

/**
 * Thrown for a payload that is not the bytes of one JSON object (EVT-3). `kind` tells the two cases
 * apart.
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
 * assertEquals([error.kind, error.details.actual], ["not-an-object", "array"]);
 * ```
 */
export class ExternalEventPayloadError
  extends TaffrailError<ExternalEventPayloadErrorKind, ExternalEventPayloadErrorDetails> {
  /** The name of the class. */
  override readonly name = "ExternalEventPayloadError";
}

/**
 * The context of a payload (EVT-4): numbers, strings, booleans and arrays of numbers of the top level;
 * nulls, objects and mixed arrays are left out. No bytes make an empty context.
 */
export function contextOfPayload(payload: Uint8Array): Map<string, Value> {
  const context = new Map<string, Value>();
  for (const [key, member] of Object.entries(payloadObject(payload))) {
    const value = taggedValue(member);
    if (value !== undefined) context.set(key, value);
  }
  return context;
}

/** The text of a recorded payload: v3 says it as bytes, this project's format as the text. */
export function payloadText(recorded: string | readonly number[]): string {
  return typeof recorded === "string" ? recorded : decodeUtf8(Uint8Array.from(recorded));
}

/** The object that a payload is, whole. No bytes make an empty one. */
export function payloadObject(payload: Uint8Array): Record<string, unknown> {
  if (payload.length === 0) return {};
  const parsed = withPlainNumbers(parseStrictly(payload));
  if (isObject(parsed)) return parsed;
  const actual = parsed === null ? "null" : Array.isArray(parsed) ? "array" : typeof parsed;
  const message = `payload must be a JSON object, got ${actual}`;
  throw new ExternalEventPayloadError("not-an-object", message, { details: { actual } });
}

/**
 * What the strict parser says, which leaves to the engine what both read alike. Of equal names the last one
 * counts.
 */
function parseStrictly(payload: Uint8Array): JsonValue {
  try {
    return parseJson(payload, { duplicates: "last" });
  } catch (cause) {
    if (!(cause instanceof JsonSyntaxError)) throw cause;
    const { line, column } = cause.details;
    const problem = `${cause.details.problem} at line ${line} column ${column}`;
    const message = `payload bytes are not valid JSON: ${problem}`;
    throw new ExternalEventPayloadError("invalid-json", message, { details: { problem }, cause });
  }
}

/** The value itself, in which a number that was kept as its text, such as `1.0`, is the double of that. */
function withPlainNumbers(value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null) return value;
  const number = numberOf(value);
  if (number !== undefined) return number;
  const members = value as Record<string, JsonValue>;
  for (const name of Object.keys(members)) {
    const member = members[name]!;
    if (typeof member === "object") members[name] = withPlainNumbers(member);
  }
  return value;
}

/** A value of an execution context as it is tagged; undefined for what is none. */
export function taggedValue(member: unknown): Value | undefined {
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
