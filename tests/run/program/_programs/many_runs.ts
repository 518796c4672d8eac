/**
 * Makes many runs that one signal could stop, and says how many of them are still in memory.
 *
 * Usage: many_runs.ts ROOT, with `--v8-flags=--expose-gc`
 */
import { durable } from "../../../../run/mod.ts";

const [root = ""] = Deno.args;
const { gc } = globalThis as unknown as { gc: () => void };
const { signal } = new AbortController();
const runs: WeakRef<object>[] = [];

for (let number = 0; number < 20; number++) {
  await durable({ root, name: "demo", signal }, async (run) => {
    runs.push(new WeakRef(run));
    await run.step("a", () => 1);
    await run.sleep("b", 1);
  });
}
const alive = () => runs.filter((run) => run.deref() !== undefined).length;
for (let turn = 0; turn < 50 && alive() > 0; turn++) {
  await new Promise((resolve) => setTimeout(resolve, 10));
  gc();
}
// deno-lint-ignore no-console -- how a test hears of it
console.log(alive());
