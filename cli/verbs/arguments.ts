import { parseArgs } from "node:util";
import type { TraceMode } from "../../trace/types.ts";
import { checkRoot, DEFAULT_ROOT, findRoot } from "../reading/find_root.ts";
import { parseDurationOption, parseSizeOption } from "../text/units.ts";
import { UsageError } from "../text/usage_error.ts";

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
export type OptionKinds = Record<string, "string" | "boolean">;

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
  const all: OptionKinds = { root: "string", json: "boolean", ...kinds };
  const options = Object.fromEntries(Object.entries(all).map(([name, type]) => [name, { type }]));
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    if (values.root !== undefined) checkRoot(values.root as string);
    return {
      root: values.root as string | undefined ?? findRoot(Deno.cwd()),
      json: values.json === true,
      options: values as Arguments["options"],
      operands: positionals,
    };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const reason = error.message.split(/[.\n]/)[0];
    throw new UsageError(`${reason}; see taffrail ${verb} --help`);
  }
}

/** The one operand of a verb. */
export function onlyOperand(verb: string, operands: string[], what: string): string {
  if (operands.length === 1 && operands[0] !== "") return operands[0]!;
  const found = operands.length === 0 ? `needs a ${what}` : `takes one ${what}`;
  throw new UsageError(`taffrail ${verb} ${found}; see taffrail ${verb} --help`);
}

/** The options of the verbs that run something. */
export const RECORDING_OPTIONS: OptionKinds = { grace: "string", "max-output": "string" };

/** Their part of the help. */
export const RECORDING_HELP = `  --grace DURATION    time between SIGTERM and SIGKILL (default 5s)
  --max-output SIZE   how much of each output of a command is kept (default
                      16MiB): its first half and its last half`;

/** Reads them. */
export function recordingOptions(
  options: Arguments["options"],
): { graceMs: number; maxOutputBytes: number } {
  return {
    graceMs: parseDurationOption("grace", String(options.grace ?? "5s")),
    maxOutputBytes: parseSizeOption("max-output", String(options["max-output"] ?? "16MiB")),
  };
}

/** The option of the verbs that record a run. */
export const TRACE_OPTIONS: OptionKinds = { trace: "string" };

/** Its part of the help. */
export const TRACE_HELP =
  `  --trace MODE        when the last steps are written to the run's trace.json:
                      on (when something fails, the default), always, off`;

const TRACE_MODES: readonly string[] = ["off", "on", "always"] satisfies TraceMode[];

/** Reads it. */
export function traceOption({ trace }: Arguments["options"]): TraceMode | undefined {
  if (trace === undefined || TRACE_MODES.includes(String(trace))) return trace as TraceMode;
  throw new UsageError(
    `Cannot use --trace ${JSON.stringify(trace)}: say ${TRACE_MODES.join(", ")}`,
  );
}
