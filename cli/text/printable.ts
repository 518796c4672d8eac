/**
 * What is made of text before people see it: nothing in it steers their terminal, and it fits the line.
 * Whatever comes from a log, a flow or a program goes through here.
 */

import { describe } from "../../_internal/errors.ts";

/**
 * What would steer a terminal or make text look like another one: the control characters C0 and C1 with
 * DEL, those that turn the direction of writing, and the separators of lines and paragraphs.
 */
const STEERING =
  "\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069";

const STEERING_CHARACTER = new RegExp(`[${STEERING}]`, "g");

/** The codes that a `Screen` colours with, and every other character that steers. */
const COLOUR_OR_STEERING = new RegExp(`\\x1b\\[(?:[012]|3[123])m|[${STEERING}]`, "g");

/**
 * The escape sequences of programs: CSI, strings up to their end, and the short ones. No two of their parts
 * can match the same character, so that looking for them takes time in proportion to the text.
 */
const ESCAPE_SEQUENCE = new RegExp(
  "(?:\\x1b\\[|\\x9b)[0-?]*[ -/]*[@-~]" +
    "|(?:\\x1b[\\]PX^_]|[\\x90\\x98\\x9d-\\x9f])[^\\0-\\x1f\\x7f-\\x9f]*(?:\\x07|\\x1b\\\\|\\x9c)" +
    "|\\x1b[ -/]*[0-OQ-WYZ\\\\`-~]",
  "g",
);

const COLOUR_END = "\x1b[0m";

/**
 * Text with what would steer the terminal written out, as JSON writes it: `\u001b`. Newlines and tabs stay.
 * So JSON that goes through here stays the same JSON.
 */
export function printable(text: string): string {
  return text.replaceAll("\r\n", "\n").replaceAll(STEERING_CHARACTER, writtenOut);
}

/** {@linkcode printable}, but for the colours of a `Screen`, which end with the text at the latest. */
export function printableWithColours(text: string): string {
  let colour = COLOUR_END;
  const shown = text.replaceAll("\r\n", "\n").replaceAll(COLOUR_OR_STEERING, (found) => {
    if (found.length === 1) return writtenOut(found);
    return colour = found;
  });
  return colour === COLOUR_END ? shown : shown + COLOUR_END;
}

function writtenOut(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** {@linkcode printable} on one line. */
export function printableLine(text: string): string {
  return printable(text.replaceAll(/[\r\n\t]+/g, " "));
}

/**
 * What a command printed, without its colours and other escape sequences. Of a line that was written over,
 * as progress bars do, the last state stays.
 */
export function printableOutput(text: string): string {
  return printable(text.replaceAll(ESCAPE_SEQUENCE, "").split("\n").map(lastState).join("\n"));
}

function lastState(line: string): string {
  let end = line.length;
  while (line[end - 1] === "\r") end--;
  return line.slice(line.lastIndexOf("\r", end - 1) + 1, end);
}

/** Whether what is printed is read by the runner of GitHub Actions, or by one that works like it. */
export function isOnGitHub(): boolean {
  return Deno.env.get("GITHUB_ACTIONS") === "true";
}

/**
 * A text of which that runner takes nothing for a command; as JSON it is the same. It looks at whole lines: at those
 * that begin with `::name::`, and at `##[name]` wherever it stands, and what shows the log folds it by `##[group]`
 * once more, whatever the runner made of that. So texts are not put between `::stop-commands::` and its end: that
 * would leave `##[endgroup]` at work, and behind a kill no command.
 */
export function withoutCommands(text: string): string {
  return text.replaceAll("##[", "##\\u005b").replaceAll(/^(\s*):(?=:)/gm, "$1\\u003a");
}

/** The text, cut where it is wider than there is room for. */
export function fitTo(text: string, room: number | undefined): string {
  if (room === undefined || text.length <= room) return text;
  return `${text.slice(0, Math.max(0, room - 1))}…`;
}

/** As much of a command line as tells it from others. */
const MOST_OF_COMMAND = 400;

/** What may be very long, as a command line with its arguments: people see its begin, and how long it is. */
export function shortened(text: string, most: number = MOST_OF_COMMAND): string {
  if (text.length <= most) return text;
  return `${text.slice(0, most).toWellFormed()}… (${text.length} characters)`;
}

const MOST_QUOTED = 80;
const MOST_LISTED = 20;

/** A value that somebody wrote, in few words, for an error. */
export function quoted(value: unknown): string {
  return fitTo(describe(value), MOST_QUOTED);
}

/** Names, by default with commas between; of very many the first. */
export function listed(names: readonly string[], separator = ", "): string {
  const shown = names.slice(0, MOST_LISTED)
    .map((name) => fitTo(name, 2 * MOST_QUOTED)).join(separator);
  return names.length > MOST_LISTED ? `${shown} and ${names.length - MOST_LISTED} more` : shown;
}

/** An argument list as one would type it in a shell. */
export function commandLine(argv: readonly string[]): string {
  return argv.map(quoteArgument).join(" ");
}

function quoteArgument(argument: string): string {
  if (/^[\w@%+=:,./-]+$/.test(argument)) return argument;
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}

/** How wide a column of texts is, however many there are. */
export function columnWidth(texts: Iterable<string>, least: number): number {
  let width = least;
  for (const { length } of texts) width = Math.max(width, length);
  return width;
}

/** `1 run`, `3 runs`. */
export function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
