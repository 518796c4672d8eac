/** Gates: who passes them, when, and what of that survives a death at any line. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { runPaths } from "../../../_internal/root_layout.ts";
import { Waits } from "../../../run/engine/waits.ts";
import { openFileRoot, passGate, RunError } from "../../../run/mod.ts";
import { RunFold } from "../../../eventlog/mod.ts";
import { recoverCapture } from "../../../capture/mod.ts";
import { ManualTimers } from "../../../supervisor/mod.ts";
import { logOf, type Place } from "../_records.ts";
import {
  beginEngine,
  type EngineChoices,
  goOnEngine,
  holdAgain,
  killEngine,
  outlineOf,
  withGatedRun,
} from "./_gated_run.ts";

const CHOICES: EngineChoices = { invoke: () => Promise.reject(new Error("nothing is to run")) };

/** An observer that resolves when the run waits at a gate. */
function watcher() {
  const waits = Promise.withResolvers<string>();
  const observer = {
    attemptBegan: () => {},
    attemptEnded: () => {},
    gateWaits: (gate: string) => waits.resolve(gate),
  };
  return { waiting: waits.promise, observer };
}

async function waitsOf({ root, runId }: Place) {
  const { bundle, waits } = await recoverCapture(runPaths(root, runId).journal);
  const notes = "notes" in bundle ? bundle.notes ?? [] : [];
  return { notes: notes.filter(({ type }) => type === "wait" || type === "waited"), waits };
}

for (const when of ["before the run comes to it", "while the run waits"]) {
  Deno.test(`a gate is passed ${when}: with its value, on disk before it is told`, async () => {
    await withGatedRun(async (held, place) => {
      const pass = () => passGate(place.root, place.runId, "ask", { value: { n: 1 }, by: "ada" });
      if (when.startsWith("before")) await pass();
      const { waiting, observer } = watcher();
      const engine = beginEngine(held, { ...CHOICES, observer });
      const waited = engine.waits.wait("ask");
      assert(engine.hasOpen);
      assertEquals(await waiting, "ask");
      if (!when.startsWith("before")) await pass();
      const { at: _, ...end } = (await waited)!;
      assertEquals(end, {
        type: "waited",
        id: "ask",
        how: "passed",
        value: { n: 1 },
        by: "ada",
        method: "hook",
        inbox_line: 1,
      });
      assert(!engine.hasOpen);
      await engine.end({ reason: undefined });
      const { steps } = held;
      const recorded = steps.indexOf("capture waited");
      const synced = steps.indexOf("synced", recorded);
      assert(
        recorded >= 0 && recorded < synced && synced < steps.indexOf("events gate.passed ask 1"),
      );
      assertEquals(outlineOf(logOf(place)), [
        "pipe.started",
        "gate.passed ask 1",
        "pipe.completed",
      ]);
      const fold = new RunFold();
      for (const event of logOf(place)) fold.take(event);
      assertEquals(fold.state().nodes[0]?.status, "Completed");
    });
  });
}

Deno.test("a gate is denied, and another one is not passed in time", async () => {
  await withGatedRun(async (held, place) => {
    const engine = beginEngine(held, CHOICES);
    await passGate(place.root, place.runId, "ask", { reject: true, by: "ada" });
    await passGate(place.root, place.runId, "ask");
    const ends = await Promise.all([
      engine.waits.wait("ask", { timeoutMs: 3_600_000 }),
      engine.waits.wait("late", { timeoutMs: 1 }),
    ]);
    assertEquals(ends.map((end) => end?.how), ["denied", "timeout"]);
    await engine.end({ reason: "denied" });
    const failed = logOf(place).filter(({ type }) => type === "node.failed");
    assertEquals(failed.map(({ node_id: id, error, message }) => [id, error, message]), [
      ["ask", { kind: "gate_failed" }, "it was denied by ada"],
      ["late", { kind: "gate_failed" }, "nobody passed it in time"],
    ]);
  });
});

Deno.test("a gate that is asked for again takes the first message behind the one that was used up", async () => {
  await withGatedRun(async (held, place) => {
    const { root, runId } = place;
    const engine = beginEngine(held, CHOICES);
    await passGate(root, runId, "ask", { reject: true });
    await engine.waits.wait("ask");
    await engine.end({ reason: "denied" });
    await held[Symbol.asyncDispose]();
    await passGate(root, runId, "ask", { value: "now" });
    await using again = await holdAgain(place);
    const { engine: next, completed } = await goOnEngine(again, place, CHOICES);
    assertEquals([...completed], []);
    const { how, value, inbox_line: line } = (await next.waits.wait("ask"))!;
    assertEquals([how, value, line], ["passed", "now", 2]);
    await next.end({ reason: undefined });
    assertEquals(outlineOf(logOf(place)), [
      "pipe.started",
      "node.failed ask 1",
      "pipe.aborted denied",
      "pipe.started",
      "gate.passed ask 2",
      "pipe.completed",
    ]);
  });
});

Deno.test("who goes on waits for what is left of the time, and what was passed stands", async () => {
  await withGatedRun(async (held, place) => {
    const { root, runId } = place;
    const engine = beginEngine(held, CHOICES);
    await passGate(root, runId, "open");
    assertEquals((await engine.waits.wait("open"))?.how, "passed");
    const waits = engine.waits.wait("ask", { timeoutMs: 3_600_000 });
    await killEngine(engine, held);
    assertEquals(await waits, undefined);
    const { waits: [before] } = await waitsOf(place);
    await using again = await holdAgain(place);
    const { engine: next, completed } = await goOnEngine(again, place, CHOICES);
    assertEquals([...completed], ["open"]);
    const waited = next.waits.wait("ask", { timeoutMs: 1 });
    await passGate(root, runId, "ask");
    assertEquals((await waited)?.how, "passed");
    await next.end({ reason: undefined });
    const { notes } = await waitsOf(place);
    const asks = notes.flatMap((note) => note.type === "wait" ? [note] : []);
    assertEquals(asks.map(({ id, until }) => [id, until]), [
      ["open", undefined],
      ["ask", before?.until],
    ]);
  });
});

Deno.test("whatever of the journal and the log a death leaves, a message that was recorded counts once", async () => {
  const whole = await recordedGate();
  for (let lines = 1; lines <= whole.length; lines++) {
    await withGatedRun(async (held, place) => {
      const { root, runId } = place;
      await held[Symbol.asyncDispose]();
      await passGate(root, runId, "ask", { value: 7 });
      const paths = runPaths(root, runId);
      await Deno.writeTextFile(paths.journal, whole.slice(0, lines).join(""));
      await using again = await holdAgain(place);
      const { engine, completed } = await goOnEngine(again, place, CHOICES);
      if (!completed.has("ask")) assertEquals((await engine.waits.wait("ask"))?.value, 7);
      await engine.end({ reason: undefined });
      const passed = logOf(place).filter(({ type }) => type === "gate.passed");
      assertEquals(passed.map(({ node_id: id, attempt }) => [id, attempt]), [["ask", 1]]);
      const { notes } = await waitsOf(place);
      assertEquals(notes.map(({ type }) => type), ["wait", "waited"]);
    });
  }
});

/** The lines of the journal of a run whose gate was passed. */
async function recordedGate(): Promise<string[]> {
  let lines: string[] = [];
  await withGatedRun(async (held, place) => {
    const engine = beginEngine(held, CHOICES);
    await passGate(place.root, place.runId, "ask", { value: 7 });
    await engine.waits.wait("ask");
    await engine.breakOff(new Error("killed"));
    const text = await Deno.readTextFile(runPaths(place.root, place.runId).journal);
    lines = text.split(/(?<=\n)/);
  });
  return lines;
}

Deno.test("a run that ends waits at no gate, and lines that are no messages are passed over", async () => {
  await withGatedRun(async (held, place) => {
    const { inbox } = runPaths(place.root, place.runId);
    await Deno.writeTextFile(inbox, '[]\n{"gate":7}\nno JSON\n{"gate":"other","op":"a"}\n');
    const stop = new AbortController();
    const { waiting, observer } = watcher();
    const engine = beginEngine(held, { ...CHOICES, observer, signal: stop.signal });
    const waited = engine.waits.wait("ask");
    await waiting;
    stop.abort();
    assertEquals(await waited, undefined);
    assertEquals(await engine.waits.wait("never"), undefined);
    await engine.end({ reason: "cancelled" });
    const { waits } = await waitsOf(place);
    assertEquals(waits.map(({ id }) => id), ["ask"]);
  });
});

Deno.test("what cannot be passed is refused: another run, a gate that the flow lacks, a completed run", async () => {
  await withGatedRun(async (held, place) => {
    const { root, runId } = place;
    const flow = { nodes: [{ id: "ask", gate: "Go?" }, { id: "build", run: ["true"] }] };
    await held.putDocument("flow.json", new TextEncoder().encode(JSON.stringify(flow)));
    await using runs = openFileRoot(root);
    const refused = async (run: string, gate: string, kind: string, says: string) => {
      const error = await assertRejects(() => passGate(runs, run, gate), RunError, says);
      assertEquals(error.kind, kind);
    };
    await refused("nobody-01m7y6br5mjgpv46qk3w2w0daj", "ask", "missing", "it is not there");
    await refused(runId, "build", "missing", "its flow has no such gate; its gates are ask");
    await assertRejects(() => passGate(runs, runId, "ask", { value: NaN }), RunError, "NaN");
    const engine = beginEngine(held, CHOICES);
    await engine.end({ reason: undefined });
    await refused(runId, "ask", "stopped", "the run has completed");
    assertEquals((await runs.view(runId).lines("inbox")).events, []);
  });
});

Deno.test("whatever waits next is waited for, in whichever moment after the last wait it comes", async () => {
  const some = async (microtasks: number) => {
    for (let count = 0; count < microtasks; count++) await undefined;
  };
  for (let moment = 0; moment < 20; moment++) {
    const timers = new ManualTimers();
    const ended: string[] = [];
    const waits = new Waits({
      held: {
        token: 1n,
        lost: new AbortController().signal,
        view: { lines: () => Promise.reject(new Error("nothing waits at a gate")) },
      },
      past: undefined,
      note: () => Promise.resolve(),
      tell: () => {},
      observer: {},
      timers,
      fail: (error) => ended.push(String(error)),
      stop: new AbortController().signal,
    });
    const sleep = (id: string) => void waits.sleep(id, (now) => now + 1).then(() => ended.push(id));
    sleep("first");
    await some(50);
    timers.advance({ secs: 1, nanos: 0 });
    await some(moment);
    sleep("next");
    await some(50);
    timers.advance({ secs: 1, nanos: 0 });
    await some(50);
    assertEquals(ended, ["first", "next"], `${moment} microtasks later`);
  }
});
