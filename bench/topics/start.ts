import { programCase } from "../harness/programs.ts";
import { measureRounds } from "../harness/rounds.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 100;
const EMPTY = "deno run of an empty program";
const EVENTLOG = "deno run of a program that imports eventlog";
const SUPERVISOR = "deno run of a program that imports supervisor";
const ALL = "deno run of a program that imports all modules";

const PROGRAMS: Record<string, string> = {
  [EMPTY]: "empty.ts",
  [EVENTLOG]: "import_eventlog.ts",
  [SUPERVISOR]: "import_supervisor.ts",
  [ALL]: "import_all.ts",
};

const cases = Object.entries(PROGRAMS).map(([name, program]) =>
  programCase(name, new URL(`../programs/${program}`, import.meta.url))
);

/** What importing costs a small program. */
export const start: Topic = {
  name: "start",
  title: "starting a program, compiled before",
  async measure() {
    const rounds = await measureRounds(cases, ROUNDS);
    const ratios = [
      ratioOf(rounds, { of: EVENTLOG, to: EMPTY }, { atMost: 1.35 }),
      ratioOf(rounds, { of: SUPERVISOR, to: EMPTY }, { atMost: 1.15 }),
      ratioOf(rounds, { of: ALL, to: EMPTY }, { atMost: 2.6 }),
    ];
    return { operation: "a process", rounds, ratios };
  },
};
