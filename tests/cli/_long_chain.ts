/**
 * Runs a chain of nodes that end at once, and prints how many bytes are in use, after all garbage was
 * collected, at each tenth of it: `_long_chain.ts ROOT NODES`.
 */
import { runFlow } from "../../cli/engine/run_flow.ts";
import { makeFlow, makeNode } from "../../cli/flow/flow.ts";
import { RunFold } from "../../eventlog/mod.ts";
import { openFileRoot } from "../../run/mod.ts";
import type { AttemptEnd } from "../../run/types.ts";

const collect = Reflect.get(globalThis, "gc") as () => void;
const [root = "", count = ""] = Deno.args;
const nodes = Array.from({ length: Number(count) }, (_, index) => {
  const needs = index === 0 ? [] : [`n${index - 1}`];
  return makeNode({ id: `n${index}`, run: ["true"], needs, cwd: "/" });
});
const tenth = nodes.length / 10;
const done: AttemptEnd = { termination: "Completed", end: { exit_code: 0 } };
let begun = 0;
const used: number[] = [];

await using runs = openFileRoot(root);
const held = await runs.create({ about: { name: "chain" } });
// What the store has not written yet is bounded, and how much that is depends on who is faster.
await Deno.writeTextFile(`${root}/runtimes`, "in the way of a store");
await runFlow({
  flow: makeFlow({ name: "chain", nodes }),
  root,
  held,
  observer: { runStarted() {}, nodeStarted() {}, nodeEnded() {}, note() {} },
  place: {
    endWithinMs: 1000,
    endLeft: () => Promise.resolve(),
    run: () => {
      if (++begun % tenth === 0) {
        collect();
        const { heapUsed, external } = Deno.memoryUsage();
        used.push(heapUsed + external);
      }
      return Promise.resolve(done);
    },
  },
  traceMode: "off",
  stop: new AbortController().signal,
  stoppedBy: () => undefined,
  fold: new RunFold(),
  past: undefined,
});
try {
  await held[Symbol.asyncDispose]();
} catch {
  // It tells that there is no store.
}
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(used)));
