/**
 * Opens a log, a journal, a runtime and a run by relative paths, goes to another directory, and goes on
 * with them. In a process of its own, since all tests share one working directory.
 *
 * Usage: traveller.ts DIRECTORY
 */
import { openCaptureJournal } from "../../../capture/mod.ts";
import { openEventLog } from "../../../eventlog/mod.ts";
import { openRun } from "../../../run/mod.ts";
import { WorkerRuntime } from "../../../store/mod.ts";
import { say } from "./_pipe.ts";

const [directory = ""] = Deno.args;
const home = Deno.cwd();

Deno.chdir(directory);
const log = await openEventLog<{ n: number }>({ root: "root", runId: "a", durability: "disk" });
const journal = openCaptureJournal("capture.jsonl", { durability: "disk" });
const runtime = await WorkerRuntime.open({ root: "root", runtimeId: "r" });
const run = await openRun({
  root: "root",
  name: "flow",
  constraints: { max_retries: 0 },
  invoker: { run: () => "Completed" },
  trace: { mode: "always" },
});
await run.submit("a");
const following = log.follow();
await log.append({ n: 1 });
say(JSON.stringify((await following.next()).value));

Deno.chdir(home);
await log.append({ n: 2 });
await journal.append({ type: "effects", decision_index: 0, effects: [] });
say(JSON.stringify((await following.next()).value));
say(`${(await log.read()).events.length} events`);
await run.submit("b");
await run.finish();
await runtime.stopRuntime();
await log.close();
journal.close();
await runtime.close();
say(run.runId);
