import { stripVTControlCharacters } from "node:util";

const CONTROL_CHARACTER = /[^\P{Cc}\n\t]/gu;

/**
 * Text that came from a log or a program, without what would steer the terminal. Of a line that
 * was written over, as progress bars do, the last state stays.
 */
export function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/\r+\n/g, "\n")
    .replaceAll(/^.*\r(?=.)/gm, "")
    .replaceAll(CONTROL_CHARACTER, "");
}

/** {@linkcode printable} on one line. */
export function printableLine(text: string): string {
  return printable(text.replaceAll(/[\r\n\t]+/g, " "));
}

/** The text, cut where it is wider than there is room for. */
export function fitTo(text: string, room: number | undefined): string {
  if (room === undefined || text.length <= room) return text;
  return `${text.slice(0, Math.max(0, room - 1))}…`;
}

/** An argument list as one would type it in a shell. */
export function commandLine(argv: readonly string[]): string {
  return argv.map(quoteArgument).join(" ");
}

function quoteArgument(argument: string): string {
  if (/^[\w@%+=:,./-]+$/.test(argument)) return argument;
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}
