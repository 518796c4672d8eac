import { optionError, passExitCode, UsageError } from "../exit_codes.ts";
import type { Flow } from "../flow/flow.ts";
import { readFlow } from "../flow/read_flow.ts";
import { makeTaskFlow } from "../flow/tasks.ts";
import { displayOf } from "../reading/run_display.ts";
import { recordRun } from "../record_run.ts";
import { parseCountOption } from "../text/units.ts";
import {
  numberOption,
  onlyOperand,
  readArguments,
  RUN_HELP,
  RUN_OPTIONS,
  runSettings,
  type Verb,
} from "./arguments.ts";

/** `taffrail run`: runs a flow. */
export const runVerb: Verb = {
  summary: "run the commands of a flow file, or tasks of deno.json",
  help: `Runs the commands of a flow file, each when those it needs have completed and
the constraints allow it, and records what happens. The first failure ends the
run: nothing more is started, and what runs is waited for.

Usage: taffrail run [options] FLOW
       taffrail run [options] --tasks NAME,NAME

  --tasks NAMES       run tasks of the nearest deno.json, here or above, and all
                      that they depend on, each as a node of its own
  --jobs N            with --tasks: how many run at a time (default 1)
${RUN_HELP}

A flow file, which may have comments:
  {
    "name": "ci",
    "env": { "CI": "1" }, "env_file": ".env",
    "nodes": {
      "lint": { "run": ["deno", "lint"] },
      "test": { "sh": "deno test | tee log", "needs": ["lint"], "timeout": "5m",
                "env": { "LEVEL": "2" }, "cwd": "packages/core" },
      "pack": { "task": "pack", "needs": ["test"] }
    },
    "constraints": { "max_in_flight": 4, "max_retries": 2, "deadline": "10m",
                     "max_per_window": 8, "rate_window": "1s" }
  }
Without constraints nodes run one at a time and are tried once. max_retries
tries those again that failed or ran out of time; deadline is for each attempt,
timeout for those of one node. At most max_per_window nodes start within
rate_window.
The name has at most 93 letters, digits, '.', '_' and '-', the id of a node 64,
and ':', '/' and '@' too. Commands are started directly; an "sh" is a text for
the "shell" of the flow, ["sh", "-euc"] where it names none, a "task" one of the
deno.json, or script of the package.json, that is nearest to the cwd. An
argument or a variable has at most 128 KiB. Durations are a number with ms, s,
m, h or d. cwd and env_file are relative to the flow file. "env" of a node goes
before that of the flow, that before the env_file, and that before the
environment; nothing in these is expanded. What is to be run, and where, is
looked for before anything is recorded, but of nodes with needs when they start,
as others may make it.
Each command finds TAFFRAIL_RUN_ID, TAFFRAIL_NODE_ID, TAFFRAIL_ATTEMPT and
TAFFRAIL_ROOT in its environment, and in TAFFRAIL_OUTPUT_<NEED> the path of what
each node that it needs has printed: the id in upper case, _ for what is no
letter or digit; not set where --max-output has cut that. When it ends, what is
left of its process group is ended too. Command lines are recorded;
environments are not.

What tasks given with --tasks print is passed through, and recorded. Exit codes:
0 all has completed, 1 a node failed, or something cannot be recorded, 2 called
wrongly, and nothing was started, 128 + n ended by signal n; with --tasks those
of taffrail exec for the task that failed first.

The first line printed is run_id=<id>. With --json that line goes to stderr, and
stdout gets what taffrail show --json prints, when the run has ended.`,

  async run(args) {
    const kinds = { ...RUN_OPTIONS, tasks: "string", jobs: "string" } as const;
    const { root, json, options, operands } = readArguments("run", args, kinds);
    return await passExitCode(options.tasks === undefined ? undefined : "tasks", async () => {
      const flow = await chooseFlow(options, operands);
      using display = displayOf(flow, { root, json });
      const { exitCode } = await recordRun(flow, { root, display, ...runSettings(options) });
      return exitCode;
    });
  },
};

async function chooseFlow(
  options: { tasks?: string; jobs?: string },
  operands: string[],
): Promise<Flow> {
  const { tasks } = options;
  if (tasks === undefined) {
    if (options.jobs !== undefined) {
      throw new UsageError('--jobs is for --tasks; a flow file says "max_in_flight"');
    }
    return await readFlow(onlyOperand("run", operands, "flow file"));
  }
  if (operands.length > 0) throw new UsageError("Give taffrail run a flow file, or --tasks");
  const names = tasks.split(",").map((name) => name.trim());
  if (names.some((name) => name === "" || name.startsWith("-"))) {
    throw optionError("tasks", tasks, "write names, as build,test");
  }
  const jobs = numberOption(options, "jobs", parseCountOption) ?? 1;
  if (jobs === 0) throw new UsageError("Cannot use --jobs 0: nothing could run");
  return makeTaskFlow(names, { cwd: Deno.cwd(), jobs });
}
