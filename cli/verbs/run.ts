import { defined } from "../../_internal/errors.ts";
import { optionError, passExitCode, UsageError } from "../exit_codes.ts";
import { DEFAULT_CONSTRAINTS, type Flow, type TaskRequest } from "../flow/flow.ts";
import { Programs } from "../flow/find_programs.ts";
import { readFlow } from "../flow/read_flow.ts";
import { NO_TASK_FILES } from "../flow/task_files.ts";
import { displayOf, OUTPUT_MODES, type OutputMode } from "../display/run_display.ts";
import type { JunitFile } from "../report/junit_file.ts";
import { withSecrets } from "../flow/secrets.ts";
import { recordRun } from "../record_run.ts";
import { Screen } from "../text/screen.ts";
import { parseCountOption } from "../text/units.ts";
import {
  KEEP_GOING,
  namesOption,
  numberOption,
  onlyOperand,
  type Options,
  type OptionTable,
  readArguments,
  RUN_OPTIONS,
  runSettings,
  splitArguments,
  type Verb,
  withJunit,
  workersOption,
} from "../text/arguments.ts";

const OPTIONS = {
  tasks: {
    value: "TASKS",
    isOptional: true,
    isList: true,
    text: "run tasks of the nearest deno.json, here or above, and all that they depend on, each " +
      "once: build,'test:*', where * stands for any text; without names they are listed",
  },
  jobs: {
    value: "N",
    text: "with --tasks: how many run at a time (default: as many as there are processors)",
  },
  only: { value: "NODES", isList: true, text: "only these, a,b, and what they need" },
  skip: {
    value: "NODES",
    isList: true,
    text: "not these: they count as ok, and what needs them waits for what they need",
  },
  exclusive: {
    value: "HOW",
    words: ["wait", "refuse"],
    text: "let no other run of this flow be at work, by its name in the root: wait for it, or " +
      "refuse to run",
  },
  output: {
    value: "HOW",
    words: OUTPUT_MODES,
    text: "what to show of what commands print: failed, the ends of those that failed, at the " +
      "end; labelled, whole lines behind their node as they come; grouped, all of it when each " +
      "has ended; or none (default: failed; with --tasks labelled, of a single task all as it " +
      "is; on GitHub Actions grouped, and folded)",
  },
  "dry-run": { text: "print what would run, in order, and run nothing" },
  recursive: { text: "with --tasks: those of all members of the workspace" },
  filter: { value: "PATTERN", text: "with --tasks: those of the members whose names contain it" },
  ...KEEP_GOING,
  ...RUN_OPTIONS,
} as const satisfies OptionTable;

/** `taffrail run`: runs a flow. */
export const runVerb: Verb = {
  summary: "run the commands of a flow file, or tasks of deno.json",
  help: {
    about: `Runs the commands of a flow file, each when those it needs have completed and
the constraints allow it, and records what happens. After the first failure
nothing more is started but nodes that are for that, and what runs is waited
for.`,
    usage: ["[options] FLOW [-- ARGUMENT…]", "[options] --tasks TASKS [-- ARGUMENT…]", "--tasks"],
    options: OPTIONS,
    operands: ["FLOW"],
    notes: `A flow file, which may have comments:
  {
    "name": "ci",
    "env": { "CI": "1" }, "env_file": ".env",
    "nodes": {
      "lint": { "run": ["deno", "lint"] },
      "test": { "sh": "deno test; echo ok", "needs": ["lint"], "timeout": "5m",
                "env": { "LEVEL": "2" }, "cwd": "packages/core" },
      "pack": { "task": "pack", "needs": ["test"] }
    },
    "constraints": { "max_in_flight": 4, "max_retries": 2, "deadline": "10m",
                     "max_per_window": 8, "rate_window": "1s" }
  }
FLOW may also be a module, .ts, .mts, .js or .mjs, whose default export is the
flow, or a function of a list, the arguments behind --, that returns it. It is
evaluated by a Deno of its own, in its folder and with the configuration there,
and again, with the same arguments, when the run is gone on with.

A node starts when all that it needs is ok: with "when": "failure" when some of
it is not, with "always" whatever came of it. One that does not start for that
is skipped, which is told with why. "on_failure" of the flow says what the first
failure does: "stop" starts nothing more but such handlers, "keep_going" starts
all that does not need what failed, "cancel" ends what runs, and then starts
handlers. A handler mends nothing: the run has failed. A node with
"allow_failure": true may fail, after its retries, "retry": { "max": 3,
"delay": "2s", "factor": 2, "max_delay": "1m", "not_on": [2] }, where not_on are
exit codes. One that has only "needs" stands for these. "gate": "Deploy?" runs
nothing: it waits until taffrail pass RUN NODE answers, for its "timeout" at the
most, and takes no place; not passed it has failed. "deadline" of the flow
is that of the whole run, which then ends as by a signal; behind either no
handler is started.

Without constraints as many nodes run at a time as there are processors, and
each is tried once; a run keeps to what it began with. max_retries tries those
again that failed or ran out of time; deadline is for each attempt, timeout for
those of one node. At most max_per_window nodes start within rate_window.
The name has at most 93 letters, digits, '.', '_' and '-', the id of a node 64,
and ':', '/' and '@' too. Commands are started directly; an "sh" is a text for
the "shell" of the flow, ["sh", "-euc"] where it names none, which sees of a
pipe the last failure only: ["bash", "-euo", "pipefail", "-c"] sees all. A
"task" is one of the deno.json, or a script of the package.json, that is nearest
to the cwd. An argument or a variable has at most 128 KiB. Durations are a
number with ms, s, m, h or d. A command of a flow reads nothing from its input.
cwd and env_file are relative to the flow file. "env" of a node goes before that
of the flow, that before the env_file, and that before the environment; nothing
in these is expanded. What is to be run, and where, is
looked for before anything is recorded, but of nodes with needs when they start,
as others may make it.
Each command finds TAFFRAIL_RUN_ID, TAFFRAIL_NODE_ID, TAFFRAIL_ATTEMPT and
TAFFRAIL_ROOT in its environment, where spans are made its own in TRACEPARENT
(OTEL_EXPORTER_OTLP_ENDPOINT), and in TAFFRAIL_OUTPUT_<NEED> the path of what
each node that it needs has printed: the id in upper case, _ for what is no
letter or digit; not set where --max-output has cut that, or something secret
stood in it. When it ends, what is left of its process group is ended too.
Command lines are recorded, of the values of "env" only digests, by which resume
tells what has changed. "secret": ["TOKEN"] keeps the values of these variables
out of outputs and command lines.

What a task depends on is a node of its own, also in a flow file: one for all
that depend on it, where they are given the same variables; with another "when"
than success a task takes it along. Arguments behind -- are for the tasks that
are named, not for what these depend on. The text of a task is recorded, and is
what runs; scripts of package.json are run by name, with those before and behind
them, as deno task does. In a workspace nodes are called MEMBER:TASK.

Whatever is shown, what commands print is recorded: see taffrail logs. What a
single task given with --tasks prints is passed through, of several in whole
lines: "build | text", on stderr "build ! text". On GitHub Actions failures are
annotated, and the file that GITHUB_STEP_SUMMARY names, which is heeded anywhere,
gets what taffrail report --markdown prints. The first line printed is
run_id=<id>.

--exclusive excludes the runs that were started with it, and waits for any other
that is at work when it looks; those started without it are not held up.
--only and --skip are kept with the run, and hold when it is gone on with. What
is there for the failure of what is skipped is skipped too.`,
    exitCodes: `0 all has completed, 1 a node failed, or something cannot be recorded, 2 called
wrongly, and nothing was started, 128 + n ended by signal n; with --tasks those
of taffrail exec for the task that failed first.`,
    json: `what taffrail show --json prints, when the run has ended, and the line
run_id=<id>, which is the first otherwise, goes to stderr. With --dry-run it
prints what the flow.json of the run would have, the nodes in order, and of
--tasks without names the list: { "files": [{ "path", "package", "tasks": [{
"name", "command", "description", "dependencies" }] }] }.`,
  },

  async run(args) {
    const { own, behind } = splitArguments(args);
    const { root, json, options, operands } = readArguments("run", own, OPTIONS);
    const given = { options, operands, behind };
    if (options.tasks === true) return await listTasks(given, json);
    const maker = options.tasks === undefined ? undefined : "tasks";
    return await passExitCode(maker, async () => {
      if (options["dry-run"] === true) return await showGiven(given, json);
      const name = maker ?? operands[0] ?? "run";
      return await withJunit(options, name, (junit) => runGiven(given, { root, json, junit }));
    });
  },
};

/** Runs what is asked for; returns the exit code. */
async function runGiven(
  given: GivenToRun,
  { root, json, junit }: { root: string; json: boolean; junit: JunitFile | undefined },
): Promise<number> {
  const { options } = given;
  const flow = await flowFor(given);
  if (junit !== undefined) junit.name = flow.name;
  const output = outputOption(options.output, json);
  await using display = await displayOf(flow, { root, json, output, junit });
  const settings = {
    ...runSettings(options),
    ...defined({ exclusive: options.exclusive }),
    keepsGoing: options["keep-going"],
    byWorkers: workersOption(options, root),
  };
  const { exitCode } = await recordRun(flow, { root, display, ...settings });
  return exitCode;
}

/** Shows what would be run. */
async function showGiven(given: GivenToRun, json: boolean): Promise<number> {
  if (given.options.junit !== undefined) {
    throw new UsageError("Give --junit or --dry-run: of what is not run there is nothing to tell");
  }
  return await showPlan(await flowFor(given), json);
}

/** The flow as it is to be run: what is asked for of it, and nothing that shows what is secret. */
async function flowFor(given: GivenToRun): Promise<Flow> {
  const flow = await partOf(await chooseFlow(given), given.options);
  return await withSecrets(flow, namesOption(given.options.mask) ?? []);
}

/** What stands on the command line. */
interface GivenToRun {
  options: Options<typeof OPTIONS>;
  operands: string[];
  /** What stands behind `--`. */
  behind: string[];
}

/** What is for `--tasks` alone, and what a flow file has in its place. */
const TASK_OPTIONS = [
  ["jobs", '; a flow file says "max_in_flight"'],
  ["recursive", ""],
  ["filter", ""],
] as const;

function outputOption(mode: OutputMode | undefined, json: boolean): OutputMode | undefined {
  if (mode === undefined || !json) return mode;
  throw optionError("output", mode, "with --json the document is all that is printed");
}

/** The part of a flow that is asked for. */
async function partOf(flow: Flow, { only, skip }: GivenToRun["options"]): Promise<Flow> {
  if (only === undefined && skip === undefined) return flow;
  const { checkSelection, selectNodes } = await import("../flow/select_nodes.ts");
  const selection = defined({ only: namesOption(only), skip: namesOption(skip) });
  checkSelection(flow, selection);
  return selectNodes(flow, selection);
}

async function showPlan(flow: Flow, json: boolean): Promise<number> {
  new Programs(flow).check(flow.nodes);
  const { printPlan, printPlanJson } = await import("../reading/print_plan.ts");
  const screen = new Screen(Deno.stdout);
  if (json) await printPlanJson(screen, flow);
  else printPlan(screen, flow);
  Screen.check();
  return 0;
}

async function chooseFlow(given: GivenToRun): Promise<Flow> {
  const { options, operands, behind } = given;
  if (options.tasks !== undefined) {
    const jobs = numberOption(options, "jobs", parseCountOption);
    if (jobs === 0) throw new UsageError("Cannot use --jobs 0: nothing could run");
    const { makeTaskFlow } = await import("../flow/tasks.ts");
    const limit = defined({ max_in_flight: jobs });
    return makeTaskFlow(taskRequest(given), { ...DEFAULT_CONSTRAINTS, ...limit });
  }
  for (const [name, instead] of TASK_OPTIONS) {
    if (options[name] !== undefined) throw new UsageError(`--${name} is for --tasks${instead}`);
  }
  return await readFlow(onlyOperand("run", operands, "flow file"), { args: behind });
}

function taskRequest({ options, operands, behind }: GivenToRun): TaskRequest {
  const { tasks, recursive, filter } = options;
  if (operands.length > 0) {
    const remedy = "what tasks are given stands behind --";
    throw new UsageError(`Give taffrail run a flow file, or --tasks; ${remedy}`);
  }
  const names = typeof tasks === "string" ? tasks.split(",").map((name) => name.trim()) : [];
  if (names.some((name) => name === "" || name.startsWith("-"))) {
    throw optionError("tasks", String(tasks), "write names, as build,test");
  }
  return { names, arguments: behind, cwd: Deno.cwd(), ...defined({ recursive, filter }) };
}

async function listTasks(given: GivenToRun, json: boolean): Promise<number> {
  if (given.behind.length > 0 || given.options.jobs !== undefined) {
    throw new UsageError("Name the tasks to run: --tasks NAME,NAME; without names they are listed");
  }
  const request = taskRequest(given);
  const { taskFilesFor } = await import("../flow/tasks.ts");
  const { printTasks, printTasksJson } = await import("../reading/print_plan.ts");
  const files = taskFilesFor(request);
  if (files.length === 0) throw new UsageError(`Cannot list tasks: ${NO_TASK_FILES}`);
  const screen = new Screen(Deno.stdout);
  if (json) printTasksJson(screen, files);
  else printTasks(screen, files);
  return 0;
}
