import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { runPaths, runtimeDirectory } from "../../../_internal/root_layout.ts";
import { newEventId } from "../../../eventlog/mod.ts";
import { openFileRoot, RunError } from "../../../run/mod.ts";
import { restoreRunWorkers } from "../../../run/restore_workers.ts";
import { RunWorkers } from "../../../run/run_workers.ts";
import type { HeldRun } from "../../../run/types.ts";
import { FsRuntimeStore, verifyStore } from "../../../store/mod.ts";
import { namesIn } from "../../_util/files.ts";
import { withTempDir } from "../../_util/temp.ts";

/** The lines of an attempt that begins and completes. */
function attemptLines(runId: string, nodeId: string): string[] {
  const of = { ts: "2026-01-01T00:00:00Z", run_id: runId, node_id: nodeId, attempt: 1 };
  return [
    JSON.stringify({ id: newEventId(), type: "node.started", kind: "command", ...of }),
    JSON.stringify({ id: newEventId(), type: "node.completed", ...of }),
  ];
}

/** The statuses of the workers of a run, by what they are for. */
async function workersOf(root: string, { view }: HeldRun): Promise<Map<string, string>> {
  await using workers = await RunWorkers.open({ root, runId: view.runId, name: "demo" });
  const page = workers.runtime.listWorkers({ limit: 200 });
  return new Map(page.map(({ intent, status }) => [JSON.stringify(intent), status]));
}

Deno.test("the store of a held run has what its log has, when the run is given up", () =>
  withTempDir(async (path) => {
    const root = openFileRoot(path);
    const held = await root.create({ about: { name: "demo" } });
    const { runId } = held.view;
    for (let n = 0; n < 100; n++) await held.append({ events: attemptLines(runId, `n${n}`) });
    await held[Symbol.asyncDispose]();
    const statuses = await workersOf(path, held);
    assertEquals([statuses.size, new Set(statuses.values())], [100, new Set(["stopped"])]);

    const again = await root.hold(runId);
    await again.append({ events: attemptLines(runId, "late") });
    await again[Symbol.asyncDispose]();
    assertEquals((await workersOf(path, held)).size, 101);
    assertEquals((await verifyStore(path)).ok, true);
  }));

Deno.test("the store of a long run stays behind its log, and makes no file for its attempts", () =>
  withTempDir(async (path) => {
    const root = openFileRoot(path);
    const held = await root.create({ about: { name: "demo" } });
    const { runId } = held.view;
    for (let n = 0; n < 1010; n++) {
      await held.append({ events: attemptLines(runId, `n${n}`) });
      // The store takes what it can beside that.
      if (n % 100 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    // More at once than a call takes arguments.
    await held.append({ events: Array<string>(200_000).fill(`{"type":"of another program"}`) });
    await held[Symbol.asyncDispose]();
    assertEquals(await held.view.events.lastSeq(), 2020 + 200_000);
    assertEquals(namesIn(`${runtimeDirectory(path, runId)}/workers`), []);
    assertEquals((await verifyStore(path)).ok, true);

    const again = await root.hold(runId);
    await again.append({ events: attemptLines(runId, "late") });
    await again[Symbol.asyncDispose]();
    assertEquals(namesIn(`${runtimeDirectory(path, runId)}/workers`), []);
    // Whoever wants it brings it up to the log.
    await (await restoreRunWorkers({ root: path, runId, name: "demo" })).workers.close();
    await using store = await FsRuntimeStore.open({ root: path, runtimeId: runId });
    assertEquals(store.summary().worker_count, 1011);
  }));

Deno.test("a run without events has no store, and one that was killed gets what its log has more", () =>
  withTempDir(async (path) => {
    const root = openFileRoot(path);
    const held = await root.create({ about: { name: "demo" } });
    const { runId } = held.view;
    await held.append({ capture: ["{}"] });
    await held[Symbol.asyncDispose]();
    assertEquals(namesIn(path).includes("runtimes"), false);
    // As if the process had been killed before the store had taken them.
    await Deno.writeTextFile(
      runPaths(path, runId).events,
      attemptLines(runId, "first").map((line) => `${line}\n`).join(""),
    );
    const again = await root.hold(runId);
    await again.append({ events: attemptLines(runId, "second") });
    await again[Symbol.asyncDispose]();
    assertEquals((await workersOf(path, held)).size, 2);
  }));

Deno.test("a store that cannot be written harms no log, and is told of when the run is given up", () =>
  withTempDir(async (path) => {
    await Deno.writeTextFile(`${path}/runtimes`, "no folder");
    const root = openFileRoot(path);
    const held = await root.create({ about: { name: "demo" } });
    const { runId } = held.view;
    for (let n = 0; n < 100; n++) await held.append({ events: attemptLines(runId, `n${n}`) });
    await held.barrier();
    const error = await assertRejects(async () => await held[Symbol.asyncDispose](), RunError);
    assertEquals(error.kind, "io");
    assertStringIncludes(error.message, "up to its log: ");
    assertStringIncludes(error.message, "move it away");
    assertEquals(await held.view.events.lastSeq(), 200);
    assertEquals(await held.view.holder(), undefined);
    assert(!held.lost.aborted);
  }));
