import { programCase } from "../harness/programs.ts";
import { measureRounds } from "../harness/rounds.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 100;
const EMPTY = "deno run of an empty program";
const EVENTLOG = "deno run of a program that imports eventlog";
const SUPERVISOR = "deno run of a program that imports supervisor";
const RUN = "deno run of a program that imports run";
const ALL = "deno run of a program that imports all modules";

const cases = [
  programCase(EMPTY, new URL("../programs/empty.ts", import.meta.url)),
  programCase(EVENTLOG, new URL("../programs/import_eventlog.ts", import.meta.url)),
  programCase(SUPERVISOR, new URL("../programs/import_supervisor.ts", import.meta.url)),
  programCase(RUN, new URL("../programs/import_run.ts", import.meta.url)),
  programCase(ALL, new URL("../programs/import_all.ts", import.meta.url)),
];

/** What importing costs a small program. */
export const start: Topic = {
  name: "start",
  title: "starting a program, compiled before",
  async measure() {
    const rounds = await measureRounds(cases, ROUNDS);
    const ratios = [
      ratioOf(rounds, { of: EVENTLOG, to: EMPTY }, { atMost: 1.35 }),
      ratioOf(rounds, { of: SUPERVISOR, to: EMPTY }, { atMost: 1.15 }),
      ratioOf(rounds, { of: RUN, to: EMPTY }, { atMost: 2 }),
      ratioOf(rounds, { of: ALL, to: EMPTY }, { atMost: 2.6 }),
    ];
    return { operation: "a process", rounds, ratios };
  },
};
