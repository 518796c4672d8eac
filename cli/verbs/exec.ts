import { basename } from "../../_internal/path.ts";
import { optionError, passExitCode, UsageError } from "../exit_codes.ts";
import {
  DEFAULT_CONSTRAINTS,
  type Flow,
  makeFlow,
  makeNode,
  nameFrom,
  nameProblem,
} from "../flow/flow.ts";
import { hasTerminal } from "../process/shared_terminal.ts";
import { displayOf } from "../display/run_display.ts";
import { withSecrets } from "../flow/secrets.ts";
import { recordRun } from "../record_run.ts";
import { commandLine } from "../text/printable.ts";
import { parseDurationOption } from "../text/units.ts";
import {
  COMMON_OPTIONS,
  namesOption,
  numberOption,
  type OptionTable,
  readArguments,
  RUN_OPTIONS,
  runSettings,
  splitArguments,
  type Verb,
  withJunit,
} from "../text/arguments.ts";

const OPTIONS = {
  name: { value: "NAME", text: "the name of the run (default: that of the program)" },
  timeout: { value: "DURATION", text: "how long the command may take, such as 30s" },
  terminal: {
    text: "leave its output to the terminal, for what draws on it or prints otherwise to a " +
      "pipe; then it is not recorded",
  },
  ...RUN_OPTIONS,
} as const satisfies OptionTable;

/** `taffrail exec`: runs one command. */
export const execVerb: Verb = {
  summary: "run one command, and pass its input and output through",
  help: {
    about: `Runs one command and records it. Its output is passed through as it comes, and
so is its input. The command line is recorded; the environment is not.`,
    usage: ["[options] -- COMMAND [ARGUMENT…]"],
    options: OPTIONS,
    takesCommand: true,
    notes: `stdout is the command's alone. stderr gets the line run_id=<id> first and a line
that tells how the command ended last, or with --json what taffrail show --json
prints, as one line. On GitHub Actions it also gets the group around what the
command prints, and the annotation of its failure; docs/ci.md tells more.

On a terminal the command shares it, as if it were run alone: it can ask, also
as sudo and ssh do, and Ctrl-C, Ctrl-\\ and Ctrl-Z are for the command, which
says whether it ends. It sees its output go to a pipe; FORCE_COLOR is set for
the colours, unless NO_COLOR or FORCE_COLOR are. What it leaves behind is found
by its environment, which only Linux tells, and ended there only. Who reads its
output and goes away, as head, ends it as without taffrail, by SIGPIPE.`,
    exitCodes: `that of the command; 128 + n where it, or taffrail, was ended by signal n; 124
where --timeout has ended it; 126 where the program cannot be executed, 127
where it, or what its first line asks for, is not found; 125 where taffrail
itself fails: something cannot be recorded, or passed on; 2 called wrongly.`,
  },

  run: (args) => passExitCode("exec", () => exec(args)),
};

async function exec(args: string[]): Promise<number> {
  const { own, behind: command } = splitArguments(args);
  refuseWithoutMark(own, command);
  const { root, json, options } = readArguments("exec", own, OPTIONS);
  const masks = namesOption(options.mask) ?? [];
  return await withJunit(options, "exec", async (junit) => {
    const flow = await withSecrets(commandFlow(command, options), masks);
    if (junit !== undefined) junit.name = flow.name;
    await using display = await displayOf(flow, { root, json, junit });
    const { exitCode } = await recordRun(flow, { root, display, ...runSettings(options) });
    return exitCode;
  });
}

/** Whoever forgets the -- is told so, and not that the command has options that are unknown here. */
function refuseWithoutMark(own: readonly string[], command: readonly string[]): void {
  const table: OptionTable = { ...COMMON_OPTIONS, ...OPTIONS };
  let at = 0;
  for (; own[at]?.startsWith("-"); at++) {
    const name = own[at]!.slice(2);
    if (table[name]?.value !== undefined) at++;
  }
  if (at >= own.length) return;
  const meant = commandLine([...own.slice(at), ...command]);
  throw new UsageError(`Write -- before the command: taffrail exec -- ${meant}`);
}

/** A command is a flow of one node. */
function commandFlow(
  command: string[],
  options: { name?: string; timeout?: string; terminal?: boolean },
): Flow {
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
  if (options.terminal && !hasTerminal()) {
    throw new UsageError("Cannot use --terminal: neither input nor output is a terminal");
  }
  const terminal = options.terminal ? { terminal: true } as const : {};
  const node = makeNode({ id: name, run: command, cwd: Deno.cwd(), ...timeout });
  // There is but one, however many the machine could run.
  const constraints = { ...DEFAULT_CONSTRAINTS, max_in_flight: 1 };
  return makeFlow({ madeBy: "exec", ...terminal, name, nodes: [node], constraints });
}
