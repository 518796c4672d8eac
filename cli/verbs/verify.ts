import {
  chosenRuns,
  inspectRun,
  inspectStore,
  printProblems,
  type Problem,
  withProgress,
} from "../inspect/inspect_run.ts";
import { counted } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { COMMON_HELP, readArguments, type Verb } from "./arguments.ts";

/** `taffrail verify`: looks for everything that is wrong in the records. */
export const verifyVerb: Verb = {
  summary: "look for everything that is wrong in the records of runs",
  help: `Reads the records of the named runs, or of all, and lists everything that is
wrong in them, with file and line: in the event log, in the capture journal and
the bundle made of it, in the trace, and in the store. Nothing is changed, and
runs may be at work meanwhile. That a whole line is missing from a log cannot be
seen in the log alone.

Usage: taffrail verify [options] [RUN…]

${COMMON_HELP}

Exit codes: 0 nothing is wrong, 1 something is. --json prints { "ok", "runs",
"problems": [{ "run_id", "part", "kind", "path", "line", "byte_offset",
"message", "repair" }] }. part: "log", "capture", "bundle", "trace" or "store".
line and byte_offset: null where a file as a whole is meant. repair: what
taffrail repair would do, or null where nothing safe can be done. run_id: null
for what belongs to no run.`,

  async run(args) {
    const { root, json, operands } = readArguments("verify", args);
    const screen = new Screen(Deno.stdout);
    const runIds = await chosenRuns(root, operands);
    const problems: Problem[] = [];
    for (const runId of withProgress("verifying", runIds)) {
      problems.push(...await inspectRun(root, runId));
    }
    if (operands.length === 0) {
      problems.push(...await inspectStore(root, { except: new Set(runIds) }));
    }
    const ok = problems.length === 0;
    if (json) {
      screen.line(JSON.stringify({ ok, runs: runIds.length, problems }));
      return ok ? 0 : 1;
    }
    printProblems(screen, problems);
    const runs = counted(runIds.length, "run");
    const found = ok ? "nothing is wrong" : `${counted(problems.length, "problem")} found`;
    screen.line(`${screen.mark(ok)} ${runs} in ${root}: ${found}`);
    return ok ? 0 : 1;
  },
};
