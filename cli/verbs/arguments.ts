import { DEFAULT_ROOT } from "../../_internal/root_layout.ts";
import type { TraceMode } from "../../trace/types.ts";
import { UsageError } from "../exit_codes.ts";
import { checkRoot, findRoot } from "../reading/find_root.ts";
import { parseDurationOption, parseSizeOption } from "../text/units.ts";

/** A verb of the command. */
export interface Verb {
  /** What it does, in one line. */
  summary: string;
  /** What `--help` prints. */
  help: string;
  /** Does it, and gives the exit code. */
  run(args: string[]): Promise<number>;
}

/** The options of a verb, by name. */
type OptionKinds = Record<string, "string" | "boolean">;

/** What was given on the command line. */
export interface Arguments {
  /** The directory that holds the runs. */
  root: string;
  /** Whether to print JSON. */
  json: boolean;
  /** The verb's own options. */
  options: Record<string, string | boolean | undefined>;
  /** What is no option. */
  operands: string[];
}

/** The part of the help that all verbs share. */
export const COMMON_HELP =
  `  --root DIR          where the runs are kept (default: the nearest ${DEFAULT_ROOT}
                      here or above, up to a directory with .git)
  --json              print JSON for programs instead of text
  -h, --help          print this help`;

/** Reads a verb's arguments, strictly: what is unknown is an error. */
export function readArguments(verb: string, args: string[], kinds: OptionKinds = {}): Arguments {
  const { options, operands } = parseArguments(verb, args, {
    root: "string",
    json: "boolean",
    ...kinds,
  });
  const root = textOption(options, "root");
  if (root !== undefined) checkRoot(root);
  return {
    root: root ?? findRoot(Deno.cwd()),
    json: options.json === true,
    options,
    operands,
  };
}

/**
 * Takes `--name value`, `--name=value` and `--name` apart from operands; behind `--` all are operands.
 * It is written out here because `node:util`, which has the same in `parseArgs`, loads for half as long
 * as an empty program runs, and so does any package of npm.
 */
function parseArguments(
  verb: string,
  args: readonly string[],
  kinds: OptionKinds,
): Pick<Arguments, "options" | "operands"> {
  const fail = (problem: string): never => {
    throw new UsageError(`${problem}; see taffrail ${verb} --help`);
  };
  const options: Arguments["options"] = {};
  const operands: string[] = [];
  const rest = args.values();
  for (const arg of rest) {
    if (arg === "--") {
      operands.push(...rest);
    } else if (!arg.startsWith("-") || arg === "-") {
      operands.push(arg);
    } else {
      const [, name = arg.slice(1, 2), value] = /^--(.[^=]*)(?:=([^]*))?$/.exec(arg) ?? [];
      const kind = Object.hasOwn(kinds, name) && arg.startsWith("--") ? kinds[name] : undefined;
      if (kind === "boolean") {
        if (value !== undefined) fail(`Option '--${name}' does not take an argument`);
        options[name] = true;
      } else if (kind === "string") {
        const next = value ?? rest.next().value;
        if (next === undefined) return fail(`Option '--${name} <value>' argument missing`);
        // What looks like an option was hardly meant as a value.
        const isOption = value === undefined && /^-./.test(next);
        options[name] = isOption ? fail(`Option '--${name}' argument is ambiguous`) : next;
      } else {
        fail(`Unknown option '${arg.startsWith("--") ? "--" : "-"}${name}'`);
      }
    }
  }
  return { options, operands };
}

/** What was given with an option that takes a value; undefined when it was not given. */
export function textOption(options: Arguments["options"], name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}

/** The one operand of a verb. */
export function onlyOperand(verb: string, operands: string[], what: string): string {
  if (operands.length === 1 && operands[0] !== "") return operands[0]!;
  const found = operands.length === 0 ? `needs a ${what}` : `takes one ${what}`;
  throw new UsageError(`taffrail ${verb} ${found}; see taffrail ${verb} --help`);
}

/** The options of the verbs that run commands. */
export const COMMAND_OPTIONS: OptionKinds = { grace: "string", "max-output": "string" };

/** Their part of the help, with that of all verbs. */
export const COMMAND_HELP = `  --grace DURATION    time between SIGTERM and SIGKILL (default 5s)
  --max-output SIZE   how much of each output of a command is kept (default
                      16MiB): its first half and its last half
${COMMON_HELP}`;

/** How commands are run. */
interface CommandSettings {
  /** The time between SIGTERM and SIGKILL, in milliseconds. */
  graceMs: number;
  /** How much of each output is kept. */
  maxOutputBytes: number;
}

/** Reads the options of the verbs that run commands. */
export function commandSettings(options: Arguments["options"]): CommandSettings {
  return {
    graceMs: parseDurationOption("grace", textOption(options, "grace") ?? "5s"),
    maxOutputBytes: parseSizeOption("max-output", textOption(options, "max-output") ?? "16MiB"),
  };
}

/** The options of the verbs that record a run. */
export const RUN_OPTIONS: OptionKinds = { ...COMMAND_OPTIONS, trace: "string" };

/** Their part of the help, with that of all verbs. */
export const RUN_HELP =
  `  --trace MODE        when the last steps are written to the run's trace.json:
                      on (when something fails, the default), always, off
${COMMAND_HELP}`;

/** How a run is recorded. */
export interface RunSettings extends CommandSettings {
  /** When a trace is written; undefined where that is not said. */
  traceMode: TraceMode | undefined;
}

const TRACE_MODES: readonly TraceMode[] = ["off", "on", "always"];

/** Reads the options of the verbs that record a run. */
export function runSettings(options: Arguments["options"]): RunSettings {
  const given = textOption(options, "trace");
  const traceMode = TRACE_MODES.find((mode) => mode === given);
  if (given !== undefined && traceMode === undefined) {
    throw new UsageError(
      `Cannot use --trace ${JSON.stringify(given)}: say ${TRACE_MODES.join(", ")}`,
    );
  }
  return { traceMode, ...commandSettings(options) };
}
