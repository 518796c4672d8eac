/**
 * Programs that were made up, each in a real process that is killed at random moments and started again: what
 * comes of that is what would have come of it by itself; see `_model/` for what must hold.
 */
import { assertEquals } from "@std/assert";
import { mixSeeds, Random } from "../../_util/random.ts";
import { longCount, seed, withMemoryDir, withTempDir } from "../../_util/temp.ts";
import { ask } from "../../cli/_command.ts";
import { checkRecords, type LogEvent } from "../_records.ts";
import { attemptsIn, checkAttempts, checkOutcome, learnedIn } from "./_model/checks.ts";
import { type Effect, Effects } from "./_model/effects.ts";
import { GateKeeper } from "./_model/gate_keeper.ts";
import { journalOf, type KilledRun, runKilled } from "./_model/killed.ts";
import { type Outcome, outcomeOf } from "./_model/model.ts";
import type { PlannedProgram } from "./_model/planned.ts";
import { planProgram } from "./_model/planning.ts";
import { runPlanned } from "./_model/recorded_doer.ts";

const RUN_ID = "run";

interface Place {
  root: string;
  runId: string;
}

/** Runs a program in this process, and starts it again where a step has failed that nothing catches. */
async function runUndisturbed(
  program: PlannedProgram,
  place: Place,
  before: readonly Effect[] = [],
) {
  const keeper = new GateKeeper(program);
  const effects = new Effects([...before], ({ kind, id }) => {
    if (kind === "gate") keeper.take(id, place.root, place.runId);
  });
  for (;;) {
    try {
      const value = await runPlanned(program, { ...place, effects });
      await keeper.done();
      return { value, effects: effects.lines };
    } catch (error) {
      if (!(error instanceof Error && error.cause instanceof Error)) throw error;
      assertEquals(error.cause.name, "StepError");
    }
  }
}

/** Brings log and store up to the journal. */
async function repair({ root, runId }: Place): Promise<void> {
  const { code, stdout, stderr } = await ask(["repair", "--root", root, runId], root);
  assertEquals(code, 0, `${stdout}${stderr}`);
}

/** All records agree, as the command tells it. */
async function verify({ root, runId }: Place): Promise<void> {
  const { stdout, stderr } = await ask(["verify", "--json", "--root", root, runId], root);
  const { problems, notes } = JSON.parse(stdout);
  assertEquals([problems, notes], [[], []], stderr);
}

/** What must hold of a run that has come to its end, however often it was cut off. */
async function checkRun(
  program: PlannedProgram,
  place: Place,
  { value, effects }: Pick<KilledRun, "value" | "effects">,
): Promise<Outcome> {
  const outcome = await outcomeOf(program, learnedIn(effects));
  checkOutcome(outcome, { value, effects, journal: journalOf(place) });
  const events = await checkRecords(place);
  checkAttempts(events, effects);
  assertEquals(endOf(events), outcome.value);
  await verify(place);
  return outcome;
}

function endOf(events: readonly LogEvent[]): unknown {
  const { type, output } = events.at(-1)! as LogEvent & { output?: unknown };
  assertEquals(type, "pipe.completed");
  return output;
}

/** All files with their sizes, but for the one that says who held a run last. */
function filesOf(directory: string): Map<string, number> {
  const files = new Map<string, number>();
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (name === "live.lock") continue;
    if (!isDirectory) files.set(path, Deno.statSync(path).size);
    else for (const [inner, size] of filesOf(path)) files.set(inner, size);
  }
  return files;
}

async function checkProgram(
  directory: string,
  random: Random,
  { mostKills, isOnDisk }: { mostKills: number; isOnDisk: boolean },
): Promise<number> {
  const program = planProgram(random);
  const alone = { root: `${directory}/alone`, runId: RUN_ID };
  const undisturbed = await runUndisturbed(program, alone);
  const { attempts } = await checkRun(program, alone, undisturbed);
  const lives = undisturbed.effects.filter(({ kind }) => kind === "life").length;
  // Gone on with behind a failure, what was under way then begins once more.
  for (const [id, numbers] of lives === 1 ? attemptsIn(undisturbed.effects) : []) {
    const count = attempts.get(id) ?? 1;
    assertEquals(numbers, Array.from({ length: count }, (_, index) => index + 1), id);
  }

  const place = { root: `${directory}/root`, runId: RUN_ID };
  const folder = `${directory}/effects`;
  await Deno.mkdir(folder);
  const killed = await runKilled(program, { ...place, folder, random, isRestricted: isOnDisk }, {
    mostKills,
  });
  if (killed.isCutAtEnd) await repair(place);
  await checkRun(program, place, killed);
  await checkAgain(program, place, killed);
  return killed.kills;
}

/** A run that is over gives what it has given, and nothing of it changes. */
async function checkAgain(
  program: PlannedProgram,
  place: Place,
  { value, effects }: KilledRun,
): Promise<void> {
  const files = filesOf(place.root);
  const again = await runUndisturbed(program, place, effects);
  assertEquals(again.value, value);
  const more = again.effects.slice(effects.length);
  assertEquals(more.filter(({ kind }) => kind === "begin" || kind === "problem"), []);
  learnedIn(again.effects);
  assertEquals(filesOf(place.root), files);
}

Deno.test({
  name: "a program that is killed at random moments comes to what it would have come to by itself",
  ignore: Deno.build.os === "windows",
  async fn() {
    const wanted = longCount(12, 300);
    const mostKills = longCount(3, 5);
    let next = 0;
    const work = async () => {
      while (next < wanted) {
        const index = next++;
        try {
          // On a real disk with few permissions, or in memory, which needs all of them.
          const isOnDisk = index % 4 === 0;
          await (isOnDisk ? withTempDir : withMemoryDir)((directory) => {
            const random = new Random(mixSeeds(seed(), index));
            return checkProgram(directory, random, { mostKills, isOnDisk });
          });
        } catch (cause) {
          next = wanted;
          throw new Error(`Program ${index} of TAFFRAIL_SEED=${seed()} failed`, { cause });
        }
      }
    };
    await Promise.all([work(), work()]);
  },
});
