import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type ChromeTraceEvent,
  toChromeTrace,
  type TraceEnvelope,
  type TraceStep,
} from "../../trace/mod.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";
import { chromeProblems } from "./_chrome_validator.ts";

const ORIGIN = Date.parse("2026-11-21T00:00:00.000Z");
const HASH = { algorithm: "blake3", value: "ab" };

/** A step that starts so many milliseconds behind the origin. */
function stepAt(start: number, duration: number, changes: Partial<TraceStep> = {}): TraceStep {
  return {
    node_id: `at ${start}`,
    component_id: "c",
    operation: "o",
    input_hash: HASH,
    duration_ms: duration,
    started_at: new Date(ORIGIN + start).toISOString(),
    ...changes,
  };
}

function traceOf(steps: TraceStep[], changes: Partial<TraceEnvelope> = {}): TraceEnvelope {
  return {
    trace_version: 1,
    pack: { pack_ref: "demo" },
    flow: { id: "demo.flow", version: "0.0.0" },
    steps,
    ...changes,
  };
}

/** The converted trace's events, which the validator has seen. */
function eventsOf(trace: TraceEnvelope): ChromeTraceEvent[] {
  const text = JSON.stringify(toChromeTrace(trace));
  assertEquals(chromeProblems(text), [], text);
  const { traceEvents } = JSON.parse(text);
  const times = traceEvents.map(({ ts = 0 }) => ts);
  assertEquals(times, times.toSorted((a: number, b: number) => a - b));
  return traceEvents;
}

/** Name, start, end and lane of the steps, in milliseconds, in the order of the file. */
function drawnOf(
  ...steps: TraceStep[]
): [name: string, start: number, end: number, lane: number][] {
  return eventsOf(traceOf(steps)).flatMap((event) =>
    event.ph === "X"
      ? [[event.name, event.ts / 1000, (event.ts + event.dur) / 1000, event.tid]]
      : []
  );
}

function countsOf(events: readonly ChromeTraceEvent[]): [ms: number, steps: number][] {
  return events.flatMap((event) =>
    event.ph === "C" ? [[event.ts / 1000, event.args.steps] as [number, number]] : []
  );
}

/** A child of the step `parent`. */
function childAt(start: number, duration: number, changes: Partial<TraceStep> = {}): TraceStep {
  return stepAt(start, duration, { parent_execution_id: "parent", ...changes });
}

Deno.test("toChromeTrace() gives steps at the same time the first lanes that are free", () => {
  assertEquals(drawnOf(stepAt(5, 10), stepAt(0, 10), stepAt(8, 1), stepAt(10, 5), stepAt(9, 2)), [
    ["at 0", 0, 10, 1],
    ["at 5", 5, 15, 2],
    ["at 8", 8, 9, 3],
    ["at 9", 9, 11, 3],
    ["at 10", 10, 15, 1],
  ]);
});

Deno.test("toChromeTrace() draws a step inside the one that runs it, if that has room", () => {
  const parent = stepAt(0, 20, { execution_id: "parent" });
  const child = childAt(1, 9, { execution_id: "child" });
  const grandchild = stepAt(2, 3, { parent_execution_id: "child" });
  assertEquals(drawnOf(grandchild, child, childAt(5, 10), childAt(10, 5), parent), [
    ["at 0", 0, 20, 1],
    ["at 1", 1, 10, 1],
    ["at 2", 2, 5, 1],
    ["at 5", 5, 15, 2],
    ["at 10", 10, 15, 1],
  ]);
});

Deno.test("toChromeTrace() puts a parent before a child of the same millisecond", () => {
  const parent = stepAt(0, 0, { execution_id: "parent", step: 1, node_id: "outer" });
  const child = childAt(0, 0, { step: 2, node_id: "inner" });
  assertEquals(drawnOf(child, parent), [["outer", 0, 0.001, 1], ["inner", 0, 0.001, 1]]);
});

Deno.test("toChromeTrace() fits a child that rounding made longer than its parent", () => {
  const parent = stepAt(0, 9, { execution_id: "parent" });
  assertEquals(drawnOf(childAt(5, 5), parent), [["at 0", 0, 9, 1], ["at 5", 5, 9, 1]]);
  assertEquals(drawnOf(childAt(9, 0), parent), [["at 0", 0, 9, 1], ["at 9", 8.999, 9, 1]]);
  // One that truly outlives its parent has a lane of its own.
  assertEquals(drawnOf(childAt(5, 6), parent), [["at 0", 0, 9, 1], ["at 5", 5, 11, 2]]);
  assertEquals(drawnOf(childAt(12, 1), parent), [["at 0", 0, 9, 1], ["at 12", 12, 13, 1]]);
});

Deno.test("toChromeTrace() does not mind a parent that was dropped, or steps in a circle", () => {
  assertEquals(drawnOf(childAt(0, 1)), [["at 0", 0, 1, 1]]);
  const a = stepAt(0, 5, { execution_id: "a", parent_execution_id: "b" });
  const b = stepAt(1, 2, { execution_id: "b", parent_execution_id: "a" });
  assertEquals(drawnOf(a, b), [["at 0", 0, 5, 1], ["at 1", 1, 3, 1]]);
  const self = stepAt(0, 5, { execution_id: "s", parent_execution_id: "s" });
  assertEquals(drawnOf(self), [["at 0", 0, 5, 1]]);
});

Deno.test("toChromeTrace() draws the seed's steps, which have no time, one after the other", () => {
  const path = new URL("../golden/trace/seed_trace.json", import.meta.url);
  const events = eventsOf(JSON.parse(Deno.readTextFileSync(path)));
  const drawn = events.filter((event) => event.ph === "X");
  assertEquals(drawn.map(({ name, ts, dur }) => [name, ts, dur]), [
    ["qa", 0, 3000],
    ["unknown", 3000, 1],
  ]);
  assertEquals(events.filter((event) => event.ph === "i").map(({ name, ts }) => [name, ts]), [
    ["flow_error", 3001],
  ]);
  // A time that only some steps have says nothing of the others.
  const { started_at: _, ...timeless } = stepAt(0, 2);
  assertEquals(drawnOf(stepAt(100, 1), timeless), [["at 100", 0, 1, 1], ["at 0", 1, 3, 1]]);
});

Deno.test("toChromeTrace() counts the steps in flight, to the end for those that did not end", () => {
  const events = eventsOf(traceOf([
    stepAt(0, 10),
    stepAt(2, 3),
    stepAt(5, 3),
    stepAt(9, 11, { status: "in_flight" }),
  ]));
  assertEquals(countsOf(events), [[0, 1], [2, 2], [5, 2], [8, 1], [9, 2], [10, 1]]);
  const open = events.filter((event) => event.ph === "X" && event.cat === "step,in_flight");
  assertEquals(open.length, 1);
});

Deno.test("toChromeTrace() marks errors where the step ended", () => {
  const details = [{ name: "TypeError", message: "boom" }];
  const error = { code: "node_error", message: "boom", details };
  const marks = eventsOf(traceOf([stepAt(0, 5), stepAt(3, 4, { error })]))
    .filter((event) => event.ph === "i");
  assertEquals(marks, [{
    ph: "i",
    name: "node_error",
    cat: "error",
    ts: 7000,
    s: "t",
    pid: 1,
    tid: 2,
    args: { node_id: "at 3", message: "boom", details },
  }]);
});

Deno.test("toChromeTrace() says of a step what the file says, but for its payload", () => {
  const extras = {
    step: 7,
    execution_id: "e",
    attempt: 2,
    session_id: "s",
    status: "ok" as const,
    validation_issues: [{ code: "c", path: "/p", message: "m" }],
  };
  const step = stepAt(0, 1, {
    ...extras,
    output_hash: HASH,
    invocation_json: { payload: "secret" },
  });
  const [drawn] = eventsOf(traceOf([step])).filter((event) => event.ph === "X");
  assertEquals(drawn?.args, {
    component_id: "c",
    operation: "o",
    input_hash: "ab",
    output_hash: "ab",
    duration_ms: 1,
    started_at: step.started_at,
    ...extras,
  });
});

Deno.test("toChromeTrace() names the flow, the run and the lanes", () => {
  const extras = { run_id: "run-1", written_at: "2026-11-21T00:00:01.000Z", dropped_steps: 3 };
  const trace = toChromeTrace(traceOf([stepAt(0, 2), stepAt(1, 2)], extras));
  assertEquals(
    trace.traceEvents.flatMap((event) => event.ph === "M" ? [[event.tid, event.args]] : []),
    [
      [1, { name: "demo.flow (run-1)" }],
      [1, { name: "lane 1" }],
      [1, { sort_index: 1 }],
      [2, { name: "lane 2" }],
      [2, { sort_index: 2 }],
    ],
  );
  assertEquals(trace.otherData, {
    pack_ref: "demo",
    flow_id: "demo.flow",
    flow_version: "0.0.0",
    trace_version: 1,
    first_step_at: "2026-11-21T00:00:00.000Z",
    ...extras,
  });
  assertEquals(eventsOf(traceOf([])).map(({ name }) => name), ["process_name"]);
});

Deno.test("toChromeTrace() refuses what is no time and no duration", () => {
  const odd = traceOf([stepAt(0, 1), stepAt(0, 1, { started_at: "yesterday" })]);
  assertThrows(() => toChromeTrace(odd), TypeError, '$.steps[1].started_at is "yesterday"');
  for (const duration of [-1, NaN, Infinity]) {
    const trace = traceOf([stepAt(0, duration)]);
    assertThrows(() => toChromeTrace(trace), TypeError, `$.steps[0].duration_ms is ${duration}`);
  }
});

/** Steps as a program makes them: some run others, some at the same time, cut to milliseconds. */
function randomSteps(random: Random): TraceStep[] {
  const steps: { step: TraceStep; start: number; end: number }[] = [];
  for (let index = 0; index < random.below(40); index++) {
    const parent = steps.length > 0 && random.chance(0.6) ? random.pick(steps) : undefined;
    const from = parent?.start ?? random.next() * 20;
    const room = parent === undefined ? 20 : parent.end - parent.start;
    // Now and then a step outlives the one that runs it.
    const start = from + random.next() * room * (random.chance(0.1) ? 1.5 : 1);
    const end = parent === undefined || random.chance(0.1)
      ? start + random.next() * 10
      : start + random.next() * Math.max(0, parent.end - start);
    const changes: Partial<TraceStep> = { execution_id: `${index}`, step: index + 1 };
    if (parent?.step.execution_id !== undefined) {
      changes.parent_execution_id = parent.step.execution_id;
    }
    if (random.chance(0.1)) changes.status = "in_flight";
    else if (random.chance(0.2)) changes.error = { code: "node_error", message: "", details: null };
    const step = stepAt(Math.floor(start), Math.floor(end - start), changes);
    steps.push({ step, start, end });
  }
  return steps.toSorted((a, b) => a.end - b.end).map(({ step }) => step);
}

Deno.test("toChromeTrace() of random traces is valid, loses no step and counts them all", () => {
  for (let round = 0; round < longCount(300, 20_000); round++) {
    const random = new Random(mixSeeds(seed(), round));
    const steps = randomSteps(random);
    if (random.chance(0.1)) { for (const step of steps) delete step.started_at; }
    const events = eventsOf(traceOf(steps));
    const drawn = events.filter((event) => event.ph === "X");
    const idsOf = (ids: unknown[]) => ids.map(String).toSorted();
    assertEquals(
      idsOf(drawn.map(({ args }) => args["execution_id"])),
      idsOf(steps.map((step) => step.execution_id)),
    );
    const counts = countsOf(events).map(([, count]) => count);
    assert(counts.every((count) => count >= 0 && count <= steps.length));
    const inFlight = steps.filter(({ status }) => status === "in_flight").length;
    assertEquals(counts.at(-1) ?? 0, inFlight);
    const failed = steps.filter(({ error }) => error !== undefined).length;
    assertEquals(events.filter((event) => event.ph === "i").length, failed);
    for (const { dur, args } of drawn) {
      const length = Math.max(1, (args as { duration_ms: number }).duration_ms * 1000);
      assert(dur >= 1 && dur <= length);
      if (args["parent_execution_id"] === undefined) assertEquals(dur, length);
    }
  }
});
