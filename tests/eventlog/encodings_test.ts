import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { EventLogError, type GapReason, verifyRun } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { bytesOf, openLog, readAll, readers, RUN_ID, writeRun } from "./_runs.ts";

/** Lines that other programs, and people, write in other encodings than UTF-8, and odd ones in UTF-8. */

function utf16(text: string, littleEndian: boolean): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(text.length * 2));
  for (let index = 0; index < text.length; index++) {
    bytes.setUint16(index * 2, text.charCodeAt(index), littleEndian);
  }
  return new Uint8Array(bytes.buffer);
}

function utf32(text: string, littleEndian: boolean): Uint8Array {
  const characters = Array.from(text);
  const bytes = new DataView(new ArrayBuffer(characters.length * 4));
  for (const [index, character] of characters.entries()) {
    bytes.setUint32(index * 4, character.codePointAt(0)!, littleEndian);
  }
  return new Uint8Array(bytes.buffer);
}

const WIDE: Record<string, (text: string) => Uint8Array> = {
  "UTF-16LE": (text) => utf16(text, true),
  "UTF-16BE": (text) => utf16(text, false),
  "UTF-32LE": (text) => utf32(text, true),
  "UTF-32BE": (text) => utf32(text, false),
};

const ENDS = { LF: "\n", "CR LF": "\r\n" };

for (const [encoding, encode] of Object.entries(WIDE)) {
  for (const [endName, end] of Object.entries(ENDS)) {
    for (const mark of ["", "\uFEFF"]) {
      const name = `${encoding} ${mark && "with a byte order mark "}and ${endName}`;
      Deno.test(`lines in ${name} are gaps of an encoding, not of a power cut`, () =>
        withTempDir(async (root) => {
          const wide = encode(`${mark}{"n":2,"é":"日本"}${end}{"n":3}${end}{}${end}`);
          writeRun(root, bytesOf('{"n":1}\n', wide));
          for (const [reader, read] of Object.entries(readers)) {
            const { events, gaps } = await read(root, {});
            assertEquals(events, [{ seq: 1, event: { n: 1 } }], reader);
            // What is left of the last newline is part of no line, if its first byte is the lower one.
            const isRest = (seq: number) => seq === 5 && encoding.endsWith("LE");
            assertEquals(
              gaps.filter(({ seq }) => !isRest(seq)).map(({ seq, reason }) => [seq, reason]),
              [[2, "encoding"], [3, "encoding"], [4, "encoding"]],
              reader,
            );
            assertStringIncludes(gaps[0]!.message, encoding.slice(0, -2));
            assertStringIncludes(gaps[0]!.message, "write it in UTF-8");
            for (const gap of gaps) assertEquals(gap.reason, "encoding", reader);
          }
        }));
    }
  }
}

Deno.test("a blank line, and a last one without its end, are of their encoding too", () =>
  withTempDir((root) => {
    for (const [encoding, encode] of Object.entries(WIDE)) {
      writeRun(root, bytesOf('{"n":1}\n', encode('{"n":2}\r\n\r\n{"n":3}')));
      const { gaps } = readAll(root);
      assertEquals(gaps.map(({ reason }) => reason), Array(3).fill("encoding"), encoding);
    }
  }));

Deno.test("the rest of a newline before a line in UTF-8 is of its encoding too, and the line is read", () =>
  withTempDir((root) => {
    for (const [encoding, encode] of Object.entries(WIDE)) {
      writeRun(root, bytesOf('{"n":1}\n', encode('{"n":2}\r\n'), '{"n":3}\n{"n":4}\n'));
      const { events, gaps } = readAll(root);
      assertEquals(events.map(({ event }) => event.n), [1, 3, 4], encoding);
      const restIsBehind = encoding.endsWith("LE");
      assertEquals(gaps.map(({ reason }) => reason), Array(restIsBehind ? 2 : 1).fill("encoding"));
      assertEquals(gaps.some(({ message }) => message.includes("rest of a newline")), restIsBehind);
    }
  }));

Deno.test("a file that PowerShell has begun in UTF-16 is refused line by line, strictly at its first", () =>
  withTempDir((root) => {
    const path = writeRun(root, utf16('\uFEFF{"n":1}\r\n{"n":2}\r\n', true));
    assertEquals(readAll(root).events, []);
    const error = assertThrows(() => readAll(root, { strict: true }), EventLogError);
    assertStringIncludes(error.message, `malformed event at ${path}:1: the line is in UTF-16`);
  }));

Deno.test("what a power cut leaves is no encoding", () =>
  withTempDir((root) => {
    const cases: (string | number[])[][] = [
      [[0], '{"n":1}\n'],
      [[0, 0], '{"n":1}\n'],
      [[0, 0, 0], '{"n":1}\n'],
      ['{"n":1}', [0], "\n"],
      ['{"n"', [0], ":1}\n"],
      ["{", [0, 0, 0], '"n":1}\n'],
      [[0], "\n"],
      [[0, 0, 0], "\n"],
    ];
    for (const parts of cases) {
      writeRun(root, bytesOf(...parts));
      assertEquals(readAll(root).gaps.map(({ reason }) => reason), ["nul-run"], `${parts}`);
    }
    for (const nuls of [1, 2, 3, 4]) {
      writeRun(root, bytesOf('{"n":1}\n', new Uint8Array(nuls)));
      assertEquals(readAll(root).gaps.map(({ reason }) => reason), ["torn"]);
    }
  }));

/** `é` and `日` in one line, as each of these writes them. */
const OTHERS: Record<string, { bytes: (string | number[])[]; reason: GapReason; words: string }> = {
  "UTF-8 with a byte order mark": {
    bytes: ['\uFEFF{"n":"é"}'],
    reason: "not-json",
    words: "byte order mark",
  },
  "ISO 8859-1": { bytes: ['{"n":"', [0xe9], '"}'], reason: "not-utf8", words: "UTF-8" },
  "Windows-1252": {
    bytes: ['{"n":', [0x93], "a", [0x94], "}"],
    reason: "not-utf8",
    words: "UTF-8",
  },
  "code page 437": { bytes: ['{"n":"', [0x82], '"}'], reason: "not-utf8", words: "UTF-8" },
  "KOI8-R": { bytes: ['{"n":"', [0xc4, 0xc1], '"}'], reason: "not-utf8", words: "UTF-8" },
  "Shift JIS": { bytes: ['{"n":"', [0x93, 0xfa], '"}'], reason: "not-utf8", words: "UTF-8" },
  "EUC-JP": { bytes: ['{"n":"', [0xc6, 0xfc], '"}'], reason: "not-utf8", words: "UTF-8" },
  "GBK": { bytes: ['{"n":"', [0xc8, 0xd5], '"}'], reason: "not-utf8", words: "UTF-8" },
  "Big5": { bytes: ['{"n":"', [0xa4, 0xe9], '"}'], reason: "not-utf8", words: "UTF-8" },
  "CESU-8": {
    bytes: ['{"n":"', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], '"}'],
    reason: "not-utf8",
    words: "UTF-8",
  },
  "EBCDIC": {
    bytes: [[0xc0, 0x7f, 0x95, 0x7f, 0x7a, 0xf1, 0xd0]],
    reason: "not-utf8",
    words: "UTF-8",
  },
};

for (const [encoding, { bytes, reason, words }] of Object.entries(OTHERS)) {
  Deno.test(`a line in ${encoding} is a gap that says what is wrong, and costs no other line`, () =>
    withTempDir(async (root) => {
      writeRun(root, bytesOf('{"n":1}\n', ...bytes, '\n{"n":3}\n'));
      for (const [name, read] of Object.entries(readers)) {
        const { events, gaps } = await read(root, {});
        assertEquals(events.map(({ seq }) => seq), [1, 3], name);
        assertEquals(gaps.map((gap) => [gap.seq, gap.reason]), [[2, reason]], name);
        assertStringIncludes(gaps[0]!.message, words, name);
      }
    }));
}

Deno.test("UTF-7, and escapes for everything that is not ASCII, are read as they stand there", () =>
  withTempDir((root) => {
    writeRun(root, '{"n":"+AOk-"}\n{"n":"\\u00e9\\ud83d\\ude00"}\n');
    assertEquals(readAll(root).events.map(({ event }) => event.n), ["+AOk-", "é😀"]);
  }));

Deno.test("U+2028, U+2029, U+0085 and lone surrogates in foreign lines break no line", () =>
  withTempDir(async (root) => {
    const lines = [
      '{"n":"a\u2028b\u2029c\u0085d"}',
      '{"n":"\\ud800"}',
      '{"\\udc00":1,"n":2}',
      '{"n":4}',
    ];
    writeRun(root, lines.join("\n") + "\n");
    for (const [name, read] of Object.entries(readers)) {
      const { events, gaps } = await read(root, {});
      assertEquals(gaps, [], name);
      const values = events.map(({ event }) => event.n);
      assertEquals(values, ["a\u2028b\u2029c\u0085d", "\ud800", 2, 4], name);
    }
    assert((await verifyRun(root, RUN_ID)).ok);
  }));

Deno.test("a line as deep as a line can be is delivered, and one whose end is missing is a gap", () =>
  withTempDir(async (root) => {
    for (const depth of [100, 1000, 10_000, 100_000, 2_000_000]) {
      const lists = `{"n":${"[".repeat(depth)}${"]".repeat(depth)}}`;
      const objects = '{"n":'.repeat(depth) + "1" + "}".repeat(depth);
      writeRun(root, `${lists}\n${objects}\n${lists.slice(0, -1)}\n{"n":4}\n`);
      const { events, gaps } = await readers.readRun!(root, {});
      assertEquals(events.map(({ seq }) => seq), [1, 2, 4]);
      for (const { event } of events.slice(0, 2)) {
        let levels = 0;
        let inner: unknown = event.n;
        while (typeof inner === "object" && inner !== null) {
          inner = Array.isArray(inner) ? inner[0] : (inner as { n: unknown }).n;
          levels++;
        }
        assert(levels === depth || levels === depth - 1);
      }
      assertEquals(gaps.map(({ seq, reason }) => [seq, reason]), [[3, "not-json"]]);
      assert(!gaps[0]!.message.includes("call stack"), gaps[0]!.message);
      assertEquals((await verifyRun(root, RUN_ID)).problems.map(({ line }) => line), [3]);
    }
  }));

Deno.test("a schema that cannot go as deep as an event refuses it in words that say so", () =>
  withTempDir(async (root) => {
    const depthOf = (value: unknown): number => Array.isArray(value) ? 1 + depthOf(value[0]) : 0;
    const validate = (value: unknown) => {
      return { value: value as { n: unknown }, depth: depthOf((value as { n: unknown }).n) };
    };
    const schema = { "~standard": { version: 1, vendor: "test", validate } } as const;
    writeRun(root, `{"n":${"[".repeat(100_000)}${"]".repeat(100_000)}}\n{"n":2}\n`);
    const { events, gaps } = await readers.readRun!(root, { schema: schema as never });
    assertEquals(events.map(({ seq }) => seq), [2]);
    const message = "the event is nested too deeply for the schema";
    assertEquals([gaps[0]?.reason, gaps[0]?.message], ["schema", message]);

    const stingy = {
      "~standard": { ...schema["~standard"], validate: (value: unknown) => stingyOf(value) },
    } as const;
    await using log = await openLog(root, { schema: stingy as never });
    assertThrows(() => log.appendSync({ n: 1 }), TypeError, `the schema refuses it: ${message}`);
  }));

/** As a schema that calls itself for each level of something endless. */
function stingyOf(value: unknown): { value: unknown } {
  return { value: stingyOf(value).value };
}
