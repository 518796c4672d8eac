import { assertEquals, assertThrows } from "@std/assert";
import { encodeJson, freeJson, printedByEngine } from "../../../_internal/wire_json/codec.ts";
import { parseByEngine } from "../../../_internal/wire_json/engine_json.ts";
import { JsonSyntaxError } from "../../../_internal/wire_json/errors.ts";
import type { JsonValue } from "../../../_internal/wire_json/json_value.ts";
import { parseJson } from "../../../_internal/wire_json/parse_json.ts";
import { isPlainJson, printJson } from "../../../_internal/wire_json/print_json.ts";
import { mixSeeds, Random } from "../../_util/random.ts";
import { longCount, seed } from "../../_util/temp.ts";
import { randomJson } from "./_random_json.ts";

const ROUNDS = longCount(1_000, 100_000);

/** What the strict parser makes of a text: behind a float that prints otherwise nothing is left to the engine. */
function strictly(text: string, duplicates: "refuse" | "last" = "refuse"): JsonValue {
  const wrapped = `[1.0,${text}]`;
  assertEquals(parseByEngine(wrapped, { refusesDuplicates: true }), undefined);
  return (parseJson(wrapped, { duplicates }) as JsonValue[])[1]!;
}

function byEngine(text: string, refusesDuplicates = true): JsonValue | undefined {
  return parseByEngine(text, { refusesDuplicates });
}

Deno.test("parseByEngine() makes of a random document what the strict parser makes of it, or nothing", () => {
  let answered = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Random(mixSeeds(seed(), 11, round));
    const value = randomJson(random, 4);
    // What holds no `JSON.rawJSON` is written by the engine too, with its own escapes and numbers.
    const text = random.chance(0.5) ? JSON.stringify(value) : printJson(value, { style: "pretty" });
    const found = byEngine(text);
    if (found === undefined) continue;
    answered++;
    assertEquals(found, strictly(text), text);
  }
  assertEquals(answered > ROUNDS / 10, true, `${answered} of ${ROUNDS}`);
});

Deno.test("parseByEngine() answers where nothing special is in the text", () => {
  const texts = [
    "true",
    '[true,false,null,"",-0,0,-1,123456789012345,9007199254740991,-9007199254740991]',
    "[0.5,-0.0,-1.5e-7,1E300,2.5e+30,1e-7]",
    ' { "a" : [ { } , [ ] ] , "b" : { "a" : { "a" : 1 } } }\n',
    '{"10":1,"9":{"__proto__":[1,2]},"__proto__":{"x":1},"":3,"constructor":5}',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uc7ff é😀 {\\":1.0,1e400"',
    `${"[".repeat(127)}${"]".repeat(127)}`,
  ];
  for (const text of texts) {
    assertEquals(byEngine(text), JSON.parse(text), text);
    assertEquals(parseJson(text), JSON.parse(text), text);
  }
});

Deno.test("parseByEngine() leaves to the strict parser what the engine reads otherwise", () => {
  const refused = [
    '{"a":1,"a":1}',
    '{"a":[{"b":{},"c":0,"b":{}}]}',
    '{"a":1,"\\u0061":2}',
    '{"__proto__":1,"__proto__":1}',
    '"\ud800"',
    '"\\ud800"',
    '"\\uDFFF"',
    '["\\\\\\ud800"]',
    "1e400",
    "[-1e999]",
    `1${"0".repeat(400)}`,
    `${"[".repeat(128)}${"]".repeat(128)}`,
    `${'{"a":'.repeat(128)}1${"}".repeat(128)}`,
    "\ufeff1",
    "",
    "[",
    '"a',
    '"a\\',
    "[1,]",
    "01",
    "1.",
    "-",
    "nul",
    "1 1",
    '"\n"',
  ];
  for (const text of refused) {
    assertEquals(byEngine(text), undefined, text);
    assertThrows(() => parseJson(text), JsonSyntaxError, "", text);
  }
  const kept = ["1.0", "1e2", "-5.00", "1e-400", "9007199254740992", "-9223372036854775808"];
  const others = ["18446744073709551616", '"\\ud83d\\ude00"', '{"\\n":1}', '{"a":{"\\\\":"\\\\"}}'];
  for (const text of [...kept, ...others]) {
    assertEquals(byEngine(text), undefined, text);
    assertEquals(parseJson(`[${text}]`), [strictly(text)], text);
  }
});

Deno.test("parseByEngine() lets the last of two names count where that is asked for", () => {
  for (const text of ['{"a":1,"b":2,"a":3}', '{"a":{"x":1},"a":{}}']) {
    assertEquals(byEngine(text, false), JSON.parse(text));
    assertEquals(strictly(text, "last"), JSON.parse(text));
  }
  assertEquals(byEngine('{"a":1e400,"a":1}', false), undefined);
  assertThrows(() => parseJson('{"a":"\\ud800","a":1}', { duplicates: "last" }), JsonSyntaxError);
});

Deno.test("isPlainJson() says yes only to what the engine prints as printJson() does", () => {
  let plain = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const value = randomJson(new Random(mixSeeds(seed(), 12, round)), 4);
    const text = printJson(value);
    assertEquals(encodeJson(printedByEngine(freeJson), value), text);
    if (!isPlainJson(value)) continue;
    plain++;
    assertEquals(JSON.stringify(value), text);
  }
  assertEquals(plain > ROUNDS / 10, true, `${plain} of ${ROUNDS}`);
  for (const value of [1, -1, 0.5, 1e-5, -123.25, 2 ** 53 - 1, "é", [[]], { a: 1, b: [null] }]) {
    assertEquals(isPlainJson(value), true, printJson(value));
    assertEquals(JSON.stringify(value), printJson(value));
  }
});

Deno.test("isPlainJson() says no to what printJson() writes otherwise, or refuses", () => {
  const circle: unknown[] = [];
  circle.push(circle);
  const odd = [
    ...[-0, NaN, Infinity, 2 ** 53, 1e-6, 1e300, "\ud800", undefined, () => 0, 1n],
    ...[Array(1), [undefined], { a: undefined }, { b: 1, a: 1 }, { "\ud800": 1 }, {
      "😀": 1,
      "\uffff": 1,
    }],
    ...[new Map(), new Date(0), { toJSON: () => 1 }, Object.create(null), circle],
  ];
  for (const value of odd) assertEquals(isPlainJson(value), false, Deno.inspect(value));
});
