import { crypto } from "@std/crypto/crypto";
import { encodeUtf8, reasonOf, toHex } from "../_internal/text.ts";
import { jsonProblemOf, stringifyVisiting, unseenTypeOf } from "../_internal/visit_json.ts";
import { parseJson } from "../_internal/wire_json/parse_json.ts";
import { printJson } from "../_internal/wire_json/print_json.ts";
import type { TraceHash } from "./types.ts";

/**
 * The hash of a value: {@linkcode hashJsonText} of what `JSON.stringify` makes of it. So `toJSON` is
 * obeyed, `JSON.rawJSON` is taken as written, and `-0` is `0`, as it would be in a file.
 *
 * The order of an object's members does not matter. A whole number has the hash of an integer, even
 * where the program meant a float: say `JSON.rawJSON("1.0")` to hash `1.0`.
 *
 * Permissions: none.
 *
 * @param value The value.
 * @returns The hash.
 * @throws {TypeError} For what JSON cannot hold: cycles, BigInts, functions, undefined, NaN, invalid dates, lone
 * surrogates, objects such as a Map, and nesting deeper than 127 levels. The message names the path.
 *
 * @example Usage
 * ```ts
 * import { hashValue } from "@taffrail/taffrail/trace";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals(hashValue({ b: 1, a: [] }), hashValue({ a: [], b: 1 }));
 * assertThrows(() => hashValue({ a: [1n] }), TypeError, "$.a[0] is the BigInt 1");
 * ```
 */
export function hashValue(value: unknown): TraceHash {
  try {
    return hashJsonText(exactJsonText(value));
  } catch (cause) {
    // The engine's word for it is the overflow of its stack.
    const reason = cause instanceof RangeError ? "nesting deeper than 127 levels" : reasonOf(cause);
    throw new TypeError(`Cannot hash the value: ${reason}`, { cause });
  }
}

/**
 * The hash of a JSON text: BLAKE3 of the same JSON without spaces, with the members of every object in
 * the order of their UTF-8 bytes, and with numbers as the Rust program greentic prints them. Two texts
 * have the same hash exactly if they are the same JSON, where `1` and `1.0` are two numbers.
 *
 * Permissions: none.
 *
 * @param text The text.
 * @returns The hash.
 * @throws {SyntaxError} When the text is not JSON, has duplicate keys, lone surrogates, a number that
 * overflows, or nesting deeper than 127 levels. The message names line, column and path.
 *
 * @example Usage
 * ```ts
 * import { hashJsonText } from "@taffrail/taffrail/trace";
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * assertEquals(
 *   hashJsonText(' { "text" : "hello" } ').value,
 *   "0ad6a82bb92cdf7353eb72803a9a3d7582dbe6c2d8101ed9c81ad2cf6c800259",
 * );
 * assertNotEquals(hashJsonText("1"), hashJsonText("1.0"));
 * ```
 */
export function hashJsonText(text: string): TraceHash {
  const canonical = encodeUtf8(printJson(parseJson(text)));
  const digest = new Uint8Array(crypto.subtle.digestSync("BLAKE3", canonical));
  return { algorithm: "blake3", value: toHex(digest) };
}

/**
 * The text that `JSON.stringify` makes of a value, if nothing is lost by it. What JSON would leave out,
 * turn into null or print as `{}`, and what no JSON text can hold, is a `TypeError` that names its path.
 */
function exactJsonText(value: unknown): string {
  const text = stringifyVisiting(value, (member, path, original) => {
    const isInvalid = original instanceof Date && Number.isNaN(original.getTime());
    const problem = isInvalid ? "is an invalid date" : problemOf(member);
    if (problem !== undefined) throw new TypeError(`${path} ${problem}`);
    return member;
  });
  // Only a value that was refused has no text.
  return text!;
}

function problemOf(value: unknown): string | undefined {
  switch (typeof value) {
    case "undefined":
      return "is undefined, which JSON cannot hold: leave it out or write null";
    case "function":
    case "symbol":
      return `is a ${typeof value}, which JSON cannot hold: leave it out`;
  }
  const problem = jsonProblemOf(value);
  if (problem !== undefined || typeof value !== "object" || value === null) return problem;
  const type = unseenTypeOf(value);
  return type && `is of type ${type}, whose content JSON does not see: give it a toJSON method`;
}
