import { JsonPlace } from "./json_place.ts";
import type { JsonValue } from "./json_value.ts";
import { type JsonStyle, JsonWriter } from "./json_writer.ts";
import { parseJson } from "./parse_json.ts";

/**
 * One type on the wire: how it is printed and how it is read, in one definition so that the two
 * cannot disagree. Codecs are made of smaller ones: `struct({ id: string, at: optional(u64) })`.
 */
export interface Codec<T> {
  /** Prints a value, or refuses it at the place where the writer stands. */
  readonly write: (value: T, writer: JsonWriter) => void;
  /** Makes the value of parsed JSON, or refuses it at `place`. */
  readonly read: (tree: JsonValue, place: JsonPlace) => T;
  /** The value of a struct's field that is not there; a field without this is required (J-11). */
  readonly missing?: () => T;
  /** Whether a struct leaves the field out when it prints (J-11). */
  readonly isOmitted?: (value: T) => boolean;
}

/** The type that a codec is for. */
export type TypeOf<C> = C extends Codec<infer T> ? T : never;

/**
 * Prints a value as serde_json prints the Rust type that the codec describes, no final newline.
 * Throws a `TypeError` or `RangeError` that names the path of what the type cannot hold.
 */
export function encodeJson<T>(
  codec: Codec<T>,
  value: T,
  { style = "compact" }: { style?: JsonStyle } = {},
): string {
  const writer = new JsonWriter(style);
  codec.write(value, writer);
  return writer.text;
}

/**
 * Reads a value from its text. Throws a `SyntaxError` for what {@linkcode parseJson} refuses, a
 * `TypeError` for another shape, a `RangeError` for an integer that the type cannot hold.
 */
export function decodeJson<T>(codec: Codec<T>, text: string | Uint8Array): T {
  return codec.read(parseJson(text), new JsonPlace("read"));
}
