import { assert, assertEquals, assertRejects } from "@std/assert";
import { EventLogError, repairRun, verifyRun } from "../../eventlog/mod.ts";
import { isThere, modeOf, namesIn, readText, write } from "../_util/files.ts";
import { withFastClock } from "../_util/fast_clock.ts";
import { withTempDir } from "../_util/temp.ts";
import { eventsOf, numbered, numberedLines, openLog, pathOf, RUN_ID, writeRun } from "./_runs.ts";

Deno.test("repairRun() completes a whole object, once", () =>
  withTempDir(async (root) => {
    writeRun(root, numberedLines(2) + '{"n":3}');
    assertEquals(await repairRun(root, RUN_ID), { completed: true });
    assertEquals(readText(pathOf(root)), numberedLines(3));
    assertEquals(await repairRun(root, RUN_ID), { completed: false });
    assert((await verifyRun(root, RUN_ID)).ok);
  }));

Deno.test("repairRun() moves a torn tail aside, then more is written and read again", () =>
  withTempDir(async (root) => {
    const path = writeRun(root, numberedLines(2) + '{"n":');
    const tornFile = `${path}.torn-1`;
    assertEquals(await repairRun(root, RUN_ID), { completed: false, tornFile });
    assertEquals([readText(path), readText(tornFile)], [numberedLines(2), '{"n":']);
    if (Deno.build.os !== "windows") assertEquals(modeOf(tornFile), 0o600);
    await using log = await openLog(root);
    assertEquals((await log.append({ n: 3 })).firstSeq, 3);
    assertEquals(eventsOf(root), numbered(3));
  }));

Deno.test("repairRun() keeps what an earlier repair moved aside", () =>
  withTempDir(async (root) => {
    const path = writeRun(root, numberedLines(1) + "first");
    await repairRun(root, RUN_ID);
    write(path, numberedLines(1) + "second");
    assertEquals((await repairRun(root, RUN_ID)).tornFile, `${path}.torn-2`);
    assertEquals([readText(`${path}.torn-1`), readText(`${path}.torn-2`)], ["first", "second"]);
  }));

Deno.test("repairRun() changes no whole line, however bad it is", () =>
  withTempDir(async (root) => {
    const content = 'garbage\n\n\0\0{"n":3}\n{"n":12345678901234567890}\r\n';
    const path = writeRun(root, content);
    assertEquals(await repairRun(root, RUN_ID), { completed: false });
    assertEquals(readText(path), content);
    assertEquals(namesIn(`${root}/runs/${RUN_ID}`), [
      "events.jsonl",
      ...(Deno.build.os === "windows" ? ["events.lock"] : []),
      "live.lock",
    ]);
  }));

Deno.test("repairRun() refuses a run that is open, and changes nothing", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    write(log.path, "torn");
    const error = await withFastClock(() =>
      assertRejects(() => repairRun(root, RUN_ID), EventLogError, "needs it alone")
    );
    assertEquals(error.kind, "live");
    assertEquals(readText(log.path), "torn");
  }));

Deno.test("repairRun() makes no run where there is none", () =>
  withTempDir(async (root) => {
    const repairing = () => repairRun(root, RUN_ID);
    assertEquals((await assertRejects(repairing, EventLogError, "no such log")).kind, "io");
    assert(!isThere(`${root}/runs`));
    write(`${root}/runs`, "");
    assertEquals((await assertRejects(repairing, EventLogError)).kind, "io");
  }));
