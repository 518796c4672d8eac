/** What `--help=man` prints: man pages, made of what the verbs say of themselves. */
import { VERSION } from "../../_internal/version.ts";
import type { OptionAbout, OptionTable, Verb, Verbs } from "../text/arguments.ts";
import {
  allOptions,
  EXIT_CODES,
  optionText,
  paragraphsOf,
  SUMMARY,
  usageOf,
  wrapWords,
} from "./help_text.ts";

const MOST_COLUMNS = 80;

/** What the command looks at in its environment, whatever the verb. */
const VARIABLES: OptionTable = {
  TAFFRAIL_ROOT: { text: "Where the runs are kept, where --root does not say it." },
  NO_COLOR: { text: "If it is not empty, nothing is printed in colours." },
  FORCE_COLOR: { text: "If it is not empty, colours are printed to files and pipes, too." },
};

/** The man page of a verb, `taffrail-VERB(1)`. */
export function verbPage(name: string, { summary, help }: Pick<Verb, "summary" | "help">): string {
  const page = `taffrail-${name}`;
  return pageOf(page, summary, [
    heading("SYNOPSIS"),
    ...synopsis(usageOf(name, help)),
    heading("DESCRIPTION"),
    ...prose(help.about),
    heading("OPTIONS"),
    ...optionList(allOptions(help)),
    ...(help.notes === undefined ? [] : [heading("NOTES"), ...prose(help.notes)]),
    heading("EXIT STATUS"),
    ...prose(help.exitCodes),
    ...(help.json === undefined ? [] : [heading("JSON"), ...prose(jsonText(help.json))]),
    heading("SEE ALSO"),
    ".BR taffrail (1)",
  ]);
}

/** The man page of the command, `taffrail(1)`: all its verbs. */
export async function commandPage(verbs: Verbs): Promise<string> {
  const lines: string[] = [];
  for (const [name, load] of verbs) lines.push(...verbSection(name, await load()));
  return pageOf("taffrail", "run local work, record what happened, and show it afterwards", [
    heading("SYNOPSIS"),
    ...synopsis(["taffrail VERB [options]", "taffrail VERB --help", "taffrail --version"]),
    heading("DESCRIPTION"),
    ...prose(SUMMARY),
    heading("VERBS"),
    ...lines,
    heading("OPTIONS OF ALL VERBS"),
    ...optionList(allOptions({ about: "", exitCodes: "" })),
    heading("ENVIRONMENT"),
    ...Object.entries(VARIABLES).flatMap(([name, { text }]) => tagged(bold(name), text)),
    heading("EXIT STATUS"),
    ...prose(EXIT_CODES),
  ]);
}

function pageOf(page: string, summary: string, lines: readonly string[]): string {
  const date = new Date().toISOString().slice(0, 10);
  const text = [heading("NAME"), `${escaped(page)} \\- ${escaped(summary)}`, ...lines].join("\n");
  return [
    `.TH ${escaped(page.toUpperCase())} 1 ${date} "taffrail ${VERSION}" "taffrail"`,
    // Options and names are to be copied whole.
    ".nh",
    ".ad l",
    ...fallbacks(text),
    text,
  ].join("\n");
}

/** Fonts for paper lack the marks that terminals have. */
function fallbacks(text: string): string[] {
  const special = new Set(text.match(/\\\[u[0-9A-F]+\]/g));
  return Array.from(special, (character) => `.if t .fchar ${character} *`);
}

/** A verb in the page of the command. */
function verbSection(name: string, { summary, help }: Verb): string[] {
  const own = Object.entries(help.options ?? {});
  const { notes, json } = help;
  return [
    `.SS "taffrail ${escaped(name)}"`,
    `${escaped(sentence(summary))}`,
    ".PP",
    ...synopsis(usageOf(name, help)),
    ".PP",
    ...prose(help.about),
    ...optionList(Object.fromEntries(own)),
    ...(notes === undefined ? [] : [".PP", ...prose(notes)]),
    ".PP",
    ...prose(`Exit codes: ${help.exitCodes}`),
    ...(json === undefined ? [] : [".PP", ...prose(jsonText(json))]),
  ];
}

function jsonText(json: string): string {
  return `--json prints ${json}`;
}

function sentence(summary: string): string {
  return `${summary[0]!.toUpperCase()}${summary.slice(1)}.`;
}

function heading(name: string): string {
  return `.SH ${name.includes(" ") ? `"${name}"` : name}`;
}

/** How something is called: what is to be typed stands in bold. */
function synopsis(lines: readonly string[]): string[] {
  return lines.flatMap((line, index) => [...(index === 0 ? [] : [".br"]), ...words(line)]);
}

function optionList(options: OptionTable): string[] {
  return Object.entries(options).flatMap(([name, about]) => {
    return tagged(optionTag(name, about), optionText(about));
  });
}

function optionTag(name: string, { letter, value }: OptionAbout): string {
  const short = letter === undefined ? "" : `${bold(`-${letter}`)}, `;
  return `${short}${bold(`--${name}`)}${value === undefined ? "" : ` ${escaped(value)}`}`;
}

function tagged(tag: string, text: string): string[] {
  return [".TP", tag, ...words(text)];
}

function prose(text: string): string[] {
  return paragraphsOf(text).flatMap((parts, index) => [
    ...(index === 0 ? [] : [".PP"]),
    ...parts.flatMap((part) => "words" in part ? words(part.words) : literal(part.lines)),
  ]);
}

function literal(lines: readonly string[]): string[] {
  return [".nf", ...lines.map((line) => guarded(escaped(line))), ".fi"];
}

/** Words with the options and the command among them in bold. */
function words(text: string): string[] {
  const marked = escaped(text).replaceAll(
    /(?<![\w\\-])\\-(?:\\-)?[a-z][a-z]*(?:\\-[a-z]+)*/g,
    (option) => `\\fB${option}\\fR`,
  );
  return wrapWords(marked, MOST_COLUMNS).map(guarded);
}

function bold(text: string): string {
  return `\\fB${escaped(text)}\\fR`;
}

/** What would be an instruction at the begin of a line. */
function guarded(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

/** What roff gives a meaning, or another look than a terminal takes. */
const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
  "…": "...",
};

function escaped(text: string): string {
  return text.replaceAll(/[\\'`^~…-]/g, (character) => ESCAPES[character]!)
    .replaceAll(/[^\0-\x7f]/gu, (character) => {
      return `\\[u${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`;
    });
}
