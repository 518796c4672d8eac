/** A planned program in a real process, which is killed at random moments and started again until it is done. */
import { assertEquals } from "@std/assert";
import { runPaths } from "../../../../_internal/root_layout.ts";
import { type Ended, RunningProcess } from "../../../_util/process.ts";
import type { Random } from "../../../_util/random.ts";
import { checkNothingAgain, fragileSteps, type Journalled, readJournal } from "./checks.ts";
import { type Effect, readEffects } from "./effects.ts";
import { GateKeeper } from "./gate_keeper.ts";
import type { PlannedProgram } from "./planned.ts";

/** Where a program runs that is killed. */
export interface KilledPlace {
  root: string;
  runId: string;
  /** Has its effects. */
  folder: string;
  random: Random;
  /** Whether it gets the permissions for these two only. */
  isRestricted: boolean;
}

/** What became of it. */
export interface KilledRun {
  value: unknown;
  effects: Effect[];
  kills: number;
  /** Whether it was killed when its journal said that it had ended well, so that its log may not say it. */
  isCutAtEnd: boolean;
}

const PROGRAM = new URL("../_programs/planned.ts", import.meta.url).href;
/** A step that nothing catches fails twice at most. */
const MOST_LIVES = 30;

/** Runs a program to its end, through so many kills at most. */
export async function runKilled(
  program: PlannedProgram,
  place: KilledPlace,
  { mostKills }: { mostKills: number },
): Promise<KilledRun> {
  const { root, runId, folder } = place;
  await Deno.writeTextFile(`${folder}/program.json`, JSON.stringify(program));
  const fragile = fragileSteps(program);
  const path = `${folder}/effects`;
  let over: ReadonlySet<string> = new Set();
  let isCutAtEnd = false;
  let kills = 0;
  for (let life = 0; life < MOST_LIVES; life++) {
    const from = readEffects(path).length;
    const end = await liveOnce(program, place, { isToBeKilled: kills < mostKills });
    const effects = readEffects(path);
    checkNothingAgain(effects, over, { from });
    const journal = journalOf({ root, runId });
    over = journal.over.difference(fragile);
    if (end.code === 0) return { value: valueIn(end), effects, kills, isCutAtEnd };
    isCutAtEnd = journal.isCompleted;
    if (end.signal !== null || end.code === 11) kills++;
    else assertEquals(end.code, 10, `It failed: ${end.stdout}${end.stderr}`);
  }
  throw new Error("It does not come to its end");
}

/** What the journal has; nothing where there is none. */
export function journalOf({ root, runId }: { root: string; runId: string }): Journalled {
  try {
    return readJournal(Deno.readTextFileSync(runPaths(root, runId).journal));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return readJournal("");
    throw error;
  }
}

function valueIn({ stdout }: Ended): unknown {
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!).value;
}

/** Starts the program; lets it end, or kills it. */
async function liveOnce(
  program: PlannedProgram,
  { root, runId, folder, random, isRestricted }: KilledPlace,
  { isToBeKilled }: { isToBeKilled: boolean },
): Promise<Ended> {
  const keeper = new GateKeeper(program);
  const permissions = isRestricted
    ? [`--allow-read=${root},${folder}`, `--allow-write=${root},${folder}`]
    : ["--allow-all"];
  const flags = ["run", "--quiet", "--no-prompt", "--no-check", "--cached-only", ...permissions];
  const onLine = (line: string) => {
    const [kind, id] = line.startsWith("[") ? JSON.parse(line) : [];
    if (kind === "gate") keeper.take(id, root, runId);
  };
  await using child = new RunningProcess(
    [Deno.execPath(), ...flags, PROGRAM, root, runId, folder],
    { onLine },
  );
  if (isToBeKilled) {
    await untilMoment(child, random);
    child.kill(random.chance(0.15) ? "SIGTERM" : "SIGKILL");
  }
  const end = await child.end();
  await keeper.done();
  return end;
}

/** Resolves when so many lines were said and a moment more has passed, or after some time. */
async function untilMoment({ stdout }: RunningProcess, random: Random): Promise<void> {
  const isBySome = random.chance(0.8);
  const lines = isBySome ? 1 + random.below(random.pick([6, 20, 60])) : 0;
  await stdout.until(() => stdout.isOver || stdout.lines.length >= lines);
  const delayMs = isBySome ? random.below(random.pick([1, 5, 30])) : random.below(300);
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
}
