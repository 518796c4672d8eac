import { assert, assertEquals } from "@std/assert";
import { deriveRunState, isKnownRunEvent, type RunEvent, RunFold } from "../../eventlog/mod.ts";

const RUN = "ci-01kpfntqeej7vhn935kc0tm9vn";
let second = 0;

/** An event of the run, each a second later than the one before. */
function event(type: string, members: Record<string, unknown> = {}): RunEvent {
  const ts = new Date(Date.UTC(2026, 3, 15, 12, 0, ++second)).toISOString();
  return { type, id: `id-${second}`, ts, run_id: RUN, ...members };
}

function started(nodes?: string[]): RunEvent {
  second = 0;
  const members = { pipe: "ci", inputs: [], distro_version: "2.0.0" };
  return event("pipe.started", nodes === undefined ? members : { ...members, nodes });
}

const node = (type: string, id: string, members: Record<string, unknown> = {}) =>
  event(`node.${type}`, { node_id: id, ...(type === "started" && { kind: "bash" }), ...members });

Deno.test("deriveRunState() of no events knows nothing (OST-3)", () => {
  assertEquals(deriveRunState([]), {
    run_id: "",
    pipe: "",
    state: "Running",
    nodes: [],
    is_orphan: false,
    last_ts: null,
  });
});

Deno.test("deriveRunState() tells a run that runs, its nodes and the time of its last event (OST-3)", () => {
  const events = [
    started(["a", "b", "c"]),
    node("started", "a"),
    node("completed", "a", { duration_ms: 12 }),
    node("started", "b", { attempt: 1 }),
  ];
  assertEquals(deriveRunState(events, { live: true }), {
    run_id: RUN,
    pipe: "ci",
    state: "Running",
    nodes: [
      { id: "a", kind: "bash", status: "Completed", last_ts: events[2]!.ts, duration_ms: 12 },
      { id: "b", kind: "bash", status: "Running", last_ts: events[3]!.ts, attempt: 1 },
      { id: "c", status: "Pending" },
    ],
    is_orphan: false,
    last_ts: events[3]!.ts,
  });
});

Deno.test("deriveRunState() tells how a run ended (OST-3)", () => {
  assertEquals(deriveRunState([started(), event("pipe.completed")]).state, "Completed");
  assertEquals(
    deriveRunState([started(), event("pipe.aborted", { reason: "node a failed: crash" })]).state,
    { Aborted: { reason: "node a failed: crash" } },
  );
});

Deno.test("deriveRunState() tells why a node failed, with its message if it has one (OST-3)", () => {
  const failed = (members: Record<string, unknown>) =>
    deriveRunState([started(), node("started", "a"), node("failed", "a", members)]).nodes[0]
      ?.status;
  assertEquals(failed({ error: { kind: "crash" } }), { Failed: { kind: "crash" } });
  assertEquals(failed({ error: { kind: "crash" }, message: null }), { Failed: { kind: "crash" } });
  assertEquals(failed({ error: { kind: "timeout" }, message: "after 30 s" }), {
    Failed: { kind: "timeout", message: "after 30 s" },
  });
});

Deno.test("deriveRunState() follows a node through its attempts", () => {
  const events = [
    started(),
    node("started", "a", { attempt: 1 }),
    node("failed", "a", { attempt: 1, error: { kind: "crash" }, duration_ms: 5 }),
    node("started", "a", { attempt: 2 }),
  ];
  const { nodes } = deriveRunState(events);
  assertEquals(nodes.length, 1);
  assertEquals([nodes[0]?.status, nodes[0]?.attempt], ["Running", 2]);
  const last = node("completed", "a", { attempt: 2, duration_ms: 7 });
  const ended = deriveRunState([...events, last]).nodes[0];
  assertEquals([ended?.status, ended?.attempt, ended?.duration_ms], ["Completed", 2, 7]);
});

Deno.test("deriveRunState() does not take the length of one attempt for that of another", () => {
  const events = [
    node("started", "a", { attempt: 1 }),
    node("failed", "a", { attempt: 1, error: { kind: "crash" }, duration_ms: 5 }),
    node("started", "a", { attempt: 2 }),
    node("failed", "a", { attempt: 2, error: { kind: "cancelled" } }),
  ];
  const lengths = [2, 3, 4].map((count) => deriveRunState(events.slice(0, count)).nodes[0]);
  assertEquals(lengths.map((info) => info?.duration_ms), [5, 5, undefined]);
});

Deno.test("deriveRunState() keeps a node's state through gates and rounds (OEV-6)", () => {
  const events = [
    started(),
    node("started", "fix-loop", { kind: "loop" }),
    event("iteration.started", { node_id: "fix-loop", iteration: 1, byte_offset: 25 }),
    event("gate.passed", { node_id: "fix-loop", gate: "tests", method: "hook" }),
  ];
  const [info] = deriveRunState(events).nodes;
  assertEquals([info?.kind, info?.status, info?.last_ts], ["loop", "Running", events[3]!.ts]);
});

Deno.test("deriveRunState() lists nodes in the order of the flow, otherwise of their start", () => {
  const idsOf = (events: RunEvent[]) => deriveRunState(events).nodes.map(({ id }) => id);
  const b = node("started", "b");
  assertEquals(idsOf([started(["a", "b"]), b, node("started", "a")]), ["a", "b"]);
  assertEquals(idsOf([started(), b, node("started", "a")]), ["b", "a"]);
});

Deno.test("deriveRunState() says what the last event of the run as a whole says", () => {
  const resumed = event("pipe.started", { pipe: "ci", resumed: true });
  const completed = event("pipe.completed");
  const aborted = event("pipe.aborted", { reason: "node a failed: crash" });
  const stateAfter = (...events: RunEvent[]) => deriveRunState([started(), ...events]).state;
  const reason = { Aborted: { reason: "node a failed: crash" } };
  assertEquals(stateAfter(aborted), reason);
  assertEquals(stateAfter(aborted, node("failed", "a")), reason);
  assertEquals(stateAfter(aborted, resumed), "Running");
  assertEquals(stateAfter(aborted, resumed, completed), "Completed");
  assertEquals(stateAfter(aborted, resumed, aborted, resumed), "Running");
  assertEquals(deriveRunState([started(), aborted, resumed], { live: false }).is_orphan, true);
  // As whoever reads only the end of a log sees it.
  assertEquals(stateAfter(completed, aborted), reason);
});

Deno.test("a run that is gone on with has the nodes that it had, as they were, and those that are new", () => {
  const { pipe, nodes } = deriveRunState([
    started(["a", "b"]),
    node("started", "a", { attempt: 1 }),
    node("completed", "a", { attempt: 1 }),
    event("pipe.aborted", { reason: "cancelled" }),
    event("pipe.started", { pipe: "ci", nodes: ["c", "a", "b"], resumed: true }),
  ]);
  assertEquals(pipe, "ci");
  assertEquals(nodes.map(({ id, status }) => [id, status]), [
    ["a", "Completed"],
    ["b", "Pending"],
    ["c", "Pending"],
  ]);
});

Deno.test("deriveRunState() tells the time of what follows the terminal event (W-OMN-9)", () => {
  const late = node("started", "late");
  assertEquals(deriveRunState([started(), event("pipe.completed"), late]).last_ts, late.ts);
});

Deno.test("deriveRunState() counts events of unknown types for the time only (W-OMN-12)", () => {
  const unknown = event("node.teleported", { node_id: "a" });
  const { nodes, last_ts, state } = deriveRunState([started(), unknown]);
  assertEquals([nodes, last_ts, state], [[], unknown.ts, "Running"]);
});

Deno.test("deriveRunState() calls a run an orphan when it has not ended and nobody works on it (OST-4)", () => {
  const orphan = (events: RunEvent[], live?: boolean) =>
    deriveRunState(events, live === undefined ? {} : { live }).is_orphan;
  assertEquals(orphan([started()], false), true);
  assertEquals(orphan([started()], true), false);
  assertEquals(orphan([started()]), false);
  assertEquals(orphan([started(), event("pipe.completed")], false), false);
  assertEquals(orphan([started(), event("pipe.aborted", { reason: "" })], false), false);
});

Deno.test("deriveRunState() works with the ends of a log only", () => {
  const events = [node("completed", "a"), event("iteration.started", { node_id: "b" })];
  const state = deriveRunState(events);
  assertEquals([state.run_id, state.pipe], [RUN, ""]);
  assertEquals(state.nodes.map(({ id, status }) => [id, status]), [
    ["a", "Completed"],
    ["b", "Running"],
  ]);
});

Deno.test("deriveRunState() does not fail at events that another program left incomplete", () => {
  const incomplete = [
    {},
    { type: 5 },
    { type: "pipe.started" },
    { type: "pipe.started", nodes: null },
    { type: "pipe.started", nodes: 7 },
    { type: "node.started" },
    { type: "node.failed", node_id: "a" },
    { type: "node.failed", node_id: "a", error: null },
    { type: "node.failed", node_id: "a", error: "crash" },
    { type: "pipe.aborted" },
  ] as unknown as RunEvent[];
  for (const event of incomplete) {
    const state = deriveRunState([event, started(), node("completed", "z")]);
    assertEquals(state.last_ts !== null, true, JSON.stringify(event));
  }
  const { nodes } = deriveRunState(incomplete.slice(6, 7));
  assertEquals(nodes[0]?.status, { Failed: { kind: "crash" } });
});

Deno.test("isKnownRunEvent() knows the seed's eight tags", () => {
  const known = [
    "pipe.started",
    "pipe.completed",
    "pipe.aborted",
    "node.started",
    "node.completed",
    "node.failed",
    "gate.passed",
    "iteration.started",
  ];
  assertEquals(known.map((type) => isKnownRunEvent(event(type))), known.map(() => true));
  const unknown = ["", "pipe", "node.spawned", "PIPE.STARTED", "toString", "__proto__"];
  assertEquals(unknown.map((type) => isKnownRunEvent(event(type))), unknown.map(() => false));
});

Deno.test("a member of another type than it should be counts as missing, whichever it is", () => {
  const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "r" };
  const node = { ...base, node_id: "a", attempt: 1 };
  const events: Record<string, unknown>[] = [
    { ...base, type: "pipe.started", pipe: "p", nodes: ["a"] },
    { ...node, type: "node.started", kind: "command", task: "t", name: "n" },
    { ...node, type: "node.completed", output_hash: "h", duration_ms: 5 },
    { ...node, type: "node.started", kind: "command", attempt: 2 },
    {
      ...node,
      type: "node.failed",
      error: { kind: "crash", cancelled: true, exit_code: 1, signal: "SIGTERM" },
      message: "m",
      duration_ms: 5,
      attempt: 2,
    },
    { ...base, type: "pipe.aborted", reason: "why", duration_ms: 5 },
  ];
  let deep: unknown = 0;
  for (let level = 0; level < 100_000; level++) deep = [deep];
  for (const [index, event] of events.entries()) {
    const members = [...Object.keys(event), "error.kind", "error.exit_code", "error.signal"];
    for (const name of members.filter((name) => name !== "type")) {
      for (const value of [null, true, {}, [[]], deep, Symbol("x"), name.length]) {
        const [member, part] = name.split(".") as [string, string?];
        const changed = part === undefined
          ? { ...event, [member]: value }
          : { ...event, error: { ...(event.error as object), [part]: value } };
        const fold = new RunFold();
        for (const each of events.with(index, changed)) fold.take(each as unknown as RunEvent);
        const state = fold.state({ live: false });
        assertTypes(state, name);
        for (const { id } of state.nodes) fold.attemptsOf(id).forEach((a) => assertTypes(a, name));
      }
    }
  }
});

const NUMBERS = new Set(["attempt", "duration_ms", "exit_code"]);
const BOOLEANS = new Set(["is_orphan", "terminal"]);

/** Of all that a fold tells, each member has its type. */
function assertTypes(value: object, of: string): void {
  for (const [name, member] of Object.entries(value)) {
    if (typeof member === "object" && member !== null) assertTypes(member, of);
    else {
      const type = NUMBERS.has(name) ? "number" : BOOLEANS.has(name) ? "boolean" : "string";
      assert(typeof member === type || member === null, `${name} after ${of}: ${String(member)}`);
    }
  }
}
