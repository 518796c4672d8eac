/**
 * Runs a planned program: it begins its run, or goes on with it, says each line that it adds to its effects, and
 * what it came to.
 *
 * Usage: planned.ts ROOT RUN FOLDER [newest], where FOLDER has the program as `program.json`, and gets its effects;
 * with `newest` it goes on with the newest run, whatever RUN is.
 *
 * It exits with 10 when a step has failed that nothing catches, and with 11 when it was stopped by a signal.
 */
import { RunError, StepError } from "../../../../run/mod.ts";
import { say } from "../../../crash/_programs/_pipe.ts";
import { effectsFile } from "../_model/effects.ts";
import { runPlanned } from "../_model/recorded_doer.ts";

const [root = "", runId = "", folder = "", way] = Deno.args;
const resume = way === "newest" ? way : undefined;
const program = JSON.parse(Deno.readTextFileSync(`${folder}/program.json`));
try {
  const effects = effectsFile(`${folder}/effects`, say);
  const value = await runPlanned(program, { root, runId, effects, resume });
  say(JSON.stringify({ value }));
} catch (error) {
  if (!(error instanceof Error)) throw error;
  if (error.cause instanceof StepError) Deno.exit(10);
  if (error instanceof RunError && error.kind === "stopped") Deno.exit(11);
  say(JSON.stringify({ kind: error instanceof RunError ? error.kind : error.stack }));
  Deno.exit(12);
}
