import { assert, assertEquals } from "@std/assert";
import { hashValue, type NodeEvent, TraceRecorder, type TraceStep } from "../../trace/mod.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { eventOf, type ManualClock, nodesOf, optionsFor, readEnvelope } from "./_util.ts";

/** One execution of a random history: what it was given, and what became of it. */
interface Execution {
  id: string;
  parent: string | undefined;
  started: number;
  children: Execution[];
  outcome?: "ok" | "error";
  ended?: number;
}

function eventFor({ id, parent }: Execution): NodeEvent {
  return eventOf(`node-${Number(id) % 7}`, {
    execution_id: id,
    ...(parent !== undefined && { parent_execution_id: parent }),
    payload: { id },
  });
}

function assertStep(step: TraceStep, execution: Execution): void {
  const { id, parent, started, outcome, ended } = execution;
  assertEquals(step.execution_id, id);
  assertEquals(step.parent_execution_id, parent);
  assertEquals(step.node_id, `node-${Number(id) % 7}`);
  assertEquals(step.input_hash, hashValue({ id }));
  assertEquals(step.status, outcome ?? "in_flight");
  assertEquals(step.output_hash, outcome === "ok" ? hashValue({ out: id }) : undefined);
  assertEquals(step.error?.message, outcome === "error" ? `failed ${id}` : undefined);
  if (ended !== undefined) assertEquals(step.duration_ms, ended - started);
  assertEquals(step.validation_issues?.[0]?.message, `issue ${id}`);
}

Deno.test("1,000 parallel, nested steps are each recorded as they were (W-TRC-7, TRC-22)", () =>
  withTempDir((directory) => {
    const count = longCount(1000, 5000);
    const random = new Random(seed());
    const options = optionsFor(directory, { bufferSize: count, maxSnapshots: 0 });
    const clock = options.clock as ManualClock;
    const recorder = new TraceRecorder(options);
    const executions: Execution[] = [];
    const open: Execution[] = [];
    const ended: Execution[] = [];
    let failures = 0;
    while (ended.length < count * 0.9) {
      clock.now += 1;
      if (executions.length < count && (open.length < 100 || random.chance(0.5))) {
        const parent = random.chance(0.7) && open.length > 0 ? random.pick(open) : undefined;
        const id = `${executions.length}`;
        const execution = { id, parent: parent?.id, started: clock.now, children: [] };
        parent?.children.push(execution);
        executions.push(execution);
        open.push(execution);
        recorder.onNodeStart(eventFor(execution));
        const issue = { code: "c", path: "", message: `issue ${id}` };
        recorder.onValidation(eventFor(execution), [issue]);
        continue;
      }
      // Whatever has no child in flight may end, in any order.
      const ready = open.filter(({ children }) => children.every(({ outcome }) => outcome));
      const execution = random.pick(ready);
      open.splice(open.indexOf(execution), 1);
      execution.ended = clock.now;
      // Every failure is a file that is written, so there are few.
      execution.outcome = failures < 5 && random.chance(0.02) ? "error" : "ok";
      if (execution.outcome === "ok") {
        recorder.onNodeEnd(eventFor(execution), { out: execution.id });
      } else {
        failures++;
        recorder.onNodeError(eventFor(execution), new Error(`failed ${execution.id}`));
      }
      ended.push(execution);
    }
    assertEquals(recorder.stepsInFlight, open.length);
    recorder.flushBufferSync();
    const { steps } = readEnvelope(recorder.path);
    assertEquals(steps.length, executions.length);
    const expected = [...ended, ...open];
    for (const [index, step] of steps.entries()) assertStep(step, expected[index]!);
  }));

Deno.test("steps without an execution id are known by their event, else by node and attempt, the newest first", () =>
  withTempDir((directory) => {
    const recorder = new TraceRecorder(optionsFor(directory));
    const event = (attempt: number, payload: string) =>
      eventOf("a", { context: { flow_id: "f", attempt }, payload });
    const first = event(1, "first");
    const second = event(1, "second");
    recorder.onNodeStart(first);
    recorder.onNodeStart(second);
    recorder.onNodeStart(event(2, "third"));
    recorder.onNodeStart(eventOf("b"));
    recorder.onNodeEnd(first, 1);
    recorder.onNodeEnd(event(2, "other"), 2);
    recorder.onNodeEnd(event(1, "other"), 3);
    assertEquals(recorder.stepsInFlight, 1);
    // Nothing of that name is in flight any more: this one is told by its own event.
    recorder.onNodeEnd(event(1, "fourth"), 4);
    recorder.flushBufferSync();
    const { steps } = readEnvelope(recorder.path);
    const inputs = ["first", "third", "second", "fourth"].map((text) => hashValue(text));
    assertEquals(steps.slice(0, 4).map(({ input_hash }) => input_hash), inputs);
    assertEquals(steps.slice(0, 4).map(({ output_hash }) => output_hash), [
      hashValue(1),
      hashValue(2),
      hashValue(3),
      hashValue(4),
    ]);
  }));

Deno.test("an execution id that is used twice at once loses neither step", () =>
  withTempDir((directory) => {
    const recorder = new TraceRecorder(optionsFor(directory));
    for (const node of ["a", "b", "c"]) {
      recorder.onNodeStart(eventOf(node, { execution_id: "same" }));
    }
    recorder.onNodeEnd(eventOf("c", { execution_id: "same" }), 1);
    recorder.flushBufferSync();
    const trace = readEnvelope(recorder.path);
    assertEquals(nodesOf(trace), ["c ok", "a in_flight", "b in_flight"]);
    recorder.onNodeEnd(eventOf("b", { execution_id: "same" }), 1);
    recorder.onNodeEnd(eventOf("a", { execution_id: "same" }), 1);
    assertEquals(recorder.stepsInFlight, 0);
  }));

Deno.test("steps without an id that end in any order leave none behind", () =>
  withTempDir((directory) => {
    const random = new Random(seed());
    const recorder = new TraceRecorder(optionsFor(directory, { bufferSize: 1000 }));
    const open: NodeEvent[] = [];
    let started = 0;
    for (let round = 0; round < 2000; round++) {
      if (open.length === 0 || random.chance(0.5)) {
        const event = eventOf(random.pick(["a", "b"]), { payload: started++ });
        recorder.onNodeStart(event);
        open.push(event);
      } else {
        const [event] = open.splice(random.below(open.length), 1);
        recorder.onNodeEnd(event!, event!.payload);
      }
      assertEquals(recorder.stepsInFlight, open.length);
    }
    recorder.flushBufferSync();
    for (const { status, input_hash, output_hash } of readEnvelope(recorder.path).steps) {
      if (status === "ok") assertEquals(input_hash, output_hash);
    }
    assert(started > 500);
  }));
