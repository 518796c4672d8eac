import { bundleCommand } from "../../_tools/bundle.ts";
import { type Case, measureRounds, spreadOf } from "../harness/rounds.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { type Ratio, ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 20;
const FLOW_ROUNDS = 3;
const NODES = 1000;
const SPAWN = "a program that only spawns true";
const EXEC = "taffrail exec -- true, with all records on disk";
const BUNDLED = "the same from the bundle that is published";
const SOURCE = "../../cli/main.ts";

function pathOf(file: string): string {
  return new URL(file, import.meta.url).pathname;
}

/** The microseconds of a whole process. */
async function timeProcess(cwd: string, [program, ...args]: string[]): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", pathOf(program!), ...args],
    cwd,
    stdout: "null",
    stderr: "null",
  });
  const start = performance.now();
  const { success } = await command.spawn().status;
  if (!success) throw new Error(`${program} failed`);
  return (performance.now() - start) * 1000;
}

function processCase(name: string, args: string[]): Case {
  return { name, run: () => withDirectory((cwd) => timeProcess(cwd, args)) };
}

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
        const spawns = await timeProcess(cwd, ["../programs/spawn_true.ts", String(NODES)]);
        const flow = await timeProcess(cwd, [SOURCE, "run", "flow.json"]);
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
    const rounds = await withDirectory(async (bundle) => {
      await bundleCommand(pathOf("../.."), bundle);
      return await measureRounds([
        processCase(SPAWN, ["../programs/spawn_true.ts"]),
        processCase(EXEC, [SOURCE, "exec", "--", "true"]),
        processCase(BUNDLED, [`${bundle}/taffrail.js`, "exec", "--", "true"]),
      ], ROUNDS);
    });
    const ratios = [
      ratioOf(rounds, { of: EXEC, to: SPAWN }, { atMost: 2.5 }),
      ratioOf(rounds, { of: BUNDLED, to: SPAWN }, { atMost: 4.4 }),
      await nodeCost(),
    ];
    return { operation: "a process", rounds, ratios };
  },
};
