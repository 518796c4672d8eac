import { assertEquals } from "@std/assert";
import { decodeLoosely, LineSplitter } from "../../cli/text/output_lines.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";

/** The lines of pieces, each with whether it goes on. */
function linesOf(pieces: Iterable<Uint8Array>): { text: string; isContinued: boolean }[] {
  const splitter = new LineSplitter();
  const found: { text: string; isContinued: boolean }[] = [];
  const take = ({ bytes, isContinued }: { bytes: Uint8Array; isContinued: boolean }) => {
    found.push({ text: decodeLoosely(bytes), isContinued });
  };
  for (const piece of pieces) for (const line of splitter.lines(piece)) take(line);
  for (const line of splitter.end()) take(line);
  return found;
}

/** Cuts bytes into pieces by lot. */
function* cutByLot(bytes: Uint8Array, random: Random, most: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + random.below(most);
    yield bytes.slice(at, end);
    at = end;
  }
}

Deno.test("LineSplitter gives the same lines in whatever pieces they come", () => {
  const random = new Random(seed());
  for (let round = 0; round < longCount(200, 5000); round++) {
    const text = Array.from({ length: random.below(60) }, () => "a\né€😀\n".at(random.below(6)))
      .join("").toWellFormed();
    const lines = linesOf(cutByLot(new TextEncoder().encode(text), random, 9));
    const expected = text.replace(/\n$/, "").split("\n");
    assertEquals(lines.map(({ text }) => text), text === "" ? [] : expected);
    assertEquals(lines.some(({ isContinued }) => isContinued), false);
  }
});

Deno.test("LineSplitter cuts a line of any length between characters, and loses nothing", () => {
  const random = new Random(seed());
  for (const character of ["a", "é", "€", "😀", "x€"]) {
    const line = character.repeat(100_000);
    const bytes = new TextEncoder().encode(`${line}\nnext\n`);
    const lines = linesOf(cutByLot(bytes, random, 100_000));
    assertEquals(lines.at(-1), { text: "next", isContinued: false });
    assertEquals(lines.slice(0, -1).map(({ text }) => text).join("") === line, true, character);
    const going = lines.slice(0, -2).every(({ isContinued, text }) => {
      return isContinued && text.length > 15_000;
    });
    assertEquals([going, lines.at(-2)?.isContinued], [true, false]);
  }
  const junk = new Uint8Array(200_000).fill(0x80);
  assertEquals(linesOf([junk]).reduce((sum, { text }) => sum + text.length, 0), junk.length);
});
