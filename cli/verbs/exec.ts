import { basename } from "node:path";
import type { AttemptEnd } from "../../run/types.ts";
import { recordRun } from "../engine/record_run.ts";
import { findPrograms } from "../flow/find_programs.ts";
import {
  DEFAULT_CONSTRAINTS,
  type Flow,
  type FlowNode,
  nameFrom,
  nameProblem,
} from "../flow/flow.ts";
import { PassThrough, type TakeOutput } from "../process/output_pump.ts";
import type { RunReport } from "../reading/run_report.ts";
import { endLine, type WholeRunView } from "../reading/run_view.ts";
import { commandLine, Screen } from "../text/screen.ts";
import { parseDurationOption } from "../text/units.ts";
import { UsageError } from "../text/usage_error.ts";
import {
  COMMON_HELP,
  readArguments,
  RECORDING_HELP,
  RECORDING_OPTIONS,
  recordingOptions,
  TRACE_HELP,
  TRACE_OPTIONS,
  traceOption,
  type Verb,
} from "./arguments.ts";

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

/** A command whose output is passed through: all that is said about it goes to stderr. */
export class ExecView implements Omit<WholeRunView, typeof Symbol.dispose> {
  /** Passes on what the command prints. */
  readonly passThrough: { output: TakeOutput; errors: TakeOutput };
  readonly #errors = new Screen(Deno.stderr);
  readonly #output = new PassThrough(Deno.stdout, (message) => this.note(message));
  readonly #errorOutput = new PassThrough(Deno.stderr, (message) => this.note(message));
  readonly #json: boolean;
  #endLine: string | undefined;

  constructor(json: boolean) {
    this.#json = json;
    this.passThrough = { output: this.#output.take, errors: this.#errorOutput.take };
  }

  /** Whether some of what the command printed could not be passed on. */
  get hasLost(): boolean {
    return this.#output.hasLost || this.#errorOutput.hasLost;
  }

  /** Prints the id. */
  runStarted(runId: string): void {
    this.#errors.line(`run_id=${runId}`);
  }

  /** Prints nothing: the line belongs to the command now. */
  nodeStarted(): void {}

  /** Keeps what is to be said at the end. */
  nodeEnded({ id }: FlowNode, end: AttemptEnd): void {
    this.#endLine = endLine(this.#errors, id, end);
  }

  /** Prints a note. */
  note(text: string): void {
    this.#line(text);
  }

  /** Prints how the command ended, and where the log is. */
  runEnded(report: RunReport): void {
    if (this.#json) this.#line(JSON.stringify(report));
    else this.#line(`${this.#endLine ?? report.run_id}  log: ${report.log}`);
  }

  #line(text: string): void {
    if (this.#errorOutput.isInLine) this.#errors.line();
    this.#errorOutput.isInLine = false;
    this.#errors.line(text);
  }
}
