import { assert, assertEquals, assertFalse, assertLess, assertThrows } from "@std/assert";
import {
  denoFilePort,
  type FilePort,
  readRangeSync,
  runSteps,
  runStepsSync,
} from "../../_internal/file_port.ts";
import {
  cutSync,
  isJsonObject,
  lastLineEndSync,
  LineFile,
  recoverTailSync,
  type Recovery,
  UnknownOutcomeError,
} from "../../_internal/line_file.ts";
import { MAX_LINE_BYTES } from "../../_internal/json_lines.ts";
import { CommitQueue } from "../../_internal/lock.ts";
import { SyncPace } from "../../_internal/sync_pace.ts";
import { everyCut } from "../_util/every_cut.ts";
import { everyFailure } from "../_util/every_failure.ts";
import { withStoppedClock } from "../_util/fast_clock.ts";
import { FaultPort } from "../_util/fault_port.ts";
import {
  appendTo,
  modeOf,
  namesIn,
  readBytes,
  readText,
  sameBytes,
  truncate,
  write,
} from "../_util/files.ts";
import { longCount, withTempDir } from "../_util/temp.ts";

const encoder = new TextEncoder();
const GOOD = '{"n":1}\n{"n":2}\n';

/** Mends the file at `path` as whoever opens it does, who holds its lock. */
function mend(port: FilePort, path: string): Recovery {
  const file = port.openSync(path, { read: true, append: true });
  try {
    const size = file.seekSync(0, Deno.SeekMode.End);
    const tailStart = lastLineEndSync(file, size);
    return recoverTailSync(port, { path, file, tailStart, size });
  } finally {
    file.close();
  }
}

Deno.test("isJsonObject() wants exactly one JSON object in valid UTF-8", () => {
  const is = (text: string) => isJsonObject(encoder.encode(text));
  for (const text of ["{}", '{"a":[1,{"b":null}]}', ' {"a":1}\r', '{"é":"😀"}']) assert(is(text));
  for (
    const text of [
      "",
      " ",
      "null",
      "[]",
      "1",
      '"{}"',
      '{"a":1',
      '{"a":1}{"b":2}',
      '{"a":1},',
      '\ufeff{"a":1}',
      '\0{"a":1}',
      '{"a":"\n"}',
    ]
  ) assertFalse(is(text), JSON.stringify(text));
  assertFalse(isJsonObject(new Uint8Array([123, 34, 0xff, 34, 58, 49, 125])));
});

Deno.test("lastLineEndSync() finds the last newline wherever blocks begin and end", () =>
  withTempDir((directory) => {
    const block = 64 * 1024;
    const port = new FaultPort();
    const cases = [
      [0, 0],
      [0, 5],
      [1, 0],
      [1, block - 1],
      [1, block],
      [1, block + 1],
      [block, 0],
      [block, 3 * block],
      [block + 7, 2 * block - 1],
    ] as const;
    for (const [lineBytes, tailBytes] of cases) {
      const bytes = new Uint8Array(lineBytes + tailBytes).fill(120);
      if (lineBytes > 0) bytes[lineBytes - 1] = 10;
      write(`${directory}/log`, bytes);
      const file = port.openSync(`${directory}/log`, { read: true });
      assertEquals(lastLineEndSync(file, bytes.length), lineBytes, `${lineBytes} + ${tailBytes}`);
      file.close();
    }
  }));

Deno.test("lastLineEndSync() of a long file reads its last block only", () =>
  withTempDir((directory) => {
    const port = new FaultPort();
    write(`${directory}/log`, GOOD.repeat(100_000));
    const file = port.openSync(`${directory}/log`, { read: true });
    assertEquals(lastLineEndSync(file, GOOD.length * 100_000), GOOD.length * 100_000);
    assertEquals(port.bytesRead, 64 * 1024);
    file.close();
  }));

Deno.test("readRangeSync() reads exactly the range, and less where the file ends", () =>
  withTempDir((directory) => {
    write(`${directory}/log`, "0123456789");
    const file = denoFilePort.openSync(`${directory}/log`, { read: true });
    const text = (start: number, end: number) =>
      new TextDecoder().decode(readRangeSync(file, start, end));
    assertEquals(text(2, 5), "234");
    assertEquals(text(5, 5), "");
    assertEquals(text(8, 20), "89");
    assertEquals(text(20, 30), "");
    file.close();
  }));

Deno.test("cutSync() shortens the file that is open, not one that has taken its place", () =>
  withTempDir((directory) => {
    const path = `${directory}/log`;
    write(path, GOOD);
    Deno.chmodSync(path, 0o640);
    using file = Deno.openSync(path, { read: true, append: true });
    cutSync(denoFilePort, { path, file }, 3);
    assertEquals(readText(path), GOOD.slice(0, 3));
    if (Deno.build.os === "windows") return;
    assertEquals(modeOf(path), 0o640);
    Deno.renameSync(path, `${path}.old`);
    write(path, GOOD);
    cutSync(denoFilePort, { path, file }, 1);
    assertEquals([readText(`${path}.old`), readText(path)], ["{", GOOD]);
  }));

Deno.test("recoverTailSync() does nothing to a file that ends in a newline, or is empty", () =>
  withTempDir((directory) => {
    const path = `${directory}/log`;
    for (const content of ["", GOOD, "\n", "garbage\n"]) {
      write(path, content);
      const port = new FaultPort();
      assertEquals(mend(port, path), { completed: false });
      assertEquals(port.count("writeSync", "truncateSync", "syncDataSync"), 0);
      assertEquals(readText(path), content);
    }
    assertEquals(namesIn(directory), ["log"]);
  }));

Deno.test("recoverTailSync() gives a whole object its newline (W-OMN-2)", () =>
  withTempDir((directory) => {
    const path = `${directory}/log`;
    write(path, GOOD + '{"n":3}');
    assertEquals(mend(denoFilePort, path), { completed: true });
    assertEquals(readText(path), GOOD + '{"n":3}\n');
    assertEquals(mend(denoFilePort, path), { completed: false });
    assertEquals(namesIn(directory), ["log"]);
  }));

Deno.test("recoverTailSync() moves anything else aside byte for byte, into a new file each time", () =>
  withTempDir((directory) => {
    const path = `${directory}/log`;
    const tails = [
      encoder.encode('{"n":3'),
      new Uint8Array(200_000),
      new Uint8Array([0xff, 0xfe, 0x00]),
      encoder.encode("[3]"),
      encoder.encode(`{"text":"${"x".repeat(MAX_LINE_BYTES)}"}`),
    ];
    for (const [index, tail] of tails.entries()) {
      write(path, GOOD);
      appendTo(path, tail);
      const tornFile = `${path}.torn-${index + 1}`;
      assertEquals(mend(denoFilePort, path), { completed: false, tornFile });
      assertEquals(readText(path), GOOD);
      assert(sameBytes(readBytes(tornFile), tail));
      if (Deno.build.os !== "windows") {
        assertEquals(modeOf(tornFile), 0o600);
      }
    }
  }));

/** Where the hole of a tail is: in front, in the middle, or behind. */
const HOLES: Record<string, [before: string, behind: string]> = {
  "that begins with NULs": ["", "end"],
  "with NULs inside": ["begin", "end"],
  "that ends with NULs": ["begin", ""],
  "of nothing but NULs": ["", ""],
};

for (const [what, [before, behind]] of Object.entries(HOLES)) {
  Deno.test(`recoverTailSync() moves a tail ${what} aside without filling its hole`, {
    // No other system tells how much room a file takes.
    ignore: Deno.build.os !== "linux",
  }, () =>
    withTempDir((directory) => {
      const path = `${directory}/log`;
      const holeBytes = longCount(256, 3 * 1024) * 1024 * 1024;
      write(path, GOOD + before);
      truncate(path, GOOD.length + before.length + holeBytes);
      appendTo(path, behind);
      const port = new FaultPort();
      const tornFile = mend(port, path).tornFile!;
      assertEquals([tornFile, readText(path)], [`${path}.torn-1`, GOOD]);
      const { size, blocks } = Deno.statSync(tornFile);
      assertEquals(size, before.length + holeBytes + behind.length);
      assertLess(blocks! * 512, 2 * 1024 * 1024, "the hole was filled");
      assertLess(
        port.bytesRead,
        2.1 * size,
        "it is read twice: to find its beginning, and to copy it",
      );
      using file = Deno.openSync(tornFile);
      const text = (start: number, end: number) =>
        new TextDecoder().decode(readRangeSync(file, start, end));
      assertEquals(text(0, before.length + 1), before + "\0");
      assertEquals(text(size - behind.length - 1, size), "\0" + behind);
    }));
}

Deno.test("recoverTailSync() has the quarantine on disk before it cuts", () =>
  withTempDir((root) => {
    const path = `${root}/log`;
    write(path, GOOD + "torn");
    const port = new FaultPort({ root });
    mend(port, path);
    const changes = port.calls.filter(({ name }) =>
      ["writeSync", "syncSync", "truncateSync", "syncDataSync"].includes(name)
    );
    assertEquals(changes.map(({ name, path }) => [name, path.slice(root.length)]), [
      ["writeSync", "/log.torn-1"],
      ["syncSync", "/log.torn-1"],
      ...(Deno.build.os === "windows" ? [] : [["syncSync", ""]]),
      ["truncateSync", "/log"],
      ["syncDataSync", "/log"],
    ]);
  }));

Deno.test("recoverTailSync(), its power cut after any call, loses neither lines nor tail", async () => {
  const tail = "torn".repeat(3000);
  for (const lines of [GOOD, GOOD.repeat(300), ""]) {
    await everyCut((port, root, done) => {
      mend(port, `${root}/log`);
      done.push("mended");
    }, (image, { acknowledged }) => {
      const path = `${image}/log`;
      const kept = readText(path);
      const torn = namesIn(image).filter((name) => name !== "log")
        .map((name) => readText(`${image}/${name}`));
      assert(kept.startsWith(lines), "a whole line is gone");
      assert(kept === lines + tail || torn.includes(tail), "the tail is gone");
      if (acknowledged.length > 0) assertEquals(kept, lines, "what was mended is not on disk");
      mend(denoFilePort, path);
      assertEquals(readText(path), lines);
    }, { before: (root) => write(`${root}/log`, lines + tail) });
  }
});

Deno.test("recoverTailSync() has the newline of a whole object on disk when it returns", async () => {
  await everyCut((port, root, done) => {
    mend(port, `${root}/log`);
    done.push("mended");
  }, (image, { acknowledged }) => {
    const kept = readText(`${image}/log`);
    const completed = `${GOOD}{"n":3}\n`;
    if (acknowledged.length > 0) assertEquals(kept, completed);
    mend(denoFilePort, `${image}/log`);
    assert(readText(`${image}/log`).startsWith(GOOD));
  }, { before: (root) => write(`${root}/log`, `${GOOD}{"n":3}`) });
});

Deno.test("recoverTailSync(), any of its calls failing, throws and loses nothing", async () => {
  for (const tail of ['{"n":3}', "torn"]) {
    await everyFailure((port, root) => void mend(port, `${root}/log`), (root, { error, call }) => {
      const path = `${root}/log`;
      const kept = readText(path);
      const torn = namesIn(root).filter((name) => name !== "log")
        .map((name) => readText(`${root}/${name}`));
      assertEquals(error === undefined, call === undefined);
      assert(kept.startsWith(GOOD));
      assert(kept.startsWith(GOOD + tail) || torn.includes(tail), "the tail is gone");
      mend(denoFilePort, path);
      const mended = tail === "torn" ? GOOD : `${GOOD}${tail}\n`;
      assertEquals(readText(path), mended);
    }, { before: (root) => write(`${root}/log`, GOOD + tail) });
  }
});

Deno.test("recoverTailSync() leaves no half quarantine file when the disk is full", () =>
  withTempDir((directory) => {
    const path = `${directory}/log`;
    write(path, GOOD + "torn");
    const port = new FaultPort();
    port.shortWriteAt(1, 2, { thenFail: true });
    assertThrows(() => mend(port, path), Error, "No space left");
    assertEquals(namesIn(directory), ["log"]);
    assertEquals(readText(path), GOOD + "torn");
    assertEquals(port.openCount, 0);
    port.reset();
    port.shortWriteAt(1, 0);
    assertThrows(() => mend(port, path), Error, "took none of the bytes");
  }));

const OWNED = { read: true, write: true, create: true, mode: 0o600 };

Deno.test("a LineFile grows by NULs that later lines take the place of", () =>
  withTempDir((directory) => {
    const path = `${directory}/lines`;
    const port = new FaultPort();
    const handle = port.openSync(path, OWNED);
    const file = new LineFile(handle, { end: 0, growthBytes: 16 });
    const sizes: number[] = [];
    for (const text of ["one\n", "two\n", "a longer line\n", "four\n"]) {
      file.append(encoder.encode(text));
      sizes.push(Deno.statSync(path).size);
      runStepsSync(file.sync());
    }
    assertEquals(sizes, [16, 16, 32, 32]);
    assertEquals(port.count("writeSync"), 4);
    handle.close();
    assertEquals(readText(path), `one\ntwo\na longer line\nfour\n${"\0".repeat(5)}`);
    assertEquals(file.end, 27);
  }));

Deno.test("a LineFile leaves none of the lines of a write that failed, and goes on behind the last", () =>
  withTempDir((directory) => {
    const path = `${directory}/lines`;
    const port = new FaultPort();
    const handle = port.openSync(path, OWNED);
    const file = new LineFile(handle, { end: 0, growthBytes: 16 });
    file.append(encoder.encode("one\n"));
    port.reset();
    port.shortWriteAt(1, 3);
    const failing = () => file.append(encoder.encode("two\nthree\n"));
    assertThrows(failing, Error, "Only 3 of 10 bytes were written");
    assertEquals([readText(path), file.end], ["one\n", 4]);
    file.append(encoder.encode("two\n"));
    assertEquals(readText(path).replaceAll("\0", ""), "one\ntwo\n");
    port.reset();
    port.shortWriteAt(1, 3);
    port.failAt(1, { only: ["truncateSync"] });
    const error = assertThrows(failing, UnknownOutcomeError, "could not be cut back");
    assertEquals(error.errors.length, 2);
    handle.close();
  }));

Deno.test("a CommitQueue serves all who came meanwhile in one group, in their order", async () => {
  const groups: number[][] = [];
  const queue: CommitQueue<number, number> = new CommitQueue({
    async commitGroup() {
      const group: number[] = [];
      for (const waiting of queue.take()) {
        group.push(waiting.request);
        waiting.resolve(waiting.request * 2);
      }
      groups.push(group);
      if (groups.length === 1) later.push(queue.submit(3), queue.submit(4));
      await Promise.resolve();
    },
  });
  const later: Promise<number>[] = [];
  const first = [queue.submit(1), queue.submit(2)];
  assertEquals(queue.size, 2);
  await queue.drained();
  assertEquals(await Promise.all([...first, ...later]), [2, 4, 6, 8]);
  assertEquals(groups, [[1, 2], [3, 4]]);
});

Deno.test("a CommitQueue rejects only those who had come before what failed", async () => {
  let tries = 0;
  const queue: CommitQueue<string, string> = new CommitQueue({
    async commitGroup() {
      if (++tries === 1) {
        await Promise.resolve();
        later = queue.submit("later");
        throw new Error("no room");
      }
      for (const waiting of queue.take()) waiting.resolve(waiting.request);
    },
  });
  let later: Promise<string> | undefined;
  const outcomes = await Promise.allSettled([queue.submit("a"), queue.submit("b")]);
  assertEquals(outcomes.map(({ status }) => status), ["rejected", "rejected"]);
  assertEquals(await later, "later");
});

Deno.test("a CommitQueue leaves those waiting who had no room, but for one who gave up", async () => {
  const groups: number[][] = [];
  const gaveUp = new AbortController();
  const queue: CommitQueue<number, number> = new CommitQueue({
    // deno-lint-ignore require-await -- what is thrown is to be a rejection
    async commitGroup() {
      const group: number[] = [];
      for (const waiting of queue.take()) {
        group.push(waiting.request);
        waiting.resolve(waiting.request);
        // Of the four that wait, the first is taken and the third leaves.
        if (waiting.request === 1) gaveUp.abort(new Error("enough"));
        if (group.length === 2) break;
      }
      groups.push(group);
    },
  });
  const answers = [1, 2, 3, 4].map((request) => {
    return queue.submit(request, request === 1 || request === 3 ? gaveUp.signal : undefined);
  });
  const outcomes = await Promise.allSettled(answers);
  assertEquals(groups, [[1, 2], [4]]);
  const kinds = outcomes.map(({ status }) => status);
  assertEquals(kinds, ["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  assertEquals(queue.size, 0);
});

/** Tells a pace of syncs that took so long, in the form that it asked for; returns these forms. */
function formsOf(pace: SyncPace, times: readonly number[]): string {
  return times.map((ms) => {
    const isBlocking = pace.mayBlock;
    pace.took(ms, { isBlocking });
    return isBlocking ? "b" : "f";
  }).join("");
}

Deno.test("SyncPace blocks where syncs are fast, and leaves the event loop free now and then", () => {
  const fast = new Array(60).fill(0.4);
  const b16 = "b".repeat(16);
  assertEquals(formsOf(new SyncPace(), fast), `ffff${b16}f${b16}f${b16}fbbbbb`);
});

Deno.test("SyncPace leaves the event loop free for nobody who had a turn of it before each sync", () => {
  const pace = new SyncPace();
  for (let n = 0; n < 60; n++) {
    assertEquals(pace.mayBlock, n >= 4);
    pace.took(0.4, { isBlocking: pace.mayBlock, isTurnOver: true });
  }
});

Deno.test("SyncPace never blocks where syncs are slow, and a slow one is not soon followed by another", () => {
  assertEquals(formsOf(new SyncPace(), new Array(100).fill(1.1)), "f".repeat(100));
  const pace = new SyncPace();
  assertEquals(formsOf(pace, [0.4, 0.4, 0.4, 0.4, 30]), "ffffb");
  assertEquals(formsOf(pace, new Array(31).fill(0.4)), `${"f".repeat(30)}b`);
  assertEquals(formsOf(pace, [3000, ...new Array(33).fill(0.4)]), `b${"f".repeat(32)}b`);
  // One that is just slow, as one in a hundred is on most disks, holds up nobody for long.
  assertEquals(formsOf(pace, [1.1, 0.4, 0.4, 0.4]), "bffb");
  // Every third one is slow: the event loop stands still for none.
  const mixed = Array.from({ length: 99 }, (_, n) => n % 3 === 2 ? 30 : 0.4);
  assertEquals(formsOf(new SyncPace(), mixed), "f".repeat(99));
});

/** Whether a sync blocks of `bytes` blocks after four fast ones. */
async function isBlocking(options: { mayBlock?: boolean }, bytes = 8): Promise<boolean> {
  return await withStoppedClock(() =>
    withTempDir(async (directory) => {
      const port = new FaultPort();
      const path = `${directory}/lines`;
      const handle = port.openSync(path, { read: true, append: true, create: true });
      const file = new LineFile(handle, { end: 0 });
      for (let n = 0; n < 4; n++) await runSteps(file.sync(options));
      assertEquals(port.count("syncDataSync"), 0);
      file.append(encoder.encode(`${"x".repeat(bytes - 1)}\n`));
      await runSteps(file.sync(options));
      handle.close();
      return port.count("syncDataSync") === 1;
    })
  );
}

Deno.test("LineFile.sync() blocks only for who says that it may, and where there is little to sync", async () => {
  assert(await isBlocking({ mayBlock: true }));
  assertFalse(await isBlocking({}));
  assert(await isBlocking({ mayBlock: true }, 64 * 1024));
  assertFalse(await isBlocking({ mayBlock: true }, 64 * 1024 + 1));
});

Deno.test("a CommitQueue tells whether all who were answered have come again", async () => {
  const seen: boolean[] = [];
  const queue: CommitQueue<number, number> = new CommitQueue({
    // deno-lint-ignore require-await -- an answer is a promise
    async commitGroup() {
      for (const waiting of queue.take()) waiting.resolve(waiting.request);
      seen.push(queue.isSteady);
    },
  });
  for (let n = 0; n < 3; n++) await queue.submit(n);
  for (let n = 0; n < 2; n++) await Promise.all([1, 2].map((n) => queue.submit(n)));
  // Of those two the first may be back before the second.
  for (let n = 0; n < 3; n++) await queue.submit(n);
  assertEquals(seen, [false, true, true, false, true, false, true, true]);
});
