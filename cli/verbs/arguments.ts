import { DEFAULT_ROOT, schemeOf } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { TraceMode } from "../../trace/types.ts";
import { optionError, UsageError } from "../exit_codes.ts";
import { chosenRoot, findRoot } from "../reading/find_root.ts";
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

/** The options of a verb, by name; an optional one has its value or none, a repeated one all its values. */
type OptionKinds = Record<string, "string" | "boolean" | "optional" | "repeated">;

/** What was given with options of such kinds; those that were not given are not there. */
export type Options<Kinds extends OptionKinds> = {
  readonly [Name in keyof Kinds]?: Kinds[Name] extends "boolean" ? boolean
    : Kinds[Name] extends "optional" ? string | true
    : Kinds[Name] extends "repeated" ? string[]
    : string;
};

/** What was given on the command line. */
interface Arguments<Kinds extends OptionKinds> {
  /** The directory that holds the runs. */
  root: string;
  /** Whether to print JSON. */
  json: boolean;
  /** The verb's own options, with those of all verbs. */
  options: Options<Kinds & typeof COMMON_OPTIONS>;
  /** What is no option. */
  operands: string[];
}

/** The options that all verbs share. */
const COMMON_OPTIONS = { root: "string", json: "boolean" } as const;

/** Their part of the help. */
export const COMMON_HELP =
  `  --root ROOT         where the runs are kept: a directory, or a database as
                      postgres://USER@HOST/DATABASE (default: what the variable
                      TAFFRAIL_ROOT says, else the nearest ${DEFAULT_ROOT} here
                      or above, up to a directory with .git)
  --json              print JSON for programs instead of text
  -h, --help          print this help`;

/** What the help of verbs says that take a run. */
export const RUN_OPERAND =
  `RUN is the id of a run, its beginning where no other begins so, the name of a
flow for its newest run, or - (also: latest) for the newest run of all.`;

/** Reads a verb's arguments, strictly: what is unknown is an error. */
export function readArguments<const Kinds extends OptionKinds = Record<never, never>>(
  verb: string,
  args: string[],
  kinds?: Kinds,
): Arguments<Kinds> {
  const { given, operands } = parseArguments(verb, args, { ...COMMON_OPTIONS, ...kinds });
  // Only options of the kinds are taken, each with a value of its kind.
  const options = given as Arguments<Kinds>["options"];
  const { root: chosen, json = false }: Options<typeof COMMON_OPTIONS> = options;
  return { root: chosenRoot(chosen) ?? findRoot(Deno.cwd()), json, options, operands };
}

/** Takes what a verb is told apart from what stands behind `--`, which is for somebody else. */
export function splitArguments(args: string[]): { own: string[]; behind: string[] } {
  const end = args.indexOf("--");
  if (end === -1) return { own: args, behind: [] };
  return { own: args.slice(0, end), behind: args.slice(end + 1) };
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
): { given: Record<string, string | true | string[]>; operands: string[] } {
  const fail = (problem: string): never => {
    throw new UsageError(`${problem}; see taffrail ${verb} --help`);
  };
  const given: Record<string, string | true | string[]> = {};
  const operands: string[] = [];
  let at = 0;
  while (at < args.length) {
    const arg = longName(args[at++]!, kinds);
    if (arg === "--") {
      return { given, operands: [...operands, ...args.slice(at)] };
    } else if (!arg.startsWith("-") || arg === "-") {
      operands.push(arg);
    } else {
      const [, name = arg.slice(1, 2), value] = /^--(.[^=]*)(?:=([^]*))?$/.exec(arg) ?? [];
      const kind = Object.hasOwn(kinds, name) && arg.startsWith("--") ? kinds[name] : undefined;
      // Which of two values was meant nobody knows.
      const isOnce = kind !== "boolean" && kind !== "repeated";
      if (isOnce && Object.hasOwn(given, name)) {
        fail(`Option '--${name}' is given twice: say all in one, names as a,b`);
      }
      if (kind === "boolean") {
        if (value !== undefined) fail(`Option '--${name}' does not take an argument`);
        given[name] = true;
      } else if (kind !== undefined) {
        // What looks like an option was hardly meant as a value.
        const isOption = value === undefined && /^-./.test(args[at] ?? "");
        const next = value ?? (isOption ? undefined : args[at++]);
        if (next !== undefined && kind === "repeated") {
          given[name] = [...given[name] as string[] ?? [], next];
        } else if (next !== undefined) given[name] = next;
        else if (kind === "optional") given[name] = true;
        else if (isOption) fail(`Option '--${name}' argument is ambiguous`);
        else fail(`Option '--${name} <value>' argument missing`);
      } else {
        fail(`Unknown option '${arg.startsWith("--") ? "--" : "-"}${name}'`);
      }
    }
  }
  return { given, operands };
}

/** Options of one letter, where a verb takes what they stand for. */
const LETTERS: Readonly<Record<string, string>> = { "-f": "follow", "-k": "keep-going" };

function longName(arg: string, kinds: OptionKinds): string {
  const name = Object.hasOwn(LETTERS, arg) ? LETTERS[arg]! : "";
  return Object.hasOwn(kinds, name) ? `--${name}` : arg;
}

/** Reads what was given as JSON; `refuse` makes an error of what is wrong with it, in words. */
export function parseJsonValue(text: string, refuse: (problem: string) => Error): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refuse(`is no JSON (${reasonOf(error)}): write a text as '"text"'`);
  }
}

/** The number that an option gives in words, such as a duration; undefined when it was not given. */
export function numberOption<Name extends string>(
  options: { readonly [Given in Name]?: string },
  name: Name,
  parse: (option: string, text: string) => number,
): number | undefined {
  const text = options[name];
  return text === undefined ? undefined : parse(name, text);
}

/** One of some words; undefined when the option was not given. */
export function wordOption<Word extends string>(
  name: string,
  given: string | undefined,
  words: readonly Word[],
): Word | undefined {
  const word = words.find((word) => word === given);
  if (given === undefined || word !== undefined) return word;
  throw optionError(name, given, `say ${words.join(", ")}`);
}

/** Who says something, for the records. */
export function userName(): string | undefined {
  return Deno.env.get("USER") || Deno.env.get("LOGNAME") || undefined;
}

/** Names with commas between them; undefined when the option was not given. */
export function namesOption(text: string | undefined): string[] | undefined {
  return text?.split(",").map((name) => name.trim());
}

/** The one operand of a verb. */
export function onlyOperand(verb: string, operands: string[], what: string): string {
  if (operands.length === 1 && operands[0] !== "") return operands[0]!;
  const found = operands.length === 0 ? `needs a ${what}` : `takes one ${what}`;
  throw new UsageError(`taffrail ${verb} ${found}; see taffrail ${verb} --help`);
}

/** The options of the verbs that run commands. */
export const COMMAND_OPTIONS = {
  grace: "string",
  "max-output": "string",
  mask: "string",
} as const;

/** Their part of the help, with that of all verbs. */
export const COMMAND_HELP =
  `  --grace DURATION    how long what is asked to end may take before it is
                      killed (default 5s)
  --max-output SIZE   how much of each output of a command is kept (default
                      16MiB): its first half and its last half
  --mask NAMES        variables, a,b, whose values are kept out of all that is
                      recorded: *** stands for them in outputs and commands
${COMMON_HELP}`;

/** How commands are run. */
interface CommandSettings {
  /** The time between what asks a command to end and SIGKILL, in milliseconds. */
  graceMs: number;
  /** How much of each output is kept. */
  maxOutputBytes: number;
  /** The variables whose values are kept out of all records. */
  masks: readonly string[];
}

/** Reads the options of the verbs that run commands. */
export function commandSettings(options: Options<typeof COMMAND_OPTIONS>): CommandSettings {
  const { grace = "5s", "max-output": maxOutput = "16MiB" } = options;
  return {
    graceMs: graceWithin(parseDurationOption("grace", grace)),
    maxOutputBytes: parseSizeOption("max-output", maxOutput),
    masks: namesOption(options.mask) ?? [],
  };
}

/**
 * A run that is a command of another run takes at most half of that one's grace: it has to end its own
 * commands, and to record that, before it is killed itself.
 */
function graceWithin(graceMs: number): number {
  const outer = Deno.env.get("TAFFRAIL_GRACE_MS") ?? "";
  return /^\d{1,15}$/.test(outer) ? Math.min(graceMs, Math.floor(Number(outer) / 2)) : graceMs;
}

/** The options of the verbs that record a run. */
export const RUN_OPTIONS = { ...COMMAND_OPTIONS, trace: "string" } as const;

/** Their part of the help, with that of all verbs. */
export const RUN_HELP =
  `  --trace MODE        when the last steps are written to the run's trace.json:
                      on (when something fails, the default), always, off
${COMMAND_HELP}`;

/** What the verbs say that run flows of many nodes. */
export const KEEP_GOING = { "keep-going": "boolean", workers: "boolean" } as const;

/** Their part of the help. */
export const KEEP_GOING_HELP =
  `  -k, --keep-going    run all that does not need what failed, whatever the
                      "on_failure" of the flow says; this time only
  --workers           have all nodes made by workers, taffrail work, and not
                      only those that ask for one; in a database, this time only`;

/** How a run is recorded. */
export interface RunSettings extends CommandSettings {
  /** Whether a failure leaves all that does not need it going on, whatever the flow says. */
  keepsGoing?: boolean | undefined;
  /** Whether workers make all attempts. */
  byWorkers?: boolean | undefined;
  /** When a trace is written; undefined where that is not said. */
  traceMode: TraceMode | undefined;
}

const TRACE_MODES: readonly TraceMode[] = ["off", "on", "always"];

/** Reads the options of the verbs that record a run. */
export function runSettings(options: Options<typeof RUN_OPTIONS>): RunSettings {
  const traceMode = wordOption("trace", options.trace, TRACE_MODES);
  return { traceMode, ...commandSettings(options) };
}

/** Whether workers make all attempts; a directory has none. */
export function workersOption(
  { workers }: { workers?: boolean },
  root: string,
): boolean | undefined {
  if (!workers || schemeOf(root) !== undefined) return workers;
  throw optionError("workers", root, "a directory has none; --root postgres://… has");
}
