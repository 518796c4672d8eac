import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  EventLogError,
  isLive,
  listRuns,
  openEventLog,
  removeRun,
  runExists,
  sweepRemovedRuns,
} from "../../eventlog/mod.ts";
import { removeOnPort, sweepOnPort } from "../../eventlog/runs_directory.ts";
import { everyCut } from "../_util/every_cut.ts";
import { everyFailure } from "../_util/every_failure.ts";
import { withStoppedClock } from "../_util/fast_clock.ts";
import { isThere, namesIn, readText, write } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { longCount, withTempDir } from "../_util/temp.ts";
import { eventsOf, numbered, numberedLines, openLog, pathOf, RUN_ID, writeRun } from "./_runs.ts";

const FILES = ["capture.jsonl", "events.jsonl", "nodes", "run.json"];

/** A run with a folder in it, as the command makes them. */
function writeWholeRun(root: string): void {
  writeRun(root, numberedLines(3));
  Deno.mkdirSync(pathOf(root, "nodes"));
  write(pathOf(root, "nodes/a.1.out"), "printed\n");
  write(pathOf(root, "capture.jsonl"), "{}\n");
  write(pathOf(root, "run.json"), '{"format":1}');
}

async function refused(root: string, message: string): Promise<EventLogError> {
  return await assertRejects(() => removeRun(root, RUN_ID), EventLogError, message);
}

Deno.test("removeRun() removes the run with all its files, and no other", () =>
  withTempDir(async (root) => {
    writeWholeRun(root);
    writeRun(root, "", "other");
    await removeRun(root, RUN_ID);
    assertEquals(namesIn(`${root}/runs`), ["other"]);
    assertEquals((await refused(root, "there is no such run")).kind, "io");
  }));

Deno.test("removeRun() leaves a run alone that anybody has open", () =>
  withTempDir(async (root) => {
    writeWholeRun(root);
    const log = await openLog(root);
    const before = namesIn(`${root}/runs/${RUN_ID}`);
    assertEquals((await refused(root, `process ${Deno.pid} has it open`)).kind, "live");
    assertEquals(namesIn(`${root}/runs/${RUN_ID}`), before);
    await log.append({ n: 4 });
    assertEquals(eventsOf(root), numbered(4));
    await log.close();
    await removeRun(root, RUN_ID);
    assertEquals(await listRuns(root), []);
  }));

Deno.test("removeRun() refuses a run of a later format, and links", () =>
  withTempDir(async (root) => {
    writeWholeRun(root);
    write(pathOf(root, "run.json"), '{"format":2}');
    assertEquals((await refused(root, "it has format 2")).kind, "format");
    assertEquals(namesIn(`${root}/runs/${RUN_ID}`), FILES);
    if (Deno.build.os === "windows") return;
    await Deno.symlink(`${root}/runs/${RUN_ID}`, `${root}/runs/link`);
    await assertRejects(() => removeRun(root, "link"), TypeError, "it is a symbolic link");
    await assertRejects(() => removeRun(root, "../x"), TypeError, "Cannot use run id");
  }));

Deno.test("removeRun() removes a link in the run, and not what it leads to", {
  ignore: Deno.build.os === "windows",
}, () =>
  withTempDir(async (root) => {
    writeWholeRun(root);
    await Deno.mkdir(`${root}/precious`);
    write(`${root}/precious/file`, "kept");
    await Deno.symlink(`${root}/precious`, pathOf(root, "nodes/link"));
    await removeRun(root, RUN_ID);
    assertEquals(readText(`${root}/precious/file`), "kept");
  }));

Deno.test("whoever waits for a run that is removed gets an error, and no log that is no more", () =>
  withTempDir(async (root) => {
    writeWholeRun(root);
    const removing = removeOnPort(hastyFilePort, root, RUN_ID);
    const opening = openLog(root, { lockTimeoutMs: 60_000 });
    const [removed, opened] = await Promise.allSettled([removing, opening]);
    assertEquals(removed.status, "fulfilled");
    if (opened.status === "rejected") return assertEquals(opened.reason.kind, "io");
    // It came late enough for a run of its own.
    await opened.value.append({ n: 1 });
    assertEquals(eventsOf(root), numbered(1));
    assert(await isLive(root, RUN_ID));
    await opened.value.close();
  }));

Deno.test(
  "a lock that was waited for while the run was removed is not taken for that of a new run",
  {
    ignore: Deno.build.os === "windows",
  },
  () =>
    withTempDir(async (root) => {
      writeWholeRun(root);
      const holder = await openLog(root, { exclusive: true });
      // Both have the file open when its run goes away, as when the folder is moved by hand.
      const opening = openLog(root, { lockTimeoutMs: 60_000 });
      await Deno.rename(`${root}/runs/${RUN_ID}`, `${root}/runs/.removed-1`);
      await using fresh = await openEventLog({ root, runId: RUN_ID });
      await holder.close();
      const error = await assertRejects(() => opening, EventLogError);
      assertEquals([error.kind, error.message.includes("the run was removed")], ["io", true]);
      assert(await isLive(root, RUN_ID));
      await fresh.close();
    }),
);

Deno.test("a removal that waited while the run was removed spares a new one in its place", {
  ignore: Deno.build.os === "windows",
}, () =>
  withStoppedClock(() =>
    withTempDir(async (root) => {
      writeWholeRun(root);
      const holder = await openLog(root, { exclusive: true });
      const removing = assertRejects(() => removeRun(root, RUN_ID), EventLogError, "was removed");
      await Deno.rename(`${root}/runs/${RUN_ID}`, `${root}/runs/.removed-1`);
      const fresh = await openLog(root);
      await fresh.append({ n: 1 });
      await fresh.close();
      await holder.close();
      await removing;
      assertEquals(eventsOf(root), numbered(1));
    })
  ));

Deno.test("of many who remove one run at once, one does, and the others are told", () =>
  withTempDir(async (root) => {
    writeWholeRun(root);
    const removals = Array.from({ length: 8 }, () => removeRun(root, RUN_ID));
    const results = await Promise.allSettled(removals);
    assertEquals(results.filter(({ status }) => status === "fulfilled").length, 1);
    for (const result of results) {
      if (result.status === "rejected") assert(result.reason instanceof EventLogError);
    }
    assertEquals(namesIn(`${root}/runs`), []);
  }));

Deno.test("sweepRemovedRuns() finishes what was cut short, and touches nothing else", () =>
  withTempDir(async (root) => {
    assertEquals(await sweepRemovedRuns(root), 0);
    writeWholeRun(root);
    await Deno.rename(`${root}/runs/${RUN_ID}`, `${root}/runs/.removed-1`);
    await Deno.mkdir(`${root}/runs/.removed-2`);
    await Deno.mkdir(`${root}/runs/.mine`);
    write(`${root}/runs/.removed-file`, "");
    assertEquals(await listRuns(root), []);
    assertEquals(await sweepRemovedRuns(root), 2);
    assertEquals(namesIn(`${root}/runs`), [".mine", ".removed-file"]);
  }));

/** All of the run is there, or nothing of it is in the list; what is left can be swept. */
async function checkWholeOrNone(root: string): Promise<void> {
  if (await runExists(root, RUN_ID)) {
    const names = namesIn(`${root}/runs/${RUN_ID}`).filter((name) => !name.endsWith(".lock"));
    assertEquals(names, FILES);
    assertEquals(readText(pathOf(root, "nodes/a.1.out")), "printed\n");
    await using log = await openLog(root);
    await log.append({ n: 4 });
    assertEquals(eventsOf(root), numbered(4));
    return;
  }
  sweepOnPort(hastyFilePort, root);
  assertEquals(isThere(`${root}/runs`) ? namesIn(`${root}/runs`) : [], []);
}

Deno.test("a power cut after any call of removeRun() leaves all of the run, or nothing in the list", async () => {
  await everyCut<string>(async (port, root, acknowledged) => {
    await removeOnPort(port, root, RUN_ID);
    acknowledged.push("removed");
  }, async (image, { acknowledged }) => {
    if (acknowledged.length > 0) assertEquals(await listRuns(image), []);
    await checkWholeOrNone(image);
  }, { before: writeWholeRun, seeds: longCount(4, 16) });
});

Deno.test("any call of removeRun() that fails is told, and leaves all of the run, or nothing in the list", async () => {
  await everyFailure(async (port, root) => {
    await removeOnPort(port, root, RUN_ID).finally(() => {
      if (port.openCount > 0) throw new Error("it left handles open");
    });
  }, async (root, { call, error }) => {
    // Some file systems have no locks on folders: that of live.lock has to be enough then.
    const isFolderLock = call?.name === "tryLockSync" && call.path.endsWith(RUN_ID);
    if (call !== undefined && !isFolderLock) assert(error instanceof EventLogError);
    await checkWholeOrNone(root);
  }, { before: writeWholeRun });
});
