import { assert, assertEquals } from "@std/assert";
import { stripVTControlCharacters } from "node:util";
import {
  columnWidth,
  counted,
  printable,
  printableLine,
  printableOutput,
  printableWithColours,
} from "../../cli/text/printable.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";

const STEERING = [
  ...range(0x00, 0x08),
  ...range(0x0b, 0x1f),
  ...range(0x7f, 0x9f),
  0x061c,
  0x200e,
  0x200f,
  ...range(0x2028, 0x202e),
  ...range(0x2066, 0x2069),
];

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function written(code: number): string {
  return `\\u${code.toString(16).padStart(4, "0")}`;
}

Deno.test("printable() writes out what steers a terminal, and nothing else of the first plane", () => {
  const isSteering = new Set(STEERING);
  for (let code = 0; code <= 0xffff; code++) {
    const character = String.fromCharCode(code);
    const expected = isSteering.has(code) ? written(code) : character;
    assertEquals(printable(`a${character}b`), `a${expected}b`);
  }
  assertEquals(printable("one\r\ntwo\tthree 🙂"), "one\ntwo\tthree 🙂");
  assertEquals(printableLine("one\r\n\ttwo"), "one two");
});

Deno.test("printable() leaves JSON the same JSON", () => {
  const value = { text: STEERING.map((code) => String.fromCharCode(code)).join("\n\t\ud800") };
  for (const text of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
    const shown = printable(text);
    assertEquals(JSON.parse(shown), value);
    assert(!/[^\P{Cc}\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u.test(shown));
  }
});

Deno.test("printableWithColours() leaves the codes of a screen, which end with the text", () => {
  const cases: [string, string][] = [
    ["\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"],
    ["\x1b[1mbold\x1b[0m, \x1b[2mdim", "\x1b[1mbold\x1b[0m, \x1b[2mdim\x1b[0m"],
    ["\x1b[8mhidden\x1b]0;title\x07", "\\u001b[8mhidden\\u001b]0;title\\u0007"],
    ["\x1b[31;8m\x9b31m\x1b[2J\u202e", "\\u001b[31;8m\\u009b31m\\u001b[2J\\u202e"],
  ];
  for (const [text, expected] of cases) assertEquals(printableWithColours(text), expected);
});

Deno.test("printableOutput() takes away colours, titles and what was written over", () => {
  const cases: [string, string][] = [
    ["\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mx", "red x"],
    ["\x1b]0;title\x07a\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"],
    ["\x9b31mred\x90q\x9c \x1b(B\x1b7\x1bc", "red "],
    ["10%\r20%\r100%\nnext\r\nlast\r\r", "100%\nnext\nlast"],
    ["\rfirst\r", "first"],
    ["\x1b]0;no end\nnext", "\\u001b]0;no end\nnext"],
    ["bell\x07 \x1b", "bell\\u0007 \\u001b"],
  ];
  for (const [text, expected] of cases) assertEquals(printableOutput(text), expected);
});

Deno.test("printableOutput() takes the same colours and movements away as Node", () => {
  const random = new Random(seed());
  for (let count = 0; count < longCount(2000, 200_000); count++) {
    const sequence = () => {
      const numbers = Array.from({ length: random.below(4) }, () => random.below(100)).join(";");
      return `${random.pick(["\x1b[", "\x9b"])}${numbers}${random.pick([..."mABCDHJK"])}`;
    };
    const text = Array.from({ length: 8 }, () => random.pick(["a", "; 1", "mm", sequence()]))
      .join("");
    assertEquals(printableOutput(text), stripVTControlCharacters(text), JSON.stringify(text));
  }
});

Deno.test("text of 64 MiB is made printable, whatever it repeats: that takes no square of the time", () => {
  const patterns = [
    "\r",
    "\x1b",
    "\x1b[",
    "\x1b]",
    "\x1b[0;0;0 ",
    "\x9d0;a\x1b",
    "a\r",
    "\n",
    "\x1b[;a",
  ];
  for (const pattern of patterns) {
    const text = pattern.repeat(1024 * 1024 / pattern.length);
    for (const make of [printable, printableLine, printableOutput, printableWithColours]) {
      assert(make(text).length >= 0);
    }
  }
  const text = `\x1b]${"0;a".repeat(64 * 1024 * 1024 / 3)}\n`;
  assertEquals(printableOutput(text), `\\u001b${text.slice(1)}`);
});

Deno.test("a column may have any number of rows", () => {
  assertEquals(columnWidth(Array.from({ length: 300_000 }, () => "four"), 3), 4);
  assertEquals(columnWidth([], 3), 3);
});

Deno.test("counted() has a plural", () => {
  assertEquals([0, 1, 2].map((count) => counted(count, "run")), ["0 runs", "1 run", "2 runs"]);
});
