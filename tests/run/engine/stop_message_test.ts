/** Runs whose holder no signal reaches, and a message asks to stop. */
import { assertEquals } from "@std/assert";
import type { AttemptEnd } from "../../../run/types.ts";
import { beginEngine, type EngineChoices, type GatedRun, withGatedRun } from "./_gated_run.ts";
import { denoFilePort } from "../../../_internal/file_port.ts";
import { openRootOnPort } from "../../../run/file_root/file_root.ts";
import type { Place } from "../_records.ts";

const DONE: AttemptEnd = { termination: "Completed", end: {} };

/** Leaves a message that asks a holder to stop. */
async function askToStop({ root, runId }: Place, stop: string, token: bigint): Promise<void> {
  const message = { op: crypto.randomUUID(), stop: stop as Deno.Signal, token: String(token) };
  await openRootOnPort(denoFilePort, root).post(runId, message);
}

/** A run at work, of which it is told when it is asked to stop. */
function atWork(held: GatedRun, choices: Partial<EngineChoices> = {}) {
  const asked = Promise.withResolvers<Deno.Signal>();
  const stop = new AbortController();
  const engine = beginEngine(held, {
    invoke: ({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve({ termination: "Aborted", end: {} }));
      }),
    onStopAsked: (signal) => {
      asked.resolve(signal);
      stop.abort();
    },
    signal: stop.signal,
    ...choices,
  });
  return { engine, asked: asked.promise };
}

Deno.test("a message stops the run of the holder that it names, which waits for nothing else", () =>
  withGatedRun(async (held, place) => {
    const { engine, asked } = atWork(held);
    await engine.ask("a", "{}");
    // One for a holder that is none any more, and something that any program may have written there.
    await askToStop(place, "SIGTERM", held.token + 1n);
    await askToStop(place, "SIGWINCH", held.token);
    await askToStop(place, "SIGINT", held.token);
    assertEquals(await asked, "SIGINT");
    await engine.session.supervisor.idle();
    await engine.end({ reason: "cancelled by SIGINT" });
  }));

Deno.test("a run that cannot look into its inbox is not ended by that, as long as it is held", () =>
  withGatedRun(async (held, place) => {
    const lines = held.view.lines.bind(held.view);
    let failures = 0;
    Object.defineProperty(held.view, "lines", {
      value: (...args: Parameters<typeof lines>) => {
        if (args[0] === "inbox" && failures++ < 2) return Promise.reject(new Error("no server"));
        return lines(...args);
      },
    });
    const { engine, asked } = atWork(held);
    await askToStop(place, "SIGTERM", held.token);
    assertEquals(await asked, "SIGTERM");
    assertEquals(engine.failure, undefined);
    await engine.end({ reason: "cancelled by SIGTERM" });
  }));

Deno.test("of a run that has ended nothing looks into the inbox, and no timer is left", () =>
  withGatedRun(async (held) => {
    const { engine } = atWork(held, { invoke: () => Promise.resolve(DONE) });
    await engine.ask("a", "{}");
    await engine.session.supervisor.idle();
    await engine.end({ reason: undefined });
    // The test would fail by a timer that is left.
  }));
