import { assertEquals } from "@std/assert";
import { attemptChange, newEventId, type RunEvent, RunFold } from "../../eventlog/mod.ts";

let second = 0;

/** An event of a run, each a second later than the one before. */
function event(type: string, members: Record<string, unknown> = {}): RunEvent {
  const ts = new Date(Date.UTC(2026, 3, 15, 12, 0, ++second)).toISOString();
  return { type, id: newEventId(), ts, run_id: "ci-1", ...members };
}

function foldOf(...events: RunEvent[]): RunFold {
  const fold = new RunFold();
  for (const event of events) fold.take(event);
  return fold;
}

Deno.test("RunFold knows every attempt at a node, with how it ended", () => {
  const begin = event("node.started", { node_id: "a", kind: "command", name: "make", attempt: 1 });
  const again = event("node.started", { node_id: "a", kind: "command", name: "make", attempt: 2 });
  const fold = foldOf(
    begin,
    event("node.failed", {
      node_id: "a",
      error: { kind: "crash", exit_code: 2 },
      message: "no rule",
      duration_ms: 5,
      attempt: 1,
    }),
    again,
    // Logs of earlier builds have these.
    event("node.spawned", { node_id: "a", pid: 7, attempt: 2 }),
    event("node.completed", { node_id: "a", output_hash: "sha256:0", duration_ms: 6, attempt: 2 }),
  );
  assertEquals(fold.attemptsOf("a"), [
    {
      attempt: 1,
      status: { Failed: { kind: "crash", message: "no rule" } },
      started_ts: begin.ts,
      duration_ms: 5,
      exit_code: 2,
    },
    {
      attempt: 2,
      status: "Completed",
      started_ts: again.ts,
      duration_ms: 6,
      exit_code: 0,
      output_hash: "sha256:0",
    },
  ]);
  assertEquals([fold.nameOf("a"), fold.nameOf("b"), fold.attemptsOf("b")], ["make", undefined, []]);
});

Deno.test("RunFold numbers attempts that another program did not, and misses no end without a begin", () => {
  const started = (id: string) => event("node.started", { node_id: id, kind: "bash" });
  const fold = foldOf(
    started("a"),
    event("node.failed", { node_id: "a", error: { kind: "timeout" } }),
    started("a"),
    event("node.completed", { node_id: "b", attempt: 3 }),
  );
  const shown = (id: string) =>
    fold.attemptsOf(id).map(({ attempt, status }) => ({ attempt, status }));
  assertEquals(shown("a"), [
    { attempt: 1, status: { Failed: { kind: "timeout" } } },
    { attempt: 2, status: "Running" },
  ]);
  assertEquals(shown("b"), [{ attempt: 3, status: "Completed" }]);
});

Deno.test("RunFold tells when a run began and how long it took, as its end says or else by the clock", () => {
  const begin = event("pipe.started", { pipe: "ci", inputs: [], distro_version: "0" });
  const told = foldOf(begin, event("pipe.completed", { duration_ms: 12 }));
  assertEquals([told.hasBegun, told.startedTs, told.durationMs], [true, begin.ts, 12]);
  const end = event("pipe.aborted", { reason: "enough" });
  const fold = foldOf(begin, end);
  assertEquals(fold.durationMs, Date.parse(end.ts) - Date.parse(begin.ts));
  assertEquals(foldOf(begin).durationMs, undefined);
  const headless = foldOf(event("node.started", { node_id: "a", kind: "bash" }));
  assertEquals(headless.hasBegun, false);
  assertEquals(new RunFold().startedTs, undefined);
});

Deno.test("RunFold keeps all but the time and the last id as they were when the run ended", () => {
  const fold = foldOf(event("pipe.completed", { duration_ms: 1 }));
  const late = event("node.started", { node_id: "late", kind: "bash" });
  fold.take(late);
  fold.take(event("pipe.aborted", { reason: "too late", id: "no-ulid" }));
  const { state, nodes } = fold.state();
  assertEquals([state, nodes, fold.attemptsOf("late")], ["Completed", [], []]);
  assertEquals(fold.lastEventId, late.id);
});

Deno.test("attemptChange() tells nothing of events that are about no node, or of another kind", () => {
  assertEquals(attemptChange(event("pipe.completed")), undefined);
  assertEquals(attemptChange(event("node.teleported", { node_id: "a" })), undefined);
  assertEquals(attemptChange(event("node.started", { node_id: 7 })), undefined);
  assertEquals(attemptChange(event("gate.passed", { node_id: "a", gate: "g" })), { node_id: "a" });
});

Deno.test("attemptChange() does not fail at events that another program left incomplete", () => {
  for (const error of [undefined, null, "crash", {}]) {
    assertEquals(attemptChange(event("node.failed", { node_id: "a", error })), {
      node_id: "a",
      status: { Failed: { kind: "crash" } },
    });
  }
});
