import { assertEquals } from "@std/assert";
import { rawJson } from "../../_internal/wire_json/json_value.ts";
import {
  type NodeEvent,
  readTrace,
  replayTrace,
  toChromeTrace,
  type TraceEnvelope,
  TraceRecorder,
  type TraceRecorderOptions,
} from "../../trace/mod.ts";
import { randomJson } from "../_internal/wire_json/_random_json.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { chromeProblems } from "./_chrome_validator.ts";

function eventOf(payload: unknown, execution: string, parent?: string): NodeEvent {
  return {
    context: { flow_id: "demo.flow", attempt: 1 },
    node_id: `node of ${execution}`,
    node: { component_id: "echo", operation_name: "run" },
    payload,
    execution_id: execution,
    ...(parent === undefined ? {} : { parent_execution_id: parent }),
  };
}

/** What is read of the file after a recorder has seen all that `record` does. */
function recorded(
  record: (recorder: TraceRecorder) => void,
  options: Partial<TraceRecorderOptions> = {},
): Promise<TraceEnvelope> {
  return withTempDir(async (directory) => {
    const recorder = new TraceRecorder({
      ...options,
      config: { outPath: `${directory}/trace.json`, captureInputs: true, bufferSize: 1000 },
      context: { pack_ref: "demo", flow_id: "demo.flow" },
    });
    record(recorder);
    assertEquals((await recorder.flushBuffer()).outcome, "written");
    return await readTrace(recorder.path);
  });
}

/** Records steps that give back what they get. */
function recordedEchoes(payloads: readonly unknown[]): Promise<TraceEnvelope> {
  return recorded((recorder) => {
    payloads.forEach((payload, index) => {
      const event = eventOf(payload, `${index}`);
      recorder.onNodeStart(event);
      recorder.onNodeEnd(event, payload);
    });
  });
}

Deno.test("what a recorder wrote has the digests that a replay computes", async () => {
  const payloads = [
    null,
    undefined,
    -0,
    2 ** 60,
    1e16,
    1e300,
    0.1,
    { b: 1, a: undefined, 10: [undefined], at: new Date(0) },
    { float: rawJson("1.0"), exact: rawJson("12345678901234567890") },
    { ["__proto__"]: 1, "😀": 1, "\ue000": 2 },
  ];
  const trace = await recordedEchoes(payloads);
  const found = await replayTrace(trace, (_, { step }) => payloads[step - 1]);
  assertEquals(found.steps.filter(({ outcome, input }) => outcome !== "matches" || input), []);
  assertEquals([found.ok, found.replayed, found.reachedEnd], [true, payloads.length, true]);
});

Deno.test("what a recorder wrote of random JSON is replayed from the file alone", async () => {
  const random = new Random(mixSeeds(seed(), 1));
  const payloads = Array.from({ length: longCount(100, 1000) }, () => randomJson(random, 4));
  const trace = await recordedEchoes(payloads);
  const found = await replayTrace(
    trace,
    (_, { recorded }) => (recorded.invocation_json as { payload: unknown }).payload,
  );
  assertEquals(found.steps.filter(({ outcome, input }) => outcome !== "matches" || input), []);
});

Deno.test("what was redacted matches when the replay is redacted too", async () => {
  const redact = (value: unknown, path: string) => path.endsWith(".token") ? "***" : value;
  const event = eventOf({ token: "a secret", n: 1 }, "a");
  const trace = await recorded((recorder) => {
    recorder.onNodeStart(event);
    recorder.onNodeEnd(event, { token: "another", n: 2 });
  }, { redact });
  const execute = () => ({ token: "a third", n: 2 });
  const found = await replayTrace(trace, execute, { redact });
  assertEquals(found.steps.map(({ outcome, input }) => [outcome, input]), [["matches", undefined]]);
  assertEquals((await replayTrace(trace, execute)).ok, false);
});

Deno.test("a failure that is replayed from its file fails again, and the step before matches", async () => {
  const trace = await recorded((recorder) => {
    const first = eventOf({ n: 1 }, "a");
    recorder.onNodeStart(first);
    recorder.onNodeEnd(first, 2);
    const second = eventOf({ n: 2 }, "b");
    recorder.onNodeStart(second);
    recorder.onNodeError(second, new Error("boom"));
  });
  const found = await replayTrace(trace, (call) => {
    const { n } = call.input as { n: number };
    if (n === 2) throw new Error("boom");
    return n + 1;
  });
  assertEquals(found.steps.map(({ outcome }) => outcome), ["matches", "failed-again"]);
  assertEquals(found.ok, true);
});

Deno.test("what a recorder wrote of parallel and nested steps is a valid Chrome trace", async () => {
  const trace = await recorded((recorder) => {
    for (let flow = 0; flow < 5; flow++) recorder.onNodeStart(eventOf(null, `f${flow}`));
    for (let node = 0; node < 100; node++) {
      recorder.onNodeStart(eventOf(node, `n${node}`, `f${node % 5}`));
      if (node % 7 === 0) recorder.onNodeError(eventOf(node, `n${node}`), new Error("boom"));
      else if (node % 3 > 0) recorder.onNodeEnd(eventOf(node, `n${node}`), node);
    }
    for (let flow = 0; flow < 4; flow++) recorder.onNodeEnd(eventOf(null, `f${flow}`), null);
  });
  const chrome = toChromeTrace(trace);
  assertEquals(chromeProblems(JSON.stringify(chrome)), []);
  const drawn = chrome.traceEvents.filter(({ ph }) => ph === "X");
  assertEquals(drawn.length, 105);
  const marks = chrome.traceEvents.filter(({ ph }) => ph === "i");
  assertEquals(marks.length, 15);
  const open = trace.steps.filter(({ status }) => status === "in_flight").length;
  const [counter] = chrome.traceEvents.filter((event) => event.ph === "C").slice(-1);
  assertEquals(counter?.args.steps, open);
});
