import { assert, assertEquals, assertLessOrEqual, assertRejects, assertThrows } from "@std/assert";
import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import { MAX_LINE_BYTES } from "../../_internal/json_lines.ts";
import { EventLogError } from "../../eventlog/mod.ts";
import { readPageSync } from "../../eventlog/read_run.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { appendTo, truncate, write } from "../_util/files.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import {
  type AnyEvent,
  bytesOf,
  lockedPathOf,
  numbered,
  numberedLines,
  openLog,
  pathOf,
  RUN_ID,
  writeRun,
} from "./_runs.ts";

Deno.test("read() gives 100 lines from the beginning by default, and pages go on from each other", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    await log.appendAll(numbered(250));
    const first = await log.read();
    assertEquals(first.events.map(({ seq }) => seq), numbered(100).map(({ n }) => n as number));
    assert(first.hasMore);
    const second = await log.read({ after: first.next });
    const third = await log.read({ after: second.next });
    assertEquals(second.events.at(-1), { seq: 200, event: { n: 200 } });
    assertEquals([third.events.length, third.hasMore], [50, false]);
    const none = await log.read({ after: third.next });
    assertEquals(none, { events: [], gaps: [], next: third.next, hasMore: false });
    await log.append({ n: 251 });
    assertEquals((await log.read({ after: none.next })).events, [{ seq: 251, event: { n: 251 } }]);
  }));

Deno.test("read() takes a limit from 1 to 10,000 and nothing else", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    await log.appendAll(numbered(10_001));
    for (const limit of [1, 99, 10_000]) {
      const page = await log.read({ limit });
      assertEquals([page.events.length, page.hasMore], [limit, true]);
    }
    for (const limit of [0, -1, 10_001, 1.5, NaN, Infinity]) {
      await assertRejects(() => log.read({ limit }), RangeError, "limit must be from 1 to 10000");
    }
  }));

Deno.test("read() begins behind a seq, or at the end", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    assertEquals((await log.read({ after: 0 })).events, []);
    assertEquals((await log.read({ after: "end" })).events, []);
    await log.appendAll(numbered(5));
    assertEquals((await log.read({ after: 3 })).events.map(({ seq }) => seq), [4, 5]);
    const end = await log.read({ after: "end" });
    assertEquals([end.events.length, end.hasMore], [0, false]);
    assertEquals(end.next, (await log.read({ after: 5 })).next);
    await log.append({ n: 6 });
    assertEquals((await log.read({ after: end.next })).events.map(({ seq }) => seq), [6]);
    const error = await assertRejects(() => log.read({ after: 7 }), EventLogError);
    assertEquals([error.kind, error.details.expected, error.details.actual], ["cursor", 7, 6]);
    for (const after of [-1, 1.5, NaN, Infinity, 2 ** 53]) {
      await assertRejects(() => log.read({ after }), RangeError, "Cannot read after seq");
    }
  }));

Deno.test("read() finds the place behind a seq among lines of any kind", () =>
  withTempDir(async (root) => {
    const long = `{"x":"${"x".repeat(MAX_LINE_BYTES)}"}\n`;
    const nuls = "\0".repeat(600_000);
    const lines = ['{"n":1}\n', long, "\n", `${nuls}{"n":4}\n`, '{"n":5}\n', '{"n":6}\n', "torn"];
    writeRun(root, lines.join(""));
    await using log = await openLog(root);
    let byteOffset = 0;
    for (let seq = 1; seq <= 6; seq++) {
      byteOffset += lines[seq - 1]!.length;
      const { next, events, gaps } = readPageSync(denoFilePort, { root, runId: RUN_ID }, {
        after: seq,
        limit: 1,
      });
      const [first] = [...events, ...gaps];
      assertEquals(first?.seq, seq === 6 ? undefined : seq + 1);
      if (seq === 6) assert(next.startsWith(`6-${byteOffset}-`), next);
    }
    const error = await assertRejects(() => log.read({ after: 7 }), EventLogError);
    assertEquals(error.details.actual, 6);
  }));

Deno.test("read() counts damaged and blank lines as lines, torn ones not", () =>
  withTempDir(async (root) => {
    writeRun(root, '\ngarbage\n{"n":3}\n{"n":4}\n{"n"');
    await using log = await openLog(root);
    appendTo(log.path, '{"n"');
    assertEquals((await log.read({ after: 2 })).events.map(({ seq }) => seq), [3, 4]);
    assertEquals((await log.read({ after: "end" })).gaps[0]?.reason, "torn");
    assertEquals((await log.read({ after: 1, limit: 1 })).gaps.map(({ seq }) => seq), [2]);
    assertEquals((await log.read({ limit: 2 })).hasMore, true);
    assertEquals(await log.lastSeq(), 4);
  }));

Deno.test("read() begins behind a seq also where lines are too long to hold", () =>
  withTempDir((root) => {
    const long = "x".repeat(MAX_LINE_BYTES + 1);
    writeRun(root, bytesOf(numberedLines(1), new Uint8Array(700_000), '{"n":2}\n', long, "\n{}\n"));
    const read = (after: number | "end") =>
      readPageSync<AnyEvent>(denoFilePort, { root, runId: RUN_ID }, { after });
    assertEquals(read(1).events.map(({ seq }) => seq), [2, 4]);
    assertEquals(read(2).gaps.map(({ seq, reason }) => [seq, reason]), [[3, "too-long"]]);
    assertEquals(read(3).events, [{ seq: 4, event: {} }]);
    assertEquals(read("end").next, read(4).next);
  }));

Deno.test("read() refuses what is no cursor", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    await log.append({ n: 1 });
    const { next } = await log.read();
    const texts = ["", " ", "END", "1", "1-8", "1-8-zz", `${next} `, `${next}-1`, `-${next}`];
    for (const after of [...texts, "1.5-8-0", "7-0-0", "0-8-0", "9-8-0", `1-8-${"0".repeat(9)}`]) {
      await assertRejects(() => log.read({ after }), TypeError, "no cursor", after);
    }
  }));

async function cursorError(root: string, after: string): Promise<EventLogError> {
  await using log = await openLog(root);
  const error = await assertRejects(() => log.read({ after }), EventLogError);
  assertEquals([error.kind, error.details.path], ["cursor", log.path]);
  return error;
}

Deno.test("read() notices that the log was rewound, or is another one", () =>
  withTempDir(async (root) => {
    const path = writeRun(root, numberedLines(9));
    const log = await openLog(root);
    const { next } = await log.read({ limit: 5 });
    await log.close();

    truncate(path, 24);
    const error = await cursorError(root, next);
    assertEquals([error.details.line, error.details.byteOffset, error.details.actual], [5, 40, 24]);
    write(path, numberedLines(3) + '{"m":4}\n'.repeat(6));
    await cursorError(root, next);
    write(path, numberedLines(4) + '{"nnnnn":5,"m":66}\n' + numberedLines(3));
    await cursorError(root, next);
    write(path, "x".repeat(39) + "\n" + numberedLines(4));
    await cursorError(root, next);
    // Another log whose line before the place is the same cannot be told apart, as documented.
    write(path, numberedLines(9));
    await using same = await openLog(root);
    assertEquals((await same.read({ after: next })).events[0], { seq: 6, event: { n: 6 } });
  }));

Deno.test("read() notices a cursor that was edited", () =>
  withTempDir(async (root) => {
    writeRun(root, '{"t":"tick"}\n'.repeat(9));
    const log = await openLog(root);
    const { next } = await log.read({ limit: 5 });
    await log.close();
    const [seq, offset, checksum] = next.split("-");
    assertEquals(seq, "5");
    // Lines of the same content, and places where lines begin, are no excuse.
    await cursorError(root, `4-${offset}-${checksum}`);
    await cursorError(root, `6-${offset}-${checksum}`);
    await cursorError(root, `5-${Number(offset) - 13}-${checksum}`);
    await cursorError(root, `6-${Number(offset) + 13}-${checksum}`);
    await cursorError(root, `5-${offset}-0`);
  }));

Deno.test("a cursor checks no more than 4 KiB of the line before it", () =>
  withTempDir((root) => {
    const long = `{"text":"${"x".repeat(100_000)}"}\n`;
    writeRun(root, long + numberedLines(3));
    const port = new FaultPort();
    const run = { root, runId: RUN_ID };
    const { next } = readPageSync(port, run, { limit: 1 });
    port.reset();
    assertEquals(readPageSync(port, run, { after: next, limit: 1 }).events[0]?.seq, 2);
    assertLessOrEqual(port.bytesRead, 4096 + 4096 + 24 + 1);
  }));

Deno.test("a cursor stays good while others append, and when a torn tail behind it is moved", () =>
  withTempDir(async (root) => {
    const path = writeRun(root, numberedLines(3) + '{"torn":');
    const run = { root, runId: RUN_ID };
    const before = readPageSync<AnyEvent>(denoFilePort, run, {});
    assertEquals(before.gaps.map(({ reason }) => reason), ["torn"]);
    await using log = await openLog(root);
    assertEquals(log.recovery.tornFile, `${path}.torn-1`);
    await log.append({ n: 4 });
    const after = await log.read({ after: before.next });
    assertEquals(after.events, [{ seq: 4, event: { n: 4 } }]);
    assertEquals(after.gaps, []);
  }));

Deno.test("read() tells of a torn tail, also behind a page that is full", () =>
  withTempDir((root) => {
    writeRun(root, numberedLines(4) + '{"torn":');
    const run = { root, runId: RUN_ID };
    for (const limit of [1, 2, 4, 100]) {
      let after: string | number = 0;
      const gaps = [];
      for (let hasMore = true; hasMore;) {
        const page: ReturnType<typeof readPageSync> = readPageSync(denoFilePort, run, {
          after,
          limit,
        });
        gaps.push(...page.gaps);
        hasMore = page.hasMore;
        after = page.next;
      }
      assertEquals(gaps.map(({ seq, reason }) => [seq, reason]), [[5, "torn"]], `limit ${limit}`);
    }
  }));

Deno.test("read() calls a tail in flight while somebody holds the lock, and torn when nobody does", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    await log.append({ n: 1 });
    appendTo(log.path, '{"n":');
    const lock = denoFilePort.openSync(lockedPathOf(root), { read: true, append: true });
    assert(lock.tryLockSync(true));
    assertEquals((await log.read()).gaps, []);
    lock.close();
    assertEquals((await log.read()).gaps.map(({ reason }) => reason), ["torn"]);
  }));

Deno.test("read() calls no tail torn whose writer ends the line before the lock is asked for", () =>
  withTempDir((root) => {
    const path = writeRun(root, numberedLines(1) + '{"n":');
    write(pathOf(root, "events.lock"), "");
    const port: FilePort = {
      ...denoFilePort,
      openSync: (opened, options) => {
        if (opened.endsWith("events.lock")) appendTo(path, "2}\n");
        return denoFilePort.openSync(opened, options);
      },
    };
    const run = { root, runId: RUN_ID };
    const { events, gaps, next, hasMore } = readPageSync<AnyEvent>(port, run, {});
    assertEquals([events.map(({ event }) => event.n), gaps, hasMore], [[1], [], false]);
    const { events: later } = readPageSync<AnyEvent>(denoFilePort, run, { after: next });
    assertEquals(later, [{ seq: 2, event: { n: 2 } }]);
  }));

/** A file whose first read gives bytes of a torn tail that was moved aside while it was read. */
function portThatMixes(tail: string, at: number): FilePort {
  let mixed = false;
  return {
    ...denoFilePort,
    openSync: (path, options) => {
      const file = denoFilePort.openSync(path, options);
      const readSync = file.readSync.bind(file);
      file.readSync = (buffer) => {
        const count = readSync(buffer);
        if (!mixed && count !== null && count > at) {
          mixed = true;
          buffer.set(new TextEncoder().encode(tail), at);
        }
        return count;
      };
      return file;
    },
  };
}

Deno.test("read() finds no gap where one read gave bytes of two states of the file", () =>
  withTempDir((root) => {
    writeRun(root, numberedLines(3));
    const run = { root, runId: RUN_ID };
    const { events, gaps } = readPageSync<AnyEvent>(portThatMixes('{"torn', 8), run, {});
    assertEquals([events.map(({ event }) => event), gaps], [numbered(3), []]);
  }));

Deno.test("read() does not fail where a reader cannot ask for the lock", () =>
  withTempDir((root) => {
    writeRun(root, numberedLines(1) + '{"n":');
    write(pathOf(root, "events.lock"), "");
    const port = new FaultPort();
    port.failAt(1, { only: ["tryLockSync"], error: new Error("Bad file descriptor") });
    const { events, gaps } = readPageSync(port, { root, runId: RUN_ID }, {});
    assertEquals([events.length, gaps[0]?.reason], [1, "torn"]);
    assertEquals(port.openCount, 0);
  }));

Deno.test("read() calls no tail torn where the lock beside the log may not be opened", () =>
  withTempDir((root) => {
    writeRun(root, numberedLines(1) + '{"n":');
    write(pathOf(root, "events.lock"), "");
    const errors = [
      new Deno.errors.PermissionDenied("Permission denied (os error 13)"),
      new Error("Too many open files (os error 24)"),
      new Deno.errors.NotCapable("Requires read access"),
    ];
    for (const error of errors) {
      const port = new FaultPort();
      port.failWhen(({ name, path }) =>
        name === "openSync" && path.endsWith("events.lock") ? error : undefined
      );
      const reading = () => readPageSync(port, { root, runId: RUN_ID }, {});
      const thrown = assertThrows(reading, EventLogError, error.message);
      assertEquals([thrown.kind, thrown.details.path], ["io", pathOf(root, "events.lock")]);
      assertEquals(port.openCount, 0);
    }
  }));

Deno.test("read() gives up before reading when its signal is aborted", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    const signal = AbortSignal.abort(new Error("stop"));
    await assertRejects(() => log.read({ signal }), Error, "stop");
  }));

/** A log of lines of 60 to 500 bytes, like those of runs, written at once. */
function writeLongRun(root: string, lines: number, random: Random): number {
  const path = writeRun(root, "");
  using file = Deno.openSync(path, { write: true });
  const encoder = new TextEncoder();
  for (let n = 1; n <= lines;) {
    const block: string[] = [];
    for (; n <= lines && block.length < 5000; n++) {
      block.push(`{"n":${n},"text":"${"x".repeat(40 + random.below(440))}"}\n`);
    }
    const bytes = encoder.encode(block.join(""));
    for (let written = 0; written < bytes.length;) {
      written += file.writeSync(bytes.subarray(written));
    }
  }
  return Deno.statSync(path).size;
}

Deno.test("a page of 100 from a remembered cursor reads at most 64 KiB plus the page (W-OMN-7)", () =>
  withTempDir((root) => {
    const random = new Random(mixSeeds(seed(), 3));
    const lines = longCount(50_000, 1_000_000);
    writeLongRun(root, lines, random);
    const port = new FaultPort();
    const run = { root, runId: RUN_ID };
    for (let round = 0; round < longCount(200, 2000); round++) {
      const seq = random.pick([0, random.below(lines), lines - 50]);
      const cursor = readPageSync(denoFilePort, run, { after: seq, limit: 1 }).next;
      port.reset();
      const page = readPageSync<AnyEvent>(port, run, { after: cursor });
      assertEquals(page.events[0]?.event.n, page.events[0]?.seq);
      const pageBytes = page.events.reduce(
        (sum, { event }) => sum + JSON.stringify(event).length + 1,
        0,
      );
      assertLessOrEqual(port.bytesRead, 64 * 1024 + pageBytes, `round ${round}, seq ${seq}`);
      assertLessOrEqual(port.count("readSync"), 12);
      assertEquals(port.openCount, 0);
    }
  }));
