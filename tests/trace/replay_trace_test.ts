import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type ExecuteTraceCall,
  hashValue,
  replayTrace,
  type ReplayTraceOptions,
  type TraceEnvelope,
  type TraceReplay,
  type TraceStep,
} from "../../trace/mod.ts";

const NONE = { algorithm: "blake3", value: "0".repeat(64) };
const BOOM = { code: "node_error", message: "boom", details: null };

/** A step of the component `double`, with its input, and an output that is right. */
function stepOf(input: number, changes: Partial<TraceStep> = {}): TraceStep {
  return {
    node_id: `n${input}`,
    component_id: "double",
    operation: "run",
    input_hash: hashValue(input),
    invocation_json: { component_id: "double", operation: "run", payload: input },
    output_hash: hashValue(input * 2),
    duration_ms: 1,
    ...changes,
  };
}

/** The step without some of its members. */
function without(step: TraceStep, ...names: (keyof TraceStep)[]): TraceStep {
  const copy = { ...step };
  for (const name of names) delete copy[name];
  return copy;
}

function traceOf(...steps: TraceStep[]): TraceEnvelope {
  return {
    trace_version: 1,
    pack: { pack_ref: "demo" },
    flow: { id: "demo.flow", version: "0.0.0" },
    steps,
  };
}

const double: ExecuteTraceCall = (call) => Number(call.input) * 2;

const fail: ExecuteTraceCall = () => {
  throw new Error("boom");
};

function replay(steps: TraceStep[], options?: ReplayTraceOptions): Promise<TraceReplay> {
  return replayTrace(traceOf(...steps), double, options);
}

function linesOf({ steps }: TraceReplay): string[] {
  return steps.flatMap(({ lines }) => lines);
}

function outcomesOf({ steps }: TraceReplay): string[] {
  return steps.map(({ outcome }) => outcome);
}

Deno.test("TRP-2, TRP-4, TRP-6: each step, whether it matches, and the end", async () => {
  const found = await replay([stepOf(1), stepOf(2)]);
  assertEquals(linesOf(found), [
    "step 1: double run",
    "  output hash matches",
    "step 2: double run",
    "  output hash matches",
    "  reached end of trace",
  ]);
  assertEquals([found.ok, found.replayed, found.reachedEnd], [true, 2, true]);
});

Deno.test("TRP-2, TRP-6: a step without invocation_json is skipped, the last one too", async () => {
  const found = await replay([without(stepOf(1), "invocation_json"), stepOf(2)]);
  assertEquals(linesOf(found), [
    "step 1: double run",
    "  missing invocation_json; skipping replay",
    "step 2: double run",
    "  output hash matches",
    "  reached end of trace",
  ]);
  assertEquals([outcomesOf(found), found.replayed], [["skipped", "matches"], 1]);

  const last = await replay([stepOf(1), without(stepOf(2, { error: BOOM }), "invocation_json")]);
  assertEquals(linesOf(last), [
    "step 1: double run",
    "  output hash matches",
    "step 2: double run",
    "  missing invocation_json; skipping replay",
  ]);
  assertEquals([last.ok, last.replayed, last.reachedEnd], [true, 1, true]);

  const none = await replay([without(stepOf(1), "invocation_json")]);
  assertEquals(linesOf(none).at(-1), "  missing invocation_json; skipping replay");
  assertEquals([none.ok, none.replayed, none.reachedEnd], [true, 0, true]);
});

Deno.test("TRP-4: a divergence, and a missing hash; W-TRC-11: the result tells of it", async () => {
  const found = await replay([
    stepOf(1, { output_hash: NONE }),
    without(stepOf(2), "output_hash"),
  ]);
  const actual = hashValue(2).value;
  assertEquals(linesOf(found), [
    "step 1: double run",
    `  divergence: expected output hash ${NONE.value}, got ${actual}`,
    "step 2: double run",
    "  output hash missing; skipping compare",
    "  reached end of trace",
  ]);
  assertEquals(outcomesOf(found), ["diverges", "missing-hash"]);
  assertEquals([found.steps[0]?.expected, found.steps[0]?.actual], [NONE.value, actual]);
  assertEquals([found.ok, found.reachedEnd], [false, true]);
});

Deno.test("TRP-5: a failing step that does not fail again ends the replay, as a divergence", async () => {
  const failing = without(stepOf(2, { error: BOOM }), "output_hash");
  const found = await replay([stepOf(1), failing, stepOf(3)]);
  assertEquals(linesOf(found).slice(2), [
    "step 2: double run",
    "  output hash missing; skipping compare",
    "  stopping at failing step",
  ]);
  assertEquals(outcomesOf(found), ["matches", "diverges"]);
  assertEquals([found.ok, found.reachedEnd], [false, false]);
});

Deno.test("TRP-5: a failing step with an output that matches has not failed again either", async () => {
  const found = await replay([stepOf(1, { error: BOOM })]);
  assertEquals(linesOf(found).slice(1), ["  output hash matches", "  stopping at failing step"]);
  assertEquals([found.ok, outcomesOf(found)], [false, ["diverges"]]);
});

Deno.test("TRP-5: a replay that fails ends it first; failing again is no divergence", async () => {
  const failing = without(stepOf(1, { error: BOOM }), "output_hash");
  const again = await replayTrace(traceOf(failing, stepOf(2)), fail);
  assertEquals(linesOf(again), ["step 1: double run", "replay failed at step 1"]);
  assertEquals([again.ok, outcomesOf(again)], [true, ["failed-again"]]);
  assertEquals(String(again.steps[0]?.error), "Error: boom");

  const anew = await replayTrace(traceOf(stepOf(1), stepOf(2)), fail);
  assertEquals(linesOf(anew), ["step 1: double run", "replay failed at step 1"]);
  assertEquals([anew.ok, outcomesOf(anew)], [false, ["failed"]]);
});

Deno.test("TRP-3, TRP-5: a step that cannot be resolved, or answers no JSON, has failed", async () => {
  const nameless = stepOf(1, { component_id: "component.exec" });
  const found = await replay([nameless]);
  assertEquals(outcomesOf(found), ["failed"]);
  assertEquals(String(found.steps[0]?.error), "TypeError: component.exec missing component ref");

  const odd = await replayTrace(traceOf(stepOf(1)), () => ({ a: [1n] }));
  assertEquals(outcomesOf(odd), ["failed"]);
  assert(String(odd.steps[0]?.error).includes("/a/0"), String(odd.steps[0]?.error));

  const undefinedThrown = await replayTrace(traceOf(stepOf(1)), () => Promise.reject(undefined));
  assertEquals([undefinedThrown.ok, outcomesOf(undefinedThrown)], [false, ["failed"]]);
});

Deno.test("TRP-3: a built-in that calls nothing has the output null", async () => {
  const nothing = { component_id: "emit.log", output_hash: hashValue(null) };
  const found = await replayTrace(traceOf(stepOf(1, nothing)), fail);
  assertEquals([found.ok, outcomesOf(found)], [true, ["matches"]]);
});

Deno.test("TRP-7: step 0 is step 1; W-TRC-11: a step that is not there is an error", async () => {
  const steps = [stepOf(1), stepOf(2), without(stepOf(3), "invocation_json")];
  for (const [step, expected] of [[0, 1], [1, 1], [2, 2], [3, 3]] as const) {
    const found = await replay(steps, { step });
    assertEquals(found.steps.map((one) => one.step), [expected]);
    assertEquals(found.reachedEnd, expected === 3);
    assertEquals(linesOf(found).includes("  reached end of trace"), false);
  }
  const last = await replay(steps.slice(0, 2), { step: 2 });
  assertEquals(linesOf(last).at(-1), "  reached end of trace");
  for (const step of [-1, 4, 1.5, NaN]) {
    await assertRejects(() => replay(steps, { step }), RangeError, `Cannot replay step ${step}`);
  }
  await assertRejects(() => replay([], { step: 2 }), RangeError, "the trace has 0 steps");
});

Deno.test("W-TRC-11: both flags can be switched off", async () => {
  const failing = without(stepOf(1, { error: BOOM }), "output_hash");
  const fails = () => {
    throw new Error("again");
  };
  const past = await replayTrace(traceOf(failing, stepOf(2)), fails, { untilFailure: false });
  assertEquals(outcomesOf(past), ["failed-again", "failed"]);
  const on = await replay([failing, stepOf(2)], { untilFailure: false });
  assertEquals(outcomesOf(on), ["diverges", "matches"]);
  assertEquals(linesOf(on).includes("  stopping at failing step"), false);

  const wrong = stepOf(1, { output_hash: NONE, input_hash: NONE });
  const found = await replay([wrong], { compareHashes: false });
  assertEquals(linesOf(found), ["step 1: double run", "  reached end of trace"]);
  assertEquals([found.ok, outcomesOf(found)], [true, ["not-compared"]]);

  const gone = await replay([failing], { compareHashes: false });
  assertEquals([gone.ok, outcomesOf(gone)], [false, ["diverges"]]);
});

Deno.test("W-TRC-11: an input that has not its digest is told, and replayed all the same", async () => {
  const found = await replay([stepOf(1, { input_hash: NONE })]);
  const actual = hashValue(1).value;
  assertEquals(linesOf(found), [
    "step 1: double run",
    `  divergence: expected input hash ${NONE.value}, got ${actual}`,
    "  output hash matches",
    "  reached end of trace",
  ]);
  assertEquals(found.steps[0]?.input, { expected: NONE.value, actual });
  assertEquals([found.ok, outcomesOf(found)], [false, ["matches"]]);

  const unrecorded = await replay([stepOf(1, { input_hash: NONE, invocation_json: {} })]);
  assertEquals(unrecorded.steps[0]?.input, undefined);
});

Deno.test("W-TRC-11: a digest of another algorithm is refused before anything is called", async () => {
  const other = stepOf(1, { output_hash: { algorithm: "sha256", value: NONE.value } });
  await assertRejects(() => replayTrace(traceOf(other), fail), TypeError, "sha256");
});

Deno.test("replayTrace() awaits each call, and hands it the step and the signal", async () => {
  const { signal } = new AbortController();
  const seen: unknown[] = [];
  const steps = [stepOf(1), stepOf(2)];
  const found = await replayTrace(traceOf(...steps), async (call, context) => {
    seen.push([context.step, context.recorded.node_id, context.signal === signal]);
    await Promise.resolve();
    seen.push(call);
    return await double(call, context);
  }, { signal });
  assert(found.ok);
  const call = { kind: "component", component: "double", operation: "run", config: null };
  assertEquals(seen, [
    [1, "n1", true],
    { ...call, input: 1 },
    [2, "n2", true],
    { ...call, input: 2 },
  ]);
});

Deno.test("replayTrace() is broken off by its signal, between steps and inside one", async () => {
  const reason = new Error("enough");
  const before = AbortSignal.abort(reason);
  assertEquals(await assertRejects(() => replay([stepOf(1)], { signal: before })), reason);

  const controller = new AbortController();
  const inside: ExecuteTraceCall = (_, { signal }) => {
    controller.abort(reason);
    signal?.throwIfAborted();
  };
  const { signal } = controller;
  const broken = () => replayTrace(traceOf(stepOf(1)), inside, { signal });
  assertEquals(await assertRejects(broken), reason);
});

Deno.test("replayTrace() of a trace without steps proves nothing, and says so", async () => {
  assertEquals(await replay([]), { ok: true, steps: [], replayed: 0, reachedEnd: false });
});
