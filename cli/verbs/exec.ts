import { basename } from "../../_internal/path.ts";
import { optionError, passExitCode, UsageError } from "../exit_codes.ts";
import { type Flow, makeFlow, makeNode, nameFrom, nameProblem } from "../flow/flow.ts";
import { displayOf } from "../reading/run_display.ts";
import { withSecrets } from "../flow/secrets.ts";
import { recordRun } from "../record_run.ts";
import { commandLine } from "../text/printable.ts";
import { parseDurationOption } from "../text/units.ts";
import {
  namesOption,
  numberOption,
  readArguments,
  RUN_HELP,
  RUN_OPTIONS,
  runSettings,
  splitArguments,
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
${RUN_HELP}

stdout is the command's alone. stderr gets the line run_id=<id> first and a line
that tells how the command ended last, or with --json what taffrail show --json
prints, as one line.

Exit codes: that of the command; 128 + n where it, or taffrail, was ended by
signal n; 124 where --timeout has ended it; 126 where the program cannot be
executed, 127 where it, or what its first line asks for, is not found; 125 where
taffrail itself fails: something cannot be recorded, or passed on; 2 called
wrongly.`,

  run: (args) => passExitCode("exec", () => exec(args)),
};

async function exec(args: string[]): Promise<number> {
  const { own, behind: command } = splitArguments(args);
  const kinds = { ...RUN_OPTIONS, name: "string", timeout: "string" } as const;
  const { root, json, options, operands } = readArguments("exec", own, kinds);
  if (operands.length > 0) {
    const meant = commandLine([...operands, ...command]);
    throw new UsageError(`Write -- before the command: taffrail exec -- ${meant}`);
  }
  const masks = namesOption(options.mask) ?? [];
  const flow = await withSecrets(commandFlow(command, options), masks);
  using display = displayOf(flow, { root, json });
  const { exitCode } = await recordRun(flow, { root, display, ...runSettings(options) });
  return exitCode;
}

/** A command is a flow of one node. */
function commandFlow(command: string[], options: { name?: string; timeout?: string }): Flow {
  const [program = ""] = command;
  if (program === "") {
    throw new UsageError("taffrail exec needs a command: taffrail exec -- COMMAND [ARGUMENT…]");
  }
  const name = options.name ?? nameFrom(basename(program));
  const problem = nameProblem(name);
  if (problem !== undefined) throw optionError("name", name, `it ${problem}`);
  const timeoutMs = numberOption(options, "timeout", parseDurationOption);
  if (timeoutMs === 0) throw new UsageError("Cannot use --timeout 0: it leaves no time");
  const timeout = timeoutMs === undefined ? {} : { timeoutMs };
  const node = makeNode({ id: name, run: command, cwd: Deno.cwd(), ...timeout });
  return makeFlow({ madeBy: "exec", name, nodes: [node] });
}
