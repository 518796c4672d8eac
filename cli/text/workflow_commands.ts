/**
 * Commands to the runner of GitHub Actions, which takes them from the lines that a step prints, of both its outputs.
 * Any text may stand in them.
 */

/** A command of a line that asks to keep a value out of the log, and the value. */
const MASK_COMMAND = /^(\s*::add-mask::|.*?##\[add-mask\])(.+)$/i;

/** The line, if it asks to keep a value out of the log: only as such may it be printed. */
export function maskCommandIn(line: string): string | undefined {
  const [, , value] = MASK_COMMAND.exec(line) ?? [];
  return value === undefined ? undefined : `::add-mask::${value}`;
}

/** The line, without the value that it asks to keep out of the log, if it does. */
export function withoutMaskedValue(line: string): string {
  return line.replace(MASK_COMMAND, "$1***");
}

/** What a command says, and of what. */
interface CommandParts {
  /** What it says: any text. */
  data?: string;
  /** What it says it of; what is undefined is left out. */
  properties?: Readonly<Record<string, string | number | undefined>>;
}

/** The line of a command, which may say any text. */
export function workflowCommand(
  name: "group" | "endgroup" | "error" | "warning",
  { data = "", properties = {} }: CommandParts = {},
): string {
  const given = Object.entries(properties).filter(([, value]) => value !== undefined);
  const said = given.map(([key, value]) => `${key}=${escapeProperty(String(value))}`);
  const of = said.length === 0 ? "" : ` ${said.join(",")}`;
  return `::${name}${of}::${escapeData(data)}`;
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
