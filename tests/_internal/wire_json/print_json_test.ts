import { assertEquals, assertThrows } from "@std/assert";
import { array, encodeJson, f64, freeJson } from "../../../_internal/wire_json/codec.ts";
import { formatPath, JsonShapeError } from "../../../_internal/wire_json/errors.ts";
import { rawJson } from "../../../_internal/wire_json/json_value.ts";
import { printJson } from "../../../_internal/wire_json/print_json.ts";
import { struct } from "../../../_internal/wire_json/struct.ts";

function nested(depth: number): unknown {
  let value: unknown[] = [];
  for (let level = 1; level < depth; level++) value = [value];
  return value;
}

Deno.test("printJson() lays out as JSON.stringify does, without a final newline (J-1)", () => {
  const value = { a: [], b: {}, c: [1, [true, null], { d: "x" }], e: { f: [[]] } };
  assertEquals(printJson(value), JSON.stringify(value));
  assertEquals(printJson(value, { style: "pretty" }), JSON.stringify(value, null, 2));
  for (const scalar of [null, true, "x", 5, [], {}]) {
    assertEquals(printJson(scalar, { style: "pretty" }), JSON.stringify(scalar, null, 2));
  }
});

Deno.test("printJson() sorts members by UTF-8 bytes, integer-like names too (J-2)", () => {
  const value = { "😀": 1, "\uffff": 2, "\ue000": 3, b: 4, a: 5, é: 6, 10: 7, 9: 8, 1: 9, "": 0 };
  assertEquals(
    printJson(value),
    '{"":0,"1":9,"10":7,"9":8,"a":5,"b":4,"é":6,"\ue000":3,"\uffff":2,"😀":1}',
  );
  const hidden = JSON.parse('{"b":1,"__proto__":{"y":1,"x":2},"a":2}');
  assertEquals(printJson(hidden), '{"__proto__":{"x":2,"y":1},"a":2,"b":1}');
});

Deno.test("printJson() escapes what serde_json escapes and nothing else (J-3)", () => {
  assertEquals(printJson('"\\\b\f\n\r\t'), '"\\"\\\\\\b\\f\\n\\r\\t"');
  assertEquals(printJson("\u0000\u000b\u001f"), '"\\u0000\\u000b\\u001f"');
  assertEquals(printJson("/\u007f\u0080é\u2028\u2029😀"), '"/\u007f\u0080é\u2028\u2029😀"');
});

Deno.test("printJson() refuses lone surrogates in values and names, with their path (J-3)", () => {
  assertThrows(
    () => printJson({ a: ["ok", "x\ud800"] }),
    TypeError,
    "Cannot print $.a[1]: lone surrogate in a string",
  );
  assertThrows(() => printJson({ "\udc00": 1 }), TypeError, 'Cannot print $["\\udc00"]: lone');
});

Deno.test("printJson() refuses NaN and infinities, with their path (J-5)", () => {
  for (const value of [NaN, Infinity, -Infinity]) {
    const error = assertThrows(() => printJson({ a: { b: [1, value] } }), JsonShapeError);
    assertEquals(error.message, `Cannot print $.a.b[1]: ${value} is not JSON`);
    assertEquals(error.details.path, "$.a.b[1]");
  }
});

Deno.test("printJson() refuses what JSON.stringify drops or empties without a word", () => {
  const refused: [unknown, string][] = [
    [undefined, "undefined is not JSON; leave the member out or write null"],
    [() => 1, "a function is not JSON"],
    [Symbol("s"), "a symbol is not JSON"],
    [5n, "a bigint is not JSON"],
    [new Map([["a", 1]]), "a value of type Map is not JSON; give it a toJSON method"],
    [new Set([1]), "a value of type Set is not JSON"],
    [new Error("lost"), "a value of type Error is not JSON"],
    [/x/, "a value of type RegExp is not JSON"],
    [new Uint8Array(2), "a value of type Uint8Array is not JSON"],
    [Object(5), "a value of type Number is not JSON"],
  ];
  for (const [value, problem] of refused) {
    assertThrows(() => printJson({ a: value }), JsonShapeError, `Cannot print $.a: ${problem}`);
    assertThrows(() => printJson([1, value]), JsonShapeError, `Cannot print $[1]: ${problem}`);
    assertThrows(() => printJson(value), JsonShapeError, `Cannot print $: ${problem}`);
  }
  const sparse = [1];
  sparse[2] = 3;
  assertThrows(() => printJson(sparse), JsonShapeError, "Cannot print $[1]: undefined");
});

Deno.test("printJson() prints instances of plain classes and objects without a prototype", () => {
  class Point {
    y = 1;
    x = 2;
    #hidden = 3;
    get hidden() {
      return this.#hidden;
    }
  }
  assertEquals(printJson(new Point()), '{"x":2,"y":1}');
  assertEquals(printJson(Object.assign(Object.create(null), { b: 1, a: 2 })), '{"a":2,"b":1}');
});

Deno.test("printJson() obeys toJSON once, and tells it its key as JSON.stringify does", () => {
  const teller = { toJSON: (key: string) => `key ${key}` };
  const self = {
    a: 1,
    toJSON() {
      return this;
    },
  };
  for (const value of [new Date(0), teller, [teller], { x: teller }, new URL("file:///a")]) {
    assertEquals(printJson(value), JSON.stringify(value));
  }
  assertThrows(() => printJson(self), JsonShapeError, "Cannot print $.toJSON: a function");
  assertThrows(
    () => printJson({ a: { toJSON() {} } }),
    JsonShapeError,
    "Cannot print $.a: undefined",
  );
});

Deno.test("printJson() takes JSON.rawJSON values as written, unless no reader would", () => {
  const value = { a: rawJson("1.0"), b: [rawJson("12345678901234567890"), rawJson('"\\u0041"')] };
  assertEquals(printJson(value), '{"a":1.0,"b":[12345678901234567890,"\\u0041"]}');
  assertEquals(printJson(value), JSON.stringify(value));
  assertThrows(() => printJson([rawJson("1e400")]), JsonShapeError, "$[0]: number out of range");
  assertThrows(() => printJson([rawJson('"\\ud800"')]), JsonShapeError, "$[0]: lone surrogate");
});

Deno.test("printJson() refuses cycles where they close, but not the same object twice", () => {
  const shared = { x: 1 };
  assertEquals(printJson([shared, shared]), '[{"x":1},{"x":1}]');
  const cycle: Record<string, unknown> = { a: [{}] };
  (cycle.a as unknown[])[1] = { back: cycle };
  assertThrows(
    () => printJson(cycle),
    JsonShapeError,
    "Cannot print $.a[1].back: circular reference",
  );
});

Deno.test("printJson() refuses nesting deeper than 127 levels", () => {
  assertEquals(printJson(nested(127)), "[".repeat(127) + "]".repeat(127));
  assertThrows(() => printJson(nested(128)), JsonShapeError, "nesting deeper than 127 levels");
});

Deno.test("printJson() sorts free JSON inside a struct, and only there (J-2)", () => {
  const codec = struct({ z: freeJson, a: array(f64) });
  assertEquals(encodeJson(codec, { z: { b: 1, a: 2 }, a: [1] }), '{"z":{"a":2,"b":1},"a":[1.0]}');
});

Deno.test("formatPath() quotes names that are not identifiers", () => {
  assertEquals(formatPath([]), "$");
  assertEquals(formatPath(["a", 0, "b c", "", "1", "é"]), '$.a[0]["b c"][""]["1"].é');
});
