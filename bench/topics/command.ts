import { bundleCommand } from "../../_tools/bundle.ts";
import { programCase } from "../harness/programs.ts";
import { measureRounds } from "../harness/rounds.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 20;
const SPAWN = "a program that only spawns true";
const SOURCE = "taffrail exec -- true from source, with all records on disk";
const PUBLISHED = "the same as it is published";

const spawnTrue = new URL("../programs/spawn_true.ts", import.meta.url);
const source = new URL("../../cli/main.ts", import.meta.url);
const project = new URL("../..", import.meta.url);

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
      ratioOf(rounds, { of: PUBLISHED, to: SPAWN }, { atMost: 3.7 }),
    ];
    return { operation: "a process", rounds, ratios };
  },
};
