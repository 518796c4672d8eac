import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  assertReplays,
  CapturingDecisionLog,
  recordEvent,
  stringifyCaptureBundle,
  type TaffrailCaptureBundle,
  type V3CaptureBundle,
} from "../../capture/mod.ts";
import {
  type DecisionLog,
  type DecisionLogEntry,
  FaultInvoker,
  MemoryDecisionLog,
  Supervisor,
} from "../../supervisor/mod.ts";
import {
  asV3,
  createSupervisor,
  event,
  EXPECTED,
  newSession,
  NO_LIMITS,
  RUNTIME,
  sampleInvoker,
} from "./_util.ts";

const CONFIG = {
  ...NO_LIMITS,
  max_retries: 2,
  max_per_window: 1,
  rate_window: { secs: 10, nanos: 0 },
};

function emptyBundle(): V3CaptureBundle {
  return {
    capture_version: "v3",
    graph_id: "g",
    config: CONFIG,
    events: [],
    decisions: [],
    adapter_provenance: "none",
    runtime_provenance: RUNTIME,
  };
}

function events() {
  return [
    event("e1", 0, { payload: '{"x":1}' }),
    event("e2", 1),
    event("p1", 5, { kind: "Pump" }),
    event("p2", 10, { kind: "Pump" }),
  ];
}

Deno.test("a bundle that is filled by hand is the one of a session, and replays (CAP-3)", async () => {
  const bundle = emptyBundle();
  const inner = new MemoryDecisionLog();
  const supervisor = new Supervisor({
    graphId: "g",
    constraints: CONFIG,
    decisionLog: new CapturingDecisionLog(inner, bundle),
    invoker: sampleInvoker(),
  });
  const session = newSession({ constraints: CONFIG, invoker: sampleInvoker() });
  for (const one of events()) {
    bundle.events.push(recordEvent(one));
    await supervisor.onEvent(one);
    await session.onEvent(one);
  }
  assertEquals(stringifyCaptureBundle(bundle), stringifyCaptureBundle(session.intoBundle()));
  assertEquals(inner.records(), bundle.decisions);
  await assertReplays(bundle, { createSupervisor, expected: EXPECTED });
});

Deno.test("records() copies what v3 records of an entry, in its order (RPL-5)", async () => {
  const log = new MemoryDecisionLog();
  const session = newSession({ constraints: CONFIG, invoker: sampleInvoker(), decisionLog: log });
  for (const one of events()) await session.onEvent(one);
  const bundle = asV3(session.intoBundle());
  const records = log.records();
  assertEquals(records, bundle.decisions);
  assertEquals(JSON.stringify(records), JSON.stringify(bundle.decisions));
  const [first] = records;
  first!.effects.push({ effect: { kind: "k", writes: [] }, effect_hash: "" });
  (first!.termination as unknown) = "Aborted";
  assertEquals(log.records(), bundle.decisions);
});

Deno.test("the other log goes first, and what it refuses is not recorded (CAP-3, W-ERGO-7)", async () => {
  for (const isAsync of [false, true]) {
    const bundle = emptyBundle();
    const counts: number[] = [];
    const inner: DecisionLog = {
      log: ({ event_id }: DecisionLogEntry) => {
        counts.push(bundle.decisions.length);
        if (event_id !== "e2") return isAsync ? Promise.resolve() : undefined;
        if (isAsync) return Promise.reject(new Error("full"));
        throw new Error("full");
      },
    };
    const supervisor = new Supervisor({
      graphId: "g",
      constraints: CONFIG,
      decisionLog: new CapturingDecisionLog(inner, bundle),
      invoker: new FaultInvoker(),
    });
    await supervisor.onEvent(event("e1"));
    await assertRejects(() => supervisor.onEvent(event("e2", 1)), Error, "full");
    assertEquals(counts, [0, 1]);
    assertEquals(bundle.decisions.map(({ event_id }) => event_id), ["e1"]);
  }
});

Deno.test("decisions of a concurrent supervisor need a bundle of taffrail-v1", async () => {
  const session = newSession({ mode: "concurrent" });
  const made = session.intoBundle();
  assert("inputs" in made);
  const bundle: TaffrailCaptureBundle = { ...made, decisions: [] };
  const options = { graphId: "g", constraints: NO_LIMITS, mode: "concurrent" } as const;
  const whole = new Supervisor({
    ...options,
    decisionLog: new CapturingDecisionLog(new MemoryDecisionLog(), bundle),
    invoker: new FaultInvoker(),
  });
  await whole.onEvent(event("e1"));
  await whole.close();
  assertEquals(bundle.decisions.map(({ reason }) => reason), ["admitted", "completed"]);

  const v3 = emptyBundle();
  const inner = new MemoryDecisionLog();
  const supervisor = new Supervisor({
    ...options,
    decisionLog: new CapturingDecisionLog(inner, v3),
    invoker: new FaultInvoker(),
  });
  const message = "Cannot record the decision Finish: the format v3 has none such";
  await supervisor.onEvent(event("e1")).catch(() => {});
  await assertRejects(() => supervisor.idle(), TypeError, message);
  assertEquals([inner.entries.length, v3.decisions.length], [1, 1]);
});

Deno.test("what is no log and no bundle is refused", () => {
  const log = new MemoryDecisionLog();
  const cases: [unknown, unknown, string][] = [
    [{}, emptyBundle(), "Cannot use inner: it has no method log"],
    [log, null, "Cannot use bundle: expected an object, got null"],
    [log, {}, "Cannot use bundle.decisions: expected an array"],
  ];
  for (const [inner, bundle, message] of cases) {
    const make = () => new CapturingDecisionLog(inner as DecisionLog, bundle as V3CaptureBundle);
    assertThrows(make, TypeError, message);
  }
});
