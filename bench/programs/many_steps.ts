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
let next = 0;
let made = 0;
const caller = async () => {
  while (next < Number(count)) {
    const index = next++;
    await run.step(`part ${index}`, () => {
      made++;
      return { index, name: `part ${index}` };
    });
  }
};
await Promise.all(Array.from({ length: CALLERS }, caller));
const doneMs = sinceStart();
if (how === "die") Deno.kill(Deno.pid, "SIGKILL");
if (made > 0) throw new Error(`${made} steps were made again`);
const status = await Deno.readTextFile("/proc/self/status").catch(() => "");
const peak = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
console.log(JSON.stringify({ openMs, doneMs, mib: peak || Deno.memoryUsage().rss / 1024 / 1024 }));
// The run stays as it is, to be gone on with once more.
Deno.exit(0);
