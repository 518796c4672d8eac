import { COMMON_HELP, onlyOperand, readArguments, type Verb } from "./arguments.ts";
import { findPrograms } from "./flow/find_programs.ts";
import { readFlow } from "./flow/read_flow.ts";
import { recordRun } from "./flow/record_run.ts";
import { JsonRunView, TextRunView } from "./run_view.ts";
import {
  RECORDING_HELP,
  RECORDING_OPTIONS,
  recordingOptions,
  TRACE_HELP,
  TRACE_OPTIONS,
  traceOption,
} from "./recording_options.ts";

/** `taffrail run`: runs a flow. */
export const runVerb: Verb = {
  summary: "run the commands of a flow file, in the order of their needs",
  help: `Runs the commands of a flow file, each when those it needs have completed and
the constraints allow it, and records what happens. The first failure ends the
run: nothing more is started, and what runs is waited for.

Usage: taffrail run [options] FLOW

${TRACE_HELP}
${RECORDING_HELP}
${COMMON_HELP}

A flow file:
  {
    "name": "ci",
    "nodes": {
      "lint": { "run": ["deno", "lint"] },
      "test": { "run": ["deno", "test"], "needs": ["lint"], "timeout": "5m",
                "env": { "CI": "1" }, "cwd": "packages/core" }
    },
    "constraints": { "max_in_flight": 4, "max_retries": 2, "deadline": "10m",
                     "max_per_window": 8, "rate_window": "1s" }
  }
Without constraints nodes run one at a time and are tried once. max_retries
tries those again that failed or ran out of time; deadline is for each attempt,
timeout for those of one node. At most max_per_window nodes start within
rate_window.
The name and the ids of nodes have letters, digits, '.', '_' and '-'. Commands
are started directly; write ["sh", "-c", TEXT] for a shell. Durations are a
number with ms, s, m or h. cwd is relative to the flow file. Each command finds
TAFFRAIL_RUN_ID, TAFFRAIL_NODE_ID, TAFFRAIL_ATTEMPT and TAFFRAIL_ROOT in its
environment. When it ends, what is left of its process group is ended too.
Command lines are recorded; environments are not.

The first line printed is run_id=<id>. With --json that line goes to stderr, and
stdout gets what taffrail show --json prints, when the run has ended.`,

  async run(args) {
    const { root, json, options, operands } = readArguments("run", args, {
      ...RECORDING_OPTIONS,
      ...TRACE_OPTIONS,
    });
    const path = onlyOperand("run", operands, "flow file");
    const flow = await readFlow(path);
    const programs = findPrograms(flow);
    using view = json ? new JsonRunView() : new TextRunView(flow);
    const { report, exitCode } = await recordRun({
      flow,
      programs,
      root,
      view,
      traceMode: traceOption(options),
      ...recordingOptions(options),
    });
    view.runEnded(report);
    return exitCode;
  },
};
