/** What `--help` prints, made of what a verb says of itself. */
import {
  COMMON_OPTIONS,
  type OptionAbout,
  type OptionTable,
  type Verb,
  type Verbs,
} from "../text/arguments.ts";

const WIDTH = 80;
/** Where the text of an option begins. */
const OPTION_COLUMN = 22;

/** What all verbs take besides their options, and what is printed for it. */
const HELP_OPTION = {
  help: { letter: "h", text: "print this help, or with --help=man a man page" },
} as const satisfies OptionTable;

/** What the command does, in one line. */
export const SUMMARY = "Runs local work, records what happened, and shows it afterwards.";

/** What the exit codes of the command say, but for verbs that say more. */
export const EXIT_CODES =
  `0 all went well, 1 the work failed, 2 called wrongly, 128 + n ended by signal n; exec exits as its
command does.`;

/** A part of a text: words that are wrapped, or lines that stay as they are. */
export type TextPart = { words: string } | { lines: string[] };

/** The help of a verb. */
export function verbHelp(name: string, { help }: Pick<Verb, "help">): string {
  const { about, notes = "" } = help;
  const usage = usageOf(name, help).map((line, index) => {
    return `${index === 0 ? "Usage:" : "      "} ${line}`;
  });
  const options = Object.entries(allOptions(help)).map(([name, about]) => optionRow(name, about));
  const texts = [about, usage.join("\n"), options.join("\n"), notes, endOf(help)];
  const [before, called, taken, ...behind] = texts;
  return [wrapped(before!), called, taken, ...behind.map((text) => wrapped(text))]
    .filter((text) => text !== "").join("\n\n");
}

/** How a verb is called, a line for each way. */
export function usageOf(name: string, { usage = ["[options]"] }: Verb["help"]): string[] {
  return usage.map((operands) => `taffrail ${name} ${operands}`);
}

/** The options of a verb, and those of all verbs behind them; a verb may say something else of one of these. */
export function allOptions({ options = {} }: Verb["help"]): OptionTable {
  const own = Object.entries(options).filter(([name]) => !Object.hasOwn(COMMON_OPTIONS, name));
  const common = Object.entries(COMMON_OPTIONS).map(([name, about]) => {
    return [name, options[name] ?? about] as const;
  });
  return { ...Object.fromEntries([...own, ...common]), ...HELP_OPTION };
}

/** An option as it is written: `-f, --follow`, `--tail N`. */
function optionHead(name: string, { letter, value }: OptionAbout): string {
  const short = letter === undefined ? "" : `-${letter}, `;
  return `${short}--${name}${value === undefined ? "" : ` ${value}`}`;
}

/** What an option does, in words. */
export function optionText({ text, isRefused }: OptionAbout): string {
  return isRefused ? `refused: ${text}` : text;
}

function optionRow(name: string, about: OptionAbout): string {
  const head = `  ${optionHead(name, about)}`;
  const text = wrapWords(optionText(about), WIDTH - OPTION_COLUMN)
    .map((line) => `${" ".repeat(OPTION_COLUMN)}${line}`).join("\n");
  return head.length < OPTION_COLUMN ? head + text.slice(head.length) : `${head}\n${text}`;
}

function endOf({ exitCodes, json }: Verb["help"]): string {
  const codes = `Exit codes: ${exitCodes}`;
  return json === undefined ? codes : `${codes}\n\n--json prints ${json}`;
}

/** The help of the command. */
export async function overview(verbs: Verbs): Promise<string> {
  const width = Math.max(...Array.from(verbs.keys(), (name) => name.length));
  const rows: string[] = [];
  for (const [name, load] of verbs) rows.push(`  ${name.padEnd(width)}  ${(await load()).summary}`);
  return `${SUMMARY}

Usage: taffrail VERB [options]

${rows.join("\n")}

  taffrail VERB --help    what a verb takes, and what its --json prints
  taffrail --help=man     all that as the source of a man page
  taffrail --version

${wrapped(`Exit codes: ${EXIT_CODES}`)}`;
}

/** The paragraphs of a text. */
export function paragraphsOf(text: string): TextPart[][] {
  return text.split(/\n{2,}/).map((paragraph) => {
    const parts: TextPart[] = [];
    for (const line of paragraph.split("\n")) {
      const last = parts.at(-1);
      if (line.startsWith(" ")) {
        if (last !== undefined && "lines" in last) last.lines.push(line);
        else parts.push({ lines: [line] });
      } else if (last !== undefined && "words" in last) last.words += ` ${line}`;
      else parts.push({ words: line });
    }
    return parts;
  });
}

function wrapped(text: string): string {
  return paragraphsOf(text).map((parts) => {
    return parts.flatMap((part) => "lines" in part ? part.lines : wrapWords(part.words, WIDTH))
      .join("\n");
  }).join("\n\n");
}

/** Words in lines of such a width. */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
