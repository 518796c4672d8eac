/** Pages of runs, as tests look at them. */
import { assert } from "@std/assert";
import { pageHtml } from "../../cli/report/page_html.ts";
import type { PageData, PageNode } from "../../cli/report/page_data.ts";
import { readPageData } from "../../cli/report/read_page_data.ts";
import { openFileRoot } from "../../run/mod.ts";
import { onlyRun } from "./_runs.ts";

/** What the page of a run below a root shows; of its only run where none is named. `before`: what it showed. */
export async function pageDataOf(
  root: string,
  runId?: string,
  before?: PageData,
): Promise<PageData> {
  await using runs = openFileRoot(root);
  return await readPageData({ root, runs }, runId ?? await onlyRun(root), { before });
}

/** The data that stand in a page. */
export function dataIn(html: string): PageData {
  const [, json] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html) ?? [];
  assert(json !== undefined, "the page has no data");
  return JSON.parse(json);
}

/** The page, and what it is made of besides its data. */
export async function partsOf(data: PageData) {
  const html = await pageHtml(data);
  const [, script = ""] = /<script type="module">(.*?)<\/script>/s.exec(html) ?? [];
  const [, style = ""] = /<style>(.*?)<\/style>/s.exec(html) ?? [];
  const [, policy = ""] = /Content-Security-Policy" content="([^"]*)"/.exec(html) ?? [];
  return { html, script, style, policy };
}

/** A node of a page, by its id. */
export function nodeIn({ nodes }: PageData, id: string): PageNode {
  const node = nodes.find((node) => node.id === id);
  assert(node !== undefined, `the page has no ${id}`);
  return node;
}

/** Data of a page in which there is nothing but what is given. */
export function makePageData(
  { run, ...others }: Partial<Omit<PageData, "run">> & { run?: Partial<PageData["run"]> },
): PageData {
  return {
    readMs: Date.UTC(2026, 10, 30),
    run: {
      id: "ci-01kpfntqeej7vhn935kc0tm9vn",
      kind: "flow",
      name: "ci",
      outcome: "completed",
      outcomeText: "completed",
      why: [],
      next: [],
      isLive: false,
      beganMs: Date.UTC(2026, 10, 29),
      durationMs: 1000,
      damage: [],
      about: [],
      ...run,
    },
    nodes: [],
    critical: { nodes: [], by: "needs" },
    decisions: [],
    waits: [],
    records: [],
    pauses: [],
    left: 0,
    ...others,
  };
}

/** A node of a page that ran from a time to another. */
export function makePageNode(
  id: string,
  times: { readyMs?: number; startMs: number; endMs?: number },
  others: Partial<PageNode> = {},
): PageNode {
  const state = times.endMs === undefined ? "running" : "completed";
  return {
    ...{ id, state, text: "", about: [], needs: [], deferrals: [] },
    attempts: [{ number: 1, state, text: "", outputs: [], error: [], ...times }],
    ...others,
  };
}
