/** What the engine begins, records and tells, and behind which barrier; what it does when one fails. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { recoverCapture, replayBundle } from "../../../capture/mod.ts";
import { turn } from "../../../_internal/barrier.ts";
import { RunFold } from "../../../eventlog/mod.ts";
import { runPaths } from "../../../_internal/root_layout.ts";
import { openTrace } from "../../../run/run_trace.ts";
import type { AttemptEnd } from "../../../run/types.ts";
import { RunEngine } from "../../../run/engine/run_engine.ts";
import { Program } from "../../../run/program/program.ts";
import { Run } from "../../../run/run.ts";
import { Supervisor } from "../../../supervisor/mod.ts";
import { checkCapture, logOf } from "../_records.ts";
import {
  beginEngine,
  type EngineChoices,
  type GatedRun,
  goOnEngine,
  holdAgain,
  killEngine,
  outlineOf,
  withGatedRun,
} from "./_gated_run.ts";

const DONE: AttemptEnd = { termination: "Completed", end: { exit_code: 0 } };
const ABORTED: AttemptEnd = { termination: "Aborted", end: { signal: "SIGTERM" } };

/** Commands that note when they begin, and end when they are told to, or when their signal aborts. */
class Commands {
  readonly #held: GatedRun;
  readonly #ends = new Map<string, PromiseWithResolvers<AttemptEnd>>();
  #begun = Promise.withResolvers<void>();

  constructor(held: GatedRun) {
    this.#held = held;
  }

  readonly invoke: EngineChoices["invoke"] = ({ signal }, { nodeId, attempt }) => {
    this.#held.steps.push(`run ${nodeId} ${attempt}`);
    const end = Promise.withResolvers<AttemptEnd>();
    signal.addEventListener("abort", () => {
      this.#held.steps.push(`stop ${nodeId}`);
      end.resolve(ABORTED);
    });
    this.#ends.set(nodeId, end);
    this.#begun.resolve();
    this.#begun = Promise.withResolvers();
    return end.promise;
  };

  /** Resolves when a node is at work. */
  async begun(nodeId: string): Promise<void> {
    while (!this.#ends.has(nodeId)) await this.#begun.promise;
  }

  async end(nodeId: string, end = DONE): Promise<void> {
    await this.begun(nodeId);
    this.#ends.get(nodeId)!.resolve(end);
  }
}

/** The steps from the first of these on to the last, without others. */
function inOrder(steps: readonly string[], ...expected: string[]): void {
  let from = 0;
  for (const step of expected) {
    const index = steps.indexOf(step, from);
    assert(index !== -1, `There is no "${step}" behind ${from} in ${JSON.stringify(steps)}`);
    from = index + 1;
  }
}

Deno.test("a command begins, and is told of, behind the barrier that covers it, and so is its end", () =>
  withGatedRun(async (held) => {
    const commands = new Commands(held);
    held.close();
    const engine = beginEngine(held, { invoke: commands.invoke });
    await engine.ask("a", "{}");
    await held.waitedFor;
    const journal = ["capture session", "capture event", "capture decision Invoke"];
    assertEquals(held.steps, journal);
    held.open();
    await commands.begun("a");
    await untilStep(held, "events node.started a 1");
    inOrder(held.steps, "capture decision Invoke", "synced", "run a 1", "events pipe.started");
    held.close();
    await commands.end("a");
    await held.waitedFor;
    assert(!held.steps.includes("events node.completed a 1"));
    held.open();
    await engine.end({ reason: undefined });
    inOrder(
      held.steps,
      "events node.started a 1",
      "capture completion",
      "capture decision Finish",
      "synced",
      "events node.completed a 1",
      "capture ended",
      "events pipe.completed",
      "synced",
    );
  }));

/** Resolves when something was done. */
async function untilStep({ steps }: GatedRun, step: string): Promise<void> {
  while (!steps.includes(step)) await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("a function of this process is called without a barrier, and told of behind one", () =>
  withGatedRun(async (held) => {
    const commands = new Commands(held);
    held.close();
    const engine = beginEngine(held, { invoke: commands.invoke, isOutside: false });
    await engine.ask("a", "{}");
    await commands.begun("a");
    assert(!held.steps.includes("synced"));
    assert(!held.steps.some((step) => step.startsWith("events")));
    held.open();
    await commands.end("a");
    await engine.end({ reason: undefined });
    inOrder(
      held.steps,
      "run a 1",
      "synced",
      "events node.started a 1",
      "events node.completed a 1",
    );
  }));

Deno.test("in a chain an end and the begin that it made ready share a barrier, and stand in that order", () =>
  withGatedRun(async (held, place) => {
    const chain = ["a", "b", "c", "d"];
    const done = Promise.withResolvers<void>();
    const engine = beginEngine(held, {
      invoke: () => Promise.resolve(DONE),
      onDecided: ({ nodeId, termination }) => {
        if (termination === null) return;
        const next = chain[chain.indexOf(nodeId) + 1];
        if (next === undefined) done.resolve();
        else void engine.ask(next, "{}");
      },
    });
    await engine.ask("a", "{}");
    await done.promise;
    await engine.end({ reason: undefined });
    assertEquals(outlineOf(logOf(place)), [
      "pipe.started",
      ...chain.flatMap((id) => [`node.started ${id} 1`, `node.completed ${id} 1`]),
      "pipe.completed",
    ]);
    // One for each end with the begin behind it, one before the first begin, and two at the end.
    const syncs = held.steps.filter((step) => step === "synced").length;
    assert(syncs <= 2 * (chain.length + 3), `${syncs}`);
    await checkCapture(place);
  }));

Deno.test("when a barrier fails nothing begins, what runs is ended, and nothing is told but that", () =>
  withGatedRun(async (held, place) => {
    const commands = new Commands(held);
    const engine = beginEngine(held, { invoke: commands.invoke });
    await engine.ask("running", "{}");
    await untilStep(held, "events node.started running 1");
    held.close();
    await engine.ask("starting", "{}");
    await held.waitedFor;
    const failure = new Error("the disk is gone");
    held.fail(failure);
    await untilStep(held, "stop running");
    assertEquals(engine.failure?.error, failure);
    assertEquals(await assertRejects(() => engine.ask("late", "{}")), failure);
    await engine.breakOff(failure);
    assert(!held.steps.includes("run starting 1"));
    assertEquals(outlineOf(logOf(place)), [
      "pipe.started",
      "node.started running 1",
      "pipe.aborted the disk is gone",
    ]);
    await held[Symbol.asyncDispose]();
    // Whoever goes on finds both as if this process had died: one was begun, the other may have been.
    await using again = await holdAgain(place);
    const left: unknown[] = [];
    const { engine: next } = await goOnEngine(again, place, { invoke: commands.invoke }, {
      endLeftovers: (attempts) => Promise.resolve(void left.push(...attempts)),
    });
    assertEquals(left, [{ nodeId: "running", attempt: 1 }, { nodeId: "starting", attempt: 1 }]);
    await next.end({ reason: "enough" });
  }));

Deno.test("when the journal refuses an end the attempt stays open, and the log does not know of it", () =>
  withGatedRun(async (held, place) => {
    const commands = new Commands(held);
    const engine = beginEngine(held, { invoke: commands.invoke });
    await engine.ask("a", "{}");
    await untilStep(held, "events node.started a 1");
    const error = new Error("no space left");
    held.failing = { stream: "capture", error };
    await commands.end("a");
    await assertRejects(() => engine.end({ reason: undefined }), Error, "no space left");
    await engine.breakOff(error);
    assertEquals(outlineOf(logOf(place)), [
      "pipe.started",
      "node.started a 1",
      "pipe.aborted no space left",
    ]);
  }));

Deno.test("when the log refuses an event the run is ended, and its journal has what the log lacks", () =>
  withGatedRun(async (held, place) => {
    const commands = new Commands(held);
    const engine = beginEngine(held, { invoke: commands.invoke });
    await engine.ask("a", "{}");
    await engine.ask("b", "{}");
    await untilStep(held, "events node.started b 1");
    const error = new Error("no space left");
    held.failing = { stream: "events", error };
    await commands.end("a");
    await untilStep(held, "stop b");
    await assertRejects(() => engine.end({ reason: undefined }), Error, "no space left");
    held.failing = undefined;
    await engine.breakOff(error);
    await held[Symbol.asyncDispose]();
    assertEquals(outlineOf(logOf(place)).slice(3), ["pipe.aborted no space left"]);

    await using again = await holdAgain(place);
    const { engine: next, completed } = await goOnEngine(again, place, {
      invoke: commands.invoke,
    });
    assertEquals([...completed], ["a"]);
    await next.end({ reason: "enough" });
    assertEquals(outlineOf(logOf(place)).slice(4), [
      "node.completed a 1",
      "node.failed b 1",
      "pipe.started",
      "pipe.aborted enough",
    ]);
  }));

Deno.test("what may not begin any more ends unbegun: it is in the journal, and in no log", () =>
  withGatedRun(async (held, place) => {
    const engine = beginEngine(held, {
      invoke: () => Promise.reject(new Error("it was begun")),
      mayBegin: () => false,
    });
    await engine.ask("a", "{}");
    await engine.end({ reason: "enough" });
    assertEquals(outlineOf(logOf(place)), ["pipe.started", "pipe.aborted enough"]);
    const bundle = await checkCapture(place);
    assert("inputs" in bundle);
    const [end] = bundle.inputs.filter((input) => input.type === "completion");
    assertEquals(end?.end, { begun: false });
    // Its number was not used.
    await held[Symbol.asyncDispose]();
    await using again = await holdAgain(place);
    const { engine: next } = await goOnEngine(again, place, {
      invoke: () => Promise.resolve(DONE),
    });
    await next.ask("a", "{}");
    await next.end({ reason: undefined });
    assertEquals(outlineOf(logOf(place)).slice(2), [
      "pipe.started",
      "node.started a 1",
      "node.completed a 1",
      "pipe.completed",
    ]);
  }));

Deno.test("what still waits at the end is withdrawn: no decision is left open, and the replay says the same", () =>
  withGatedRun(async (held, place) => {
    const commands = new Commands(held);
    const decided: string[] = [];
    const engine = beginEngine(held, {
      invoke: commands.invoke,
      constraints: { max_in_flight: 1, max_retries: 0 },
      onDecided: ({ nodeId, decision, reason }) => {
        decided.push(`${nodeId} ${decision} ${reason}`);
      },
    });
    for (const id of ["a", "b", "c"]) await engine.ask(id, "{}");
    await commands.end("a");
    await engine.session.supervisor.idle();
    await engine.withdrawDeferred();
    const bundle = await engine.end({ reason: "enough" });
    assertEquals(decided.slice(-2), ["b Skip withdrawn", "c Skip withdrawn"]);
    assertEquals(engine.session.supervisor.deferred, []);
    const { ok } = await replayBundle(bundle, { createSupervisor: (of) => new Supervisor(of) });
    assert(ok);
    assertEquals(outlineOf(logOf(place)), [
      "pipe.started",
      "node.started a 1",
      "node.completed a 1",
      "pipe.aborted enough",
    ]);
  }));

Deno.test("a run whose process died is gone on with: ends are told once, what was cut off is asked for again", () =>
  withGatedRun(async (held, place) => {
    const commands = new Commands(held);
    const constraints = { max_in_flight: 2, max_retries: 0 };
    const engine = beginEngine(held, { invoke: commands.invoke, constraints });
    for (const id of ["done", "cut", "waits"]) await engine.ask(id, "{}");
    await untilStep(held, "events node.started cut 1");
    held.failing = { stream: "events", error: new Error("killed") };
    await commands.end("done");
    await untilStep(held, "capture decision Finish");
    await killEngine(engine, held);
    assertEquals(outlineOf(logOf(place)), [
      "pipe.started",
      "node.started done 1",
      "node.started cut 1",
    ]);

    await using again = await holdAgain(place);
    const { engine: next, completed } = await goOnEngine(again, place, {
      invoke: () => Promise.resolve(DONE),
      constraints,
    });
    assertEquals([...completed], ["done"]);
    assertEquals(next.session.supervisor.deferred, []);
    for (const id of ["cut", "waits"]) await next.ask(id, "{}");
    await next.end({ reason: undefined });
    const log = outlineOf(logOf(place));
    assertEquals(log.slice(3).toSorted(), [
      "node.completed cut 2",
      "node.completed done 1",
      "node.completed waits 1",
      "node.failed cut 1",
      "node.started cut 2",
      "node.started waits 1",
      "pipe.completed",
      "pipe.started",
    ]);
    const added = log.slice(3);
    inOrder(added, "node.completed done 1", "pipe.started", "node.started cut 2", "pipe.completed");
    // The dying process may have come to recording that it ended what ran, or not.
    inOrder(added, "node.failed cut 1", "node.started cut 2");
    const bundle = await checkCapture(place);
    assert("inputs" in bundle);
    const asks = bundle.inputs.flatMap((input) => input.type === "event" ? [input.event_id] : []);
    assertEquals(asks.filter((id) => !id.startsWith(":")), [
      "done",
      "cut",
      "waits",
      "cut#2",
      "waits#2",
    ]);
  }));

Deno.test("a run that is not gone on with after all, as it is stopped meanwhile, is left as it was", () =>
  withGatedRun(async (held, place) => {
    const commands = new Commands(held);
    const engine = beginEngine(held, { invoke: commands.invoke });
    await engine.ask("a", "{}");
    await untilStep(held, "events node.started a 1");
    await killEngine(engine, held);
    const { journal } = runPaths(place.root, place.runId);
    const [before, log] = [await Deno.readTextFile(journal), outlineOf(logOf(place))];

    await using again = await holdAgain(place);
    const stop = new AbortController();
    const choices = { invoke: commands.invoke, signal: stop.signal };
    const error = await assertRejects(() =>
      goOnEngine(again, place, choices, {
        endLeftovers: () => Promise.resolve(stop.abort(new Error("stopped"))),
      })
    );
    assertEquals((error as Error).message, "stopped");
    // What was told by then would be in the log in the next turn.
    await turn();
    await again.barrier();
    assertEquals([await Deno.readTextFile(journal), outlineOf(logOf(place))], [before, log]);
  }));

Deno.test("breaking off gives up a function that does not end in its time, and tells nothing of it", () =>
  withGatedRun(async (held, place) => {
    const never = Promise.withResolvers<AttemptEnd>();
    const engine = beginEngine(held, {
      invoke: () => never.promise,
      isOutside: false,
      endWithinMs: 1,
    });
    await engine.ask("a", "{}");
    await untilStep(held, "events node.started a 1");
    await engine.breakOff(new Error("given up"));
    await engine.breakOff(new Error("again"));
    assertEquals(outlineOf(logOf(place)).at(-1), "pipe.aborted given up");
    assertEquals(logOf(place).filter(({ type }) => type === "pipe.aborted").length, 1);
    never.resolve(DONE);
  }));

Deno.test("a run whose end the journal refuses has none, and says so to whoever ends it", () =>
  withGatedRun(async (held, place) => {
    const engine = beginEngine(held, { invoke: () => Promise.resolve(DONE) });
    await engine.ask("a", "{}");
    await untilStep(held, "events node.completed a 1");
    const error = new Error("no space left");
    held.failing = { stream: "capture", error };
    assertEquals(await assertRejects(() => engine.end({ reason: undefined })), error);
    await engine.breakOff(error);
    assertEquals(outlineOf(logOf(place)).at(-1), "pipe.aborted no space left");
    assertEquals((await recoverCapture(runPaths(place.root, place.runId).journal)).ended, null);
  }));

Deno.test("an end that the journal has stands, and is told once, whatever fails behind it", () =>
  withGatedRun(async (held, place) => {
    const error = new Error("no bundle");
    held.putDocument = () => Promise.reject(error);
    const engine = beginEngine(held, { invoke: () => Promise.resolve(DONE) });
    assertEquals(await assertRejects(() => engine.end({ reason: undefined })), error);
    await engine.breakOff(error);
    assertEquals(outlineOf(logOf(place)), ["pipe.started", "pipe.completed"]);
    const { ended } = await recoverCapture(runPaths(place.root, place.runId).journal);
    assertEquals(ended?.state, "Completed");
  }));

Deno.test("a node that is asked for again has another event, and its attempts are counted on", () =>
  withGatedRun(async (held, place) => {
    const engine = beginEngine(held, {
      invoke: ({ attempt }) =>
        Promise.resolve(
          attempt === 1 ? { termination: { Failed: "RuntimeError" }, end: {} } : DONE,
        ),
      constraints: { max_retries: 1 },
    });
    for (let ask = 0; ask < 2; ask++) {
      await engine.ask("a", "{}");
      await engine.session.supervisor.idle();
    }
    await engine.end({ reason: undefined });
    assertEquals(outlineOf(logOf(place)).slice(1, -1), [
      "node.started a 1",
      "node.failed a 1",
      "node.started a 2",
      "node.completed a 2",
      "node.started a 3",
      "node.failed a 3",
      "node.started a 4",
      "node.completed a 4",
    ]);
    await checkCapture(place);
  }));

Deno.test("what is no event was not asked for", () =>
  withGatedRun(async (held, place) => {
    const engine = beginEngine(held, { invoke: () => Promise.resolve(DONE) });
    await assertRejects(() => engine.ask("a", "no JSON"), Error, "JSON");
    await engine.ask("a", "{}");
    await engine.end({ reason: undefined });
    assertEquals(outlineOf(logOf(place)).slice(1, 3), ["node.started a 1", "node.completed a 1"]);
  }));

for (const durability of ["os", "disk"] as const) {
  Deno.test(
    `submit() of durability "${durability}" resolves when its decision is ${
      durability === "os" ? "in the file" : "on disk"
    }`,
    () =>
      withGatedRun(async (held, place) => {
        held.close();
        await using opened = new AsyncDisposableStack();
        const path = `${place.root}/trace.json`;
        const { trace } = opened.use(
          openTrace({ path, runId: place.runId, name: "demo", onSignal: "none" }),
        );
        const program = new Program({
          view: held.view,
          root: place.root,
          name: "demo",
          invoker: { run: () => "Completed" },
          durability,
          accept: undefined,
          retryFailed: undefined,
          fold: new RunFold(),
          stop: new AbortController().signal,
          opened,
        });
        const how = {
          constraints: { max_retries: 0 },
          runtimeProvenance: "none",
          followers: [trace],
        };
        const engine = RunEngine.begin(program.engineOptions(held, how));
        program.open({ engine, followers: [trace] }, undefined);
        const run = new Run(program);
        const submitted = run.submit("a").then(() => held.steps.push("submitted"));
        await held.waitedFor;
        if (durability === "os") await submitted;
        else await new Promise((resolve) => setTimeout(resolve));
        assertEquals(held.steps.includes("submitted"), durability === "os");
        held.open();
        await submitted;
        assertEquals((await run.finish()).state, "Completed");
        inOrder(held.steps, "capture decision Invoke", "synced", "events node.started a 1");
      }),
  );
}

Deno.test("it tells how far an attempt has come: decided on disk, called for, over, told", () =>
  withGatedRun(async (held) => {
    const commands = new Commands(held);
    const engine = beginEngine(held, {
      invoke: commands.invoke,
      atPoint: ({ nodeId, attempt }, point) => held.steps.push(`${point} ${nodeId} ${attempt}`),
    });
    await engine.ask("a", "{}");
    await commands.end("a");
    await engine.end({ reason: undefined });
    inOrder(
      held.steps,
      "capture decision Invoke",
      "synced",
      "decided a 1",
      "run a 1",
      "begun a 1",
      "ended a 1",
      "capture completion",
      "synced",
      "events node.completed a 1",
      "told a 1",
    );
  }));

Deno.test("an attempt that may not begin any more comes nowhere", () =>
  withGatedRun(async (held) => {
    const points: string[] = [];
    const engine = beginEngine(held, {
      invoke: () => Promise.resolve(DONE),
      mayBegin: () => false,
      atPoint: (_, point) => points.push(point),
    });
    await engine.ask("a", "{}");
    await engine.end({ reason: "not begun" });
    assertEquals(points, []);
  }));
