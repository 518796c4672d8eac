import { assert, assertEquals } from "@std/assert";
import {
  attemptChange,
  newEventId,
  type NodeInfo,
  type RunEvent,
  RunFold,
} from "../../eventlog/mod.ts";

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

Deno.test("RunFold adds up the sittings of a run, without the time between them", () => {
  const at = (second: number, type: string, members: Record<string, unknown> = {}): RunEvent => {
    const ts = new Date(Date.UTC(2026, 3, 15, 13, 0, 0, second * 1000)).toISOString();
    return { ...event(type, members), ts };
  };
  const begin = at(0, "pipe.started", { pipe: "ci" });
  const resumed = at(100, "pipe.started", { pipe: "ci", resumed: true });
  const aborted = at(10, "pipe.aborted", { reason: "no", duration_ms: 9900 });
  const fold = foldOf(begin, aborted, resumed);
  assertEquals([fold.startedTs, fold.sittingTs, fold.sittings], [begin.ts, resumed.ts, 2]);
  assertEquals(fold.durationMs, undefined);
  fold.take(at(105, "pipe.completed", { duration_ms: 4500 }));
  assertEquals(fold.durationMs, 9900 + 4500);
  // What has no length of its own goes by the clock; a sitting without an end, to its last event.
  const killed = foldOf(begin, at(7, "node.started", { node_id: "a" }), resumed);
  killed.take(at(103, "pipe.completed"));
  assertEquals(killed.durationMs, 7000 + 3000);
});

Deno.test("RunFold goes by node and attempt, in whatever order begins and ends come", () => {
  const of = (attempt: number) => ({ node_id: "a", attempt });
  const [begin1, begin2] = [1, 2].map((number) => {
    return event("node.started", { ...of(number), kind: "command", name: `make ${number}` });
  }) as [RunEvent, RunEvent];
  const end1 = event("node.failed", { ...of(1), error: { kind: "timeout" }, duration_ms: 5 });
  const end2 = event("node.completed", { ...of(2), duration_ms: 6 });
  const wanted = foldOf(begin1, end1, begin2, end2);
  const shown = (fold: RunFold) => {
    const [{ last_ts: _time, ...node }] = fold.state().nodes as [NodeInfo];
    return [fold.attemptsOf("a"), node, fold.nameOf("a")];
  };
  assertEquals(shown(wanted)[1], {
    id: "a",
    kind: "command",
    status: "Completed",
    attempt: 2,
    duration_ms: 6,
  });
  for (const order of permutations([begin1, end1, begin2, end2])) {
    assertEquals(shown(foldOf(...order)), shown(wanted));
    // The same lines told again say nothing new.
    assertEquals(shown(foldOf(...order, begin2, end1, begin1)), shown(wanted));
  }
  const end = event("pipe.aborted", { reason: "killed" });
  assertEquals(shown(foldOf(begin1, begin2, end, end1, end2)), shown(wanted));
});

function permutations<T>(items: T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, index) => {
    return permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]);
  });
}

Deno.test("RunFold knows the id of the last event, whatever follows the end of the run", () => {
  const fold = foldOf(event("pipe.completed", { duration_ms: 1 }));
  const late = event("node.started", { node_id: "late", kind: "bash" });
  fold.take(late);
  fold.take(event("iteration.started", { id: "no-ulid" }));
  assertEquals(fold.lastEventId, late.id);
  assertEquals(fold.state().state, "Completed");
});

Deno.test("RunFold gives times and digests back as they stand in the events, however they are spelt", () => {
  const hex = "0123456789abcdef".repeat(4);
  const texts = [
    "2026-04-15T12:00:00Z",
    "2026-04-15T12:00:00.000Z",
    "2026-04-15T12:00:00.07Z",
    "2026-04-15T12:00:00.123456Z",
    "2026-04-15T14:00:00+02:00",
    "2026-02-30T12:00:00Z",
    "1969-12-31T23:59:59.999Z",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "+010000-01-01T00:00:00.000Z",
    "yesterday",
    "",
    `sha256:${hex}`,
    `sha256:${"f".repeat(64)}`,
    `sha256:${hex.toUpperCase()}`,
    `sha256:${hex.slice(1)}`,
    hex,
    `blake3:${hex}`,
  ];
  const fold = new RunFold();
  for (const [index, text] of texts.entries()) {
    const attempt = { node_id: `n${index}`, attempt: 1 };
    fold.take({ ...event("node.started", attempt), ts: text });
    fold.take(event("node.failed", { ...attempt, output_hash: text, error_hash: text, error: {} }));
    fold.take({ ...event("gate.passed", { node_id: `n${index}` }), ts: text });
  }
  const told = fold.state().nodes.map(({ id, last_ts: ts }) => {
    const info = fold.attemptOf(id, 1)!;
    return [ts, info.started_ts, info.output_hash, info.error_hash];
  });
  assertEquals(told, texts.map((text) => [text, text, text, text]));
});

Deno.test("RunFold gives each attempt and each node alone, too", () => {
  const fold = foldOf(
    event("pipe.started", { pipe: "ci", nodes: ["b"] }),
    event("node.started", { node_id: "a", attempt: 2, kind: "bash" }),
    event("node.started", { node_id: "a", attempt: 7, kind: "bash" }),
  );
  assertEquals(fold.attemptOf("a", 7), fold.attemptsOf("a")[1]);
  assertEquals([fold.attemptOf("a", 1), fold.attemptOf("c", 1)], [undefined, undefined]);
  assertEquals([...fold.nodes()], fold.state().nodes);
});

Deno.test("RunFold keeps the damage that was found when the run was gone on with", () => {
  const found = (damaged: unknown) => {
    return foldOf(event("pipe.started", { pipe: "ci", resumed: true, damaged })).damaged;
  };
  assertEquals(found([[3, 4], [9, 9]]), [[3, 4], [9, 9]]);
  assertEquals(found([[3], [1, "2"], 7, [1, 2, 3]]), []);
  assertEquals([found(undefined), found("3")], [[], []]);
});

Deno.test("RunFold keeps an attempt in a few numbers, not in objects", () => {
  const script = `
    import { RunFold } from ${JSON.stringify(import.meta.resolve("../../eventlog/mod.ts"))};
    const fold = new RunFold();
    const base = { id: "", run_id: "r", ts: "2026-04-15T12:00:00.123Z" };
    const take = (event) => fold.take(JSON.parse(JSON.stringify({ ...base, ...event })));
    const digest = (n) => "sha256:" + n.toString(16).padStart(64, "0");
    const round = (first, last) => {
      for (let n = first; n < last; n++) {
        const node = { node_id: "n" + n % 500, attempt: 1 + Math.floor(n / 500) };
        take({ ...node, type: "node.started", kind: "command", name: "make " + n % 500 });
        const hashes = { output_hash: digest(n), error_hash: digest(n + 1e9) };
        take({ ...node, type: "node.completed", ...hashes, duration_ms: n });
      }
    };
    const used = () => {
      gc();
      const { heapUsed, external } = Deno.memoryUsage();
      return heapUsed + external;
    };
    round(0, 1000);
    const before = used();
    round(1000, 101_000);
    console.log((used() - before) / 100_000);
    if (fold.attemptsOf("n7").length !== 202) throw new Error("attempts are missing");
  `;
  const args = ["eval", "--no-check", "--v8-flags=--expose-gc", "--ext=js", script];
  const { stdout, stderr } = new Deno.Command(Deno.execPath(), { args }).outputSync();
  const bytes = Number(new TextDecoder().decode(stdout));
  // Ten numbers and two digests of 32 bytes, in tables that may be half empty.
  assert(
    bytes > 0 && bytes < 2 * (10 * 8 + 64) + 16,
    `${bytes} bytes an attempt ${new TextDecoder().decode(stderr)}`,
  );
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
