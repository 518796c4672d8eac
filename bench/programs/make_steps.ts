// deno-lint-ignore-file no-console -- the parent reads it
/**
 * Makes steps, so many at once, and prints what they took.
 *
 * Usage: `make_steps.ts ROOT CALLERS WARM_UP COUNT`, where ROOT is a directory or the URL of a database
 */
import { timeEachTogether } from "../harness/rounds.ts";
import { openRoot } from "../../cli/reading/open_root.ts";
import { durable, type Run } from "../../run/mod.ts";

/** What steps took. */
export interface MadeSteps {
  /** The microseconds of each. */
  stepUs: number;
  /** The milliseconds from the result of the last one until the run is over. */
  endMs: number;
}

function makeSteps(run: Run, callers: number, count: number): Promise<MadeSteps["stepUs"]> {
  return timeEachTogether({ callers, count }, (index) => {
    const name = `part ${index}`;
    return run.step(name, () => Promise.resolve({ index, name }));
  });
}

if (import.meta.main) {
  const [name = ".", ...numbers] = Deno.args;
  await using root = await openRoot(name);
  const [callers = 1, warmUp = 0, count = 1] = numbers.map(Number);
  await durable({ root, name: "warm-up" }, (run) => makeSteps(run, callers, warmUp));
  let doneMs = 0;
  const stepUs = await durable({ root, name: "bench" }, async (run) => {
    const stepUs = await makeSteps(run, callers, count);
    doneMs = performance.now();
    return stepUs;
  });
  const made: MadeSteps = { stepUs, endMs: performance.now() - doneMs };
  console.log(JSON.stringify(made));
}
