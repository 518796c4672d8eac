/**
 * A program that is stopped by signals.
 *
 * Usage: stopped.ts ROOT WAY, where WAY is
 * - `well`: its steps look at their signals
 * - `stubborn`: the step that runs does not look at its signal
 * - `compensates`: catches whatever its step rejects with, and compensates for a `StepError`
 * - `floating`: steps that nobody awaits run too
 * - `done`: ends, and then waits for a signal
 * - `fails`: a step that nobody awaits fails
 */
import { durable, type Run, StepError } from "../../../../run/mod.ts";

const [root = "", way = ""] = Deno.args;

// deno-lint-ignore no-console -- how a test hears of it
const say = (text: string) => console.log(text);

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** What an error of the run says of itself. */
function wordsOf(error: unknown): string {
  const { name, kind, details } = error as { name: string; kind?: string; details?: object };
  return `${name} ${kind} ${Reflect.get(details ?? {}, "signal")}`;
}

async function program(run: Run): Promise<string> {
  await run.step("first", () => say("first"));
  if (way === "done") return "done";
  if (way === "fails") void run.step("floating", () => Promise.reject(new Error("floated away")));
  if (way === "floating") {
    void run.step("floating", ({ signal }) => untilAborted(signal));
    void run.sleep("floating sleep", 3_600_000);
    void run.waitFor("floating gate");
  }
  try {
    await run.step("long", async ({ signal, attempt }) => {
      say(`long ${attempt}`);
      if (attempt > 1) return;
      await (way === "stubborn"
        ? new Promise((resolve) => setTimeout(resolve, 3_600_000))
        : untilAborted(signal));
    });
  } catch (error) {
    say(wordsOf(error));
    if (error instanceof StepError) await run.step("compensate", () => say("compensated"));
    say(wordsOf(await run.step("later", () => say("ran later")).catch((later) => later)));
    say(String(run.signal.aborted));
    throw error;
  }
  return "whole";
}

const result = await durable({ root, name: "demo", runId: "demo-1" }, program);
say(`result ${result}`);
// Nothing listens for signals any more.
if (way === "done") await new Promise((resolve) => setTimeout(resolve, 3_600_000));
