/**
 * What is made of text before people see it: nothing in it steers their terminal, and it fits the line.
 * Whatever comes from a log, a flow or a program goes through here.
 */

/**
 * The escape sequences of terminals: OSC up to its end, CSI, and the short ones. The same pattern as that
 * of Node's `stripVTControlCharacters`, which would load a hundred modules of Node at every start.
 */
const ESCAPE_SEQUENCE = new RegExp(
  "[\\u001B\\u009B][[\\]()#;?]*" +
    "(?:(?:(?:(?:;[-a-zA-Z\\d\\/\\#&.:=?%@~_]+)*" +
    "|[a-zA-Z\\d]+(?:;[-a-zA-Z\\d\\/\\#&.:=?%@~_]*)*)?" +
    "(?:\\u0007|\\u001B\\u005C|\\u009C))" +
    "|(?:(?:\\d{1,4}(?:;\\d{0,4})*)?" +
    "[\\dA-PR-TZcf-ntqry=><~]))",
  "g",
);
const CONTROL_CHARACTER = /[^\P{Cc}\n\t]/gu;

/**
 * Text that came from a log or a program, without what would steer the terminal. Of a line that
 * was written over, as progress bars do, the last state stays.
 */
export function printable(text: string): string {
  return text.replaceAll(ESCAPE_SEQUENCE, "")
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

/** How wide a column of texts is, however many there are. */
export function columnWidth(texts: readonly string[], least: number): number {
  return texts.reduce((width, { length }) => Math.max(width, length), least);
}

/** `1 run`, `3 runs`. */
export function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
