import { assertEquals, assertThrows } from "@std/assert";
import {
  bool,
  type Codec,
  decodeJson,
  encodeJson,
  f64,
  string,
  u32,
  u64,
  u8,
  usize,
} from "../../../_internal/wire_json/codec.ts";
import { JsonRangeError, JsonShapeError } from "../../../_internal/wire_json/errors.ts";

/** A value of the wrong type, as a caller without types could pass it. */
function encodeUnknown<T>(codec: Codec<T>, value: unknown): string {
  return encodeJson(codec, value as T);
}

Deno.test("f64 prints with a point or an exponent, and reads integers too (J-4, J-6)", () => {
  assertEquals(encodeJson(f64, 1), "1.0");
  assertEquals(encodeJson(f64, -0), "-0.0");
  for (const [text, value] of [["42", 42], ["1.0", 1], ["-0", -0], ["1e2", 100]] as const) {
    assertEquals(decodeJson(f64, text), value);
  }
  assertEquals(decodeJson(f64, "9007199254740993"), 9007199254740992);
});

Deno.test("f64 refuses to print NaN and infinities, and to read null (J-5)", () => {
  for (const value of [NaN, Infinity, -Infinity]) {
    assertThrows(
      () => encodeJson(f64, value),
      TypeError,
      `Cannot print $: invalid type: floating point \`${value}\`, expected a finite f64`,
    );
  }
  assertThrows(
    () => decodeJson(f64, "null"),
    TypeError,
    "Cannot read $: invalid type: null, expected f64",
  );
});

Deno.test("u64 refuses every literal that is not an unsigned integer (J-6)", () => {
  for (
    const text of ["1.0", "1e2", "-0", "-0.0", "1.5", "1e300", "null", '"1"', "[]", "{}", "true"]
  ) {
    assertThrows(() => decodeJson(u64, text), JsonShapeError, ", expected u64", text);
  }
  assertThrows(
    () => decodeJson(u64, "-1"),
    RangeError,
    "Cannot read $: invalid value: integer `-1`, expected u64",
  );
});

Deno.test("u64 and usize refuse integers beyond 2^53-1, read or printed (J-8)", () => {
  for (const [name, codec] of [["u64", u64], ["usize", usize]] as const) {
    assertEquals(decodeJson(codec, "9007199254740991"), Number.MAX_SAFE_INTEGER);
    assertEquals(encodeJson(codec, Number.MAX_SAFE_INTEGER), "9007199254740991");
    for (const text of ["9007199254740992", "9007199254740993", "18446744073709551615"]) {
      const problem = `integer \`${text}\`, expected ${name} up to 9007199254740991`;
      assertThrows(() => decodeJson(codec, text), JsonRangeError, problem);
    }
    assertThrows(() => encodeJson(codec, 2 ** 53), JsonRangeError, "Cannot print $: invalid value");
  }
});

Deno.test("integers refuse to print what they would refuse to read", () => {
  assertThrows(() => encodeJson(u64, -1), JsonRangeError);
  for (const value of [-0, 1.5, NaN, Infinity, "1", 5n, null, undefined]) {
    assertThrows(() => encodeUnknown(u64, value), JsonShapeError, ", expected u64");
  }
});

Deno.test("u8 and u32 end where Rust's end (J-13)", () => {
  assertEquals(decodeJson(u8, "255"), 255);
  assertThrows(() => decodeJson(u8, "256"), RangeError, "integer `256`, expected u8");
  assertThrows(() => encodeJson(u8, 256), RangeError, "integer `256`, expected u8");
  assertEquals(decodeJson(u32, "4294967295"), 4294967295);
  assertThrows(() => decodeJson(u32, "4294967296"), RangeError, "expected u32");
});

Deno.test("string and bool refuse other types, read or printed", () => {
  assertEquals(decodeJson(string, '"é"'), "é");
  assertEquals(encodeJson(bool, false), "false");
  assertThrows(() => decodeJson(string, "5"), TypeError, "integer `5`, expected a string");
  assertThrows(() => decodeJson(bool, "1"), TypeError, "integer `1`, expected a boolean");
  assertThrows(() => encodeUnknown(string, 5), TypeError, "integer `5`, expected a string");
  assertThrows(() => encodeUnknown(bool, "x"), TypeError, 'string "x", expected a boolean');
  assertThrows(() => encodeJson(string, "\ud800"), TypeError, "lone surrogate");
});

Deno.test("errors show at most 60 characters of a string", () => {
  const error = assertThrows(() => decodeJson(u64, JSON.stringify("x".repeat(1000))), TypeError);
  assertEquals(
    error.message,
    `Cannot read $: invalid type: string "${"x".repeat(60)}…", expected u64`,
  );
});
