import { denoRun, type Shape, type Taffrail, withTaffrail, writeFlow } from "../harness/flows.ts";
import { type Case, measureRounds } from "../harness/rounds.ts";
import { runCommand } from "../harness/run_command.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { type Fact, ratioOf, type Topic } from "../harness/topic.ts";
import { findProgram, type Runner, RUNNERS } from "../peers/runners.ts";

const ROUNDS = 7;
const NODES = 200;
const SPAWN = "a program that spawns them one after the other";
const DURABLE = "the same, with pipes, a process group and a synced line for each";

const spawnTrue = new URL("../programs/spawn_true.ts", import.meta.url).pathname;
const spawnDurably = new URL("../programs/spawn_durably.ts", import.meta.url).pathname;

/** What is promised against the program that only spawns, from source. */
const GOALS: Record<Shape, number> = { "chain": 3.6, "eight at once": 2.8 };
const SHAPES: readonly Shape[] = ["chain", "eight at once"];
const FORMS = ["source", "bundle"] as const;

function nameOf(shape: Shape, form: keyof Taffrail): string {
  return `taffrail, ${shape}, from ${form === "source" ? "source" : "the bundle"}`;
}

/** A case that is one process; what a node of it takes. */
function caseOf(
  name: string,
  words: readonly string[],
  prepare: (directory: string) => Promise<void> = () => Promise.resolve(),
): Case {
  const run = () =>
    withDirectory(async (directory) => {
      await prepare(directory);
      return await runCommand(words, directory) * 1000 / NODES;
    });
  return { name, run };
}

function runnerCase({ name, prepare, args }: Runner, path: string): Case {
  return caseOf(name, [path, ...args(NODES)], (directory) => prepare(directory, NODES));
}

/** The runners that are there, and a line for each program. */
async function findRunners(directory: string): Promise<{ cases: Case[]; facts: Fact[] }> {
  const cases: Case[] = [];
  const facts: Fact[] = [];
  for (const program of new Set(RUNNERS.map((runner) => runner.program))) {
    const found = await findProgram(program, directory);
    const value = found?.version ?? "not measured, as it is not installed";
    facts.push({ what: program, value });
    if (found === undefined) continue;
    const runners = RUNNERS.filter((runner) => runner.program === program);
    cases.push(...runners.map((runner) => runnerCase(runner, found.path)));
  }
  return { cases, facts };
}

/** What a node costs, beside what people would pick instead, which record nothing. */
export const flow: Topic = {
  name: "flow",
  title: `a flow of ${NODES} nodes that run true, start and end of the program included`,
  async measure() {
    return await withDirectory((directory) =>
      withTaffrail(async (taffrail) => {
        const { cases, facts } = await findRunners(directory);
        const rounds = await measureRounds([
          caseOf(SPAWN, denoRun(spawnTrue, String(NODES))),
          caseOf(DURABLE, denoRun(spawnDurably, String(NODES))),
          ...SHAPES.flatMap((shape) =>
            FORMS.map((form) =>
              caseOf(
                nameOf(shape, form),
                [...taffrail[form], "run", "flow.json"],
                (directory) => writeFlow(directory, shape, NODES),
              )
            )
          ),
          ...cases,
        ], ROUNDS);
        const ratios = SHAPES.flatMap((shape) => [
          ratioOf(rounds, { of: nameOf(shape, "source"), to: SPAWN }, { atMost: GOALS[shape] }),
          ratioOf(rounds, { of: nameOf(shape, "bundle"), to: SPAWN }),
          ratioOf(rounds, { of: nameOf(shape, "bundle"), to: DURABLE }),
        ]);
        return { operation: "a node", rounds, ratios, facts };
      })
    );
  },
};
