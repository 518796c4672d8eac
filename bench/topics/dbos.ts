import { Baseline } from "../harness/baseline.ts";
import { askProgram } from "../harness/child.ts";
import { type Case, measureRounds, spreadOf, timeEach } from "../harness/rounds.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { type Fact, type Findings, ratioOf, type Topic } from "../harness/topic.ts";
import { Dbos } from "../peers/dbos.ts";
import { Postgres } from "../peers/postgres.ts";
import type { MadeSteps } from "../programs/make_steps.ts";

const ROUNDS = 7;
const CALLERS = 64;
const SYNCS = 200;
const MAKE_STEPS = new URL("../programs/make_steps.ts", import.meta.url);

const FLOOR = "write + fdatasync of a constant";
const SHAPES = [
  { shape: "awaited one by one", callers: 1, warmUp: 100, count: 500 },
  { shape: `${CALLERS} at once`, callers: CALLERS, warmUp: 10 * CALLERS, count: 50 * CALLERS },
] as const;

type Steps = typeof SHAPES[number];

const nameOf = (what: string, { shape }: Steps) => `${what}, ${shape}`;
const OURS = "a step";
const THEIRS = "a step of DBOS on PostgreSQL";

async function floor(directory: string): Promise<number> {
  const own = await Deno.makeTempDir({ dir: directory });
  using baseline = new Baseline(own);
  return timeEach(SYNCS, () => baseline.appendDurably());
}

/** A case of a program that makes steps; how long its run takes to end is kept. */
function stepsCase(name: string, make: () => Promise<MadeSteps>): { made: Case; endMs: number[] } {
  const endMs: number[] = [];
  const run = async () => {
    const { stepUs, endMs: ended } = await make();
    endMs.push(ended);
    return stepUs;
  };
  return { made: { name, run }, endMs };
}

function ourCase(directory: string, steps: Steps) {
  const { callers, warmUp, count } = steps;
  const args = [callers, warmUp, count].map(String);
  return stepsCase(
    nameOf(OURS, steps),
    () => askProgram<MadeSteps>(MAKE_STEPS, { args: [directory, ...args] }),
  );
}

function endFact({ made, endMs }: ReturnType<typeof stepsCase>, { count }: Steps): Fact {
  const value = `${spreadOf(endMs.slice(1)).median.toFixed(0)} ms`;
  return { what: `ending a run of ${count} steps (${made.name})`, value };
}

async function measureIn(directory: string): Promise<Findings> {
  const packages = await Deno.makeTempDir({ dir: directory });
  const dbos = await Dbos.install(packages);
  await using postgres = await Postgres.start();
  const facts: Fact[] = [
    { what: "DBOS", value: dbos?.version ?? "not measured, as Node or npm is not installed" },
    { what: "PostgreSQL", value: postgres?.version ?? "not installed, so DBOS is not measured" },
    { what: "DBOS on SQLite", value: "not measured, as its library for TypeScript has none" },
  ];
  const ours = SHAPES.map((steps) => ourCase(directory, steps));
  const theirs = dbos === undefined || postgres === undefined ? [] : SHAPES.map((steps) => {
    return stepsCase(nameOf(THEIRS, steps), () => dbos.makeSteps(postgres.url, steps));
  });
  const all = [...ours, ...theirs];
  const floorCase = { name: FLOOR, run: () => floor(directory) };
  const rounds = await measureRounds([floorCase, ...all.map(({ made }) => made)], ROUNDS);
  facts.push(...all.map((which, index) => endFact(which, SHAPES[index % SHAPES.length]!)));
  const pairs = SHAPES.slice(0, theirs.length);
  return {
    operation: "a step",
    rounds,
    ratios: [
      ...SHAPES.map((steps) => ratioOf(rounds, { of: nameOf(OURS, steps), to: FLOOR })),
      ...pairs.map((steps) => {
        return ratioOf(rounds, { of: nameOf(THEIRS, steps), to: nameOf(OURS, steps) });
      }),
    ],
    facts,
  };
}

/** What people would write a durable program with instead, where they have a database. */
export const dbos: Topic = {
  name: "dbos",
  title: "a step, each program in a process of its own, against DBOS",
  measure: () => withDirectory(measureIn),
};
