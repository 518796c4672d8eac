import { resolve } from "node:path";
import { findRoot } from "./find_root.ts";
import { commandLine } from "./printable.ts";

/** What to type here, about a run or all of them: with `--root` where they are not found without. */
export function commandHint(
  verb: string,
  { root, runId }: { root: string; runId?: string },
): string {
  const isFound = resolve(root) === resolve(findRoot(Deno.cwd()));
  const options = isFound ? [] : ["--root", root];
  const operands = runId === undefined ? [] : [runId];
  return commandLine(["taffrail", verb, ...options, ...operands]);
}
