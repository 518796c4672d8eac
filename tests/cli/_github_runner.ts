/**
 * What the runner of GitHub Actions makes of the lines that a step prints, as its source says: commands begin a line
 * as `::name properties::data`, or stand anywhere in it as `##[name properties]data`, and what shows the log folds
 * what stands between `##[group]` and `##[endgroup]`, which it knows no others in.
 */

/** The environment of a step that is no command of a run. */
export const STEP: Readonly<Record<string, string>> = {
  GITHUB_ACTIONS: "true",
  TAFFRAIL_WITHIN: "",
};

/** What was made of the lines. */
export interface StepLog {
  /** What stands in no group. */
  lines: string[];
  /** The groups, in their order. */
  groups: { title: string; lines: string[] }[];
  /** What was annotated. */
  annotations: { level: string; data: string; [property: string]: string }[];
  /** What is kept out of the log from then on. */
  masks: string[];
  /** What went wrong with groups. */
  problems: string[];
}

const NAMES = ["group", "endgroup", "error", "warning", "notice", "debug", "add-mask", "echo"]
  .concat(["stop-commands", "add-matcher", "remove-matcher", "set-output", "save-state"]);

interface Command {
  name: string;
  properties: Record<string, string>;
  data: string;
}

/** Reads what a step has printed. */
export function readStepLog(text: string): StepLog {
  const log: StepLog = { lines: [], groups: [], annotations: [], masks: [], problems: [] };
  let open: StepLog["groups"][number] | undefined;
  // It is the runtime's reader that says what a line is.
  for (const line of text.split(/\r\n|\r|\n/)) {
    const command = commandIn(line);
    switch (command?.name) {
      case undefined:
        (open?.lines ?? log.lines).push(line);
        break;
      case "group":
        if (open !== undefined) log.problems.push(`${command!.data} begins in ${open.title}`);
        open = { title: command!.data, lines: [] };
        log.groups.push(open);
        break;
      case "endgroup":
        if (open === undefined) log.problems.push("a group ends that was not begun");
        open = undefined;
        break;
      case "add-mask":
        log.masks.push(command!.data);
        break;
      default: {
        const { name, properties, data } = command!;
        log.annotations.push({ level: name, data, ...properties });
      }
    }
  }
  if (open !== undefined) log.problems.push(`${open.title} has no end`);
  return log;
}

function commandIn(line: string): Command | undefined {
  const [, newHead, newData] = /^\s*::(.*?)::(.*)$/s.exec(line) ?? [];
  const [, oldHead, oldData] = /##\[([^\]]*)\](.*)$/s.exec(line) ?? [];
  return commandOf(newHead, newData, ",") ?? commandOf(oldHead, oldData, ";");
}

function commandOf(
  head: string | undefined,
  data: string | undefined,
  separator: string,
): Command | undefined {
  if (head === undefined || data === undefined) return undefined;
  const [name = "", ...rest] = head.split(" ");
  if (!NAMES.includes(name.toLowerCase())) return undefined;
  const pairs = rest.join(" ").split(separator).filter((pair) => pair.includes("="));
  const properties = Object.fromEntries(pairs.map((pair) => {
    const [, key = "", value = ""] = /^\s*([^=]*)=(.*)$/s.exec(pair)!;
    return [key, unescape(value.replaceAll("%3A", ":").replaceAll("%2C", ","))];
  }));
  return { name: name.toLowerCase(), properties, data: unescape(data) };
}

function unescape(text: string): string {
  return text.replaceAll("%0D", "\r").replaceAll("%0A", "\n").replaceAll("%25", "%");
}
