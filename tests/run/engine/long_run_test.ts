/** Runs of so many nodes that their recording is not kept in memory. */
import { assertEquals, assertThrows } from "@std/assert";
import { parseCaptureBundle, recoverCapture, replayBundle } from "../../../capture/mod.ts";
import { Supervisor } from "../../../supervisor/mod.ts";
import { beginEngine, goOnEngine, holdAgain, killEngine, withGatedRun } from "./_gated_run.ts";

const NODES = Array.from({ length: 1001 }, (_, index) => `n${index}`);

Deno.test("a long run has the bundle that its journal tells, the first time and when it is gone on with", () =>
  withGatedRun(async (held, place) => {
    const choices = {
      nodes: NODES,
      invoke: () => Promise.resolve({ termination: "Completed", end: { exit_code: 0 } } as const),
    };
    const first = beginEngine(held, choices);
    await first.ask("n0", "{}");
    await first.session.supervisor.idle();
    await first.session.barrier();
    await killEngine(first, held);

    const again = await holdAgain(place);
    const { engine, completed } = await goOnEngine(again, place, choices);
    assertEquals([...completed], ["n0"]);
    await engine.ask("n1", "{}");
    await engine.session.supervisor.idle();
    const bundle = await engine.end({ reason: "cancelled" });
    assertEquals(bundle.decisions.map(({ event_id, decision }) => `${event_id} ${decision}`), [
      "n0 Invoke",
      "n0 Finish",
      "n1 Invoke",
      "n1 Finish",
    ]);
    const recorded = await again.view.document("capture.json");
    assertEquals(parseCaptureBundle(new TextDecoder().decode(recorded)), bundle);
    assertEquals((await recoverCapture(again.view.raw("capture"))).bundle, bundle);
    const createSupervisor = (options: ConstructorParameters<typeof Supervisor>[0]) =>
      new Supervisor(options);
    assertEquals((await replayBundle(bundle, { createSupervisor })).ok, true);
    await again[Symbol.asyncDispose]();
  }));

Deno.test("a run that becomes long has the bundle that its journal tells, and when it is gone on with", () =>
  withGatedRun(async (held, place) => {
    held.open();
    const choices = {
      constraints: { max_retries: 0 },
      invoke: () => Promise.resolve({ termination: "Completed", end: { result: 1 } } as const),
    };
    const first = beginEngine(held, choices);
    for (const id of NODES) await first.ask(id, "{}");
    await first.session.supervisor.idle();
    assertThrows(() => first.session.intoBundle(), TypeError, "does not keep its recording");
    await first.session.barrier();
    await killEngine(first, held);

    const again = await holdAgain(place);
    const { engine, completed } = await goOnEngine(again, place, choices);
    assertEquals(completed.size, NODES.length);
    await engine.ask("one more", "{}");
    await engine.session.supervisor.idle();
    const bundle = await engine.end({ reason: undefined });
    assertEquals(bundle.decisions.length, 2 * (NODES.length + 1));
    assertEquals((await recoverCapture(again.view.raw("capture"))).bundle, bundle);
    await again[Symbol.asyncDispose]();
  }));
