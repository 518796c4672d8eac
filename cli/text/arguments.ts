import { DEFAULT_ROOT, schemeOf } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { TraceMode } from "../../trace/types.ts";
import { optionError, UsageError } from "../exit_codes.ts";
import type { JunitFile } from "../report/junit_file.ts";
import { chosenRoot, findRoot } from "../reading/find_root.ts";
import type { RunStateWord } from "../reading/run_summary.ts";
import { parseDurationOption, parseSizeOption } from "../text/units.ts";

/** A verb of the command. */
export interface Verb {
  /** What it does, in one line. */
  summary: string;
  /** What there is to know of it. */
  help: VerbHelp;
  /** Does it, and gives the exit code; `verbs`: all there are. */
  run(args: string[], verbs: Verbs): Promise<number>;
}

/** The verbs by their names; each is loaded when it is asked for, so that none pays for the others. */
export type Verbs = ReadonlyMap<string, () => Promise<Verb>>;

/**
 * What there is to know of a verb. Help, man pages and completions are made of it, and of nothing else. Texts are
 * paragraphs with empty lines between them, which are wrapped anew; lines that begin with a blank stay as they are.
 */
export interface VerbHelp {
  /** What it does. */
  about: string;
  /** What stands behind its name, where that is more than options, as `[options] RUN`: a line for each way. */
  usage?: readonly string[];
  /** Its options, without those that all verbs share. */
  options?: OptionTable;
  /**
   * What its operands are, as `RUN` or `RUN|FILE`, by which shells offer something for them; behind the last one
   * `…` if more may follow.
   */
  operands?: readonly string[];
  /** In which states a run is that it takes, where it does not take all; any other is only not offered. */
  runs?: readonly RunStateWord[];
  /** Whether a command stands behind `--`, which shells complete as such. */
  takesCommand?: boolean;
  /** What else is to be said of it. */
  notes?: string;
  /** Its exit codes. */
  exitCodes: string;
  /** What `--json` prints. */
  json?: string;
}

/** The options of a verb, by name. */
export type OptionTable = Readonly<Record<string, OptionAbout>>;

/** What is known of an option. */
export interface OptionAbout {
  /** What its value is called in the help, by which shells offer something for it; a switch has none. */
  readonly value?: string;
  /** The words that its value may be, where these are all. */
  readonly words?: readonly string[];
  /** Whether its value is several of these words, with commas between. */
  readonly isList?: boolean;
  /** Whether it may stand without its value. */
  readonly isOptional?: boolean;
  /** Whether it may be given several times. */
  readonly isRepeated?: boolean;
  /** The letter that stands for it. */
  readonly letter?: string;
  /** Whether it is refused, though all other verbs take it. */
  readonly isRefused?: boolean;
  /** What it does, or why it is refused. */
  readonly text: string;
}

/** What was given with options of such a table; those that were not given are not there. */
export type Options<Table extends OptionTable> = {
  readonly [Name in keyof Table]?: ValueOf<Table[Name]>;
};

type ValueOf<About extends OptionAbout> = About extends { isOptional: true } ? string | true
  : About extends { isRepeated: true } ? string[]
  : About extends { isList: true } ? string
  : About extends { words: readonly (infer Word)[] } ? Word
  : About extends { value: string } ? string
  : boolean;

/** What was given on the command line. */
interface Arguments<Table extends OptionTable> {
  /** The directory that holds the runs. */
  root: string;
  /** Whether to print JSON. */
  json: boolean;
  /** The verb's own options, with those of all verbs. */
  options: Options<Table> & Options<typeof COMMON_OPTIONS>;
  /** What is no option. */
  operands: string[];
}

/** The options that all verbs share. */
export const COMMON_OPTIONS = {
  root: {
    value: "ROOT",
    text: "where the runs are kept: a directory, or a database as " +
      "postgres://USER@HOST/DATABASE (default: what the variable TAFFRAIL_ROOT says, else the " +
      `nearest ${DEFAULT_ROOT} here or above, up to a directory with .git)`,
  },
  json: { text: "print JSON for programs instead of text" },
} as const satisfies OptionTable;

/** What the help of verbs says that take a run. */
export const RUN_OPERAND =
  `RUN is the id of a run, its beginning where no other begins so, the name of a
flow for its newest run, or - (also: latest) for the newest run of all.`;

/** The option for where what has a name of its own is written; `name`: that, in words. */
export function outputOption(name: string) {
  return {
    value: "FILE",
    letter: "o",
    text: `where it is written (default: ${name}, in the current directory); a directory that ` +
      "is there gets it under that name; - writes it to stdout",
  } as const;
}

/** Reads a verb's arguments, strictly: what is unknown is an error. */
export function readArguments<const Table extends OptionTable = Record<never, never>>(
  verb: string,
  args: string[],
  table?: Table,
): Arguments<Table> {
  const { given, operands } = parseArguments(verb, args, { ...COMMON_OPTIONS, ...table });
  // Only options of the table are taken, each with a value of its kind.
  const options = given as Arguments<Table>["options"];
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
  table: OptionTable,
): { given: Record<string, string | true | string[]>; operands: string[] } {
  const fail = (problem: string): never => {
    throw new UsageError(`${problem}; see taffrail ${verb} --help`);
  };
  const given: Record<string, string | true | string[]> = {};
  const operands: string[] = [];
  let at = 0;
  while (at < args.length) {
    const arg = longName(args[at++]!, table);
    if (arg === "--") {
      return { given, operands: [...operands, ...args.slice(at)] };
    } else if (!arg.startsWith("-") || arg === "-") {
      operands.push(arg);
    } else {
      const [, name = arg.slice(1, 2), value] = /^--(.[^=]*)(?:=([^]*))?$/.exec(arg) ?? [];
      const isKnown = Object.hasOwn(table, name) && arg.startsWith("--");
      const about = isKnown ? table[name]! : undefined;
      // Which of two values was meant nobody knows.
      const isOnce = about?.value !== undefined && !about.isRepeated;
      if (isOnce && Object.hasOwn(given, name)) {
        fail(`Option '--${name}' is given twice: say all in one, names as a,b`);
      }
      if (about === undefined) {
        fail(`Unknown option '${arg.startsWith("--") ? "--" : "-"}${name}'`);
      } else if (about.isRefused) {
        throw new UsageError(`Cannot use --${name} with ${verb}: ${about.text}`);
      } else if (about.value === undefined) {
        if (value !== undefined) fail(`Option '--${name}' does not take an argument`);
        given[name] = true;
      } else {
        // What looks like an option was hardly meant as a value.
        const isOption = value === undefined && /^-./.test(args[at] ?? "");
        const next = value ?? (isOption ? undefined : args[at++]);
        if (next !== undefined) {
          checkWord(name, next, about);
          given[name] = about.isRepeated ? [...given[name] as string[] ?? [], next] : next;
        } else if (about.isOptional) given[name] = true;
        else if (isOption) fail(`Option '--${name}' argument is ambiguous`);
        else fail(`Option '--${name} <value>' argument missing`);
      }
    }
  }
  return { given, operands };
}

function longName(arg: string, table: OptionTable): string {
  if (arg.length !== 2) return arg;
  const name = Object.keys(table).find((name) => `-${table[name]!.letter}` === arg);
  return name === undefined ? arg : `--${name}`;
}

/** Refuses what is none of the words that a value may be. */
function checkWord(name: string, given: string, { words, isList }: OptionAbout): void {
  if (words === undefined || isList || words.includes(given)) return;
  throw optionError(name, given, `say ${words.join(", ")}`);
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
  grace: {
    value: "DURATION",
    text: "how long what is asked to end may take before it is killed (default 5s)",
  },
  "max-output": {
    value: "SIZE",
    text: "how much of each output of a command is kept (default 16MiB): its first half and its " +
      "last half",
  },
  mask: {
    value: "NAMES",
    isList: true,
    text:
      "variables, a,b, whose values are kept out of all that is recorded: *** stands for them " +
      "in outputs and commands",
  },
} as const satisfies OptionTable;

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

const TRACE_MODES = ["on", "always", "off"] as const satisfies TraceMode[];

/** The options of the verbs that record a run. */
export const RUN_OPTIONS = {
  trace: {
    value: "MODE",
    words: TRACE_MODES,
    text:
      "when the last steps are written to the run's trace.json: when something fails (on, the " +
      "default), always, or never (off)",
  },
  junit: {
    value: "FILE",
    text: "write what became of each node there, as JUnit has it of tests, for CI systems; also " +
      "of a run that cannot begin",
  },
  ...COMMAND_OPTIONS,
} as const satisfies OptionTable;

/** The options of the verbs that run flows of many nodes. */
export const KEEP_GOING = {
  "keep-going": {
    letter: "k",
    text: 'run all that does not need what failed, whatever the "on_failure" of the flow says; ' +
      "this time only",
  },
  workers: {
    text:
      "have all nodes made by workers, taffrail work, and not only those that ask for one; in " +
      "a database, this time only",
  },
} as const satisfies OptionTable;

/** How a run is recorded. */
export interface RunSettings extends CommandSettings {
  /** Whether a failure leaves all that does not need it going on, whatever the flow says. */
  keepsGoing?: boolean | undefined;
  /** Whether workers make all attempts. */
  byWorkers?: boolean | undefined;
  /** When a trace is written; undefined where that is not said. */
  traceMode: TraceMode | undefined;
}

/** Reads the options of the verbs that record a run. */
export function runSettings(options: Options<typeof RUN_OPTIONS>): RunSettings {
  return { traceMode: options.trace, ...commandSettings(options) };
}

/**
 * Does what makes a run, with the file of `--junit` where that is given. `name`: what is run, as far as that is
 * known.
 */
export async function withJunit<T>(
  { junit: path }: Options<typeof RUN_OPTIONS>,
  name: string,
  does: (junit: JunitFile | undefined) => Promise<T>,
): Promise<T> {
  if (path === undefined) return await does(undefined);
  const { withJunitFile } = await import("../report/junit_file.ts");
  return await withJunitFile(path, { name, does });
}

/** Whether workers make all attempts; a directory has none. */
export function workersOption(
  { workers }: { workers?: boolean },
  root: string,
): boolean | undefined {
  if (!workers || schemeOf(root) !== undefined) return workers;
  throw optionError("workers", root, "a directory has none; --root postgres://… has");
}
