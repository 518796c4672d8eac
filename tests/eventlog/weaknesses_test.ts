/**
 * The weaknesses of the seed's log (spec 5.5) that no test of a single function shows. The others
 * are named in the tests of what they are about: search for their ids.
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { denoFilePort } from "../../_internal/file_port.ts";
import { EventLogError, openEventLogSync } from "../../eventlog/mod.ts";
import { appendTo, isThere, readText } from "../_util/files.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import {
  type AnyEvent,
  eventsOf,
  lockedPathOf,
  numbered,
  openLog,
  readAll,
  RUN_ID,
} from "./_runs.ts";

Deno.test("a reader beside a writer never fails, wherever the writer is in its line (W-OMN-3)", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    await log.append({ n: 1 });
    const lock = denoFilePort.openSync(lockedPathOf(root), { read: true, append: true });
    assert(lock.tryLockSync(true));
    const line = new TextEncoder().encode('{"n":"é😀"}\n');
    for (const [written, byte] of line.entries()) {
      const { events, gaps } = readAll(root, { strict: true });
      assertEquals([events.length, gaps], [1, []], `${written} bytes of the line`);
      appendTo(log.path, new Uint8Array([byte]));
    }
    lock.close();
    assertEquals(eventsOf(root), [{ n: 1 }, { n: "é😀" }]);
  }));

Deno.test("lines far beyond PIPE_BUF from many writers never mix (W-OMN-4)", () =>
  withTempDir(async (root) => {
    const random = new Random(mixSeeds(seed(), 6));
    const logs = await Promise.all(Array.from({ length: 8 }, () => openLog(root)));
    const appending: Promise<unknown>[] = [];
    for (let n = 0; n < longCount(200, 2000); n++) {
      const event = { n, text: String(n % 10).repeat(random.below(100_000)) };
      appending.push(logs[n % 8]!.append(event));
      if (random.chance(0.2)) await new Promise((resolve) => setTimeout(resolve));
    }
    await Promise.all(appending);
    for (const log of logs) await log.close();
    const { events, gaps } = readAll(root);
    assertEquals(gaps, []);
    assertEquals(new Set(events.map(({ event }) => event.n)).size, appending.length);
    for (const { event: { n, text } } of events) {
      assert(
        /^(\d?)\1*$/.test(text as string) &&
          (text === "" || Number((text as string)[0]) === (n as number) % 10),
      );
    }
  }));

Deno.test("who waits for the lock gets it when it is free, and loses nothing when it is not (W-OMN-5)", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root, { lockTimeoutMs: 60 });
    const lock = denoFilePort.openSync(lockedPathOf(root), { read: true, append: true });
    assert(lock.tryLockSync(true));
    const refused = await assertRejects(() => log.append({ n: 0 }), EventLogError);
    assertEquals([refused.kind, readText(log.path)], ["lock-timeout", ""]);
    const waiting = numbered(100).map((event) => log.append(event));
    lock.close();
    assertEquals((await Promise.all(waiting)).map(({ firstSeq }) => firstSeq).at(-1), 100);
    assertEquals(eventsOf(root), numbered(100));
  }));

Deno.test("the log exists as soon as it is open, before its first event (W-OMN-10)", () =>
  withTempDir((root) => {
    using log = openEventLogSync({ root, runId: RUN_ID });
    assert(isThere(log.path));
    assertEquals(readText(log.path), "");
  }));

Deno.test("nothing that a caller's own code throws harms the next append (W-OMN-11)", () =>
  withTempDir(async (root) => {
    let fails = true;
    const failing = (what: string) => {
      if (fails) throw new RangeError(what);
    };
    const schema = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value: unknown) => (failing("schema"), { value: value as AnyEvent }),
      },
    } as const;
    await using log = await openLog(root, { schema });
    const event = { n: 1, toJSON: () => (failing("toJSON"), { n: 1 }) };
    await assertRejects(() => log.append(event), TypeError, "toJSON");
    await assertRejects(() => log.append({ n: 1 }), RangeError, "schema");
    assertThrows(() => log.appendSync({ n: 1 }), RangeError, "schema");
    const getter = Object.defineProperty({}, "n", {
      enumerable: true,
      get: () => (failing("getter"), 1),
    });
    await assertRejects(() => log.append(getter), TypeError, "getter");
    fails = false;
    await log.append(event);
    assertEquals(log.appendSync({ n: 2 }), { firstSeq: 2, lastSeq: 2 });
    assertEquals(eventsOf(root), numbered(2));
  }));
