import { assert, assertEquals, assertThrows } from "@std/assert";
import { EventLogError, type GapReason } from "../../eventlog/mod.ts";
import { namesIn, readBytes, sameBytes } from "../_util/files.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { damaged } from "./_damage.ts";
import { bytesOf, eventsOf, type Read, readAll, readers, writeRun } from "./_runs.ts";

/** A line that is no event, by line number, with the reason and the place. */
type GapCase = [seq: number, reason: GapReason, byteOffset: number, byteLength: number];

interface Case {
  name: string;
  content: Uint8Array;
  /** The `n` of each event, by its line number. */
  events: [seq: number, n: unknown][];
  gaps?: GapCase[];
  /** The line at which strict reading stops, where it is not that of the first gap. */
  strictLine?: number | "none";
  /** What strict reading delivers, where it is more. */
  strictEvents?: Case["events"];
}

const LINE = '{"n":1}\n';

const cases: Case[] = [
  { name: "an empty file", content: bytesOf(), events: [] },
  { name: "one event", content: bytesOf(LINE), events: [[1, 1]] },
  {
    name: "a torn last line (W-OMN-2)",
    content: bytesOf(LINE, '{"n":'),
    events: [[1, 1]],
    gaps: [[2, "torn", 8, 5]],
  },
  {
    name: "a whole last line without its newline",
    content: bytesOf(LINE, '{"n":2}'),
    events: [[1, 1]],
    gaps: [[2, "torn", 8, 7]],
    strictLine: "none",
    strictEvents: [[1, 1], [2, 2]],
  },
  { name: "nothing but a torn line", content: bytesOf("{"), events: [], gaps: [[1, "torn", 0, 1]] },
  {
    name: "garbage in the middle (W-OMN-3)",
    content: bytesOf(LINE, "garbage\n", '{"n":3}\n'),
    events: [[1, 1], [3, 3]],
    gaps: [[2, "not-json", 8, 7]],
  },
  {
    name: "two objects on one line (OEV-5)",
    content: bytesOf('{"n":1}{"n":2}\n', '{"n":3}\n'),
    events: [[2, 3]],
    gaps: [[1, "not-json", 0, 14]],
  },
  {
    name: "half a line with a newline (OEV-5)",
    content: bytesOf('{"n":"ab\n', LINE),
    events: [[2, 1]],
    gaps: [[1, "not-json", 0, 8]],
  },
  {
    name: "JSON that is no object",
    content: bytesOf("[1]\n", "null\n", "7\n", '"text"\n', "true\n", LINE),
    events: [[6, 1]],
    gaps: [[1, "not-json", 0, 3], [2, "not-json", 4, 4], [3, "not-json", 9, 1], [
      4,
      "not-json",
      11,
      6,
    ], [5, "not-json", 18, 4]],
  },
  {
    name: "blank lines, which use up a seq and which strict reading passes over (OLG-5)",
    content: bytesOf("\n", LINE, "  \t\n", "\r\n", '{"n":5}\n', "\n"),
    events: [[2, 1], [5, 5]],
    gaps: [[1, "not-json", 0, 0], [3, "not-json", 9, 3], [4, "not-json", 13, 1], [
      6,
      "not-json",
      23,
      0,
    ]],
    strictLine: "none",
  },
  {
    name: "CRLF",
    content: bytesOf('{"n":1}\r\n{"n":2}\r\n'),
    events: [[1, 1], [2, 2]],
  },
  {
    name: "a byte order mark",
    content: bytesOf("\ufeff", LINE, '{"n":2}\n'),
    events: [[2, 2]],
    gaps: [[1, "not-json", 0, 10]],
  },
  {
    name: "invalid UTF-8 in the middle",
    content: bytesOf(LINE, '{"n":"', [0xff], '"}\n', '{"n":3}\n'),
    events: [[1, 1], [3, 3]],
    gaps: [[2, "not-utf8", 8, 9]],
  },
  {
    name: "UTF-8 that ends inside a character, and encodes a surrogate, and is overlong",
    content: bytesOf('{"n":"', [0xe2, 0x82], '"}\n', '{"n":"', [0xed, 0xa0, 0x80], '"}\n', [
      0xc0,
      0xaf,
      10,
    ], LINE),
    events: [[4, 1]],
    gaps: [[1, "not-utf8", 0, 10], [2, "not-utf8", 11, 11], [3, "not-utf8", 23, 2]],
  },
  {
    name: "the replacement character itself, which is valid",
    content: bytesOf('{"n":"\ufffd"}\n', LINE),
    events: [[1, "\ufffd"], [2, 1]],
  },
  {
    name: "NULs before a record: the gap first, then the event, of the same seq",
    content: bytesOf(LINE, new Uint8Array(5), '{"n":2}\n', '{"n":3}\n'),
    events: [[1, 1], [2, 2], [3, 3]],
    gaps: [[2, "nul-run", 8, 12]],
  },
  {
    name: "NULs after a record that lost its newline",
    content: bytesOf('{"n":1}', new Uint8Array(5), '{"n":2}\n'),
    events: [[1, 2]],
    gaps: [[1, "nul-run", 0, 19]],
  },
  {
    name: "NULs inside a record",
    content: bytesOf('{"n":"a', [0, 0], 'b"}\n', LINE),
    events: [[2, 1]],
    gaps: [[1, "nul-run", 0, 12]],
  },
  {
    name: "a line of NULs only",
    content: bytesOf(new Uint8Array(3), "\n", LINE),
    events: [[2, 1]],
    gaps: [[1, "nul-run", 0, 3]],
  },
  {
    name: "NULs at the end",
    content: bytesOf(LINE, new Uint8Array(9)),
    events: [[1, 1]],
    gaps: [[2, "torn", 8, 9]],
  },
  {
    name: "NULs longer than any buffer, and the record behind them",
    content: bytesOf(LINE, new Uint8Array(700_000), '{"n":2}\n', '{"n":3}\n'),
    events: [[1, 1], [2, 2], [3, 3]],
    gaps: [[2, "nul-run", 8, 700_007]],
  },
  {
    name: "NULs exactly as long as a buffer",
    content: bytesOf(new Uint8Array(32 * 1024), '{"n":1}\n', new Uint8Array(256 * 1024), "\n"),
    events: [[1, 1]],
    gaps: [[1, "nul-run", 0, 32_775], [2, "nul-run", 32_776, 262_144]],
  },
  {
    name: "numbers that JSON.parse would round, however they are spelt (J-8)",
    content: bytesOf(
      '{"n":9007199254740993.0}\n',
      '{"n":9.007199254740993e15}\n',
      '{"n":[{"m":-1e16}]}\n',
      '{"n":1E+20}\n',
      '{"n":1e400}\n',
      '{"n":1e21}\n',
      '{"n":1000000000000000000000}\n',
      '{"n":"1e400"}\n',
      '{"n":1e15}\n',
    ),
    events: [[6, 1e21], [7, 1e21], [8, "1e400"], [9, 1e15]],
    gaps: [[1, "number", 0, 24], [2, "number", 25, 26], [3, "number", 52, 19], [
      4,
      "number",
      72,
      11,
    ], [5, "number", 84, 11]],
  },
  {
    name: "integers that JSON.parse would round (J-8)",
    content: bytesOf(
      '{"n":9007199254740993}\n',
      '{"n":9007199254740991}\n',
      '{"n":"9007199254740993"}\n',
      '{"n":[-12345678901234567890]}\n',
      '{"n":1234567890123456.5}\n',
    ),
    events: [[2, 9007199254740991], [3, "9007199254740993"], [5, 1234567890123456.5]],
    gaps: [[1, "number", 0, 22], [4, "number", 71, 29]],
  },
  {
    name: "a key that stands twice: the last one wins (J-10)",
    content: bytesOf('{"n":1,"n":2}\n'),
    events: [[1, 2]],
  },
  {
    name: "unknown fields, the tag anywhere, and an unknown tag (OEV-5, W-OMN-12)",
    content: bytesOf('{"later":{"x":1},"n":1,"type":"node.teleported"}\n'),
    events: [[1, 1]],
  },
  {
    name: "__proto__ as a key",
    content: bytesOf('{"__proto__":{"n":5},"n":1}\n'),
    events: [[1, 1]],
  },
];

function expectedOf({ events, gaps = [] }: Case): unknown {
  return { events, gaps };
}

function summaryOf({ events, gaps }: Read): unknown {
  return {
    events: events.map(({ seq, event }) => [seq, event.n]),
    gaps: gaps.map(({ seq, reason, byteOffset, byteLength }) => [
      seq,
      reason,
      byteOffset,
      byteLength,
    ]),
  };
}

for (const given of cases) {
  Deno.test(`every reader reads ${given.name}`, () =>
    withTempDir(async (root) => {
      writeRun(root, given.content);
      for (const [name, read] of Object.entries(readers)) {
        const wanted = expectedOf(name === "follow" ? withoutTorn(given) : given);
        assertEquals(summaryOf(await read(root, {})), wanted, name);
      }
    }));
}

/** Whoever follows waits for the rest of an unterminated line. */
function withoutTorn(given: Case): Case {
  return { ...given, gaps: (given.gaps ?? []).filter(([, reason]) => reason !== "torn") };
}

Deno.test("strict reading fails at the first bad line, with its 1-based number (OLG-5)", () =>
  withTempDir((root) => {
    for (const given of cases) {
      const path = writeRun(root, given.content);
      const [line, , byteOffset] = given.gaps?.[0] ?? [];
      if (line === undefined || given.strictLine === "none") {
        const { events } = readAll(root, { strict: true });
        const expected = given.strictEvents ?? given.events;
        assertEquals(events.map(({ seq, event }) => [seq, event.n]), expected, given.name);
      } else {
        const error = assertThrows(() => readAll(root, { strict: true }), EventLogError);
        assertEquals(error.kind, "malformed", given.name);
        assertEquals(error.details, { path, line, byteOffset: byteOffset! }, given.name);
        const start = `malformed event at ${path}:${line}: `;
        assertEquals(error.message.slice(0, start.length), start);
      }
    }
  }));

Deno.test("reading changes nothing and leaves nothing behind", () =>
  withTempDir(async (root) => {
    for (const { content } of cases) {
      const path = writeRun(root, content);
      for (const read of Object.values(readers)) await read(root, {});
      assert(sameBytes(readBytes(path), content));
      assertEquals(namesIn(`${root}/runs/demo`), ["events.jsonl"]);
    }
  }));

Deno.test("__proto__ in an event is a member like any other", () =>
  withTempDir((root) => {
    writeRun(root, '{"__proto__":{"n":5},"m":1}\n');
    const [event] = eventsOf(root);
    assertEquals(Object.getPrototypeOf(event), Object.prototype);
    assertEquals(Object.keys(event!), ["__proto__", "m"]);
  }));

Deno.test("all readers agree on any log, wherever they begin and however long their pages are", async () => {
  for (let round = 0; round < longCount(40, 2000); round++) {
    const random = new Random(mixSeeds(seed(), 7, round));
    await withTempDir(async (root) => {
      writeRun(root, damaged(random));
      const whole = readAll(root);
      const last = whole.gaps.at(-1)?.reason === "torn" ? whole.gaps.at(-1)!.seq - 1 : Math.max(
        0,
        ...[...whole.events, ...whole.gaps].map(({ seq }) => seq),
      );
      const after = random.below(last + 1);
      const wanted = {
        events: whole.events.filter(({ seq }) => seq > after),
        gaps: whole.gaps.filter(({ seq }) => seq > after),
      };
      for (const [name, read] of Object.entries(readers)) {
        const torn = name !== "follow";
        const gaps = wanted.gaps.filter(({ reason }) => torn || reason !== "torn");
        assertEquals(await read(root, { after }), { ...wanted, gaps }, `${name}, round ${round}`);
      }
    });
  }
});
