import { assertEquals, assertThrows } from "@std/assert";
import {
  array,
  type Codec,
  decodeJson,
  encodeJson,
  freeJson,
  map,
  nullable,
  optional,
  string,
  u64,
  withDefault,
} from "../../../_internal/wire_json/codec.ts";
import {
  JsonRangeError,
  JsonShapeError,
  JsonSyntaxError,
} from "../../../_internal/wire_json/errors.ts";
import { closedStruct, struct } from "../../../_internal/wire_json/struct.ts";
import { bytes, omitEmpty } from "./_wire_types.ts";

interface Sample {
  z: string;
  a: number | null;
  note?: string;
  tags: string[];
  counts: Record<string, number>;
}

const sample: Codec<Sample> = struct({
  z: string,
  a: nullable(u64),
  note: optional(string),
  tags: omitEmpty(array(string)),
  counts: withDefault(map(u64), () => ({})),
});

Deno.test("struct() prints fields in the order of declaration, not of the value (J-2)", () => {
  const value: Sample = { counts: { b: 1, a: 2 }, tags: ["t"], note: "n", a: 1, z: "z" };
  const text = '{"z":"z","a":1,"note":"n","tags":["t"],"counts":{"a":2,"b":1}}';
  assertEquals(encodeJson(sample, value), text);
  assertEquals(decodeJson(sample, text), value);
  assertEquals(JSON.stringify(decodeJson(sample, text)), text);
});

Deno.test("struct() prints null, leaves out, or prints empty, as each field says (J-11)", () => {
  const value: Sample = { z: "", a: null, tags: [], counts: {} };
  assertEquals(encodeJson(sample, value), '{"z":"","a":null,"counts":{}}');
});

Deno.test("struct() reads what may be missing, and null where there is an Option (J-11)", () => {
  const value: Sample = { z: "", a: null, tags: [], counts: {} };
  assertEquals(decodeJson(sample, '{"z":""}'), value);
  assertEquals(decodeJson(sample, '{"z":"","a":null,"note":null}'), value);
  assertEquals(Object.hasOwn(decodeJson(sample, '{"z":"","note":null}'), "note"), false);
  assertThrows(
    () => decodeJson(sample, '{"z":"","tags":null}'),
    JsonShapeError,
    "Cannot read $.tags: invalid type: null, expected a sequence",
  );
});

Deno.test("struct() refuses a missing field by name, with the path of its object (J-11)", () => {
  const error = assertThrows(() => decodeJson(array(sample), '[{"z":""},{"a":1}]'), JsonShapeError);
  assertEquals(error.message, "Cannot read $[1]: missing field `z`");
  assertEquals(error.details.path, "$[1]");
  assertEquals(error.details.problem, "missing field `z`");
});

Deno.test("struct() ignores unknown fields, unless it denies them (J-10)", () => {
  assertEquals(decodeJson(struct({ a: u64 }), '{"x":[{}],"a":1,"toString":2}'), { a: 1 });
  const table: [string[], string][] = [
    [[], "unknown field `x`, there are no fields"],
    [["a"], "unknown field `x`, expected `a`"],
    [["a", "b"], "unknown field `x`, expected `a` or `b`"],
    [["a", "b", "c"], "unknown field `x`, expected one of `a`, `b`, `c`"],
  ];
  for (const [names, problem] of table) {
    const fields = Object.fromEntries(names.map((name) => [name, nullable(u64)]));
    const codec = closedStruct(fields);
    assertThrows(() => decodeJson(codec, '{"x":1}'), TypeError, `Cannot read $: ${problem}`);
    assertThrows(() => encodeJson(codec, { x: 1 }), TypeError, `Cannot print $: ${problem}`);
  }
  const strict = closedStruct({ a: u64 });
  assertThrows(() => decodeJson(strict, '{"toString":1,"a":1}'), TypeError, "unknown field `toStr");
});

Deno.test("struct() refuses a field that stands twice, known or not (J-10)", () => {
  const error = assertThrows(() => decodeJson(sample, '{"z":"","z":""}'), JsonSyntaxError);
  assertEquals(error.details.problem, "duplicate field `z`");
  assertEquals(error.details.path, "$.z");
  assertThrows(() => decodeJson(sample, '{"z":"","y":1,"y":1}'), JsonSyntaxError, "field `y`");
});

Deno.test("struct() refuses what is not an object, and does not look at inherited members", () => {
  for (const text of ["null", "5", '"x"', "[]", "1.0"]) {
    assertThrows(() => decodeJson(sample, text), JsonShapeError, ", expected an object", text);
  }
  const odd = struct({ constructor: optional(u64), toString: optional(u64) });
  assertEquals(Object.keys(decodeJson(odd, "{}")), []);
});

Deno.test("struct() names the path of a wrong field when printing", () => {
  const wrong = { z: "", a: 1.5, tags: [], counts: {} };
  assertThrows(() => encodeJson(sample, wrong), JsonShapeError, "Cannot print $.a: invalid type");
  const empty = {} as Sample;
  assertThrows(() => encodeJson(sample, empty), JsonShapeError, "$.z: invalid type: undefined");
  const noObject = null as unknown as Sample;
  assertThrows(() => encodeJson(sample, noObject), JsonShapeError, "Cannot print $: invalid type");
});

Deno.test("struct() and its containers print pretty with two spaces (J-1)", () => {
  const value: Sample = { z: "", a: null, tags: ["t"], counts: {} };
  const plain = { z: "", a: null, tags: ["t"], counts: {} };
  assertEquals(encodeJson(sample, value, { style: "pretty" }), JSON.stringify(plain, null, 2));
  const empty = struct({ list: array(u64), bytes, object: struct({}) });
  assertEquals(
    encodeJson(empty, { list: [], bytes: new Uint8Array(0), object: {} }, { style: "pretty" }),
    '{\n  "list": [],\n  "bytes": [],\n  "object": {}\n}',
  );
});

Deno.test("bytes is an array of 0–255 (J-13)", () => {
  const value = Uint8Array.of(0, 123, 255);
  assertEquals(encodeJson(bytes, value), "[0,123,255]");
  assertEquals(decodeJson(bytes, "[0,123,255]"), value);
  assertThrows(() => decodeJson(bytes, "[0,256]"), JsonRangeError, "$[1]: invalid value: integer");
  assertThrows(() => decodeJson(bytes, "[-1]"), JsonRangeError, "$[0]: ");
  assertThrows(() => decodeJson(bytes, "[1.0]"), JsonShapeError, "$[0]: ");
});

Deno.test("array() and map() name the item or member that is wrong", () => {
  const codec = map(array(u64));
  assertThrows(() => decodeJson(codec, '{"a":[1],"b c":[1,2,"x"]}'), TypeError, '$["b c"][2]: ');
  assertThrows(() => encodeJson(codec, { a: [1, -1] }), RangeError, "Cannot print $.a[1]: ");
  assertThrows(() => encodeJson(codec, { a: new Array(1) }), TypeError, "$.a[0]: invalid type");
  assertThrows(() => decodeJson(codec, '{"a":{}}'), TypeError, "map, expected a sequence");
  assertThrows(() => decodeJson(codec, "[]"), TypeError, "sequence, expected an object");
});

Deno.test("map() sorts keys and keeps one named __proto__ (J-2)", () => {
  const text = '{"10":1,"9":2,"__proto__":3,"b":4}';
  assertEquals(encodeJson(map(u64), decodeJson(map(u64), text)), text);
});

Deno.test("freeJson keeps literals through a struct (J-6)", () => {
  const codec = struct({ details: freeJson, more: optional(freeJson) });
  const text = '{"details":null,"more":{"a":[1.0,1,12345678901234567890]}}';
  assertEquals(encodeJson(codec, decodeJson(codec, text)), text);
  assertThrows(() => decodeJson(codec, "{}"), TypeError, "missing field `details`");
});

Deno.test("struct() has the type that its fields say", () => {
  const right = struct({ a: u64, b: optional(string) });
  const same: Codec<{ a: number; b?: string }> = right;
  // @ts-expect-error: b may be absent
  const required: Codec<{ a: number; b: string }> = right;
  // @ts-expect-error: a may not be absent
  const absent: Codec<{ a?: number; b?: string }> = right;
  // @ts-expect-error: c is not a field
  const more: Codec<{ a: number; b?: string; c: number }> = right;
  assertEquals([same, required, absent, more].every((codec) => codec === right), true);
});
