import { assertEquals, assertNotEquals } from "@std/assert";
import { crc32, isBlank, trimWhiteSpace } from "../../_internal/text.ts";

const encoder = new TextEncoder();

Deno.test("crc32() gives the check value of the standard", () => {
  assertEquals(crc32(encoder.encode("123456789")), 0xcbf43926);
});

Deno.test("crc32() agrees with published values", () => {
  assertEquals(crc32(new Uint8Array()), 0);
  assertEquals(crc32(encoder.encode("a")), 0xe8b7be43);
  assertEquals(crc32(encoder.encode("The quick brown fox jumps over the lazy dog")), 0x414fa339);
  assertEquals(crc32(new Uint8Array(32)), 0x190a55ad);
  assertEquals(crc32(new Uint8Array(32).fill(255)), 0xff6cab0b);
});

Deno.test("crc32() notices every flipped bit", () => {
  const bytes = encoder.encode('{"type":"node.started"}\n');
  const before = crc32(bytes);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    assertNotEquals(crc32(damaged), before);
  }
});

Deno.test("white space is what Unicode calls so, for blanks and ends alike", () => {
  for (let code = 0; code <= 0xffff; code++) {
    const text = String.fromCharCode(code);
    // JavaScript has the byte order mark besides, and lacks NEL.
    const isWhite = code === 0x85 || (code !== 0xfeff && text.trim() === "");
    assertEquals([isBlank(text), trimWhiteSpace(text + "a" + text)], [
      isWhite,
      isWhite ? "a" : text + "a" + text,
    ], code.toString(16));
  }
  assertEquals([isBlank(""), isBlank("\u{1f600}"), trimWhiteSpace(" \u{1f600} ")], [
    true,
    false,
    "\u{1f600}",
  ]);
});

Deno.test("trimWhiteSpace() takes a time that grows with the text, not with its square", () => {
  const spaces = " ".repeat(1_000_000);
  assertEquals(trimWhiteSpace(`a${spaces}b${spaces}`), `a${spaces}b`);
});
