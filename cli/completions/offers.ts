/**
 * What shells offer for the words of a command line, made of what verbs say of themselves. All three
 * completion scripts are written from this.
 */
import { allOptions } from "../help/help_text.ts";
import type { OptionAbout, VerbHelp, Verbs } from "../text/arguments.ts";

/** Something that can stand somewhere. */
export type Offer =
  /** One of these words. */
  | { words: readonly string[] }
  /** What `taffrail completions --words` says when it is asked. */
  | { asked: string }
  /** A file whose name ends so, or any. */
  | { endings: readonly string[] }
  /** A directory. */
  | "directories";

/** An option as shells know it. */
export interface OfferedOption {
  /** Its name, without dashes. */
  name: string;
  /** The letter for it. */
  letter: string | undefined;
  /** What it does, in one line. */
  text: string;
  /** What its value is called; undefined where it takes none. */
  value: string | undefined;
  /** What its value may be, as far as that is known. */
  offers: readonly Offer[];
  /** Whether that is several, with commas between. */
  isList: boolean;
  /** Whether it may be given several times. */
  isRepeated: boolean;
}

/** What may stand as an operand. */
export interface OfferedOperand {
  /** What it is called. */
  name: string;
  offers: readonly Offer[];
}

/** A verb as shells know it. */
export interface OfferedVerb {
  name: string;
  summary: string;
  options: readonly OfferedOption[];
  operands: readonly OfferedOperand[];
  /** Whether more may follow like the last operand. */
  isOpen: boolean;
  /** Whether a command stands behind `--`. */
  takesCommand: boolean;
}

const FLOW_ENDINGS = [".json", ".jsonc", ".ts", ".mts", ".js", ".mjs"];
const BUNDLE_ENDINGS = [".json", ".jsonl"];

/** What the shells can be asked for by words in capitals, as the help has them. */
const OFFERS: Readonly<Record<string, (help: VerbHelp) => Offer>> = {
  RUN: ({ runs }) => ({ asked: runs === undefined ? "runs" : `runs=${runs.join(",")}` }),
  NODE: nodes,
  NODES: nodes,
  GATE: gates,
  "GATE[=JSON]": gates,
  TASKS: () => ({ asked: "tasks" }),
  SHELL: () => ({ words: ["bash", "zsh", "fish"] }),
  FLOW: () => ({ endings: FLOW_ENDINGS }),
  BUNDLE: () => ({ endings: BUNDLE_ENDINGS }),
  FILE: () => ({ endings: [] }),
  PATH: () => ({ endings: [] }),
  DIR: () => "directories",
  ROOT: () => "directories",
};

/** Words for which nobody can offer anything. */
export const UNKNOWN_VALUES: readonly string[] = [
  "AGE",
  "DURATION",
  "ID",
  "JSON",
  "LABEL",
  "N",
  "NAME",
  "NAMES",
  "PATTERN",
  "ROLE",
  "SIZE",
];

function nodes(help: VerbHelp): Offer {
  return { asked: isOfFlow(help) ? "flow-nodes" : "nodes" };
}

function gates(help: VerbHelp): Offer {
  return { asked: isOfFlow(help) ? "flow-gates" : "gates" };
}

/** Whether nodes are those of the flow that is the operand, and not of a run. */
function isOfFlow({ operands = [] }: VerbHelp): boolean {
  return operands[0] === "FLOW";
}

/** All verbs as shells know them. */
export async function offeredVerbs(verbs: Verbs): Promise<OfferedVerb[]> {
  return await Promise.all(Array.from(verbs, async ([name, load]) => {
    const { summary, help } = await load();
    const { operands = [], takesCommand = false } = help;
    return {
      name,
      summary,
      options: Object.entries(allOptions(help)).filter(([, { isRefused }]) => !isRefused)
        .map(([name, about]) => offeredOption(name, about, help)),
      operands: operands.map((operand) => {
        const name = operand.replace(/…$/, "");
        return { name, offers: offersFor(name, help) };
      }),
      isOpen: operands.at(-1)?.endsWith("…") ?? false,
      takesCommand,
    };
  }));
}

function offeredOption(name: string, about: OptionAbout, help: VerbHelp): OfferedOption {
  const { letter, value, words, text, isList, isRepeated } = about;
  return {
    name,
    letter,
    text: firstPart(text),
    value,
    offers: words !== undefined ? [{ words }] : value === undefined ? [] : offersFor(value, help),
    isList: isList ?? false,
    isRepeated: isRepeated ?? false,
  };
}

function offersFor(value: string, help: VerbHelp): Offer[] {
  const names = Object.hasOwn(OFFERS, value) ? [value] : value.split("|");
  return names.filter((name) => Object.hasOwn(OFFERS, name)).map((name) => OFFERS[name]!(help));
}

const MOST_TEXT = 76;

/** As much of what an option does as stands in a list. */
function firstPart(text: string): string {
  const [part = ""] = text.split(/; | \(|\. /);
  return part.length <= MOST_TEXT
    ? part
    : `${part.slice(0, part.lastIndexOf(" ", MOST_TEXT - 1))}…`;
}

/** How the options of a verb are written that a value follows: `--tail`, `-o`. */
export function valuedOptions(options: readonly OfferedOption[]): string[] {
  return options.filter(({ value }) => value !== undefined).flatMap(({ name, letter }) => {
    return [`--${name}`, ...(letter === undefined ? [] : [`-${letter}`])];
  });
}

/** The text of a script in which `@{` stands for what only the language of this file would take for something. */
export function shellText(text: string): string {
  return text.replaceAll("@{", "${").trim();
}
