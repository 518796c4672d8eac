import { chosenRuns, inspectRun, withProgress } from "../inspect/inspect_run.ts";
import { inspectBeside } from "../inspect/inspect_store.ts";
import { isNote, printProblems, type Problem, problemsJson } from "../inspect/problem.ts";
import { isOfFiles, openRoot } from "../reading/open_root.ts";
import { counted } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { readArguments, type Verb } from "../text/arguments.ts";

/** `taffrail verify`: looks for everything that is wrong in the records. */
export const verifyVerb: Verb = {
  summary: "look for everything that is wrong in the records of runs",
  help: {
    about: `Reads the records of the named runs, or of all, and lists everything that is
wrong in them, with file and line: in the event log, in the flow, in the capture
journal and the bundle made of it, in what nodes printed, in the trace, and in
the store; what is missing that must be there, and where they do not agree.
Runtimes are listed whose run is gone, and what keeps new runs from an id. What
will be completed when the run is resumed is a note, and so are a store behind
its log, what a power cut has taken that nobody was told, and lines that are
kept beside a log that was replaced. Nothing is changed, and runs may be at work
meanwhile. In a database there is no store, and repair mends nothing.`,
    usage: ["[options] [RUN…]"],
    operands: ["RUN…"],
    exitCodes: "0 nothing is wrong, 1 something is.",
    json: `{ "ok", "runs", "problems": [{ "run_id", "part", "kind", "path", "line",
"byte_offset", "message", "repair" }], "notes" }; notes are like problems. part:
"run", "log", "flow", "capture", "bundle", "processes", "inbox", "output",
"trace" or "store". line and byte_offset: null where a file as a whole is meant;
path: in a database it is null. repair: what taffrail repair would do, or null
where nothing safe can be done. run_id: null for what belongs to no run.`,
  },

  async run(args) {
    const { root, json, operands } = readArguments("verify", args);
    const screen = new Screen(Deno.stdout);
    await using runs = await openRoot(root);
    const opened = { root, runs };
    const runIds = await chosenRuns(opened, operands);
    const found: Problem[] = [];
    for (const runId of withProgress("verifying", runIds)) {
      found.push(...await inspectRun(opened, runId));
    }
    if (operands.length === 0 && isOfFiles(root)) found.push(...await inspectBeside(root, runIds));
    const [problems, notes] = [found.filter((one) => !isNote(one)), found.filter(isNote)];
    const ok = problems.length === 0;
    if (json) {
      const [told, known] = [problems, notes].map((some) => problemsJson(root, some));
      screen.line(JSON.stringify({ ok, runs: runIds.length, problems: told, notes: known }));
      return ok ? 0 : 1;
    }
    printProblems(screen, found);
    const count = counted(runIds.length, "run");
    const what = ok ? "nothing is wrong" : `${counted(problems.length, "problem")} found`;
    screen.line(`${screen.mark(ok)} ${count} in ${root}: ${what}`);
    return ok ? 0 : 1;
  },
};
