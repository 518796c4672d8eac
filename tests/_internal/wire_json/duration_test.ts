import { assertEquals, assertThrows } from "@std/assert";
import { array, decodeJson, encodeJson } from "../../../_internal/wire_json/codec.ts";
import { LATEST } from "../../../_internal/event_time.ts";
import { duration } from "../../../_internal/wire_json/duration.ts";
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
  }
  for (const text of ['{"secs":-1,"nanos":0}', '{"secs":0,"nanos":-1}', "[0,4294967296]"]) {
    assertThrows(() => decodeJson(duration, text), JsonRangeError, "invalid value: integer");
  }
});

Deno.test("duration refuses more than 2^53-1 seconds, as time too, and what overflows (J-8)", () => {
  const refused: [string, string][] = [
    ['{"secs":9007199254740992,"nanos":5}', "$[0].secs: invalid value: integer `9007199254740992`"],
    ['{"secs":18446744073709551615,"nanos":0}', "$[0].secs: invalid value: integer `1844674407"],
    ['{"secs":9007199254740991,"nanos":1000000000}', "$[0]: invalid value: more than 9007199254"],
    ["[9007199254740990,4294967295]", "$[0]: invalid value: more than 9007199254740991 seconds"],
  ];
  for (const [text, message] of refused) {
    const read = () => decodeJson(array(duration), `[${text}]`);
    assertThrows(read, JsonRangeError, `Cannot read ${message}`);
  }
  assertEquals(encodeJson(duration, LATEST), '{"secs":9007199254740991,"nanos":999999999}');
});

Deno.test("duration refuses to print what Rust's Duration cannot be", () => {
  for (
    const value of [{ secs: -1, nanos: 0 }, { secs: 2 ** 53, nanos: 0 }, { secs: 0, nanos: 1e9 }]
  ) {
    assertThrows(() => encodeJson(duration, value), JsonRangeError);
  }
  assertThrows(() => encodeJson(duration, { secs: 1.5, nanos: 0 }), JsonShapeError, "$.secs: ");
});
