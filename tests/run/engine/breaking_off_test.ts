/** Runs that are broken off at the worst moment: each says so, nothing stands behind that, and none hangs. */
import { assertEquals, assertRejects } from "@std/assert";
import { runPaths } from "../../../_internal/root_layout.ts";
import type { AttemptEnd } from "../../../run/types.ts";
import { logOf } from "../_records.ts";
import { beginEngine, goOnEngine, holdAgain, outlineOf, withGatedRun } from "./_gated_run.ts";

const DONE: AttemptEnd = { termination: "Completed", end: {} };

Deno.test("what a function does that is still at work when its run was broken off is told by nobody", () =>
  withGatedRun(async (held, place) => {
    const broken = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const engine = beginEngine(held, {
      isOutside: false,
      invoke: async () => {
        await engine.breakOff(new Error("given up from inside"));
        broken.resolve();
        await goOn.promise;
        return DONE;
      },
    });
    await engine.ask("a", "{}");
    await broken.promise;
    goOn.resolve();
    await assertRejects(() => engine.session.supervisor.idle(), Error, "given up from inside");
    await assertRejects(() => engine.end({ reason: undefined }), Error, "given up from inside");
    assertEquals(outlineOf(logOf(place)), [
      "pipe.started",
      "node.started a 1",
      "pipe.aborted given up from inside",
    ]);
  }));

Deno.test("going on that fails at what was left undecided ends, and the log says why", () =>
  withGatedRun(async (held, place) => {
    const { journal, events } = runPaths(place.root, place.runId);
    const engine = beginEngine(held, { invoke: () => Promise.resolve(DONE) });
    await engine.ask("a", "{}");
    await engine.end({ reason: "enough" });
    await held[Symbol.asyncDispose]();
    // As it was when nothing but the event was recorded.
    const lines = (await Deno.readTextFile(journal)).split("\n").slice(0, 2);
    await Deno.writeTextFile(journal, lines.map((line) => `${line}\n`).join(""));
    await Deno.writeTextFile(events, "");

    await using again = await holdAgain(place);
    const onDecided = () => {
      throw new Error("nobody may know");
    };
    await assertRejects(
      () => goOnEngine(again, place, { invoke: () => Promise.resolve(DONE), onDecided }),
      Error,
      "nobody may know",
    );
    assertEquals(outlineOf(logOf(place)), [
      "pipe.started",
      "pipe.started",
      "pipe.aborted nobody may know",
    ]);
  }));
