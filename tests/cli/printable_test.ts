import { assertEquals } from "@std/assert";
import { stripVTControlCharacters } from "node:util";
import { columnWidth, counted, printable } from "../../cli/text/printable.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";

const CHARACTERS = [..."\x1b\x9b[]()#;?01289mKAZhl\x07\\/:=a \x9c"];

Deno.test("printable() takes the same escape sequences away as Node's stripVTControlCharacters", () => {
  const random = new Random(seed());
  for (let count = 0; count < longCount(5000, 500_000); count++) {
    const text = Array.from({ length: random.below(16) }, () => random.pick(CHARACTERS)).join("");
    const expected = stripVTControlCharacters(text).replaceAll(/\p{Cc}/gu, "");
    assertEquals(printable(text), expected, JSON.stringify(text));
  }
});

Deno.test("a column may have any number of rows", () => {
  assertEquals(columnWidth(Array.from({ length: 300_000 }, () => "four"), 3), 4);
  assertEquals(columnWidth([], 3), 3);
});

Deno.test("counted() has a plural", () => {
  assertEquals([0, 1, 2].map((count) => counted(count, "run")), ["0 runs", "1 run", "2 runs"]);
});
