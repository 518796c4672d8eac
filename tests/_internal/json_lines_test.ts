import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { denoFilePort, type FileHandle } from "../../_internal/file_port.ts";
import {
  countLinesSync,
  type LinePiece,
  linePieces,
  linePiecesSync,
  MAX_LINE_BYTES,
} from "../../_internal/json_lines.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { MemoryFile } from "./_memory_file.ts";

const encoder = new TextEncoder();
const NEWLINE = 10;

/** A line, or what stands behind the last newline. */
interface Line {
  byteOffset: number;
  bytes: string;
}

/** What the pieces say, in a form that can be compared. */
interface Split {
  lines: Line[];
  end: { byteOffset: number; byteLength: number };
}

const latin1 = new TextDecoder("latin1");

/** The slow model: all bytes at once, cut at every newline. */
function naiveSplit(bytes: Uint8Array, start: number): Split {
  const lines: Line[] = [];
  let byteOffset = start;
  for (let at = start; at < bytes.length; at++) {
    if (bytes[at] !== NEWLINE) continue;
    lines.push({ byteOffset, bytes: latin1.decode(bytes.subarray(byteOffset, at)) });
    byteOffset = at + 1;
  }
  return { lines, end: { byteOffset, byteLength: bytes.length - byteOffset } };
}

/** Takes pieces up to the next `end`. */
class Collector {
  readonly lines: Line[] = [];

  take(piece: LinePiece): Split | undefined {
    if (piece.kind === "too-long") throw new Error("Cannot happen: no line is that long");
    if (piece.kind === "end") {
      return { lines: this.lines, end: { ...piece, kind: undefined } as never };
    }
    assertEquals(piece.bytes.at(-1), NEWLINE);
    let { byteOffset, skippedNuls } = piece;
    for (let start = 0; start < piece.bytes.length;) {
      const end = piece.bytes.indexOf(NEWLINE, start);
      const bytes = "\0".repeat(skippedNuls) + latin1.decode(piece.bytes.subarray(start, end));
      this.lines.push({ byteOffset, bytes });
      byteOffset += bytes.length + 1;
      skippedNuls = 0;
      start = end + 1;
    }
  }
}

function splitSync(file: FileHandle, options: { start: number; blockBytes: number }): Split {
  const collector = new Collector();
  for (const piece of linePiecesSync(file, options)) {
    const split = collector.take(piece);
    if (split !== undefined) return plain(split);
  }
  throw new Error("Cannot happen: the pieces never end");
}

async function split(
  file: FileHandle,
  options: { start: number; blockBytes: number },
): Promise<Split> {
  const collector = new Collector();
  for await (const piece of linePieces(file, options)) {
    const split = collector.take(piece);
    if (split !== undefined) return plain(split);
  }
  throw new Error("Cannot happen: the pieces never end");
}

function plain({ lines, end: { byteOffset, byteLength } }: Split): Split {
  return { lines, end: { byteOffset, byteLength } };
}

/** Lines short, long, empty and of NULs, in no order, perhaps with an unterminated tail. */
function randomBytes(random: Random): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let count = random.below(12); count > 0; count--) {
    const length = random.pick([0, 1, 7, 8, 9, 63, 64, 65, 200, random.below(600)]);
    const line = new Uint8Array(length);
    if (random.chance(0.7)) line.fill(33 + random.below(90), random.below(length + 1));
    parts.push(line, new Uint8Array([NEWLINE]));
  }
  if (random.chance(0.5)) parts.pop();
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

Deno.test("linePieces() and linePiecesSync() cut any file as a naive split does, however it is read", async () => {
  for (let round = 0; round < longCount(400, 20_000); round++) {
    const random = new Random(mixSeeds(seed(), round));
    const bytes = randomBytes(random);
    const lineStarts = naiveSplit(bytes, 0).lines.map(({ byteOffset }) => byteOffset);
    const start = random.pick([0, ...lineStarts]);
    const blockBytes = random.pick([1, 2, 8, 64, 65, 1000, 4096]);
    const wanted = naiveSplit(bytes, start);
    const message = `round ${round}`;
    const file = () => new MemoryFile(bytes, { most: () => 1 + random.below(blockBytes) });
    assertEquals(splitSync(file(), { start, blockBytes }), wanted, message);
    assertEquals(await split(file(), { start, blockBytes }), wanted, message);
  }
});

Deno.test("linePiecesSync() goes on with what was appended behind an end", () => {
  for (let round = 0; round < longCount(200, 5000); round++) {
    const random = new Random(mixSeeds(seed(), 1, round));
    const bytes = randomBytes(random);
    const file = new MemoryFile(bytes.subarray(0, 0));
    const collector = new Collector();
    const pieces = linePiecesSync(file, { start: 0, blockBytes: random.pick([1, 16, 300]) });
    for (let size = 0; size < bytes.length;) {
      size = Math.min(bytes.length, size + 1 + random.below(150));
      file.bytes = bytes.slice(0, size);
      while (collector.take(pieces.next().value) === undefined);
    }
    assertEquals(collector.lines, naiveSplit(bytes, 0).lines, `round ${round}`);
  }
});

Deno.test("linePiecesSync() tells where an unterminated tail begins and how long it is", () => {
  const file = new MemoryFile(encoder.encode('{"n":1}\n{"n":'));
  for (const blockBytes of [1, 3, 4096]) {
    assertEquals(splitSync(file, { start: 0, blockBytes }).end, { byteOffset: 8, byteLength: 5 });
  }
  const nuls = new MemoryFile(new Uint8Array(100));
  assertEquals(splitSync(nuls, { start: 0, blockBytes: 8 }).end, {
    byteOffset: 0,
    byteLength: 100,
  });
});

/** A file whose torn tail is moved aside, and which is appended to, after the first read of it. */
function fileMendedWhileRead(tail: Uint8Array, after: string): MemoryFile {
  const whole = encoder.encode('{"n":1}\n');
  const file = new MemoryFile(new Uint8Array([...whole, ...tail]));
  file.afterRead = () => file.bytes = new Uint8Array([...whole, ...encoder.encode(after)]);
  return file;
}

Deno.test("linePieces() and linePiecesSync() make no line of a moved tail and a new line", async () => {
  const make = () => fileMendedWhileRead(encoder.encode('{"n":2'), '{"a":34}\n');
  const wanted = naiveSplit(encoder.encode('{"n":1}\n{"a":34}\n'), 0).lines;
  const options = { start: 0, blockBytes: 4096 };
  assertEquals(splitSync(make(), options).lines, wanted);
  assertEquals((await split(make(), options)).lines, wanted);
});

/** As {@linkcode fileMendedWhileRead}, in the middle of its first read, which gives both in one. */
function fileMendedInsideRead(tail: Uint8Array, after: string): MemoryFile {
  const file = fileMendedWhileRead(tail, after);
  const readSync = file.readSync.bind(file);
  file.readSync = (buffer) => {
    file.readSync = readSync;
    const before = file.bytes;
    file.afterRead();
    const count = readSync(buffer);
    buffer.set(before.subarray(0, count ?? 0));
    return count;
  };
  return file;
}

Deno.test("linePieces() and linePiecesSync() make no line of what one read mixed", async () => {
  const make = () => fileMendedInsideRead(encoder.encode('{"a":"xx'), '{"a":"yyyy"}\n');
  const wanted = naiveSplit(encoder.encode('{"n":1}\n{"a":"yyyy"}\n'), 0).lines;
  const options = { start: 0, blockBytes: 4096 };
  assertEquals(splitSync(make(), options).lines, wanted);
  assertEquals((await split(make(), options)).lines, wanted);
});

/** A file that is read twice, and whose end grows, is torn and is mended in the second reading. */
function fileMendedWhileReadAgain(before: string, torn: string, after: string): MemoryFile {
  const states = [before, before, before, before + torn, after].map((text) => encoder.encode(text));
  const file = new MemoryFile(states[0]!, { most: () => before.length / 2 });
  file.afterRead = () => file.bytes = states.shift() ?? file.bytes;
  return file;
}

Deno.test("linePieces() and linePiecesSync() make no line of what was mixed when read again", async () => {
  const before = '{"n":1}\n{"n":2}\n';
  const after = before + '{"a":"yyyyyyyy"}\n{"n":3}\n';
  const make = () => fileMendedWhileReadAgain(before, '{"a":"xx', after);
  const wanted = naiveSplit(encoder.encode(after), 0).lines;
  const options = { start: 0, blockBytes: 4096 };
  const { lines } = splitSync(make(), options);
  assertEquals(lines, wanted.slice(0, lines.length));
  assertEquals((await split(make(), options)).lines, lines);
});

Deno.test("linePieces() and linePiecesSync() do not pass over lines that replaced a tail of NULs", async () => {
  const after = '{"n":2}\n'.repeat(40);
  const make = () => fileMendedWhileRead(new Uint8Array(64), after);
  const wanted = naiveSplit(encoder.encode('{"n":1}\n' + after), 0).lines;
  const options = { start: 8, blockBytes: 32 };
  assertEquals(splitSync(make(), options).lines, wanted.slice(1));
  assertEquals((await split(make(), options)).lines, wanted.slice(1));
});

Deno.test("linePiecesSync() delivers a line of 16 MiB and passes over one with a byte more", () => {
  const longest = new Uint8Array(MAX_LINE_BYTES).fill(120);
  const bytes = new Uint8Array(2 * MAX_LINE_BYTES + 9).fill(120);
  bytes[MAX_LINE_BYTES] = NEWLINE;
  bytes[2 * MAX_LINE_BYTES + 2] = NEWLINE;
  bytes[2 * MAX_LINE_BYTES + 5] = NEWLINE;
  for (const blockBytes of [4096, 256 * 1024, 100_000]) {
    const pieces = linePiecesSync(new MemoryFile(bytes), { start: 0, blockBytes });
    const first = pieces.next().value;
    assert(first.kind === "lines");
    assertEquals(first.bytes.length, longest.length + 1);
    assertEquals(pieces.next().value, {
      kind: "too-long",
      byteOffset: MAX_LINE_BYTES + 1,
      byteLength: MAX_LINE_BYTES + 1,
    });
    const last = pieces.next().value;
    assert(last.kind === "lines");
    assertEquals([last.byteOffset, last.bytes.length], [2 * MAX_LINE_BYTES + 3, 3]);
    assertEquals(pieces.next().value, {
      kind: "end",
      byteOffset: 2 * MAX_LINE_BYTES + 6,
      byteLength: 3,
    });
  }
});

Deno.test("linePiecesSync() holds no NUL run in memory, however long, nor loses the line behind", () =>
  withTempDir((directory) => {
    const nuls = 40 * 1024 * 1024;
    const path = `${directory}/log`;
    Deno.writeTextFileSync(path, '{"n":1}\n');
    Deno.truncateSync(path, 8 + nuls);
    Deno.writeTextFileSync(path, '{"n":2}\n{"n":3}\n', { append: true });
    const file = denoFilePort.openSync(path, { read: true });
    const pieces = [];
    for (const piece of linePiecesSync(file, { start: 0, blockBytes: 32 * 1024 })) {
      if (piece.kind === "end") break;
      assert(piece.kind === "lines");
      assert(piece.bytes.length <= 32 * 1024);
      pieces.push({ ...piece, bytes: new TextDecoder().decode(piece.bytes).replace(/^\0+/, "") });
    }
    file.close();
    assertEquals(pieces.map(({ bytes }) => bytes), ['{"n":1}\n', '{"n":2}\n{"n":3}\n']);
    assertEquals(pieces[1]?.byteOffset, 8);
    assertLess(nuls - pieces[1]!.skippedNuls, 32 * 1024);
  }));

Deno.test("linePieces() makes the module's error of a read that throws before it makes a promise", async () => {
  const file = new MemoryFile(encoder.encode("a\n"));
  file.read = () => {
    throw new Error("refused at once");
  };
  const failed = (cause: unknown) => new RangeError("of the module", { cause });
  const pieces = linePieces(file, { start: 0, blockBytes: 16, failed });
  const error = await assertRejects(() => pieces.next(), RangeError, "of the module");
  assertEquals((error.cause as Error).message, "refused at once");
});

Deno.test("countLinesSync() counts what a naive split finds", () => {
  for (let round = 0; round < longCount(300, 5000); round++) {
    const random = new Random(mixSeeds(seed(), 2, round));
    const bytes = randomBytes(random);
    const start = random.pick([0, ...naiveSplit(bytes, 0).lines.map((line) => line.byteOffset)]);
    const { lines, end } = naiveSplit(bytes, start);
    const file = new MemoryFile(bytes, { most: () => 1 + random.below(100) });
    assertEquals(
      countLinesSync(file, start),
      { lines: lines.length, lineEnd: end.byteOffset, size: bytes.length },
      `round ${round}`,
    );
  }
});

Deno.test("countLinesSync() ends, though others append faster than it reads", () => {
  const file = new MemoryFile(encoder.encode('{"n":1}\n'));
  let reads = 0;
  file.afterRead = () => {
    assert(++reads < 1000, "it runs after the end of the file");
    file.bytes = new Uint8Array([...file.bytes, ...encoder.encode('{"n":2}\n')]);
  };
  assertEquals(countLinesSync(file, 8).lines, 0);
  assertEquals(countLinesSync(file, 0).lines >= 1, true);
});

Deno.test("countLinesSync() reads each byte once", () =>
  withTempDir((directory) => {
    const port = new FaultPort();
    Deno.writeTextFileSync(`${directory}/log`, '{"n":1}\n'.repeat(100_000));
    const file = port.openSync(`${directory}/log`, { read: true });
    assertEquals(countLinesSync(file, 80).lines, 99_990);
    assertEquals(port.bytesRead, 799_920);
    file.close();
  }));
