import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { rawJson } from "../../_internal/wire_json/json_value.ts";
import { hashJsonText, hashValue } from "../../trace/mod.ts";
import { randomJson } from "../_internal/wire_json/_random_json.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";

/** What blake3 makes of the compact, key-sorted text, as the seed's program printed it. */
const GOLDENS: Readonly<Record<string, string>> = {
  "null": "03f88b99c3d8073bba8948d6e762aac443b265f606cc05abd4d172f03a4def6a",
  "{}": "6e46dd10defc9b56c29a6ec56b508c21f54c08192194e4df25bf36f0c9c3c279",
  '{"text":"hello"}': "0ad6a82bb92cdf7353eb72803a9a3d7582dbe6c2d8101ed9c81ad2cf6c800259",
  '{"a":[1.0,true,null],"b":1}': "c82913a6a281b6581ddff9383b4e481699d6083be50ea4835cc20c74967ddd51",
};

Deno.test("hashJsonText() gives the goldens of the seed", () => {
  for (const [text, value] of Object.entries(GOLDENS)) {
    assertEquals(hashJsonText(text), { algorithm: "blake3", value });
  }
});

Deno.test("hashJsonText() does not depend on spaces, on escapes, or on the order of members (J-2)", () => {
  const value = GOLDENS['{"a":[1.0,true,null],"b":1}'];
  const same = ' { "b" : 1 ,\n "\\u0061" : [ 1.0 , true , null ] } ';
  assertEquals(hashJsonText(same).value, value);
  // By UTF-8 bytes U+E000 comes before U+1F600, by UTF-16 code units behind it.
  assertEquals(hashJsonText('{"😀":1,"\ue000":2}'), hashJsonText('{"\ue000":2,"😀":1}'));
});

Deno.test("hashJsonText() keeps integers and floats apart, and each number's value", () => {
  const texts = ["1", "1.0", "0", "-0", "9007199254740992", "9007199254740993", "1e16", "true"];
  const hashes = texts.map((text) => hashJsonText(text).value);
  assertEquals(new Set(hashes).size, texts.length);
  assertEquals(hashJsonText("1.50"), hashJsonText("15e-1"));
  assertEquals(hashJsonText("-0"), hashJsonText("-0.0"));
});

Deno.test("hashJsonText() refuses what is not one JSON value, with its place", () => {
  for (const text of ["", "{", "[1,]", "1 2", '{"a":1,"a":2}', '"\\ud800"', "1e400", "\ufeff1"]) {
    assertThrows(() => hashJsonText(text), SyntaxError, "Cannot parse JSON at line 1, column ");
  }
});

Deno.test("hashValue() gives the goldens for values (W-TRC-12)", () => {
  assertEquals(hashValue(null).value, GOLDENS["null"]);
  assertEquals(hashValue({}).value, GOLDENS["{}"]);
  assertEquals(hashValue({ text: "hello" }).value, GOLDENS['{"text":"hello"}']);
  assertEquals(
    hashValue({ b: 1, a: [rawJson("1.0"), true, null] }).value,
    GOLDENS['{"a":[1.0,true,null],"b":1}'],
  );
});

Deno.test("hashValue() is hashJsonText() of what JSON.stringify makes of the value", () => {
  class Point {
    x = 1;
  }
  const values = [
    -0,
    1e300,
    2 ** 60,
    -(2 ** 53),
    1e16,
    1e21,
    5e-324,
    0.1,
    { at: new Date(0), point: new Point(), bare: Object.create(null) },
    [new Number(-0), new String("é"), new Boolean(false)],
    { exact: rawJson("12345678901234567890"), float: rawJson("1.0") },
    { ["__proto__"]: 1, 10: "a", 9: "b" },
    { toJSON: () => ({ b: 1, a: 2 }) },
  ];
  for (const value of values) {
    assertEquals(hashValue(value), hashJsonText(JSON.stringify(value)));
  }
  assertEquals(hashValue(-0), hashJsonText("0"));
  assertNotEquals(hashValue(1), hashJsonText("1.0"));
});

Deno.test("hashValue() of random JSON is hashJsonText() of its text", () => {
  for (let round = 0; round < longCount(300, 30_000); round++) {
    const value = randomJson(new Random(mixSeeds(seed(), round)), 4);
    assertEquals(hashValue(value), hashJsonText(JSON.stringify(value)));
  }
});

Deno.test("hashValue() refuses what cannot be JSON, with its path (W-TRC-12)", () => {
  const cycle: Record<string, unknown> = {};
  cycle.list = [cycle];
  const cases: [value: unknown, message: string][] = [
    [undefined, "$ is undefined"],
    [{ a: undefined }, "$.a is undefined"],
    [[1, , 2], "$[1] is undefined"],
    [{ "odd name": () => 1 }, '$["odd name"] is a function'],
    [[Symbol("s")], "$[0] is a symbol"],
    [{ a: { b: 1n } }, "$.a.b is the BigInt 1"],
    [Object(1n), "$ is the BigInt 1"],
    [[NaN], "$[0] is NaN"],
    [new Number(Infinity), "$ is Infinity"],
    [["\ud800"], "$[0] has a lone surrogate"],
    [{ "\udc00": 1 }, "$ has a key with a lone surrogate"],
    [rawJson("1e400"), "$ is Infinity"],
    [rawJson('"\\ud800"'), "$ has a lone surrogate"],
    [{ m: new Map([[1, 2]]) }, "$.m is of type Map"],
    [new Error("lost"), "$ is of type Error"],
    [new Uint8Array(2), "$ is of type Uint8Array"],
    [cycle, "$.list[0] leads back to $"],
  ];
  for (const [value, message] of cases) {
    assertThrows(() => hashValue(value), TypeError, `Cannot hash the value: ${message}`);
  }
  // What an object calls itself is its own affair.
  assertEquals(hashValue({ [Symbol.toStringTag]: "Odd", a: 1 }), hashValue({ a: 1 }));
});

Deno.test("hashValue() refuses to nest deeper than JSON can be read, and tells what toJSON threw", () => {
  let deep: unknown = 1;
  for (let level = 0; level < 129; level++) deep = [deep];
  assertThrows(() => hashValue(deep), TypeError, "nesting deeper than 127 levels");
  const thrown = new Error("no answer");
  const error = assertThrows(() =>
    hashValue({
      toJSON() {
        throw thrown;
      },
    }), TypeError);
  assertEquals(error.cause, thrown);
});
