import { assertEquals, assertThrows } from "@std/assert";
import { rawJsonText, stringifyVisiting } from "../../_internal/visit_json.ts";

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
