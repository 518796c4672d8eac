import { assertEquals, assertRejects } from "@std/assert";
import { findRun } from "../../cli/reading/find_run.ts";
import { openFileRoot } from "../../run/mod.ts";
import { newRunId, openEventLog } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";

/** Makes a run without a flow, and gives its id. */
async function make(root: string, runId: string, events: unknown[] = []): Promise<string> {
  await using log = await openEventLog<unknown>({ root, runId });
  await log.appendAll(events);
  return runId;
}

async function makeNext(root: string, name: string): Promise<string> {
  return await make(root, await newRunId({ root, name }));
}

Deno.test("- and latest are the newest run, whatever it is called", async () => {
  await withTempDir(async (root) => {
    const runs = openFileRoot(root);
    for (const wanted of ["-", "latest"]) {
      await assertRejects(() => findRun({ root, runs }, wanted), Error, `${root} has no runs`);
    }
    await makeNext(root, "zebra");
    const newest = await makeNext(root, "ant");
    // One without a time in its id has that of its first event.
    const began = { id: "1", ts: "2025-06-01T00:00:00Z", type: "pipe.started", pipe: "old" };
    await make(root, "unlike-others", [{ ...began, run_id: "unlike-others" }]);
    for (const wanted of ["-", "latest"]) {
      assertEquals(await findRun({ root, runs }, wanted), newest);
      // Whatever became of it: nobody goes on with an older run by mistake.
      assertEquals(await findRun({ root, runs }, wanted, () => false), newest);
    }
    await make(root, "a-log", [{ n: 1 }]);
    assertEquals(await findRun({ root, runs }, "-"), "a-log");
  });
});

Deno.test("latest is the run or the flow that is called so, where there is one", async () => {
  await withTempDir(async (root) => {
    const runs = openFileRoot(root);
    const first = await makeNext(root, "latest");
    const other = await makeNext(root, "other");
    assertEquals(await findRun({ root, runs }, "latest"), first);
    assertEquals(await findRun({ root, runs }, "-"), other);
    await make(root, "latest");
    assertEquals(await findRun({ root, runs }, "latest"), "latest");
  });
  await withTempDir(async (root) => {
    const runs = openFileRoot(root);
    await makeNext(root, "latest-build");
    const other = await makeNext(root, "other");
    assertEquals(await findRun({ root, runs }, "latest"), other);
  });
});

Deno.test("every verb that takes a run takes -", async () => {
  await withTempDir(async (cwd) => {
    await taffrail(["exec", "--name", "old", "--", "true"], { cwd });
    await taffrail(["exec", "--name", "new", "--trace", "always", "--", "true"], { cwd });
    for (const verb of ["show", "replay", "trace", "verify", "follow", "stop"]) {
      const { code, stdout, stderr } = await taffrail([verb, "-"], { cwd });
      assertEquals(code, 0, `${verb}: ${stderr}`);
      if (verb === "show") assertEquals(stdout.startsWith("new-"), true, stdout);
    }
    assertEquals((await taffrail(["diff", "-", "latest"], { cwd })).code, 0);
    assertEquals((await taffrail(["resume", "-"], { cwd })).code, 1);
  });
});
