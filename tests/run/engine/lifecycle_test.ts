import { assert, assertEquals } from "@std/assert";
import {
  type EventBody,
  eventsOf,
  nodeEnded,
  nodeStarted,
  pipeEnded,
  pipeStarted,
  wasBegun,
} from "../../../run/engine/lifecycle.ts";
import type { EndRecord } from "../../../run/types.ts";
import type { RunTermination } from "../../../supervisor/mod.ts";
import { originalReads } from "../../_util/original_events.ts";
import { VERSION } from "../../../_internal/version.ts";

const AT = Date.parse("2026-04-15T12:00:00.007Z");
const A = { nodeId: "a", attempt: 2 };

/** The events as a log has them: without what is undefined. */
function written(...bodies: EventBody[]): Record<string, unknown>[] {
  const lines = eventsOf(bodies, { runId: "r", after: undefined }).map((event) =>
    JSON.stringify(event)
  );
  for (const line of lines) assert(originalReads(line), line);
  return lines.map((line) => {
    const { id: _, ts, run_id: runId, ...members } = JSON.parse(line);
    assertEquals([ts, runId], ["2026-04-15T12:00:00.007Z", "r"]);
    return members;
  });
}

Deno.test("the begin of a run says what is run, and whether it is gone on with", () => {
  const body = { pipe: "ci", inputs: [], distro_version: VERSION, nodes: ["a", "b"] };
  const about = { name: "ci", nodes: ["a", "b"] };
  assertEquals(written(pipeStarted(AT, about)), [{ type: "pipe.started", ...body }]);
  assertEquals(written(pipeStarted(AT, { ...about, resumed: true })), [
    { type: "pipe.started", ...body, resumed: true },
  ]);
});

Deno.test("the begin of an attempt says what it does", () => {
  const base = { type: "node.started", node_id: "a", kind: "command", attempt: 2 };
  assertEquals(
    written(
      nodeStarted(AT, A, { kind: "command", name: "make a" }),
      nodeStarted(AT, A, { kind: "command", task: "fetch" }),
    ),
    [{ ...base, name: "make a" }, { ...base, task: "fetch" }],
  );
});

const hashes = { output_hash: "0".repeat(64), error_hash: "1".repeat(64), duration_ms: 12 };

/** What the log says of an end: the type, and what stands beside it. */
const ENDS: [RunTermination, EndRecord | undefined, Record<string, unknown>][] = [
  ["Completed", { exit_code: 0, ...hashes }, { type: "node.completed", ...hashes }],
  ["Completed", {}, { type: "node.completed" }],
  [{ Failed: "RuntimeError" }, { exit_code: 3, ...hashes }, {
    type: "node.failed",
    ...hashes,
    error: { kind: "crash", exit_code: 3 },
  }],
  [{ Failed: "RuntimeError" }, { signal: "SIGSEGV", error: { message: "" } }, {
    type: "node.failed",
    error: { kind: "crash", signal: "SIGSEGV" },
  }],
  ["TimedOut", { error: { message: "too late" } }, {
    type: "node.failed",
    error: { kind: "timeout" },
    message: "too late",
  }],
  ["Aborted", { signal: "SIGTERM" }, {
    type: "node.failed",
    error: { kind: "crash", cancelled: true, signal: "SIGTERM" },
  }],
  ["Aborted", undefined, {
    type: "node.failed",
    error: { kind: "crash", cancelled: true },
    message: "cut off: nobody has seen its end",
  }],
  [{ Failed: "AdapterUnavailable" }, { error: { name: "E", message: "\ud800gone" } }, {
    type: "node.failed",
    error: { kind: "host_missing" },
    message: "\ufffdgone",
  }],
];

Deno.test("the end of an attempt says how it ended, in words that the original program reads", () => {
  for (const [termination, end, expected] of ENDS) {
    const [event] = written(nodeEnded(AT, A, { termination, end }));
    assertEquals(event, { node_id: "a", attempt: 2, ...expected });
  }
});

Deno.test("the end of a run says how long it took since its begin, where that is known", () => {
  const ended = { reason: undefined, failed: undefined };
  const startedTs = "2026-04-15T11:59:58.000Z";
  assertEquals(
    written(
      pipeEnded(AT, { startedTs, ...ended }),
      pipeEnded(AT, { startedTs: undefined, ...ended }),
      pipeEnded(AT, { startedTs: "no time", ...ended }),
      pipeEnded(AT, { startedTs: "2027-01-01T00:00:00Z", ...ended }),
      pipeEnded(AT, { startedTs, reason: "node a failed: crash", failed: "a" }),
    ),
    [
      { type: "pipe.completed", duration_ms: 2007 },
      { type: "pipe.completed" },
      { type: "pipe.completed" },
      { type: "pipe.completed", duration_ms: 0 },
      {
        type: "pipe.aborted",
        reason: "node a failed: crash",
        failed_step: "a",
        duration_ms: 2007,
      },
    ],
  );
});

Deno.test("an attempt that was ended before its work began is none", () => {
  assertEquals([undefined, {}, { begun: false } as const].map((end) => wasBegun({ end })), [
    true,
    true,
    false,
  ]);
});

Deno.test("events get ids in their order, behind the last one of their log", () => {
  const body = (at: number) => nodeStarted(at, A, { kind: "command" });
  const first = eventsOf([body(AT)], { runId: "r", after: undefined });
  // The clock may be set back.
  const more = eventsOf([body(AT - 90_000), body(AT)], { runId: "r", after: first[0]!.id });
  const ids = [...first, ...more].map(({ id }) => id);
  assertEquals(ids, ids.toSorted());
  assertEquals(new Set(ids).size, 3);
});
