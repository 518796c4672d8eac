import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { runPaths } from "../../_internal/root_layout.ts";
import { isLive, openEventLog, viewRun } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";

Deno.test("viewRun() reads by pages, counts and follows, and the run is not live because of it", () =>
  withTempDir(async (root) => {
    const view = viewRun<{ n: number }>(root, "demo");
    await assertRejects(() => view.read(), Error, "I/O error");
    await using log = await openEventLog<{ n: number }>({ root, runId: "demo" });
    await log.appendAll([{ n: 1 }, { n: 2 }, { n: 3 }]);
    const { events, next, hasMore } = await view.read({ limit: 2 });
    assertEquals([events.map(({ event }) => event.n), hasMore], [[1, 2], true]);
    assertEquals((await view.read({ after: next })).events, [{ seq: 3, event: { n: 3 } }]);
    assertEquals([view.runId, await view.lastSeq()], ["demo", 3]);
    for await (const item of view.follow({ after: 2 })) {
      assertEquals(item, { seq: 3, event: { n: 3 } });
      break;
    }
    await log.close();
    assertEquals(await isLive(root, "demo"), false);
    assertEquals(await view.lastSeq(), 3);
  }));

Deno.test("viewRun() reads the other lines of a run, and finds none where the file is not there yet", () =>
  withTempDir(async (root) => {
    const view = viewRun<{ n: number }>(root, "demo", { lines: "inbox" });
    await assertRejects(() => view.read(), Error, "I/O error");
    await using _log = await openEventLog({ root, runId: "demo" });
    const { events, gaps, next, hasMore } = await view.read();
    assertEquals([events, gaps, hasMore, await view.lastSeq()], [[], [], false, 0]);
    await Deno.writeTextFile(runPaths(root, "demo").inbox, '{"n":1}\nno json\n{"n":3}\n');
    const page = await view.read({ after: next });
    assertEquals(page.events, [{ seq: 1, event: { n: 1 } }, { seq: 3, event: { n: 3 } }]);
    assertEquals(page.gaps.map(({ seq, reason }) => [seq, reason]), [[2, "not-json"]]);
    assertEquals(await view.lastSeq(), 3);
  }));

Deno.test("viewRun() refuses a run id that leads out of the root", () => {
  assertThrows(() => viewRun("root", "../outside"), TypeError, "Cannot use run id");
});
