import { listRuns } from "../../eventlog/mod.ts";
import { findRun } from "../find_run.ts";
import { inspectOtherRuntimes } from "./inspect_store.ts";
import { inspectRun } from "./inspect_run.ts";
import type { Problem } from "./problem.ts";

/** The runs that are meant: those that are named, or all. */
export async function chosenRuns(root: string, operands: readonly string[]): Promise<string[]> {
  if (operands.length === 0) return await listRuns(root);
  const found = await Promise.all(operands.map((operand) => findRun(root, operand)));
  return [...new Set(found)];
}

/**
 * Looks at runs, one after the other, and tells of each that is begun with; then, with `others`, at
 * what belongs to none.
 */
export async function inspectRuns(
  { root, runIds, others }: { root: string; runIds: readonly string[]; others: boolean },
  onRun: (text: string) => void,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const [index, runId] of runIds.entries()) {
    onRun(progressText(runIds, index));
    problems.push(...await inspectRun(root, runId));
  }
  if (others) problems.push(...await inspectOtherRuntimes(root, runIds));
  return problems;
}

/** How far one is, in words. */
export function progressText(runIds: readonly string[], index: number): string {
  return `${index + 1}/${runIds.length} ${runIds[index]}`;
}
