/**
 * Has a run of its own, and says what becomes of it.
 *
 * Usage: _running.ts ROOT WAY, where WAY is
 * - `well`: some work, one of which needs a second attempt
 * - `endless`: work without an end, to be killed; says a line for each attempt that is made
 * - `large`: work whose payloads fill the disk, until the run breaks off
 * - `signal`: is told to end by SIGTERM when its work is done
 */
import { openRun, type RunError } from "../../run/mod.ts";
import type { RunRequest, RunTermination } from "../../supervisor/mod.ts";
import { commands, say } from "../crash/_programs/_pipe.ts";

const [root = "", way = ""] = Deno.args;
const LARGE = "x".repeat(20_000);

async function work({ eventId, attempt }: RunRequest): Promise<RunTermination> {
  if (way === "endless") {
    say(`${eventId}#${attempt}`);
    await new Promise((resolve) => setTimeout(resolve));
  }
  return eventId.endsWith("3") && attempt === 1 ? { Failed: "RuntimeError" } : "Completed";
}

const run = await openRun({
  root,
  name: "demo",
  constraints: { max_in_flight: 3, max_retries: 2 },
  invoker: { run: work },
  trace: { mode: "always", captureInputs: true },
});

/** Says how it ended; what submit refused is told by finish, too. */
async function finish(): Promise<void> {
  try {
    const { state } = await run.finish();
    say(JSON.stringify({ state }));
  } catch (error) {
    const { name, message } = error as Error;
    say(JSON.stringify({ name, message }));
  }
}

switch (way) {
  case "well":
    for (let number = 1; number <= 5; number++) await run.submit(`n${number}`);
    await finish();
    break;
  case "endless":
    for (let number = 1;; number++) {
      await run.submit(`n${number}`);
      await new Promise((resolve) => setTimeout(resolve));
    }
  case "large":
    try {
      for (let number = 1; number < 1000; number++) await run.submit(`n${number}`, { LARGE });
    } catch { /* It is told of below. */ }
    await finish();
    break;
  case "signal": {
    await run.submit("n1");
    Deno.kill(Deno.pid, "SIGTERM");
    await new Promise((resolve) => run.signal.addEventListener("abort", resolve));
    try {
      await run.submit("n2");
    } catch (error) {
      const { name, kind } = error as RunError;
      say(JSON.stringify({ name, kind }));
    }
    await finish();
    // The next one does what it does without a run.
    Deno.kill(Deno.pid, "SIGTERM");
    for await (const _ of commands()) { /* Nothing is said to it. */ }
    break;
  }
  default:
    throw new Error(`There is no way "${way}"`);
}
