/** Data of runs that were never made, for what renders it. */
import type { PageAttempt, PageData, PageNode, PageRun } from "../../cli/report/page_data.ts";
import { makePageData } from "./_page.ts";

/** A run of nodes. */
export function pageOf(nodes: PageNode[], run: Partial<PageRun> = {}): PageData {
  return makePageData({
    readMs: 0,
    run: {
      ...{ id: "flow-1", name: "flow", outcome: "failed", outcomeText: "failed" },
      ...{ beganMs: Date.UTC(2026, 10, 30), durationMs: 1500 },
      ...run,
    },
    nodes,
  });
}

/** A node with an attempt that has come to the same. */
export function nodeOf(
  node: Partial<PageNode> & Pick<PageNode, "id" | "state">,
  attempt: Partial<PageAttempt> = {},
): PageNode {
  const { state, text = state === "failed" ? "failed, exit code 1" : "" } = node;
  const hasBegun = state !== "skipped" && state !== "pending";
  const one = { number: 1, state, text, startMs: 0, endMs: 250, outputs: [], error: [] };
  return {
    about: [],
    needs: [],
    deferrals: [],
    text,
    attempts: hasBegun ? [{ ...one, ...attempt }] : [],
    ...node,
  };
}

/** What a command printed to one of its outputs. */
export function printed(
  text: string,
  stream: "stdout" | "stderr" = "stderr",
): Partial<PageAttempt> {
  return { outputs: [{ stream, text }] };
}
