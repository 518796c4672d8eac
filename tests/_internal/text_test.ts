import { assertEquals, assertNotEquals } from "@std/assert";
import { crc32, encodeUtf8, isBlank, Sha256, toHex, trimWhiteSpace } from "../../_internal/text.ts";

const encoder = new TextEncoder();

Deno.test("crc32() gives the check value of the standard", () => {
  assertEquals(crc32(encoder.encode("123456789")), 0xcbf43926);
});

Deno.test("crc32() of any length and at any offset is what one byte after the other gives (property)", () => {
  const bytes = Uint8Array.from({ length: 70 }, (_, index) => index * 151 + 7);
  for (let start = 0; start < 8; start++) {
    for (let end = start; end <= bytes.length; end++) {
      let remainder = 0xffffffff;
      for (const byte of bytes.subarray(start, end)) {
        remainder ^= byte;
        for (let bit = 0; bit < 8; bit++) {
          remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
        }
      }
      assertEquals(crc32(bytes.subarray(start, end)), (remainder ^ 0xffffffff) >>> 0);
    }
  }
});

Deno.test("encodeUtf8() gives what TextEncoder gives, whatever the length, and bytes of their own", () => {
  for (const length of [0, 1, 1023, 1024, 1025, 5000]) {
    for (const text of ["x", "é", "€", "\ud800", "\udc00x"]) {
      const whole = text.repeat(length);
      assertEquals(encodeUtf8(whole), encoder.encode(whole));
    }
  }
  const first = encodeUtf8("first");
  encodeUtf8("other");
  assertEquals(first, encoder.encode("first"));
  assertEquals(first.buffer.byteLength, 5);
});

Deno.test("toHex() gives the same digits with and without the engine's own", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const digits = toHex(bytes);
  assertEquals(digits, toHex(Object.defineProperty(bytes, "toHex", { value: undefined })));
  assertEquals(digits.slice(0, 8) + digits.slice(-4), "00010203feff");
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

Deno.test("Sha256 gives the digests of the standard", () => {
  const digestOf = (text: string) => toHex(Sha256.of(new TextEncoder().encode(text)));
  assertEquals(digestOf(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assertEquals(digestOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

Deno.test("Sha256 agrees with the system, whatever the length and the pieces", async () => {
  for (const length of [1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 1000, 65_537]) {
    const bytes = Uint8Array.from({ length }, (_, index) => index * 31);
    const expected = toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
    for (const piece of [1, 63, 64, 100, length]) {
      const hash = new Sha256();
      for (let at = 0; at < length; at += piece) hash.update(bytes.subarray(at, at + piece));
      assertEquals(toHex(hash.digest()), expected, `${length} bytes by ${piece}`);
    }
  }
});
