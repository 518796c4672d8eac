/**
 * Opens runs one after the other, and says of each which it is and what its step gave.
 *
 * Usage: opens.ts OPTIONS…, each the options of a run as JSON; with `"hold": true` it is held until the input ends,
 * with `"finish": true` it is finished.
 */
import { openRun, RunError } from "../../../../run/mod.ts";

// deno-lint-ignore no-console -- how a test hears of it
const say = (value: unknown) => console.log(JSON.stringify(value));

for (const text of Deno.args) {
  const { hold, finish, ...options } = JSON.parse(text);
  try {
    await using run = await openRun(options);
    const env = await run.step(
      "env",
      (context) => ({ attempt: context.attempt, env: context.env }),
    );
    say({ runId: run.runId, ...env });
    if (hold) { for await (const _ of Deno.stdin.readable); }
    if (finish) await run.finish();
  } catch (error) {
    say(error instanceof RunError ? { kind: error.kind } : { error: String(error) });
  }
}
