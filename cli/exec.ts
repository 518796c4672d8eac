import { basename } from "node:path";
import { COMMON_HELP, readArguments, type Verb } from "./arguments.ts";
import { ExecView } from "./exec_view.ts";
import { findPrograms } from "./flow/find_programs.ts";
import { DEFAULT_CONSTRAINTS, type Flow } from "./flow/flow.ts";
import { nameFrom, nameProblem } from "./flow/names.ts";
import { recordRun } from "./flow/record_run.ts";
import { commandLine } from "./printable.ts";
import {
  RECORDING_HELP,
  RECORDING_OPTIONS,
  recordingOptions,
  TRACE_HELP,
  TRACE_OPTIONS,
  traceOption,
} from "./recording_options.ts";
import { parseDurationOption } from "./units.ts";
import { UsageError } from "./usage_error.ts";

/** `taffrail exec`: runs one command. */
export const execVerb: Verb = {
  summary: "run one command, and pass its input and output through",
  help: `Runs one command and records it. Its output is passed through as it comes, and
so is its input unless that is a terminal. The command line is recorded; the
environment is not.

Usage: taffrail exec [options] -- COMMAND [ARGUMENT…]

  --name NAME         the name of the run (default: that of the program)
  --timeout DURATION  how long the command may take, such as 30s
${TRACE_HELP}
${RECORDING_HELP}
${COMMON_HELP}

stdout is the command's alone. stderr gets the line run_id=<id> first and a line
that tells how the command ended last, or with --json what taffrail show --json
prints, as one line. Exit codes: 0 the command exited with 0, 1 it did not, or
its output could not be passed on; its own exit code is told, and is
nodes[0].exit_code in the JSON.`,

  async run(args) {
    const end = args.indexOf("--");
    const command = end === -1 ? [] : args.slice(end + 1);
    const kinds = {
      ...RECORDING_OPTIONS,
      ...TRACE_OPTIONS,
      name: "string",
      timeout: "string",
    } as const;
    const own = end === -1 ? args : args.slice(0, end);
    const { root, json, options, operands } = readArguments("exec", own, kinds);
    if (operands.length > 0) {
      const meant = commandLine([...operands, ...command]);
      throw new UsageError(`Write -- before the command: taffrail exec -- ${meant}`);
    }
    const flow = makeFlow(command, options);
    const programs = findPrograms(flow);
    const view = new ExecView(json);
    const { report, exitCode } = await recordRun({
      flow,
      programs,
      root,
      view,
      passThrough: view.passThrough,
      traceMode: traceOption(options),
      ...recordingOptions(options),
    });
    view.runEnded(report);
    return exitCode === 0 && view.hasLost ? 1 : exitCode;
  },
};

/** A command is a flow of one node. */
function makeFlow(
  command: string[],
  options: { name?: unknown; timeout?: unknown },
): Flow {
  const [program = ""] = command;
  if (program === "") {
    throw new UsageError("taffrail exec needs a command: taffrail exec -- COMMAND [ARGUMENT…]");
  }
  const name = options.name ?? nameFrom(basename(program));
  const problem = nameProblem(name);
  if (problem !== undefined) {
    throw new UsageError(`Cannot use --name ${JSON.stringify(name)}: it ${problem}`);
  }
  const id = name as string;
  const node = { id, run: command, needs: [], env: {}, cwd: Deno.cwd() };
  const constraints = DEFAULT_CONSTRAINTS;
  if (options.timeout === undefined) return { name: id, nodes: [node], constraints };
  const timeoutMs = parseDurationOption("timeout", String(options.timeout));
  if (timeoutMs === 0) throw new UsageError("Cannot use --timeout 0: it leaves no time");
  return { name: id, nodes: [{ ...node, timeoutMs }], constraints };
}
