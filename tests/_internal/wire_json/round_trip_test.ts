import { assertEquals, assertThrows } from "@std/assert";
import { decodeJson, encodeJson, freeJson, map } from "../../../_internal/wire_json/codec.ts";
import { JsonSyntaxError } from "../../../_internal/wire_json/errors.ts";
import { parseJson } from "../../../_internal/wire_json/parse_json.ts";
import { printJson } from "../../../_internal/wire_json/print_json.ts";
import { mixSeeds, Random } from "../../_util/random.ts";
import { longCount, seed } from "../../_util/temp.ts";
import { randomJson, randomString } from "./_random_json.ts";

const ROUNDS = longCount(1_000, 100_000);

Deno.test("parseJson(printJson()) gives the same value, and printing it the same text", () => {
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Random(mixSeeds(seed(), round));
    const value = randomJson(random, 5);
    for (const style of ["compact", "pretty"] as const) {
      const text = printJson(value, { style });
      const parsed = parseJson(text);
      assertEquals(parsed, value, `round ${round}: ${text}`);
      assertEquals(printJson(parsed, { style }), text, `round ${round}`);
      assertEquals(parseJson(new TextEncoder().encode(text)), value, `round ${round}: ${text}`);
    }
  }
});

Deno.test("parseJson() refuses every beginning of a random document", () => {
  for (let round = 0; round < ROUNDS / 20; round++) {
    const text = printJson([randomJson(new Random(mixSeeds(seed(), 2, round)), 4)]);
    for (let length = 0; length < text.length; length++) {
      assertThrows(
        () => parseJson(text.slice(0, length)),
        JsonSyntaxError,
        "",
        `${length}: ${text}`,
      );
    }
  }
});

Deno.test("parseJson() accepts nothing that JSON.parse refuses", () => {
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Random(mixSeeds(seed(), 3, round));
    const text = damaged(printJson(randomJson(random, 4)), random);
    try {
      parseJson(text);
    } catch {
      continue;
    }
    JSON.parse(text);
  }
});

function damaged(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  const character = random.pick([...'{}[]":,\\0129.eE+-tfnu \n\u0001', randomString(random)]);
  return text.slice(0, at) + character + text.slice(at + random.below(3));
}

Deno.test("map() reads back what it prints, in the order of UTF-8 bytes (J-2)", () => {
  const codec = map(freeJson);
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Random(mixSeeds(seed(), 4, round));
    const members = Array.from(
      { length: random.below(8) },
      () => [randomString(random), randomJson(random, 2)] as const,
    );
    const text = encodeJson(codec, Object.fromEntries(members));
    assertEquals(text, printJson(Object.fromEntries(members)));
    assertEquals(encodeJson(codec, decodeJson(codec, text)), text);
  }
});

// The engine's own parser would not do as a reference above: nodejs/node#63785.
Deno.test("parseJson() reads escaped names that V8's JSON.parse confuses with a backslash", () => {
  for (const name of ["\\", "\n", '"', "\u0000", "\\n"]) {
    const text = `{"y":1,${JSON.stringify(name)}:2}`;
    assertEquals(Object.keys(parseJson(text) ?? {}), ["y", name]);
  }
});
