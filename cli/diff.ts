import { type BundleDifference, diffBundles } from "../capture/mod.ts";
import { COMMON_HELP, readArguments, type Verb } from "./arguments.ts";
import { openCapture } from "./open_capture.ts";
import { printableLine } from "./printable.ts";
import { Screen } from "./screen.ts";
import { UsageError } from "./usage_error.ts";

/** `taffrail diff`: compares two recordings. */
export const diffVerb: Verb = {
  summary: "compare what two runs were given and what was decided",
  help: `Compares two recordings: what their supervisors were given, and what they
decided. Each of A and B is the id of a run, or its beginning where no other
begins so, or the path of a capture file.

Usage: taffrail diff [options] A B

${COMMON_HELP}

Times differ between any two runs of the same flow; to see whether one would be
decided on again as it was, use taffrail replay. Exit codes: 0 they are equal, 1
they differ. --json prints a list of { "kind": "changed" | "missing" | "extra",
"path", "before", "after" }; missing is what only A has.`,

  async run(args) {
    const { root, json, operands } = readArguments("diff", args);
    const [first, second] = operands;
    if (operands.length !== 2 || !first || !second) {
      throw new UsageError(
        "taffrail diff takes two runs or capture files; see taffrail diff --help",
      );
    }
    const [a, b] = [await openCapture(root, first), await openCapture(root, second)];
    const differences = diffBundles(a.bundle, b.bundle);
    const screen = new Screen(Deno.stdout);
    if (json) {
      screen.line(JSON.stringify(differences));
    } else if (differences.length === 0) {
      screen.line("they are equal");
    } else {
      for (const difference of differences) screen.line(printableLine(textOf(difference)));
    }
    return differences.length === 0 ? 0 : 1;
  },
};

function textOf({ kind, path, before, after }: BundleDifference): string {
  switch (kind) {
    case "changed":
      return `~ ${path}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`;
    case "missing":
      return `- ${path}: ${JSON.stringify(before)}`;
    case "extra":
      return `+ ${path}: ${JSON.stringify(after)}`;
  }
}
