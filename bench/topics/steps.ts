import { openRun, type Run } from "../../run/mod.ts";
import { askProgram, startProgram } from "../harness/child.ts";
import { mib } from "../harness/run_command.ts";
import {
  type Case,
  measureRounds,
  type Spread,
  spreadOf,
  timeEach,
  timeEachAwaited,
  timeEachTogether,
} from "../harness/rounds.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { type Findings, ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 15;
const COUNT = 300;
const CALLERS = 64;
const WIDE_COUNT = 50 * CALLERS;
const CALLS = 100_000;
const LINE_BYTES = 300;

const RECORDED = 10_000;
const GOINGS_ON = 9;
const MANY_STEPS = new URL("../programs/many_steps.ts", import.meta.url);

const FLOOR = `write of ${LINE_BYTES} bytes + fdatasync`;
const CALL = "a function, and JSON.stringify of what it gives";
const ONE = "a step, awaited one by one";
const TOGETHER = `a step, ${CALLERS} at once`;

/** What a step gives: about as much as most give, and computed at once. */
function work(index: number): { index: number; name: string } {
  return { index, name: `part ${index}` };
}

function timeFloor(directory: string): number {
  const path = Deno.makeTempFileSync({ dir: directory });
  using file = Deno.openSync(path, { read: true, append: true });
  const line = new Uint8Array(LINE_BYTES).fill(120);
  line[LINE_BYTES - 1] = 10;
  return timeEach(COUNT, () => {
    file.writeSync(line);
    file.syncDataSync();
  });
}

async function timeCalls(): Promise<number> {
  let length = 0;
  const call = (index: number) => Promise.resolve(work(index));
  return await timeEachAwaited(CALLS, async (index) => {
    length += JSON.stringify(await call(index)).length;
  }) + (length === 0 ? NaN : 0);
}

/** Times steps of a new run, which is ended outside of that time. */
async function timeSteps(root: string, time: (run: Run) => Promise<number>): Promise<number> {
  const run = await openRun({ root, name: "bench", version: "1" });
  try {
    return await time(run);
  } finally {
    await run.finish();
  }
}

function timeOne(run: Run): Promise<number> {
  return timeEachAwaited(COUNT, (index) => run.step(`part ${index}`, () => work(index)));
}

function timeTogether(run: Run): Promise<number> {
  const many = { callers: CALLERS, count: WIDE_COUNT };
  return timeEachTogether(many, (index) => run.step(`part ${index}`, () => work(index)));
}

function casesIn(directory: string): Case[] {
  return [
    { name: FLOOR, run: () => timeFloor(directory) },
    { name: CALL, run: timeCalls },
    { name: ONE, run: () => timeSteps(directory, timeOne) },
    { name: TOGETHER, run: () => timeSteps(directory, timeTogether) },
  ];
}

/** What the program says that goes on with a run. */
interface WentOn {
  /** From the start of its process until the run is there. */
  openMs: number;
  /** Until every step has given its recorded result. */
  doneMs: number;
  mib: number;
}

/** A run of so many steps is killed, and gone on with again and again. */
async function measureGoingOn(root: string): Promise<{ open: Spread; done: Spread; peak: Spread }> {
  const args = [root, String(RECORDED)];
  const recording = startProgram(MANY_STEPS, { args: [...args, "die"] });
  await recording.stdin.close();
  await recording.stdout.cancel();
  const { signal } = await recording.status;
  if (signal !== "SIGKILL") throw new Error("The program that records steps did not kill itself");
  const found: WentOn[] = [];
  for (let round = 0; round <= GOINGS_ON; round++) {
    const startedMs = performance.timeOrigin + performance.now();
    found.push(await askProgram<WentOn>(MANY_STEPS, { args: [...args, String(startedMs)] }));
  }
  const spread = (of: (went: WentOn) => number) => spreadOf(found.slice(1).map(of));
  return {
    open: spread(({ openMs }) => openMs / 1000),
    done: spread(({ doneMs }) => doneMs / 1000),
    peak: spread((went) => went.mib),
  };
}

async function measureIn(directory: string): Promise<Findings> {
  const rounds = await measureRounds(casesIn(directory), ROUNDS);
  const { open, done, peak } = await measureGoingOn(directory);
  const recorded = RECORDED.toLocaleString("en");
  const perSecond = Math.round(1e6 / rounds.of(TOGETHER).median).toLocaleString("en");
  return {
    operation: "a step",
    rounds,
    ratios: [
      ratioOf(rounds, { of: ONE, to: FLOOR }, { atMost: 1.3 }),
      ratioOf(rounds, { of: ONE, to: TOGETHER }),
      ratioOf(rounds, { of: TOGETHER, to: CALL }),
      { what: `µs of ${TOGETHER}`, spread: rounds.of(TOGETHER), atMost: 50 },
      { what: `seconds to go on with ${recorded} steps`, spread: open, atMost: 0.5 },
      { what: "… until all of them have given their results", spread: done },
    ],
    facts: [
      { what: `${TOGETHER}, steps a second`, value: perSecond },
      { what: `greatest memory of going on with ${recorded}`, value: mib(peak.median) },
    ],
  };
}

/** Steps of programs. All files are kept until the end: what was just removed makes new ones dear. */
export const steps: Topic = {
  name: "steps",
  title: "steps of a program, on disk before it gets their results",
  measure: () => withDirectory(measureIn),
};
