import {
  assert,
  assertEquals,
  assertFalse,
  assertLessOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { MAX_LINE_BYTES } from "../../_internal/json_lines.ts";
import { EventLogError, openEventLogSync, readRun } from "../../eventlog/mod.ts";
import { openOnPort } from "../../eventlog/open_event_log.ts";
import { withStoppedClock } from "../_util/fast_clock.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { appendTo, readText } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import {
  type AnyEvent,
  eventsOf,
  numbered,
  numberedLines,
  openLog,
  pathOf,
  RUN_ID,
  writeRun,
} from "./_runs.ts";

Deno.test("append() adds nothing to the event, and reads give its physical line as seq", () =>
  withTempDir(async (root) => {
    writeRun(root, '\ngarbage\n{"n":3}\n');
    await using log = await openLog(root);
    const event = { b: 1, a: { z: [1, "é", null], "10": true } };
    assertEquals(await log.append(event), { firstSeq: 4, lastSeq: 4 });
    assertEquals(readText(log.path), '\ngarbage\n{"n":3}\n' + JSON.stringify(event) + "\n");
    assertEquals((await log.read({ after: 3 })).events, [{ seq: 4, event }] as never);
  }));

Deno.test("append() makes exactly one write under the lock, no sync and no read (OLG-3, W-OMN-2)", () =>
  withStoppedClock(() =>
    withTempDir(async (root) => {
      const port = new FaultPort();
      const log = await openOnPort<AnyEvent>(port, { root, runId: RUN_ID });
      await log.append({ n: 1 });
      for (let n = 2; n <= 10; n++) {
        port.reset();
        await (n % 2 === 0 ? log.append({ n }) : Promise.resolve(log.appendSync({ n })));
        const names = port.calls.map(({ name }) => name);
        assertEquals(names, ["tryLockSync", "seekSync", "writeSync", "unlockSync"]);
      }
      await log.close();
      assertEquals(port.openCount, 0);
    })
  ));

Deno.test("append() looks once a millisecond whether the path leads to the file that it writes", () =>
  withStoppedClock((clock) =>
    withTempDir(async (root) => {
      const port = new FaultPort();
      await using log = await openOnPort<AnyEvent>(port, { root, runId: RUN_ID });
      await log.append({ n: 1 });
      const looksOf = async (append: () => unknown) => {
        port.reset();
        await append();
        return [port.count("lstatSync"), port.count("readSync"), port.count("writeSync")];
      };
      for (const append of [() => log.append({}), () => log.appendSync({})]) {
        assertEquals(await looksOf(append), [0, 0, 1]);
        clock.advanceMs(1);
        // At the log, and at the lock by which others see that it is open.
        assertEquals(await looksOf(append), [2, 1, 1]);
        assertEquals(await looksOf(append), [0, 0, 1]);
      }
      clock.advanceMs(1);
      const group = () => Promise.all(numbered(64).map((event) => log.append(event)));
      assertEquals(await looksOf(group), [2, 1, 1]);
    })
  ));

Deno.test("append() on disk makes one write and one fdatasync, outside the lock (W-OMN-1)", () =>
  withStoppedClock(() =>
    withTempDir(async (root) => {
      const port = new FaultPort();
      const options = { root, runId: RUN_ID, durability: "disk" } as const;
      await using log = await openOnPort<AnyEvent>(port, options);
      await log.append({ n: 1 });
      const names = () => port.calls.map(({ name }) => name);
      const wanted = ["tryLockSync", "seekSync", "writeSync", "unlockSync"];
      port.reset();
      await log.append({ n: 2 });
      assertEquals(names(), [...wanted, "syncData", "lstatSync"]);
      port.reset();
      log.appendSync({ n: 3 });
      assertEquals(names(), [...wanted, "syncDataSync", "lstatSync"]);
      port.reset();
      await log.append({ n: 4 }, { durability: "os" });
      assertEquals(names(), wanted);
    })
  ));

Deno.test("timers get their turn while one caller appends on disk again and again", () =>
  withStoppedClock(() =>
    withTempDir(async (root) => {
      const port = new FaultPort();
      const options = { root, runId: RUN_ID, durability: "disk" } as const;
      await using log = await openOnPort<AnyEvent>(port, options);
      let isDue = false;
      const timer = setTimeout(() => isDue = true, 0);
      let appends = 0;
      for (; !isDue && appends < 10_000; appends++) await log.append({ n: 1 });
      clearTimeout(timer);
      assert(isDue);
      while (port.count("syncDataSync") === 0) await log.append({ n: 2 });
      // An explicit one may have much to sync, and leaves the event loop free.
      port.reset();
      await log.sync();
      assertEquals([port.count("syncData"), port.count("syncDataSync")], [1, 0]);
    })
  ));

Deno.test("a group of 64 is one write and one fdatasync", () =>
  withTempDir(async (root) => {
    const port = new FaultPort();
    await using log = await openOnPort<AnyEvent>(port, { root, runId: RUN_ID, durability: "disk" });
    await log.append({ n: 0 });
    port.reset();
    await Promise.all(numbered(64).map((event) => log.append(event)));
    assertEquals([port.count("writeSync"), port.count("syncData", "syncDataSync")], [1, 1]);
    port.reset();
    await log.appendAll(numbered(64));
    assertEquals([port.count("writeSync"), port.count("syncData", "syncDataSync")], [1, 1]);
  }));

Deno.test("callers that come while a sync is under way share the next write and sync", () =>
  withTempDir(async (root) => {
    const port = new FaultPort();
    await using log = await openOnPort<AnyEvent>(port, { root, runId: RUN_ID, durability: "disk" });
    const first = log.append({ n: 1 });
    while (port.count("syncData") === 0) await Promise.resolve();
    const later = Promise.all(numbered(20, 2).map((event) => log.append(event)));
    await Promise.all([first, later]);
    assertEquals([port.count("syncData"), port.count("writeSync")], [2, 2 + runFileWrites(port)]);
    assertEquals(eventsOf(root), numbered(21));
  }));

/** What opening wrote: run.json and the process id. */
function runFileWrites(port: FaultPort): number {
  return port.calls.filter(({ name, path }) =>
    name === "writeSync" && !path.endsWith("events.jsonl")
  ).length;
}

Deno.test("sync() and syncSync() make one fdatasync for all that was appended", () =>
  withTempDir(async (root) => {
    const port = new FaultPort();
    await using log = await openOnPort<AnyEvent>(port, { root, runId: RUN_ID });
    await log.appendAll(numbered(3));
    port.reset();
    await log.sync();
    log.syncSync();
    assertEquals(port.calls.map(({ name }) => name), [
      "syncData",
      "lstatSync",
      "syncDataSync",
      "lstatSync",
    ]);
  }));

Deno.test("append() refuses an unknown durability, and what can be no seq", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    const durability = "memory" as "os";
    await assertRejects(() => log.append({}, { durability }), TypeError, 'say "os" or "disk"');
    assertThrows(() => log.appendSync({}, { durability }), TypeError, 'say "os" or "disk"');
    for (const expectedLastSeq of [-1, 0.5, NaN, 2 ** 53]) {
      const options = { expectedLastSeq };
      await assertRejects(
        () => log.append({}, options),
        RangeError,
        "Cannot expect the log to end",
      );
    }
    assertEquals(readText(log.path), "");
  }));

Deno.test("append() never throws before it returns its promise", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    const promises = [log.append(5 as never), log.append({}, { expectedLastSeq: -1 })];
    for (const promise of promises) await assertRejects(() => promise);
    assertEquals(await log.lastSeq(), 0);
  }));

Deno.test("append() allows a line of 16 MiB and refuses a longer one, which nobody could read", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    const longest = { a: "x".repeat(MAX_LINE_BYTES - 8) };
    await log.append(longest);
    await assertRejects(
      () => log.append({ a: "x".repeat(MAX_LINE_BYTES - 7) }),
      RangeError,
      "over 16777216 bytes",
    );
    await log.append({ n: 2 });
    const [first, second] = (await log.read()).events;
    assert(first?.event.a === longest.a);
    assertEquals(second, { seq: 2, event: { n: 2 } });
  }));

Deno.test("a line over 16 MiB of another program is a gap, and the lines around it are read", () =>
  withTempDir(async (root) => {
    writeRun(
      root,
      numberedLines(1) + `{"a":"${"x".repeat(MAX_LINE_BYTES)}"}\n` + numberedLines(1, 3),
    );
    await using log = await openLog(root);
    await log.append({ n: 4 });
    const { events, gaps } = await log.read();
    assertEquals(events.map(({ seq, event }) => [seq, event.n]), [[1, 1], [3, 3], [4, 4]]);
    assertEquals(gaps, [{
      seq: 2,
      reason: "too-long",
      message: "the line is over 16 MiB",
      byteOffset: 8,
      byteLength: MAX_LINE_BYTES + 8,
    }]);
  }));

Deno.test("appendAll() appends all or, where one event cannot be encoded, none", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    const bad = [{ n: 1 }, { n: NaN }, { n: 3 }];
    await assertRejects(() => log.appendAll(bad), TypeError, "$.n is NaN");
    assertThrows(() => log.appendAllSync(bad), TypeError, "$.n is NaN");
    assertEquals(readText(log.path), "");
    assertEquals(log.appendAllSync(numbered(2)), { firstSeq: 1, lastSeq: 2 });
    assertEquals(log.appendAllSync([]), { firstSeq: 3, lastSeq: 2 });
    assertEquals(await log.appendAll(numbered(1, 3)), { firstSeq: 3, lastSeq: 3 });
    assertEquals(readText(log.path), numberedLines(3));
  }));

Deno.test("appendAll() refuses more than 256 MiB at once", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    const event = { text: "x".repeat(MAX_LINE_BYTES - 20) };
    const events = Array.from({ length: 17 }, () => event);
    await assertRejects(() => log.appendAll(events), RangeError, "append it in parts");
    assertEquals(readText(log.path), "");
  }));

Deno.test("appendSync() checks expectedLastSeq, also against what others appended", () =>
  withTempDir(async (root) => {
    using log = openEventLogSync<AnyEvent>({ root, runId: RUN_ID });
    log.appendSync({ n: 1 }, { expectedLastSeq: 0 });
    appendTo(log.path, '{"n":2}\n\n');
    const late = () => log.appendSync({ n: 9 }, { expectedLastSeq: 1 });
    const error = assertThrows(late, EventLogError, "the log ends with seq 3, not 1");
    assertEquals([error.kind, error.details.expected, error.details.actual], ["conflict", 1, 3]);
    assertEquals(log.appendSync({ n: 4 }, { expectedLastSeq: 3 }), { firstSeq: 4, lastSeq: 4 });
    assertEquals(await Promise.resolve(eventsOf(root).length), 3);
  }));

Deno.test("lastSeq() counts whole lines, then only what is new", () =>
  withTempDir(async (root) => {
    writeRun(root, numberedLines(50_000) + '{"torn');
    const port = new FaultPort();
    await using log = await openOnPort<AnyEvent>(port, { root, runId: RUN_ID });
    assertEquals(await log.lastSeq(), 50_000);
    await log.append({ n: 1 });
    port.reset();
    assertEquals(await log.lastSeq(), 50_001);
    assertLessOrEqual(port.bytesRead, 100);
    appendTo(log.path, numberedLines(2) + "torn");
    assertEquals(await log.lastSeq(), 50_003);
  }));

Deno.test("close() answers everybody who waits, then refuses, and may be called again", () =>
  withTempDir(async (root) => {
    const log = await openLog(root);
    const appending = numbered(10).map((event) => log.append(event, { durability: "disk" }));
    let closed = false;
    const closing = log.close().then(() => closed = true);
    const again = log.close().then(() => assert(closed, "the second close() was faster"));
    const late = [log.append({ n: 99 }), log.appendAll([{ n: 99 }]), log.sync()];
    for (const promise of late) {
      assertEquals((await assertRejects(() => promise, EventLogError)).kind, "closed");
    }
    assertEquals((await Promise.all(appending)).length, 10);
    await Promise.all([closing, again]);
    assertThrows(() => log.appendSync({ n: 99 }), EventLogError, "the log is closed");
    assertThrows(() => log.syncSync(), EventLogError, "the log is closed");
    await log.close();
    log[Symbol.dispose]();
    assertEquals(readText(pathOf(root)), numberedLines(10));
    assertEquals((await log.read()).events.length, 10);
  }));

Deno.test("a log in a using declaration writes what waits before the block is left", () =>
  withTempDir(async (root) => {
    let appending: Promise<unknown>[];
    {
      using log = openEventLogSync<AnyEvent>({ root, runId: RUN_ID });
      appending = numbered(5).map((event) => log.append(event, { durability: "disk" }));
    }
    assertEquals(readText(pathOf(root)), numberedLines(5));
    assertEquals((await Promise.all(appending)).length, 5);
  }));

Deno.test("closing while a sync is under way lets it end, and closes every handle", () =>
  withTempDir(async (root) => {
    const port = new FaultPort();
    const log = await openOnPort<AnyEvent>(port, { root, runId: RUN_ID, durability: "disk" });
    const appending = log.append({ n: 1 });
    while (port.count("syncData") === 0) await Promise.resolve();
    const later = log.append({ n: 2 });
    log[Symbol.dispose]();
    assertEquals(await appending, { firstSeq: 1, lastSeq: 1 });
    assertEquals(await later, { firstSeq: 2, lastSeq: 2 });
    assertEquals(port.openCount, 0);
    await log.close();
  }));

Deno.test("the event's redaction happens before it is written, and nothing else is kept", () =>
  withTempDir(async (root) => {
    const redact = (value: unknown, path: string) => path.endsWith(".TOKEN") ? "***" : value;
    await using log = await openLog(root, { redact });
    await log.append({ env: { TOKEN: "s3cret", HOME: "/" } });
    log.appendAllSync([{ TOKEN: "s3cret" }]);
    assertFalse(readText(log.path).includes("s3cret"));
    assertEquals(eventsOf(root), [{ env: { TOKEN: "***", HOME: "/" } }, { TOKEN: "***" }]);
  }));

Deno.test("readRun() streams: it holds one block, and stops reading where it is left", () =>
  withTempDir(async (root) => {
    writeRun(root, numberedLines(200_000));
    let pages = 0;
    for await (const { events, hasMore, next } of readRun<AnyEvent>(root, RUN_ID)) {
      assert(events.length < 40_000);
      if (++pages === 2) {
        assert(hasMore);
        const rest = await Array.fromAsync(readRun<AnyEvent>(root, RUN_ID, { after: next }));
        const first = events.at(-1)!.seq + 1;
        assertEquals(rest[0]!.events[0], { seq: first, event: { n: first } });
        break;
      }
    }
    const reason = new Error("stop");
    const signal = AbortSignal.abort(reason);
    await assertRejects(() => Array.fromAsync(readRun(root, RUN_ID, { signal })), Error, "stop");
  }));
