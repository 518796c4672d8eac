/** What the rules of roots are written with. */
import { assertRejects } from "@std/assert";
import type { HeldRun, RunsRoot, RunStream, RunView } from "../run/types.ts";

/** A root under test. */
export interface RootUse {
  /** Opens the root: each time another one, of the same runs. */
  open: () => RunsRoot | Promise<RunsRoot>;
  /**
   * A command whose program opens the root and calls {@linkcode holdUntilKilled} with this run. Without it
   * the tests of a holder's death find nothing to kill, and fail.
   */
  holder: (runId: string) => readonly string[];
}

/** A rule, as it is checked. */
export type RootCheck = (root: RootUse, rounds: number) => Promise<void>;

/** The kind of the error that a call rejects with. */
export async function kindOf(call: () => Promise<unknown>): Promise<unknown> {
  const error = await assertRejects(call, Error);
  return (error as { kind?: unknown }).kind;
}

/** The ids of all runs. */
export async function idsOf(root: RunsRoot): Promise<string[]> {
  return (await root.list()).runs.map(({ runId }) => runId);
}

/** The member `n` of each line of a stream. */
export async function numbersIn(view: RunView, stream: RunStream): Promise<unknown[]> {
  const { events } = await view.lines(stream, { limit: 1000 });
  return events.map(({ event }) => (event as { n: unknown }).n);
}

/** The text of an event that is right in every log. */
export function eventText(runId: string, n: number): string {
  const id = `01hzzzzzzzzzzzzzzzzzzz${String(n).padStart(4, "0")}`;
  const ts = "2026-01-01T00:00:00.000Z";
  return JSON.stringify({ id, ts, run_id: runId, type: "pipe.started", name: "demo", n });
}

/**
 * The program of a holder that is to be killed: it holds a run, appends a line to each stream, waits for
 * the barrier, prints its token, and stays until it is killed or its input ends.
 *
 * @param root The root of the test.
 * @param runId The run.
 *
 * @example Usage
 * ```ts
 * import { openFileRoot } from "@taffrail/taffrail/run";
 * import { holdUntilKilled } from "@taffrail/taffrail/testing";
 *
 * async function main([path = "", runId = ""]: string[]) {
 *   await holdUntilKilled(openFileRoot(path), runId);
 * }
 *
 * if (Deno.args.length > 0) await main(Deno.args);
 * ```
 */
export async function holdUntilKilled(root: RunsRoot, runId: string): Promise<void> {
  const held: HeldRun = await root.hold(runId);
  await held.append({
    capture: ['{"n":1}'],
    events: [eventText(runId, 1)],
    processes: [`{"n":${Deno.pid}}`],
  });
  await held.barrier();
  // Behind the barrier, and not yet on disk: it survives the process all the same.
  await held.append({ capture: ['{"n":2}'] });
  const bytes = new TextEncoder().encode(`${held.token}\n`);
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
  for await (const _ of Deno.stdin.readable) { /* Until it ends. */ }
  await held[Symbol.asyncDispose]();
}
