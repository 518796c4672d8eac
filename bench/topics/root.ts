import { denoRun, withTaffrail } from "../harness/flows.ts";
import { makeManyRuns } from "../harness/many_runs.ts";
import { type Case, measureRounds } from "../harness/rounds.ts";
import { runCommand } from "../harness/run_command.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 5;
const RUNS = 50_000;
const EXEC = ["exec", "--", "true"];
const MANY = `in a root of ${RUNS.toLocaleString("en")} runs`;
const ONE = "in a root of one run";
const BY_HAND = `listing ${RUNS.toLocaleString("en")} runs by hand`;

const listByHand = new URL("../programs/list_by_hand.ts", import.meta.url).pathname;

/** A process in a directory; what it takes. */
function caseOf(name: string, words: readonly string[], cwd: string): Case {
  return { name, run: async () => await runCommand(words, cwd) * 1000 };
}

/** What the runs that are there cost those that come, and those who read. */
export const root: Topic = {
  name: "root",
  title: `a root of ${RUNS.toLocaleString("en")} runs, by the command from the bundle`,
  async measure() {
    return await withDirectory((large) =>
      withDirectory((small) =>
        withTaffrail(async ({ bundle }) => {
          const exec = [...bundle, ...EXEC];
          const { copy } = await makeManyRuns(large, RUNS, exec);
          const { whole } = await makeManyRuns(small, 0, exec);
          const rounds = await measureRounds([
            caseOf(`exec -- true ${ONE}`, exec, small),
            caseOf(`exec -- true ${MANY}`, exec, large),
            caseOf(`show of one ${ONE}`, [...bundle, "show", whole], small),
            caseOf(`show of one ${MANY}`, [...bundle, "show", copy], large),
            caseOf(BY_HAND, denoRun(listByHand, `${large}/.taffrail`), large),
            caseOf(`ls ${MANY}`, [...bundle, "ls"], large),
            caseOf(`ls of all ${MANY}`, [...bundle, "ls", "--limit", String(RUNS + 1000)], large),
          ], ROUNDS);
          return {
            operation: "a process",
            rounds,
            ratios: [
              ratioOf(rounds, { of: `exec -- true ${MANY}`, to: `exec -- true ${ONE}` }, {
                atMost: 1.1,
              }),
              ratioOf(rounds, { of: `show of one ${MANY}`, to: `show of one ${ONE}` }, {
                atMost: 1.1,
              }),
              ratioOf(rounds, { of: `ls ${MANY}`, to: BY_HAND }),
              ratioOf(rounds, { of: `ls of all ${MANY}`, to: BY_HAND }),
            ],
          };
        })
      )
    );
  },
};
