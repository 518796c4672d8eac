/** What CI systems are told of a node or a run: in a line why it is as it is, and in some what it printed in the end. */
import { fitTo } from "../text/printable.ts";
import { withoutMaskedValue } from "../text/workflow_commands.ts";
import type { PageAttempt, PageNode, PageRun } from "./page_data.ts";

const MOST_OF_REASON = 300;

/** The last attempt at a node, whose end is the node's. */
export function lastOf({ attempts }: PageNode): PageAttempt | undefined {
  return attempts.at(-1);
}

/** How long an attempt took, in milliseconds; undefined where that is not known. */
export function lengthOf({ startMs, endMs, isCutOff }: PageAttempt): number | undefined {
  if (startMs === undefined || endMs === undefined || isCutOff) return undefined;
  return endMs - startMs;
}

/** Whether a node or an attempt has ended, and did not complete. */
export function isBad({ state }: Pick<PageNode, "state">): boolean {
  return state === "failed" || state === "cancelled";
}

/** Whether the failure of a node has no part in what becomes of its run, as of a step whose program went on. */
export function isAllowed(node: PageNode, run: Pick<PageRun, "outcome">): boolean {
  return isBad(node) && (node.mayFail === true || run.outcome === "completed");
}

/** Why a node stands as it does, in words that are no sentence: `failed, exit code 3: row 17: no date`. */
export function whyOf(node: PageNode, run: PageRun): string {
  const { state, text } = node;
  if (state === "skipped") return text.replace(/^skipped: /, "");
  if (state === "pending") return run.isLive ? "not started yet" : "not started";
  if (!isBad(node)) return text || state;
  const said = errorOf(lastOf(node), run);
  return `${howFailed(node, run)}${said === "" ? "" : `: ${said}`}`;
}

/** How a node failed, and whether that is all right. */
export function howFailed(node: PageNode, run: Pick<PageRun, "kind" | "outcome">): string {
  if (!isAllowed(node, run)) return node.text;
  return `${node.text}, ${run.kind === "program" ? "and its program went on" : "which it may"}`;
}

/** An error says first what it is; of what a command printed its last line says most. */
function errorOf(
  attempt: PageAttempt | undefined,
  { kind }: Pick<PageRun, "kind">,
): string {
  const lines = attempt?.error ?? [];
  const line = (kind === "program" ? lines[0] : lines.at(-1)) ?? "";
  return fitTo(withoutMaskedValue(line.trim()), MOST_OF_REASON).toWellFormed();
}

/**
 * What an attempt printed in the end, or what is recorded of its failure; each part with what it is of. What was not
 * begun has printed nothing.
 */
export function endsOf(attempt: PageAttempt | undefined): { title: string; text: string }[] {
  if (attempt === undefined) return [];
  const { outputs, error } = attempt;
  if (outputs.length === 0 && error.length > 0) return [{ title: "", text: error.join("\n") }];
  return outputs.map(({ stream, text, note }) => {
    const shown = text.split("\n").map(withoutMaskedValue).join("\n");
    return { title: `${stream}${note === undefined ? "" : ` (${note})`}`, text: shown };
  });
}

/** How an attempt ended, as one of several: `attempt 1: 5ms, failed, exit code 3`. */
export function howItEnded({ state, text }: PageAttempt): string {
  return text || state;
}

/** Why the run as a whole is not completed; undefined where it is. */
export function problemOf(run: PageRun): string | undefined {
  if (run.outcome === "completed") return undefined;
  return [run.outcomeText, ...run.why].join(": ");
}
