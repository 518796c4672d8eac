/** The seven tests of the seed (spec 5.3), in its order and by its names. */

import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import {
  EventLogError,
  listRuns,
  newEventId,
  openEventLog,
  readRunSync,
  type RunEvent,
  runExists,
} from "../../eventlog/mod.ts";
import { isThere, readText } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { pathOf, readAll, writeRun } from "./_runs.ts";

const RUN_ID = "pipe-01";

function nodeStarted(nodeId: string): RunEvent {
  const base = { id: newEventId(), ts: "2026-04-15T00:00:00Z", run_id: RUN_ID };
  return { type: "node.started", ...base, node_id: nodeId, kind: "bash" };
}

function readEvents(root: string): RunEvent[] {
  const pages = [...readRunSync(root, RUN_ID, { strict: true })];
  return pages.flatMap(({ events }) => events.map(({ event }) => event));
}

Deno.test("seed: append_then_read_roundtrip_one_event", () =>
  withTempDir(async (root) => {
    await using log = await openEventLog({ root, runId: RUN_ID });
    const event = nodeStarted("n1");
    await log.append(event);
    const [read, ...others] = readEvents(root);
    assertEquals(read, event);
    assertEquals([read?.run_id, read?.type, others], [RUN_ID, "node.started", []]);
  }));

Deno.test("seed: hundred_sequential_appends_produce_hundred_parseable_lines", () =>
  withTempDir(async (root) => {
    await using log = await openEventLog({ root, runId: RUN_ID });
    const nodes = Array.from({ length: 100 }, (_, index) => `n${index}`);
    for (const node of nodes) await log.append(nodeStarted(node));
    const lines = readText(log.path).split("\n");
    assertEquals(lines.pop(), "");
    assertEquals(lines.map((line) => JSON.parse(line).node_id), nodes);
    assertEquals(readEvents(root).map((event) => "node_id" in event && event.node_id), nodes);
  }));

Deno.test("seed: for_run_creates_parent_directories", () =>
  withTempDir(async (directory) => {
    const root = `${directory}/volume/var`;
    await using _log = await openEventLog({ root, runId: RUN_ID });
    assertEquals(readText(pathOf(root, "events.jsonl", RUN_ID)), "");
  }));

Deno.test("seed: read_run_on_malformed_line_reports_line_number", () =>
  withTempDir((root) => {
    const path = writeRun(root, JSON.stringify(nodeStarted("n1")) + "\nnot json\n");
    const error = assertThrows(() => readAll(root, { strict: true }), EventLogError);
    assertEquals([error.kind, error.details.line, error.details.path], ["malformed", 2, path]);
    assert(error.message.startsWith(`malformed event at ${path}:2: `));
  }));

Deno.test("seed: enumerate_runs_lists_sorted_directory_names", () =>
  withTempDir(async (root) => {
    for (const runId of ["pipe-c", "pipe-a", "pipe-b"]) {
      await (await openEventLog({ root, runId })).close();
    }
    await Deno.mkdir(`${root}/runs/pipe-0-without-a-log`);
    assertEquals(await listRuns(root), ["pipe-0-without-a-log", "pipe-a", "pipe-b", "pipe-c"]);
  }));

Deno.test("seed: enumerate_runs_on_missing_var_runs_returns_empty", () =>
  withTempDir(async (root) => {
    assertEquals(await listRuns(root), []);
    assertFalse(isThere(`${root}/runs`));
  }));

Deno.test("seed: run_exists_discriminates_created_from_absent", () =>
  withTempDir(async (root) => {
    await (await openEventLog({ root, runId: RUN_ID })).close();
    assert(await runExists(root, RUN_ID));
    assertFalse(await runExists(root, "pipe-02"));
  }));
