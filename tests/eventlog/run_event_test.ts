import { assert, assertEquals } from "@std/assert";
import {
  deriveRunState,
  isKnownRunEvent,
  openEventLog,
  readRun,
  type RunEvent,
} from "../../eventlog/mod.ts";
import { readText } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { writeRun } from "./_runs.ts";

const RUN_ID = "feature-01kpfntqeej7vhn935kc0tm9vn";

function golden(name: string): string {
  return Deno.readTextFileSync(new URL(`../golden/eventlog/${name}`, import.meta.url));
}

async function readBack(root: string): Promise<RunEvent[]> {
  const pages = await Array.fromAsync(readRun(root, RUN_ID));
  assertEquals(pages.flatMap(({ gaps }) => gaps), []);
  return pages.flatMap(({ events }) => events.map(({ event }) => event));
}

/** The events of omitted.jsonl. */
const OMITTED: RunEvent[] = [
  {
    type: "pipe.started",
    id: "01kpfntqeej7vhn935kc0tm9vp",
    ts: "2026-04-15T12:00:00Z",
    run_id: RUN_ID,
    pipe: "feature",
    inputs: [{ key: "feature_name", value: "add-hello" }],
    distro_version: "2.0.0",
  },
  {
    type: "node.failed",
    id: "01kpfntqeej7vhn935kc0tm9vq",
    ts: "2026-04-15T12:00:01Z",
    run_id: RUN_ID,
    node_id: "plan",
    error: { kind: "crash" },
    message: "Claude Code on Windows requires git-bash",
  },
  {
    type: "pipe.aborted",
    id: "01kpfntqeej7vhn935kc0tm9vr",
    ts: "2026-04-15T12:00:02Z",
    run_id: RUN_ID,
    reason: "node fix-loop failed: max_iterations_exceeded",
  },
];

/** The events of omne_nulls.jsonl, which print empty members as null. */
const WITH_NULLS: RunEvent[] = [
  {
    type: "node.started",
    id: "ev-0001",
    ts: "2026-04-15T00:00:00Z",
    run_id: "pipe-01",
    node_id: "n1",
    kind: "bash",
    name: null,
    model: null,
  },
  {
    type: "iteration.started",
    id: "01kpfnwvm97771jwvjt1r85f0b",
    ts: "2026-04-15T12:00:00Z",
    run_id: "feature-01kpfnwvm97771jwvjt1r85f0a",
    node_id: "fix-loop",
    iteration: 1,
    byte_offset: 25,
  },
];

const goldens = { "omitted.jsonl": OMITTED, "omne_nulls.jsonl": WITH_NULLS };

for (const [name, events] of Object.entries(goldens)) {
  Deno.test(`a log of the events in ${name} has its bytes (spec 5.1, OEV-2, OEV-3)`, () =>
    withTempDir(async (root) => {
      await using log = await openEventLog({ root, runId: RUN_ID });
      for (const event of events) await log.append(event);
      assertEquals(readText(log.path), golden(name));
    }));

  Deno.test(`${name} is read back as those events (spec 5.1)`, () =>
    withTempDir(async (root) => {
      writeRun(root, golden(name), RUN_ID);
      assertEquals(await readBack(root), events);
    }));
}

Deno.test("node.started with null members, and without them, are the same to who reads (J-11)", () => {
  const [withNulls] = WITH_NULLS;
  const { name: _name, model: _model, ...without } = withNulls as typeof withNulls & {
    name?: null;
    model?: null;
  };
  assertEquals(
    deriveRunState([withNulls!]),
    deriveRunState([without as RunEvent]),
  );
});

Deno.test("every event has a type and a run (OEV-4)", () => {
  for (const event of [...OMITTED, ...WITH_NULLS]) {
    assert(isKnownRunEvent(event));
    assert(typeof event.type === "string" && typeof event.run_id === "string");
  }
});

Deno.test("an event of an unknown type is delivered as it is (OEV-5, W-OMN-12)", () =>
  withTempDir(async (root) => {
    const line = '{"type":"node.teleported","id":"1","ts":"t","run_id":"r","to":{"x":1}}\n';
    writeRun(root, golden("omitted.jsonl") + line, RUN_ID);
    const events = await readBack(root);
    assertEquals(events.length, 4);
    assertEquals(JSON.stringify(events[3]) + "\n", line);
    assert(!isKnownRunEvent(events[3]!));
  }));
