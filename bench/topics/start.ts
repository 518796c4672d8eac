import { type Case, measureRounds } from "../harness/rounds.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 100;
const EMPTY = "deno run of an empty program";
const EVENTLOG = "deno run of a program that imports eventlog";
const SUPERVISOR = "deno run of a program that imports supervisor";
const ALL = "deno run of a program that imports all modules";

/** A whole process, from its start until it has ended. */
function processCase(name: string, program: string): Case {
  const { pathname } = new URL(program, import.meta.url);
  const command = new Deno.Command(Deno.execPath(), { args: ["run", pathname] });
  const run = async () => {
    const start = performance.now();
    const { success } = await command.output();
    if (!success) throw new Error(`${pathname} failed`);
    return (performance.now() - start) * 1000;
  };
  return { name, run };
}

const cases = [
  processCase(EMPTY, "../programs/empty.ts"),
  processCase(EVENTLOG, "../programs/import_eventlog.ts"),
  processCase(SUPERVISOR, "../programs/import_supervisor.ts"),
  processCase(ALL, "../programs/import_all.ts"),
];

/** What importing costs a small program. */
export const start: Topic = {
  name: "start",
  title: "starting a program, compiled before",
  async measure() {
    const rounds = await measureRounds(cases, ROUNDS);
    const ratios = [EVENTLOG, SUPERVISOR].map((of) =>
      ratioOf(rounds, { of, to: EMPTY }, { atMost: 1.15 })
    );
    ratios.push(ratioOf(rounds, { of: ALL, to: EMPTY }, { atMost: 1.6 }));
    return { operation: "a process", rounds, ratios };
  },
};
