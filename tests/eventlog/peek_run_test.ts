import { assert, assertEquals, assertRejects } from "@std/assert";
import { EventLogError, peekRun } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { type AnyEvent, numbered, numberedLines, RUN_ID, writeRun } from "./_runs.ts";

const KIB = 1024;

Deno.test("peekRun() gives all events of a log up to 64 KiB", () =>
  withTempDir(async (root) => {
    for (const count of [0, 1, 100]) {
      const size = writeAndSize(root, numberedLines(count));
      const peek = await peekRun<AnyEvent>(root, RUN_ID);
      assertEquals(peek, { events: numbered(count), whole: true, size });
    }
    const exact = `{"text":"${"x".repeat(64 * KIB - 12)}"}\n`;
    assertEquals(writeAndSize(root, exact), 64 * KIB);
    assertEquals((await peekRun(root, RUN_ID)).whole, true);
  }));

function writeAndSize(root: string, content: string): number {
  writeRun(root, content);
  return content.length;
}

Deno.test("peekRun() gives the first line and the whole lines of the last 64 KiB", () =>
  withTempDir(async (root) => {
    const content = numberedLines(20_000);
    const size = writeAndSize(root, content);
    const { events, whole, size: told } = await peekRun<AnyEvent>(root, RUN_ID);
    assertEquals([whole, told], [false, size]);
    assertEquals(events[0], { n: 1 });
    const last = events.slice(1);
    assertEquals(last, numbered(last.length, 20_001 - last.length));
    const bytes = last.reduce((sum, event) => sum + JSON.stringify(event).length + 1, 0);
    assert(bytes <= 64 * KIB && bytes > 64 * KIB - 20, `${bytes} bytes`);
  }));

Deno.test("peekRun() finds the lines wherever the last 64 KiB begin", () =>
  withTempDir(async (root) => {
    const tail = '{"n":2}\n' + `{"n":"${"x".repeat(64 * KIB - 17)}"}\n`;
    assertEquals(tail.length, 64 * KIB);
    for (const shift of [-1, 0, 1]) {
      const first = `{"n":"${"y".repeat(100)}"}\n`;
      const padded = tail.replace("xx", "x".repeat(2 + shift));
      writeRun(root, first + padded);
      const { events, whole } = await peekRun<AnyEvent>(root, RUN_ID);
      assertEquals(whole, false);
      // With one byte more the line before the last does not fit.
      assertEquals(events.length, shift === 1 ? 2 : 3, `shift ${shift}`);
    }
  }));

Deno.test("peekRun() leaves out damaged lines and a torn tail", () =>
  withTempDir(async (root) => {
    writeRun(root, 'garbage\n{"n":2}\n\0{"n":3}\n{"n":4');
    const { events, whole } = await peekRun<AnyEvent>(root, RUN_ID);
    assertEquals(events, [{ n: 2 }, { n: 3 }]);
    assertEquals(whole, true);
    writeRun(root, '{"n":4');
    assertEquals((await peekRun(root, RUN_ID)).events, []);
  }));

Deno.test("peekRun() does not give the only line twice, however long it is", () =>
  withTempDir(async (root) => {
    const long = { text: "x".repeat(100 * KIB) };
    writeRun(root, JSON.stringify(long) + "\n");
    assertEquals((await peekRun(root, RUN_ID)).events, [long] as never);
    writeRun(root, JSON.stringify(long) + "\n" + numberedLines(1));
    assertEquals((await peekRun(root, RUN_ID)).events, [long, { n: 1 }] as never);
  }));

Deno.test("peekRun() says why it cannot", () =>
  withTempDir(async (root) => {
    const refused = () => assertRejects(() => peekRun(root, RUN_ID), EventLogError, "I/O error on");
    assertEquals((await refused()).kind, "io");
    await Deno.mkdir(`${root}/runs/${RUN_ID}/events.jsonl`, { recursive: true });
    await assertRejects(() => peekRun(root, RUN_ID), TypeError, "it is a directory");
  }));
