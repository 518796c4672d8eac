// deno-lint-ignore-file no-console -- the parent reads it
/**
 * A program of many steps, 64 at once. With `die` it kills itself when all of them are recorded; with the time at
 * which it was started it goes on with that run, and prints how long that took.
 *
 * Usage: `many_steps.ts ROOT COUNT die|STARTED_MS`
 */
import { openRun } from "../../run/mod.ts";

const CALLERS = 64;

const [root, count, how] = Deno.args as [string, string, string];
const sinceStart = () => performance.timeOrigin + performance.now() - Number(how);

const run = await openRun({ root, runId: "many", name: "many", version: "1" });
const openMs = sinceStart();
// What only measures is no part of what opening takes.
const { timeEachTogether } = await import("../harness/rounds.ts");
const { peakOf } = await import("../harness/run_command.ts");
let made = 0;
await timeEachTogether({ callers: CALLERS, count: Number(count) }, (index) => {
  return run.step(`part ${index}`, () => {
    made++;
    return { index, name: `part ${index}` };
  });
});
const doneMs = sinceStart();
if (how === "die") Deno.kill(Deno.pid, "SIGKILL");
if (made > 0) throw new Error(`${made} steps were made again`);
const mib = peakOf(Deno.pid) ?? Deno.memoryUsage().rss / 1024 / 1024;
console.log(JSON.stringify({ openMs, doneMs, mib }));
// The run stays as it is, to be gone on with once more.
Deno.exit(0);
