import { assertEquals } from "@std/assert";
import { runPaths } from "../../_internal/root_layout.ts";
import { readCaptureBundle } from "../../capture/mod.ts";
import { readRunSync } from "../../eventlog/mod.ts";
import { FsRuntimeStore, verifyStore } from "../../store/mod.ts";
import { readTrace } from "../../trace/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";

Deno.test("a process that goes to another directory has replaced nothing", () =>
  withTempDir(async (directory) => {
    await using child = new Child("./_programs/traveller.ts", { args: [directory] });
    assertEquals(JSON.parse(await child.next()), { seq: 1, event: { n: 1 } });
    assertEquals(JSON.parse(await child.next()), { seq: 2, event: { n: 2 } });
    assertEquals(await child.next(), "2 events");
    const runId = await child.next();
    assertEquals(namesIn(directory), ["capture.jsonl", "root"]);
    const root = `${directory}/root`;
    const pages = [...readRunSync<{ n: number }>(root, "a")];
    assertEquals(pages.flatMap(({ events }) => events.map(({ event }) => event.n)), [1, 2]);
    const { bundle, trace } = runPaths(root, runId);
    assertEquals((await readCaptureBundle(bundle)).graph_id, "flow");
    assertEquals((await readTrace(trace)).steps.length, 2);
    assertEquals((await verifyStore(root)).ok, true);
    const store = await FsRuntimeStore.open({ root, runtimeId: "r", readOnly: true });
    assertEquals((await store.summary()).status, "stopped");
  }));
