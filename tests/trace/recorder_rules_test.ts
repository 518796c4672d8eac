import { assert, assertEquals } from "@std/assert";
import { hashValue, readTrace, TraceRecorder } from "../../trace/mod.ts";
import { isThere, modeOf, namesIn, readText } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { eventOf, type ManualClock, nodesOf, optionsFor, readEnvelope } from "./_util.ts";

const GOLDEN = new URL("../golden/trace/seed_trace.json", import.meta.url);
const hasModes = Deno.build.os !== "windows";
/** What the seed's golden was made with. */
const SEED = { extras: false, captureInputs: true, runnerVersion: "0.4.59" };

Deno.test("the steps of the golden give its bytes (TRC-4, 6, 7, 9, 12, 15, J-1, J-2)", () =>
  withTempDir(async (directory) => {
    for (const form of ["sync", "async"]) {
      const options = optionsFor(`${directory}/${form}`, SEED);
      const clock = options.clock as ManualClock;
      const recorder = new TraceRecorder(options);
      const event = eventOf("qa", { payload: { text: "hello" } });
      recorder.onNodeStart(event);
      recorder.onValidation(event, [{
        code: "missing_required_field",
        path: "/operation",
        message: "missing required field `operation`",
      }]);
      clock.now += 3.9;
      recorder.onNodeEnd(event, {});
      if (form === "sync") recorder.flushErrorSync(new Error("boom"));
      else await recorder.flushError(new Error("boom"));
      assertEquals(readText(recorder.path), await Deno.readTextFile(GOLDEN));
      assertEquals(namesIn(`${directory}/${form}`), ["trace.json"]);
    }
  }));

Deno.test("a failing node gives one step with node_error and the error's own text (TRC-8)", () =>
  withTempDir((directory) => {
    const options = optionsFor(directory, { extras: false });
    const recorder = new TraceRecorder(options);
    recorder.onNodeStart(eventOf("a"));
    (options.clock as ManualClock).now += 7;
    recorder.onNodeError(eventOf("a"), new Error("boom", { cause: new Error("why") }));
    const { steps, ...rest } = readEnvelope(recorder.path);
    assertEquals(Object.keys(rest), ["trace_version", "runner_version", "pack", "flow"]);
    assertEquals(steps, [{
      node_id: "a",
      component_id: "component.exec",
      operation: "process",
      input_hash: hashValue({ node: "a" }),
      duration_ms: 7,
      error: { code: "node_error", message: "boom", details: null },
    }]);
  }));

Deno.test("in mode off nothing is recorded, written or created (TRC-5)", () =>
  withTempDir(async (directory) => {
    const recorder = new TraceRecorder(optionsFor(`${directory}/new`, { mode: "off" }));
    const payload = { toJSON: () => assert(false, "the payload was looked at") };
    recorder.onNodeStart(eventOf("a", { payload }));
    recorder.onValidation(eventOf("a"), [{ code: "c", path: "", message: "m" }]);
    recorder.onNodeEnd(eventOf("a"), payload);
    recorder.onNodeError(eventOf("b"), new Error("boom"));
    const skipped = { outcome: "skipped", why: "mode" } as const;
    assertEquals(recorder.flushErrorSync("boom"), skipped);
    assertEquals(await recorder.flushError("boom"), skipped);
    assertEquals(recorder.flushSuccessSync(), skipped);
    assertEquals(await recorder.flushBuffer(), skipped);
    assertEquals(recorder.flushAtEndSync({ reason: "exit" }), skipped);
    assertEquals(recorder.flushAtEndSync({ reason: "SIGTERM" }), skipped);
    assertEquals(recorder.flushAtEndSync({ reason: "crash", error: 1 }), skipped);
    assertEquals(recorder.stepsInFlight, 0);
    assertEquals(namesIn(directory), []);
  }));

Deno.test("the operation is the node's, else its mapping's, else unknown; a step made of its end does not look into the mapping, its input does (TRC-6, TRC-7)", () =>
  withTempDir((directory) => {
    const recorder = new TraceRecorder(optionsFor(directory, { captureInputs: true }));
    const mapped = { component_id: "c", operation_in_mapping: "mapped" };
    const nodes = [{ ...mapped, operation_name: "named" }, mapped, { component_id: "c" }];
    for (const node of nodes) {
      recorder.onNodeStart(eventOf("a", { node }));
      recorder.onNodeEnd(eventOf("a", { node }), null);
    }
    for (const node of nodes) recorder.onNodeEnd(eventOf("a", { node }), null);
    recorder.flushBufferSync();
    const { steps } = readEnvelope(recorder.path);
    const invoked = steps.map((step) => (step.invocation_json as { operation: string }).operation);
    const named = ["named", "mapped", "unknown"];
    assertEquals(steps.map(({ operation }) => operation), [
      ...named,
      "named",
      "unknown",
      "unknown",
    ]);
    assertEquals(invoked, [...named, ...named]);
    assertEquals(steps[3]!.duration_ms, 0);
    assertEquals(steps[3]!.validation_issues, undefined);
  }));

Deno.test("issues go to their step in flight; none are added by an empty list or without one (TRC-9)", () =>
  withTempDir((directory) => {
    const recorder = new TraceRecorder(optionsFor(directory));
    const issue = (code: string) => ({ code, path: "/x", message: "m" });
    recorder.onValidation(eventOf("a"), [issue("lost")]);
    recorder.onNodeStart(eventOf("a"));
    recorder.onNodeStart(eventOf("b"));
    recorder.onValidation(eventOf("a"), []);
    recorder.onValidation(eventOf("a"), [issue("1"), issue("2")]);
    recorder.onValidation(eventOf("a"), [issue("3")]);
    recorder.onNodeEnd(eventOf("a"), null);
    recorder.onValidation(eventOf("a"), [issue("late")]);
    recorder.flushBufferSync();
    const [a, b] = readEnvelope(recorder.path).steps;
    assertEquals(a!.validation_issues!.map(({ code }) => code), ["1", "2", "3"]);
    assertEquals(b!.validation_issues, undefined);
  }));

Deno.test("the newest steps are kept, and the file says how many were dropped (TRC-10, W-TRC-6)", () =>
  withTempDir((directory) => {
    for (const [bufferSize, kept] of [[0, []], [1, ["4"]], [3, ["2", "3", "4"]]] as const) {
      const recorder = new TraceRecorder(optionsFor(directory, { bufferSize }));
      for (let n = 0; n < 5; n++) {
        recorder.onNodeStart(eventOf(`${n}`));
        recorder.onNodeEnd(eventOf(`${n}`), n);
      }
      recorder.flushBufferSync();
      const trace = readEnvelope(recorder.path);
      assertEquals(trace.steps.map(({ node_id }) => node_id), [...kept]);
      assertEquals(trace.steps.map(({ step }) => step), kept.map((node) => Number(node) + 1));
      assertEquals(trace.dropped_steps, 5 - bufferSize);
    }
  }));

Deno.test("success is written in mode always, and only there (TRC-11, TRC-18, W-TRC-4)", () =>
  withTempDir(async (directory) => {
    const on = new TraceRecorder(optionsFor(directory));
    on.onNodeEnd(eventOf("a"), 1);
    assertEquals(on.flushSuccessSync(), { outcome: "skipped", why: "mode" });
    assertEquals(namesIn(directory), []);
    const always = new TraceRecorder(optionsFor(directory, { mode: "always" }));
    always.onNodeError(eventOf("a"), new Error("first attempt"));
    always.onNodeEnd(eventOf("a"), 1);
    assertEquals(await always.flushSuccess(), { outcome: "written", path: always.path });
    const trace = await readTrace(always.path);
    assertEquals([trace.reason, nodesOf(trace)], ["success", ["a first attempt", "a ok"]]);
    assertEquals(nodesOf(readEnvelope(`${directory}/trace.1.json`)), ["a first attempt"]);
  }));

Deno.test("an error of the flow is put on the step in flight, or on an unknown one (TRC-12, TRC-21)", () =>
  withTempDir((directory) => {
    const recorder = new TraceRecorder(optionsFor(directory));
    recorder.onNodeStart(eventOf("a"));
    recorder.flushErrorSync(new Error("late"));
    assertEquals(recorder.stepsInFlight, 0);
    recorder.flushErrorSync(new Error("template"));
    const { steps } = readEnvelope(recorder.path);
    assertEquals(steps.map(({ error }) => error?.code), ["node_error", "flow_error"]);
    const { node_id, component_id, operation, input_hash, duration_ms } = steps[1]!;
    assertEquals([node_id, component_id, operation], ["unknown", "unknown", "unknown"]);
    assertEquals([input_hash, duration_ms], [hashValue(null), 0]);
  }));

Deno.test("with several steps in flight an error of the flow is put on the innermost, else on none (W-TRC-7, TRC-22)", () =>
  withTempDir((directory) => {
    const outer = eventOf("outer", { execution_id: "1" });
    const inner = eventOf("inner", { execution_id: "2", parent_execution_id: "1" });
    const beside = eventOf("beside", { execution_id: "3" });
    const nested = new TraceRecorder(optionsFor(directory));
    nested.onNodeStart(outer);
    nested.onNodeStart(inner);
    nested.flushErrorSync(new Error("boom"));
    assertEquals(nodesOf(readEnvelope(nested.path)), ["inner boom", "outer in_flight"]);

    const parallel = new TraceRecorder(optionsFor(directory));
    for (const event of [outer, inner, beside]) parallel.onNodeStart(event);
    parallel.flushErrorSync(new Error("boom"));
    const all = ["unknown boom", "outer in_flight", "inner in_flight", "beside in_flight"];
    assertEquals(nodesOf(readEnvelope(parallel.path)), all);

    const seed = new TraceRecorder(optionsFor(directory, { extras: false }));
    for (const event of [outer, inner, beside]) seed.onNodeStart(event);
    seed.flushErrorSync(new Error("boom"));
    assertEquals(nodesOf(readEnvelope(seed.path)), ["beside boom"]);
  }));

Deno.test("with extras off the step in flight at the end of a program counts among the newest (TRC-10, TRC-12)", () =>
  withTempDir((directory) => {
    for (const [bufferSize, nodes] of [[0, []], [1, ["b"]], [2, ["a", "b"]]] as const) {
      const recorder = new TraceRecorder(optionsFor(directory, { bufferSize, extras: false }));
      recorder.onNodeEnd(eventOf("a"), 1);
      recorder.onNodeStart(eventOf("b"));
      recorder.flushAtEndSync({ reason: "SIGTERM" });
      const { steps } = readEnvelope(recorder.path);
      assertEquals(steps.map(({ node_id }) => node_id), [...nodes]);
      assertEquals(recorder.stepsInFlight, 1);
    }
  }));

Deno.test("an error of the flow after a failed node is put on a step that started later, never on one beside it (W-TRC-7)", () =>
  withTempDir((directory) => {
    const beside = new TraceRecorder(optionsFor(directory));
    beside.onNodeStart(eventOf("a"));
    beside.onNodeStart(eventOf("b"));
    beside.onNodeError(eventOf("a"), new Error("boom"));
    beside.flushErrorSync(new Error("flow aborted"));
    const aborted = ["a boom", "unknown flow aborted", "b in_flight"];
    assertEquals(nodesOf(readEnvelope(beside.path)), aborted);

    const handled = new TraceRecorder(optionsFor(directory));
    handled.onNodeError(eventOf("a"), new Error("boom"));
    handled.onNodeStart(eventOf("b"));
    handled.flushErrorSync(new Error("late"));
    assertEquals(nodesOf(readEnvelope(handled.path)), ["a boom", "b late"]);

    // Once the flow has answered for the failure, a step in flight is at fault again.
    const again = new TraceRecorder(optionsFor(directory));
    again.onNodeStart(eventOf("b"));
    again.onNodeError(eventOf("a"), new Error("boom"));
    again.flushErrorSync(new Error("boom"));
    again.flushErrorSync(new Error("late"));
    assertEquals(nodesOf(readEnvelope(again.path)), ["a boom", "b late"]);
  }));

Deno.test("an error that a node has told is not told again by the flow (TRC-14)", () =>
  withTempDir((directory) => {
    const error = new Error("boom");
    const same = [error, new Error("flow failed", { cause: error }), "node a: boom"];
    for (const [index, again] of same.entries()) {
      const recorder = new TraceRecorder(optionsFor(`${directory}/${index}`, { extras: false }));
      recorder.onNodeStart(eventOf("a"));
      recorder.onNodeError(eventOf("a"), error);
      const before = readText(recorder.path);
      assertEquals(recorder.flushErrorSync(again), { outcome: "skipped", why: "unchanged" });
      assertEquals(readText(recorder.path), before);
      assertEquals(namesIn(`${directory}/${index}`), ["trace.json"]);
    }
    const other = new TraceRecorder(optionsFor(directory));
    other.onNodeError(eventOf("a"), error);
    other.flushErrorSync(new Error("something else"));
    assertEquals(nodesOf(readEnvelope(other.path)), ["a boom", "unknown something else"]);
  }));

Deno.test("the error that ends the flow is told, though it has the words of a failed node (TRC-12, TRC-14)", () =>
  withTempDir((directory) => {
    const within = new TraceRecorder(optionsFor(directory));
    within.onNodeError(eventOf("a"), new Error("no"));
    within.flushErrorSync(new Error("cannot connect to db"));
    assertEquals(nodesOf(readEnvelope(within.path)), ["a no", "unknown cannot connect to db"]);

    const handled = new TraceRecorder(optionsFor(directory));
    handled.onNodeError(eventOf("a"), new Error("timeout"));
    handled.onNodeStart(eventOf("a2"));
    handled.onNodeEnd(eventOf("a2"), 1);
    handled.onNodeStart(eventOf("b"));
    handled.flushErrorSync("Error: timeout");
    const steps = ["a timeout", "a2 ok", "b Error: timeout"];
    assertEquals(nodesOf(readEnvelope(handled.path)), steps);

    const redact = (value: unknown) => typeof value === "string" ? "***" : value;
    const masked = new TraceRecorder({ ...optionsFor(directory), redact });
    masked.onNodeError(eventOf("a"), new Error("one"));
    masked.flushErrorSync(new Error("another"));
    assertEquals(nodesOf(readEnvelope(masked.path)), ["a ***", "unknown ***"]);
  }));

Deno.test("of a flow that is tried again every attempt is on record, each failure in a file (TRC-13, TRC-20, W-TRC-4, W-TRC-10)", () =>
  withTempDir((directory) => {
    const options = optionsFor(directory);
    const recorder = new TraceRecorder(options);
    for (let attempt = 1; attempt <= 3; attempt++) {
      const context = { flow_id: "demo.flow", attempt, session_id: "s" };
      recorder.onNodeStart(eventOf("a", { context }));
      (options.clock as ManualClock).now += 1000;
      recorder.onNodeError(eventOf("a", { context }), new Error("timeout"));
      recorder.flushErrorSync(new Error("timeout"));
    }
    recorder.flushErrorSync(new Error("timeout"));
    const { steps, run_id, started_at, written_at } = readEnvelope(recorder.path);
    assertEquals(nodesOf({ steps } as never), [
      "a timeout",
      "a timeout",
      "a timeout",
      "unknown timeout",
    ]);
    assertEquals(steps.map((step) => [step.step, step.attempt, step.session_id]), [
      [1, 1, "s"],
      [2, 2, "s"],
      [3, 3, "s"],
      [4, undefined, undefined],
    ]);
    assertEquals(steps[1]!.started_at, "2026-01-02T03:04:06.006Z");
    assertEquals([run_id, started_at, written_at], [
      "run-1",
      "2026-01-02T03:04:05.006Z",
      "2026-01-02T03:04:08.006Z",
    ]);
    const names = ["trace.1.json", "trace.2.json", "trace.3.json", "trace.json"];
    assertEquals(namesIn(directory), names);
    for (const [index, name] of names.entries()) {
      assertEquals(readEnvelope(`${directory}/${name}`).snapshot, index + 1);
      if (hasModes) assertEquals(modeOf(`${directory}/${name}`), 0o600);
    }
  }));

Deno.test("a path gets missing directories, and a name where it has none; ids in it are made harmless (TRC-15, TRC-19, W-TRC-3)", () =>
  withTempDir((directory) => {
    const paths: Record<string, string> = {
      "a/b/t.json": "a/b/t.json",
      "c/": "c/trace.json",
      "d/.": "d/trace.json",
      "{flow_id}/{run_id}.json": "___x_flow/r_1.json",
      "plain": "plain",
    };
    for (const [outPath, expected] of Object.entries(paths)) {
      const options = optionsFor(directory, { outPath: `${directory}/${outPath}` });
      const context = { ...options.context, flow_id: "../x.flow" };
      const recorder = new TraceRecorder({ ...options, context, runId: "r/1" });
      recorder.onNodeError(eventOf("a"), "one");
      recorder.onNodeError(eventOf("a"), "two");
      assertEquals(recorder.path, `${directory}/${expected}`);
      assert(isThere(`${directory}/${expected}`));
    }
    assertEquals(namesIn(`${directory}/a/b`), ["t.1.json", "t.json"]);
    assert(isThere(`${directory}/plain.1`));
    assertEquals(
      new TraceRecorder({ context: { pack_ref: "p", flow_id: "f" } }).path,
      "trace.json",
    );
    if (hasModes) assertEquals(modeOf(`${directory}/a`), 0o700);
  }));

Deno.test("a file of an earlier run is told from the present one by its run and time (W-TRC-13)", () =>
  withTempDir((directory) => {
    const { runId: _, ...options } = optionsFor(directory);
    const first = new TraceRecorder(options);
    first.onNodeError(eventOf("a"), "boom");
    const second = new TraceRecorder(options);
    second.onNodeEnd(eventOf("a"), 1);
    second.flushSuccessSync();
    const { run_id } = readEnvelope(second.path);
    assertEquals(run_id, first.runId);
    assert(run_id !== second.runId);
    // What another run has left is written over, but is no snapshot of this one.
    second.onNodeError(eventOf("a"), "boom");
    assertEquals(readEnvelope(second.path).run_id, second.runId);
    assertEquals(namesIn(directory), ["trace.json"]);
  }));

Deno.test("a flow without version has the version unknown; a digest and a commit are written (TRC-3, TRC-17)", () =>
  withTempDir((directory) => {
    const context = { pack_ref: "p", resolved_digest: "sha256:00", flow_id: "f" };
    const options = { ...optionsFor(directory, { gitSha: "1c0ffee" }), context };
    const recorder = new TraceRecorder(options);
    recorder.flushBufferSync();
    const { git_sha, pack, flow } = readEnvelope(recorder.path);
    assertEquals(git_sha, "1c0ffee");
    assertEquals(pack, { pack_ref: "p", resolved_digest: "sha256:00" });
    assertEquals(flow, { id: "f", version: "unknown" });
  }));

Deno.test("texts that UTF-8 cannot hold keep no trace from being written", () =>
  withTempDir(async (directory) => {
    const bad = "\ud800";
    const context = { pack_ref: bad, resolved_digest: bad, flow_id: bad, flow_version: bad };
    const options = { ...optionsFor(directory, { captureInputs: true }), context, runId: bad };
    const recorder = new TraceRecorder(options);
    const event = eventOf(bad, {
      context: { flow_id: bad, attempt: 1, session_id: bad },
      node: { component_id: bad, operation_name: bad },
      payload: { [bad]: bad },
      execution_id: bad,
      parent_execution_id: bad,
    });
    recorder.onNodeStart(event);
    recorder.onValidation(event, [{ code: bad, path: bad, message: bad }]);
    recorder.onNodeError(event, new Error(bad, { cause: bad }));
    assertEquals(recorder.lastWriteError, undefined);
    assertEquals((await readTrace(recorder.path)).steps[0]!.node_id, "\ufffd");
  }));

Deno.test("a program without types keeps no trace from being written either", () =>
  withTempDir(async (directory) => {
    const recorder = new TraceRecorder(optionsFor(directory));
    const odd = {
      context: { flow_id: 1, attempt: 1.5, session_id: null },
      node_id: 7,
      node: { component_id: true, operation_name: 0 },
      execution_id: 8,
    };
    const event = eventOf("a", odd as never);
    recorder.onNodeStart(event);
    recorder.onValidation(event, [{ code: 1, path: undefined, message: [] } as never]);
    recorder.onNodeError(event, 7);
    const { node_id, operation, error } = (await readTrace(recorder.path)).steps[0]!;
    assertEquals([node_id, operation, error!.message], ["7", "0", "7"]);
  }));
