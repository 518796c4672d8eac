import { bundleCommand } from "../../_tools/bundle.ts";
import { programCase, timeProgram } from "../harness/programs.ts";
import { measureRounds, spreadOf } from "../harness/rounds.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { type Ratio, ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 20;
const FLOW_ROUNDS = 3;
const NODES = 1000;
const SPAWN = "a program that only spawns true";
const SOURCE = "taffrail exec -- true from source, with all records on disk";
const PUBLISHED = "the same as it is published";

const spawnTrue = new URL("../programs/spawn_true.ts", import.meta.url);
const source = new URL("../../cli/main.ts", import.meta.url);
const project = new URL("../..", import.meta.url);

/** What a node costs in milliseconds, without the spawn of its command. */
async function nodeCost(): Promise<Ratio> {
  const nodes = Object.fromEntries(
    Array.from({ length: NODES }, (_, index) => [`n${index}`, { run: ["true"] }]),
  );
  const costs: number[] = [];
  for (let round = 0; round < FLOW_ROUNDS; round++) {
    costs.push(
      await withDirectory(async (cwd) => {
        await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "bench", nodes }));
        const spawns = await timeProgram(cwd, spawnTrue, [String(NODES)]);
        const flow = await timeProgram(cwd, source, ["run", "flow.json"]);
        return (flow - spawns) / 1000 / NODES;
      }),
    );
  }
  const what = `ms a node of a flow of ${NODES} costs beyond the spawn of its command`;
  return { what, spread: spreadOf(costs), atMost: 3 };
}

/** What recording costs a command. */
export const command: Topic = {
  name: "command",
  title: "the command beside the bare spawn",
  async measure() {
    const exec = ["exec", "--", "true"];
    const rounds = await withDirectory(async (bundle) => {
      await bundleCommand(project.pathname, bundle);
      return await measureRounds([
        programCase(SPAWN, spawnTrue),
        programCase(SOURCE, source, exec),
        programCase(PUBLISHED, new URL(`file://${bundle}/taffrail.js`), exec),
      ], ROUNDS);
    });
    const ratios = [
      ratioOf(rounds, { of: SOURCE, to: SPAWN }),
      ratioOf(rounds, { of: PUBLISHED, to: SPAWN }, { atMost: 4.4 }),
      await nodeCost(),
    ];
    return { operation: "a process", rounds, ratios };
  },
};
