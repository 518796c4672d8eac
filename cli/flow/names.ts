const LONGEST_NODE_ID = 64;
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i;

/** What is wrong with the name of a flow or a node, which become names of files. */
export function nameProblem(name: unknown, longest = LONGEST_NODE_ID): string | undefined {
  if (typeof name !== "string") return "is no text";
  if (name.length < 1 || name.length > longest) return `must have 1 to ${longest} characters`;
  if (!/^[A-Za-z0-9._-]+$/.test(name)) return "may only have letters, digits, '.', '_' and '-'";
  if (/^[.-]|[.-]$/.test(name)) return "may not begin or end with '.' or '-'";
  if (WINDOWS_DEVICE.test(name)) return "is the name of a Windows device";
  return undefined;
}

/** A name made of any text, such as the file name of a program. */
export function nameFrom(text: string): string {
  const name = text.replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .slice(0, LONGEST_NODE_ID).replaceAll(/^[.-]+|[.-]+$/g, "");
  return nameProblem(name) === undefined ? name : "command";
}
