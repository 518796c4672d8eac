import { assert, assertEquals, assertRejects } from "@std/assert";
import { readCaptureBundle } from "../../capture/mod.ts";
import { openEventLog } from "../../eventlog/mod.ts";
import {
  openRun,
  type OpenRunOptions,
  type Run,
  type StepContext,
  StepError,
} from "../../run/mod.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import type { RunRequest, RunTermination } from "../../supervisor/mod.ts";
import { readTrace } from "../../trace/mod.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { checkRecords, checkTrace, checkWorkers, logOf, untilTold, workersOf } from "./_records.ts";

type Work = (request: RunRequest) => RunTermination | Promise<RunTermination>;

/** Begins a run of some work; everything is traced. */
function begin(root: string, work: Work, more: Partial<OpenRunOptions> = {}): Promise<Run> {
  return openRun({
    root,
    name: "demo",
    constraints: { max_in_flight: 2, max_retries: 1 },
    invoker: { run: work },
    trace: { mode: "always", captureInputs: true, bufferSize: 100 },
    ...more,
  });
}

const outline = (place: { root: string; runId: string }) =>
  logOf(place).map(({ type, node_id: id, attempt }) =>
    id === undefined ? type : `${type} ${id} ${attempt}`
  );

Deno.test("openRun() records a run in all five ways, which tell the same", () =>
  withTempDir(async (root) => {
    const contexts: unknown[] = [];
    const run = await begin(root, ({ eventId, attempt, context }) => {
      contexts.push([eventId, attempt, [...context]]);
      return eventId === "b" && attempt === 1 ? { Failed: "RuntimeError" } : "Completed";
    }, { constraints: { max_in_flight: 1, max_retries: 1 } });
    await run.submit("a", { width: 80 });
    await run.submit("b");
    const state = await run.finish();

    assertEquals(state.state, "Completed");
    assertEquals(state.nodes.map(({ id, status, attempt }) => [id, status, attempt]), [
      ["a", "Completed", 1],
      ["b", "Completed", 2],
    ]);
    assertEquals(contexts, [
      ["a", 1, [["width", { Number: 80 }]]],
      ["b", 1, []],
      ["b", 2, []],
    ]);
    const place = { root, runId: run.runId };
    assertEquals(outline(place), [
      "pipe.started",
      "node.started a 1",
      "node.completed a 1",
      "node.started b 1",
      "node.failed b 1",
      "node.started b 2",
      "node.completed b 2",
      "pipe.completed",
    ]);
    await checkRecords(place);
    await checkTrace(place);
    const { steps } = await readTrace(runPaths(root, run.runId).trace);
    assertEquals((steps[0]!.invocation_json as { payload: unknown }).payload, { width: 80 });
  }));

Deno.test("openRun() has records that agree, whatever the work does (property)", () =>
  withTempDir(async (root) => {
    const random = new Random(seed());
    for (let round = 0; round < longCount(5, 200); round++) {
      const work = async () => {
        if (random.chance(0.5)) {
          await new Promise((resolve) => setTimeout(resolve, random.below(3)));
        }
        if (random.chance(0.2)) throw new Error(`no ${round}`, { cause: "a cause" });
        return random.pick<RunTermination>([
          "Completed",
          "Completed",
          "Completed",
          "TimedOut",
          { Failed: "SemanticError" },
          "Aborted",
          "nothing known" as RunTermination,
        ]);
      };
      const run = await begin(root, work, {
        constraints: {
          max_in_flight: 1 + random.below(4),
          max_retries: random.below(3),
          max_per_window: 5,
          rate_window: { secs: 0, nanos: 3_000_000 },
        },
        durability: random.pick(["os", "disk"]),
      });
      const ids = Array.from({ length: 1 + random.below(12) }, (_, index) => `n ${index}/é#x`);
      await Promise.all(ids.map((id) => run.submit(id)));
      const { state, nodes } = await run.finish();
      const place = { root, runId: run.runId };
      await checkRecords(place);
      await checkTrace(place);
      assertEquals(nodes.length, ids.length);
      const failed = nodes.filter(({ status }) => status !== "Completed");
      assertEquals(state === "Completed", failed.length === 0);
    }
  }));

/** An error whose cause nobody can ask for. */
function withoutCause(error: Error): Error {
  const get = () => {
    throw new Error("nobody may know");
  };
  return Object.defineProperty(error, "cause", { get });
}

Deno.test("what the work throws is recorded with its causes, in words that every record takes", () =>
  withTempDir(async (root) => {
    const thrown: unknown[] = [
      new Error("outer", { cause: new Error("inner") }),
      "a text",
      undefined,
      Object.create(null),
      withoutCause(new Error("its cause throws")),
      new Error(`\ud800${"x".repeat(3_000_000)}`),
    ];
    const run = await begin(root, ({ eventId }) => {
      throw thrown[Number(eventId)];
    }, { constraints: { max_retries: 0 } });
    for (const index of thrown.keys()) await run.submit(`${index}`);
    assertEquals((await run.finish()).state, { Aborted: { reason: "node 0 failed: crash" } });
    const place = { root, runId: run.runId };
    const events = await checkRecords(place);
    const messages = events.filter(({ type }) => type === "node.failed")
      .map(({ message }) => message?.slice(0, 30));
    assertEquals(messages, [
      "outer",
      "a text",
      "undefined",
      "what was thrown has no words",
      "its cause throws",
      `\ufffd${"x".repeat(29)}`,
    ]);
    const { steps } = await readTrace(runPaths(root, run.runId).trace);
    assertEquals(
      (steps[0]!.error?.details as { message: string }[]).map(({ message }) => message),
      ["outer", "inner"],
    );
  }));

Deno.test("the invoker gets the payload whole, as it was submitted", () =>
  withTempDir(async (root) => {
    const payload = { nested: { list: [1, "two", null, { three: 3 }] }, none: null, mixed: [true] };
    const payloads: unknown[] = [];
    const run = await begin(root, (request) => {
      payloads.push(request.payload);
      return "Completed";
    });
    await run.submit("a", payload);
    await run.submit("b");
    assertEquals((await run.finish()).state, "Completed");
    assertEquals(payloads, [payload, {}]);
  }));

Deno.test("an attempt whose deadline passes is told to stop, and its late answer changes nothing", () =>
  withTempDir(async (root) => {
    const late = Promise.withResolvers<void>();
    const run = await begin(root, ({ signal, attempt }) =>
      new Promise((resolve) => {
        if (attempt === 2) return resolve("Completed");
        signal.addEventListener("abort", () => {
          resolve("TimedOut");
          late.resolve();
        });
      }), {
      constraints: { max_retries: 1, deadline: { secs: 0, nanos: 5_000_000 } },
    });
    await run.submit("slow");
    await late.promise;
    assertEquals((await run.finish()).state, "Completed");
    const events = await checkRecords({ root, runId: run.runId });
    assertEquals(events.find(({ type }) => type === "node.failed")?.error?.kind, "timeout");
  }));

Deno.test("a signal ends a run, and does not wait for what has another hour", () =>
  withTempDir(async (root) => {
    const controller = new AbortController();
    const begun = Promise.withResolvers<void>();
    const run = await begin(root, ({ signal }) => {
      begun.resolve();
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve("Aborted")));
    }, {
      signal: controller.signal,
      constraints: {
        max_retries: 0,
        max_per_window: 1,
        rate_window: { secs: 3600, nanos: 0 },
      },
    });
    await run.submit("running");
    await run.submit("waiting");
    await begun.promise;
    const finished = run.finish();
    controller.abort(new Error("enough"));
    assertEquals((await finished).state, { Aborted: { reason: "cancelled" } });
    const place = { root, runId: run.runId };
    await checkRecords(place);
    assertEquals((await workersOf(place)).map(({ status }) => status), ["cancelled"]);
    // From a stop on it is the reason of that, also when the run is over.
    await assertRejects(() => run.submit("more"), Error, "enough");
  }));

Deno.test("what fails when the run is stopped is decided to be tried again, and no record says that it was", () =>
  withTempDir(async (root) => {
    const controller = new AbortController();
    const run = await begin(root, ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new Error("stopped in the middle")));
      }), { signal: controller.signal });
    await run.submit("a");
    controller.abort();
    assertEquals((await run.finish()).state, { Aborted: { reason: "cancelled" } });
    const place = { root, runId: run.runId };
    assertEquals(outline(place).slice(1, -1), ["node.started a 1", "node.failed a 1"]);
    const bundle = await readCaptureBundle(runPaths(root, run.runId).bundle);
    assert("inputs" in bundle);
    const ends = bundle.inputs.flatMap((input) => input.type === "completion" ? [input.end] : []);
    assertEquals(ends.map((end) => end?.begun), [undefined, false]);
    await checkRecords(place);
  }));

Deno.test("a signal that aborts when all is done, or before anything, changes what is left only", () =>
  withTempDir(async (root) => {
    const controller = new AbortController();
    const done = await begin(root, () => "Completed", { signal: controller.signal });
    await done.submit("a");
    await untilTold(done, "node.completed", "a");
    controller.abort();
    assertEquals((await done.finish()).state, "Completed");

    const early = await begin(root, () => "Completed", { signal: controller.signal });
    const refusal = await assertRejects(() => early.submit("a"));
    assertEquals(refusal, controller.signal.reason);
    assertEquals((await early.finish()).state, { Aborted: { reason: "cancelled" } });
    await checkRecords({ root, runId: early.runId });
  }));

Deno.test("a run that is not finished ends as aborted, and what runs is told to stop", () =>
  withTempDir(async (root) => {
    let runId = "";
    const stopped: unknown[] = [];
    const begun = Promise.withResolvers<void>();
    await assertRejects(
      async () => {
        await using run = await begin(root, ({ signal }) =>
          new Promise((resolve) => {
            begun.resolve();
            signal.addEventListener("abort", () => {
              stopped.push(signal.reason.message);
              resolve("Aborted");
            });
          }));
        runId = run.runId;
        await run.submit("a");
        await begun.promise;
        throw new RangeError("the program's own");
      },
      RangeError,
      "the program's own",
    );
    assertEquals(stopped, ["Cannot go on: not finished"]);
    const events = await checkRecords({ root, runId });
    assertEquals(events.at(-1)?.reason, "not finished");
  }));

Deno.test("finish() and disposal can be asked for again, and let go of everything", () =>
  withTempDir(async (root) => {
    const run = await begin(root, () => "Completed");
    const first = run.finish();
    assertEquals(run.finish(), first);
    await run[Symbol.asyncDispose]();
    assertEquals((await first).state, "Completed");
    assertEquals(await run.finish(), await first);
    // Nobody holds anything: not the live lock, nor the owner's.
    await using _log = await openEventLog({ root, runId: run.runId, exclusive: true });
    await checkWorkers({ root, runId: run.runId });
  }));

Deno.test("work may submit more work, which finish() waits for", () =>
  withTempDir(async (root) => {
    const run: Run = await begin(root, async ({ eventId }): Promise<RunTermination> => {
      if (eventId.length < 5) await run.submit(`${eventId}x`);
      return "Completed";
    });
    await run.submit("x");
    const { state, nodes } = await run.finish();
    assertEquals([state, nodes.length], ["Completed", 5]);
    await checkRecords({ root, runId: run.runId });
  }));

Deno.test("work that is submitted in the moment in which the rest is done is refused, or done", () =>
  withTempDir(async (root) => {
    for (let awaits = 0; awaits < 40; awaits++) {
      let submitted: Promise<boolean> | undefined;
      const run: Run = await begin(root, ({ eventId }) => {
        if (eventId === "first") submitted = submitBehind(run, awaits);
        return "Completed";
      });
      await run.submit("first");
      const { state, nodes } = await run.finish();
      assertEquals(state, "Completed", `${awaits}`);
      assertEquals(nodes.length, await submitted ? 2 : 1);
    }
  }));

/** Submits so many awaits later; false when the run is over by then. */
async function submitBehind(run: Run, awaits: number): Promise<boolean> {
  for (let done = 0; done < awaits; done++) await undefined;
  return await run.submit("second").then(() => true, () => false);
}

Deno.test("finish() from inside the work breaks the run off instead of waiting for ever", () =>
  withTempDir(async (root) => {
    const told = Promise.withResolvers<unknown>();
    const run: Run = await begin(root, async (): Promise<RunTermination> => {
      await run.finish().catch(told.resolve);
      return "Completed";
    });
    await run.submit("a");
    assert(await told.promise instanceof TypeError);
    await assertRejects(() => run.finish(), TypeError, "from inside run");
    const place = { root, runId: run.runId };
    const end = logOf(place).at(-1);
    assertEquals([end?.type, end?.reason?.includes("inside run")], ["pipe.aborted", true]);
    await checkWorkers(place);
  }));

Deno.test("an id or a payload that cannot be recorded is refused, and stops nothing", () =>
  withTempDir(async (root) => {
    const run = await begin(root, () => "Completed");
    const loop: Record<string, unknown> = {};
    loop.loop = loop;
    let deep: unknown = 1;
    for (let depth = 0; depth < 200; depth++) deep = [deep];
    let deepest: unknown = 1;
    for (let depth = 0; depth < 2_000_000; depth++) deepest = [deepest];
    const refused: [unknown, unknown, RegExp][] = [
      ["", {}, /not blank/],
      [" \n", {}, /not blank/],
      [7, {}, /not blank/],
      ["a#2", {}, /work that is asked for again/],
      [":pump-1", {}, /for the supervisor/],
      ["x".repeat(1001), {}, /at most 1000/],
      ["a\ud800", {}, /lone surrogate/],
      ["a", [1], /not a JSON object/],
      ["a", 7, /not a JSON object/],
      ["a", null, /not a JSON object/],
      ["a", loop, /payload: \$\.loop leads back to \$, and JSON has no cycles/],
      ["a", { n: 1n }, /payload: \$\.n is the BigInt 1/],
      ["a", { list: [0, NaN] }, /payload: \$\.list\[1\] is NaN/],
      ["a", { big: 2 ** 53 }, /payload: \$\.big is 9007199254740992/],
      ["a", { text: "\ud800" }, /payload: \$\.text has a lone surrogate/],
      ["a", { when: new Date(NaN) }, /payload: \$\.when is an invalid Date/],
      ["a", { map: new Map() }, /payload: \$\.map is of type Map/],
      ["a", { deepest }, /payload: \$\.deepest is nested deeper than 10000 levels/],
      ["a", { deep }, /deep|nest|recursion|InvalidJson/i],
      ["a", { text: "x".repeat(2 ** 21) }, /2097152 is the most; name a file/],
    ];
    for (const [id, payload, message] of refused) {
      const error = await assertRejects(() => run.submit(id as string, payload as typeof loop));
      assert(error instanceof Error && message.test(`${error.message}`), String(error));
    }
    await run.submit("a", { text: "x".repeat(2 ** 20), odd: "\u2028" });
    await run.submit("x".repeat(1000));
    await assertRejects(() => run.submit("a"), TypeError, 'Cannot submit "a" twice');
    assertEquals((await run.finish()).nodes.length, 2);
    await checkRecords({ root, runId: run.runId });
  }));

Deno.test("constraints that say nothing of retries allow none, and steps may ask for them", () =>
  withTempDir(async (root) => {
    await using run = await openRun({ root, name: "demo", constraints: { max_in_flight: 1 } });
    const attempts: string[] = [];
    const fail = ({ stepId, attempt }: StepContext) => {
      attempts.push(`${stepId}${attempt}`);
      throw new Error("busy");
    };
    await assertRejects(() => run.step("a", fail), StepError, "busy");
    await assertRejects(() => run.step("b", fail, { retry: { maxRetries: 1 } }), StepError);
    assertEquals(attempts, ["a1", "b1", "b2"]);
    // All that is asked for by an id shares one space of names.
    await assertRejects(() => run.waitFor("a"), TypeError, "needs an id of its own");
  }));

Deno.test("what the constraints or the name forbid is refused before anything is on disk", () =>
  withTempDir(async (root) => {
    const inside = `${root}/new`;
    await assertRejects(
      () => begin(inside, () => "Completed", { constraints: { max_retries: -1 } }),
      RangeError,
    );
    await assertRejects(() => begin(inside, () => "Completed", { name: "../x" }), TypeError);
    await assertRejects(
      () =>
        begin(inside, () => "Completed", { invoker: {} as NonNullable<OpenRunOptions["invoker"]> }),
      TypeError,
      "Cannot use invoker",
    );
    assertEquals(await Array.fromAsync(Deno.readDir(root)), []);
  }));

Deno.test("work that the constraints never let start is not taken for done", () =>
  withTempDir(async (root) => {
    const run = await begin(root, () => "Completed", {
      constraints: { max_in_flight: 0, max_retries: 0 },
    });
    await run.submit("a");
    assertEquals((await run.finish()).state, { Aborted: { reason: "node a was never done" } });
    await checkRecords({ root, runId: run.runId });
  }));

Deno.test("an answer that is none is recorded as what it is", () =>
  withTempDir(async (root) => {
    const answers: unknown[] = ["done", { Failed: "Nope" }, { Failed: "RuntimeError", more: 1 }];
    const run = await begin(root, ({ eventId }) => answers[Number(eventId)] as "Completed", {
      constraints: { max_retries: 0 },
    });
    for (const index of answers.keys()) await run.submit(`${index}`);
    await run.finish();
    const events = await checkRecords({ root, runId: run.runId });
    const messages = events.filter(({ type }) => type === "node.failed")
      .map(({ message }) =>
        /^the invoker answered (.*); expected is "Comp/.exec(message ?? "")?.[1]
      );
    assertEquals(messages, ['"done"', '{ Failed: "Nope" }', "an object"]);
  }));
