import { assertEquals, assertThrows } from "@std/assert";
import { array, decodeJson, encodeJson } from "../../../_internal/wire_json/codec.ts";
import { LATEST } from "../../../_internal/event_time.ts";
import { duration, eventTime } from "../../../_internal/wire_json/duration.ts";
import { JsonRangeError, JsonShapeError } from "../../../_internal/wire_json/errors.ts";

Deno.test("duration prints secs and nanos (J-9)", () => {
  assertEquals(encodeJson(duration, { secs: 1, nanos: 500000000 }), '{"secs":1,"nanos":500000000}');
  assertEquals(encodeJson(duration, { nanos: 0, secs: 0 }), '{"secs":0,"nanos":0}');
});

Deno.test("duration reads both forms and carries nanos into secs (J-9)", () => {
  const texts: [string, number, number][] = [
    ['{"secs":1,"nanos":2}', 1, 2],
    ['{"nanos":2,"secs":1}', 1, 2],
    ["[1,2]", 1, 2],
    ['{"secs":1,"nanos":1500000000}', 2, 500000000],
    ["[0,4294967295]", 4, 294967295],
    ['{"secs":9007199254740991,"nanos":999999999}', 2 ** 53 - 1, 999999999],
  ];
  for (const [text, secs, nanos] of texts) {
    assertEquals(decodeJson(duration, text), { secs, nanos }, text);
    assertEquals(decodeJson(eventTime, text), { secs, nanos }, text);
  }
});

Deno.test("duration refuses missing and unknown fields and other numbers (J-9)", () => {
  const refused: [string, string][] = [
    ['{"secs":1}', "$: missing field `nanos`"],
    ['{"nanos":1}', "$: missing field `secs`"],
    ['{"secs":1,"nanos":2,"x":3}', "$: unknown field `x`, expected `secs` or `nanos`"],
    ["[1]", "$: invalid length 1, expected [secs, nanos]"],
    ["[1,2,3]", "$: invalid length 3, expected [secs, nanos]"],
    ['{"secs":1.0,"nanos":0}', "$.secs: invalid type: floating point `1.0`, expected u64"],
    ['{"secs":0,"nanos":null}', "$.nanos: invalid type: null, expected u32"],
    ["5", "$: invalid type: integer `5`, expected an object"],
  ];
  for (const [text, message] of refused) {
    assertThrows(() => decodeJson(duration, text), JsonShapeError, `Cannot read ${message}`);
    assertThrows(() => decodeJson(eventTime, text), JsonShapeError, `Cannot read ${message}`);
  }
  for (const text of ['{"secs":-1,"nanos":0}', '{"secs":0,"nanos":-1}', "[0,4294967296]"]) {
    assertThrows(() => decodeJson(duration, text), JsonRangeError, "invalid value: integer");
    assertThrows(() => decodeJson(eventTime, text), JsonRangeError, "invalid value: integer");
  }
});

Deno.test("duration refuses more than 2^53-1 seconds, eventTime saturates there (J-8)", () => {
  for (
    const text of [
      '{"secs":9007199254740992,"nanos":5}',
      '{"secs":18446744073709551615,"nanos":999999999}',
      '{"secs":9007199254740991,"nanos":1000000000}',
    ]
  ) {
    assertThrows(
      () => decodeJson(array(duration), `[${text}]`),
      JsonRangeError,
      "Cannot read $[0]:",
    );
    assertEquals(decodeJson(eventTime, text), LATEST);
  }
  assertEquals(
    encodeJson(eventTime, LATEST),
    '{"secs":9007199254740991,"nanos":999999999}',
  );
});

Deno.test("duration refuses to print what Rust's Duration cannot be", () => {
  for (
    const value of [{ secs: -1, nanos: 0 }, { secs: 2 ** 53, nanos: 0 }, { secs: 0, nanos: 1e9 }]
  ) {
    assertThrows(() => encodeJson(duration, value), JsonRangeError);
    assertThrows(() => encodeJson(eventTime, value), JsonRangeError);
  }
  assertThrows(() => encodeJson(duration, { secs: 1.5, nanos: 0 }), JsonShapeError, "$.secs: ");
});
