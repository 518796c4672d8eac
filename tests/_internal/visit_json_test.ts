import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  isSurelyKept,
  lossyNumberIn,
  rawJsonText,
  stringifyVisiting,
} from "../../_internal/visit_json.ts";

const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

function pathsOf(value: unknown): string[] {
  const paths: string[] = [];
  stringifyVisiting(value, (member, path) => {
    paths.push(path);
    return member;
  });
  return paths;
}

Deno.test("stringifyVisiting() names each member, objects before their members", () => {
  const value = { a: [1, { b: null }], "é": 1, "a-b": 2, "": 3, "1x": 4, 'q"': 5 };
  assertEquals(pathsOf(value), [
    "$",
    "$.a",
    "$.a[0]",
    "$.a[1]",
    "$.a[1].b",
    "$.é",
    '$["a-b"]',
    '$[""]',
    '$["1x"]',
    '$["q\\""]',
  ]);
});

Deno.test("stringifyVisiting() names both places of an object that stands in two", () => {
  const shared = { n: 1 };
  assertEquals(pathsOf({ a: shared, b: [shared] }), [
    "$",
    "$.a",
    "$.a.n",
    "$.b",
    "$.b[0]",
    "$.b[0].n",
  ]);
});

Deno.test("stringifyVisiting() shows the visitor what toJSON made, under the member's own path", () => {
  const value = { at: new Date(0), list: { toJSON: () => [{ n: 1 }] } };
  const seen: [string, unknown][] = [];
  stringifyVisiting(value, (member, path) => {
    if (path !== "$") seen.push([path, member]);
    return member;
  });
  assertEquals(seen, [
    ["$.at", "1970-01-01T00:00:00.000Z"],
    ["$.list", [{ n: 1 }]],
    ["$.list[0]", { n: 1 }],
    ["$.list[0].n", 1],
  ]);
});

Deno.test("stringifyVisiting() writes what the visitor returns, and visits that", () => {
  const text = stringifyVisiting({ secret: "x", keep: 1 }, (member, path) => {
    return path === "$.secret" ? { masked: true } : member;
  });
  assertEquals(text, '{"secret":{"masked":true},"keep":1}');
  assertEquals(stringifyVisiting(1, () => undefined), undefined);
});

Deno.test("stringifyVisiting() refuses a cycle with the path that closes it", () => {
  const cycle: Record<string, unknown> = { list: [{}] };
  (cycle.list as Record<string, unknown>[])[0]!.back = cycle;
  assertThrows(() => pathsOf(cycle), TypeError, "$.list[0].back");
  const self: unknown[] = [];
  self.push(self);
  assertThrows(() => pathsOf({ self }), TypeError, "$.self[0]");
});

Deno.test("rawJsonText() gives the text of a raw member only", () => {
  assertEquals(rawJsonText(rawJSON("1.0")), "1.0");
  for (const value of [1, "1", null, undefined, { rawJSON: "1" }, []]) {
    assertEquals(rawJsonText(value), undefined);
  }
});

Deno.test("lossyNumberIn() finds the first number that JSON.parse would round or not hold", () => {
  const cases: [text: string, index: number][] = [
    ['{"a":9007199254740991}', -1],
    ['{"a":-9007199254740991}', -1],
    ['{"a":9007199254740992}', 5],
    ['{"a":-9007199254740992}', 5],
    ['{"a":[1,12345678901234567890]}', 8],
    ['{"a":9007199254740993.0}', 5],
    ['{"a":9007199254.740993e6}', 5],
    ['{"a":90071992547409930e-1}', 5],
    ['{"a":12345678901234567890.5}', 5],
    ['{"a":1e16}', 5],
    ['{"a":1E+20}', 5],
    ['{"a":1e400}', 5],
    ['{"a":[-1e309]}', 6],
    ['{"a":100000000000000000000000}', -1],
    ['{"a":12345678901234567890e2}', -1],
    ['{"a":0.12345678901234567890}', -1],
    ['{"a":1e15}', -1],
    ['{"a":1e300}', -1],
    ['{"a":1e-400}', -1],
    ['{"a":"12345678901234567890"}', -1],
    ['{"12345678901234567890":1}', -1],
    ['{"a":"\\"12345678901234567890"}', -1],
    ['{"a":"\\\\","b":12345678901234567890}', 14],
    ['{"a":"12345678901234567890","b":12345678901234567890}', 32],
    ['{"a":"12345678901234567890', -1],
    ["", -1],
  ];
  for (const [text, index] of cases) {
    assertEquals(lossyNumberIn(text)?.index ?? -1, index, text);
    if (text.endsWith("}")) assertEquals(isSurelyKept(JSON.parse(text)), index === -1, text);
  }
});

Deno.test("stringifyVisiting() prints what JSON.stringify prints", () => {
  const values: unknown[] = [
    { a: undefined, b: () => 1, c: Symbol(), d: [undefined, () => 1, Symbol(), , 1] },
    { a: Object(1), b: Object("x"), c: Object(true), d: [Object(-0)] },
    JSON.parse('{"__proto__":{"a":1},"b":2}'),
    Object.create(null, { a: { value: 1, enumerable: true }, hidden: { value: 2 } }),
    Object.create({ inherited: 1 }),
    { b: 1, 2: "two", a: 3, 1: "one" },
    { toJSON: (key: string) => [key, { toJSON: () => "not asked again" }] },
    { at: new Date(0), url: new URL("https://example.com/") },
    [[], {}, [[]], null, -0, 1e21, 0.1, "\u2028\ud800"],
    { n: { toJSON: (key: string) => key }, list: [{ toJSON: (key: string) => key }] },
    rawJSON("1.0"),
    { a: [rawJSON("1e2")] },
    "text",
    undefined,
    () => 1,
  ];
  for (const value of values) {
    assertEquals(stringifyVisiting(value, (member) => member), JSON.stringify(value));
  }
});

Deno.test("stringifyVisiting() needs no stack for what is nested deeply, up to its limit", () => {
  for (const wrap of [(inner: unknown) => [inner], (inner: unknown) => ({ a: inner })]) {
    let value: unknown = rawJSON("1.0");
    for (let depth = 0; depth < 10_000; depth++) value = wrap(value);
    const text = stringifyVisiting(value, (member) => member);
    assert(text?.includes("1.0"));
    const tooDeep = { list: [], deep: wrap(value) };
    const error = assertThrows(() => stringifyVisiting(tooDeep, (member) => member), TypeError);
    assertEquals(error.message, "$.deep is nested deeper than 10000 levels");
  }
});
