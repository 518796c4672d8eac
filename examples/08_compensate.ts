/**
 * Lesson 8: a program that makes up for what it has done. A flight and a hotel are booked, then there
 * is no car: both are cancelled again, whatever is killed meanwhile. Being stopped is no failure: after
 * Ctrl-C nothing is cancelled, and the next start goes on with booking. A trip that is over is not booked
 * again; name another one behind the command.
 *
 * Run: deno run --allow-read=.taffrail-examples --allow-write=.taffrail-examples examples/08_compensate.ts
 */
// deno-lint-ignore-file no-console -- an example prints
import { durable, RunError, type StepContext, StepError } from "@taffrail/taffrail/run";

const root = ".taffrail-examples";
const folder = `${root}/bookings`;
const [trip = "trip-1"] = Deno.args;
await Deno.mkdir(folder, { recursive: true });

/** Stands for a service that takes a key with each request and, like many, books once for one key. */
async function book(what: string, { runId, stepId }: StepContext): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, 500));
  if (what === "car") throw new Error("no car is left");
  const number = `${what} of ${runId}`;
  // The key is the same in every attempt, and after every restart; no other step has it.
  const key = encodeURIComponent(`${runId}/${stepId}`);
  try {
    await Deno.writeTextFile(`${folder}/${key}`, number, { createNew: true });
    console.log(`booked ${number}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    console.log(`booked ${number} before`);
  }
  return number;
}

/** Cancelling needs no key: what is cancelled twice is cancelled. */
async function cancel(number: string): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 500));
  await Deno.writeTextFile(`${folder}/${number}.cancelled`, "");
  console.log(`cancelled ${number}`);
}

try {
  const outcome = await durable({ root, name: "trip", runId: trip }, async (run) => {
    const booked: string[] = [];
    try {
      for (const what of ["flight", "hotel", "car"]) {
        booked.push(await run.step(`book ${what}`, (context) => book(what, context)));
      }
      return `booked: ${booked.join(", ")}`;
    } catch (error) {
      // Only a StepError says that something has failed. Whatever else it is, the run goes on later.
      if (!(error instanceof StepError)) throw error;
      for (const number of booked.toReversed()) {
        const retry = { maxRetries: 10, delayMs: 1000, factor: 2 };
        await run.step(`cancel ${number}`, () => cancel(number), { retry });
      }
      return `nothing is booked: ${error.cause.message}`;
    }
  });
  console.log(outcome);
} catch (error) {
  if (!(error instanceof RunError && error.kind === "stopped")) throw error;
  console.log(error.message);
  Deno.exitCode = 130;
}
