/** The journal where each line takes a way there and back, as on a database: nobody waits for one, and nothing is seen before it. */
import { assertEquals, assertRejects } from "@std/assert";
import { recoverCapture } from "../../../capture/mod.ts";
import { runPaths } from "../../../_internal/root_layout.ts";
import type { AttemptEnd, RunLines } from "../../../run/types.ts";
import { logOf } from "../_records.ts";
import { beginEngine, type GatedRun, outlineOf, withGatedRun } from "./_gated_run.ts";

const DONE: AttemptEnd = { termination: "Completed", end: {} };

/** Lines of the journal that are on their way: they arrive, or are lost, when the test says so. */
function slowDown(held: GatedRun) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => {});
  const append = held.append.bind(held);
  const barrier = held.barrier.bind(held);
  const sent: string[] = [];
  held.append = (lines: RunLines) => {
    if (lines.capture === undefined) return append(lines);
    for (const text of lines.capture) sent.push(JSON.parse(text).type);
    return promise.then(() => append(lines));
  };
  // What was sent before is on disk before.
  held.barrier = (options) => promise.then(() => barrier(options), () => barrier(options));
  return { sent, arrive: resolve, lose: reject };
}

/** Other tasks have had their turn, so whoever does not wait for lines has gone on. */
async function turns(): Promise<void> {
  for (let count = 0; count < 20; count++) await new Promise((resolve) => setTimeout(resolve));
}

for (const isOutside of [true, false]) {
  const what = isOutside ? "a command" : "a function";
  Deno.test(`lines are handed over one behind the other, and ${what} begins when they have arrived`, () =>
    withGatedRun(async (held, place) => {
      const lines = slowDown(held);
      let calls = 0;
      const engine = beginEngine(held, {
        isOutside,
        invoke: () => {
          calls++;
          return Promise.resolve(DONE);
        },
      });
      await engine.ask("a", "{}");
      await engine.ask("b", "{}");
      assertEquals(lines.sent, ["session", "event", "decision", "event", "decision"]);
      await turns();
      assertEquals([calls, logOf(place)], [0, []]);
      lines.arrive();
      await engine.session.supervisor.idle();
      await engine.end({ reason: undefined });
      assertEquals(calls, 2);
      assertEquals(outlineOf(logOf(place)).at(-1), "pipe.completed");
    }));

  Deno.test(`of ${what} whose lines are lost on their way nothing begins and nothing is told`, () =>
    withGatedRun(async (held, place) => {
      const lines = slowDown(held);
      let calls = 0;
      const engine = beginEngine(held, {
        isOutside,
        invoke: () => {
          calls++;
          return Promise.resolve(DONE);
        },
      });
      await engine.ask("a", "{}");
      const gone = new Error("the database is gone");
      lines.lose(gone);
      assertEquals(await assertRejects(() => engine.session.barrier()), gone);
      assertEquals(engine.stop.reason, gone);
      assertEquals(await assertRejects(() => engine.ask("b", "{}")), gone);
      assertEquals(await assertRejects(() => engine.end({ reason: undefined })), gone);
      await engine.breakOff(gone);
      assertEquals(calls, 0);
      assertEquals(outlineOf(logOf(place)), [
        "pipe.started",
        "pipe.aborted the database is gone",
      ]);
    }));
}

Deno.test("an end that is lost on its way is not told as one", () =>
  withGatedRun(async (held, place) => {
    const engine = beginEngine(held, { invoke: () => Promise.resolve(DONE) });
    await engine.ask("a", "{}");
    await engine.session.supervisor.idle();
    await engine.teller.told();
    const lines = slowDown(held);
    const gone = new Error("the database is gone");
    const ending = engine.end({ reason: undefined });
    await turns();
    assertEquals(lines.sent, ["ended"]);
    assertEquals(outlineOf(logOf(place)).at(-1), "node.completed a 1");
    lines.lose(gone);
    assertEquals(await assertRejects(() => ending), gone);
    const { journal, bundle } = runPaths(place.root, place.runId);
    assertEquals((await recoverCapture(journal)).ended, null);
    await assertRejects(() => Deno.stat(bundle), Deno.errors.NotFound);
  }));

Deno.test("a run that is not held any more ends by that, whatever its stop says", () =>
  withGatedRun(async (held) => {
    const lost = new AbortController();
    Object.defineProperty(held, "lost", { value: lost.signal });
    const begun = Promise.withResolvers<void>();
    const engine = beginEngine(held, {
      invoke: ({ signal }) => {
        begun.resolve();
        return new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve({ termination: "Aborted", end: {} }));
        });
      },
    });
    await engine.ask("a", "{}");
    await begun.promise;
    const reason = new Error("another process holds it");
    lost.abort(reason);
    assertEquals(engine.failure, { error: reason });
    assertEquals(await assertRejects(() => engine.end({ reason: "cancelled" })), reason);
    await engine.breakOff(reason);
  }));
