import { payloadText } from "../../_internal/event_payload.ts";
import { isRawJson, numberOf, setMember } from "../../_internal/wire_json/json_value.ts";
import { type BundleDifference, diffBundles } from "../../capture/bundle/diff_bundles.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import { UsageError } from "../exit_codes.ts";
import { damageText, openCapture, type OpenedCapture } from "../reading/open_capture.ts";
import { commandLine, counted, printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { type OptionTable, readArguments, RUN_OPERAND, type Verb } from "../text/arguments.ts";

const OPTIONS = {
  times: {
    text: "compare times, how long nodes took and in which process it was, too: they differ " +
      "between any two runs",
  },
} as const satisfies OptionTable;

/** `taffrail diff`: compares two recordings. */
export const diffVerb: Verb = {
  summary: "compare what two runs were given and what was decided",
  help: {
    about: `Compares two recordings, and tells what differs node by node: how it ended,
what it runs, how many attempts it took and whether it printed the same, and of
the step of a program what it was given and what it gave; where no node tells
the difference, place by place: what their supervisors were given, and what they
decided. Each of A and B is a RUN, or the path of a capture file.
${RUN_OPERAND}`,
    usage: ["[options] A B"],
    options: OPTIONS,
    operands: ["RUN|BUNDLE", "RUN|BUNDLE"],
    notes: "To see whether a run would be decided on again as it was, use taffrail replay.",
    exitCodes: "0 they are equal, 1 they differ.",
    json: `a list of { "kind": "changed" | "missing" | "extra", "path", "before", "after"
}; missing is what only A has.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("diff", args, OPTIONS);
    const [first, second] = operands;
    if (operands.length !== 2 || !first || !second) {
      throw new UsageError(
        "taffrail diff takes two runs or capture files; see taffrail diff --help",
      );
    }
    const withTimes = options.times ?? false;
    const opened = [await openCapture(root, first), await openCapture(root, second)] as const;
    // It is told before times are taken out, by what nobody needs who wants the places.
    const words = json ? undefined : await import("../reading/diff_words.ts");
    const [told, other] = opened.map(({ bundle }) => words?.tellRecording(bundle));
    const [a, b] = [readable(opened[0], withTimes), readable(opened[1], withTimes)];
    const differences = diffBundles(a.bundle, b.bundle);
    const screen = new Screen(Deno.stdout);
    const isDamaged = [a, b].map((capture) => showDamage(capture)).includes(true);
    if (json) {
      screen.line(JSON.stringify(differences));
    } else if (differences.length === 0) {
      screen.line(isDamaged ? "what can be read of them is equal" : "they are equal");
    } else {
      const inWords = told && other ? words!.diffInWords(told, other, withTimes) : [];
      const lines = linesOf(differences, { inWords, operands });
      for (const line of lines) screen.line(printableLine(line));
    }
    return differences.length === 0 && !isDamaged ? 0 : 1;
  },
};

function showDamage({ name, damage }: OpenedCapture): boolean {
  if (damage === null) return false;
  const text = `the journal of ${name} ends at ${damageText(damage)}`;
  new Screen(Deno.stderr).line(printableLine(text));
  return true;
}

/** What differs, by node; by place where no node tells it. */
function linesOf(
  differences: BundleDifference[],
  { inWords, operands }: { inWords: string[]; operands: string[] },
): string[] {
  if (inWords.length === 0) return differences.map(textOf);
  const places = counted(differences.length, "place");
  const command = commandLine(["taffrail", "diff", "--json", ...operands]);
  return [...inWords, `${places} of the recordings: ${command}`];
}

function textOf({ kind, path, before, after }: BundleDifference): string {
  switch (kind) {
    case "changed":
      return `~ ${path}: ${jsonOrNothing(before)} -> ${jsonOrNothing(after)}`;
    case "missing":
      return `- ${path}: ${JSON.stringify(before)}`;
    case "extra":
      return `+ ${path}: ${JSON.stringify(after)}`;
  }
}

/** A member that only one of two records has is `undefined` in the other. */
function jsonOrNothing(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}

/** When it was, how long it took, and in which process: that differs between any two runs. */
const TIMES = ["event_time", "at", "now", "next_due", "schedule_at", "duration_ms"];
const PROCESS = ["pid", "host", "start_time", "boot_id"];

/**
 * The recording with payloads as the JSON that they are, and times only where they are wanted. It is changed
 * record by record, as there may not be room for two of a large one.
 */
function readable(capture: OpenedCapture, withTimes: boolean): OpenedCapture {
  return { ...capture, bundle: readableValue(capture.bundle, withTimes) as CaptureBundle };
}

function readableValue(value: unknown, withTimes: boolean): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isRawJson(value)) return numberOf(value);
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) value[index] = readableValue(item, withTimes);
    return value;
  }
  const members: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    if (!withTimes && (TIMES.includes(name) || PROCESS.includes(name))) continue;
    const shown = name === "payload" ? parsedPayload(member) : readableValue(member, withTimes);
    setMember(members, name, shown);
  }
  return members;
}

/** The JSON of a payload, or the payload as it is recorded where it is no JSON. */
function parsedPayload(recorded: unknown): unknown {
  try {
    return JSON.parse(payloadText(recorded as string | number[]));
  } catch {
    return recorded;
  }
}
