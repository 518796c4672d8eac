/** The page of a run, as one HTML document that loads nothing. */
import axis from "./client/axis.js" with { type: "text" };
import dom from "./client/dom.js" with { type: "text" };
import failures from "./client/failures.js" with { type: "text" };
import head from "./client/head.js" with { type: "text" };
import lanes from "./client/lanes.js" with { type: "text" };
import lists from "./client/lists.js" with { type: "text" };
import main from "./client/main.js" with { type: "text" };
import model from "./client/model.js" with { type: "text" };
import nodePanel from "./client/node_panel.js" with { type: "text" };
import table from "./client/table.js" with { type: "text" };
import timeline from "./client/timeline.js" with { type: "text" };
import timelineDraw from "./client/timeline_draw.js" with { type: "text" };
import words from "./client/words.js" with { type: "text" };
import body from "./client/page_body.html" with { type: "text" };
import pageStyle from "./client/page.css" with { type: "text" };
import partsStyle from "./client/parts.css" with { type: "text" };
import { type HtmlDocument, htmlDocument } from "./html_document.ts";
import type { PageData } from "./page_data.ts";

/** The files of the script, each behind those that it imports. */
const FILES = [
  words,
  dom,
  model,
  lanes,
  axis,
  timelineDraw,
  timeline,
  head,
  nodePanel,
  failures,
  lists,
  table,
  main,
];

/** What is added to a page that is shown live. */
export interface LiveParts {
  /** Markup above the rest. */
  body: string;
  /** More of the style sheet. */
  style: string;
  /** More files of the script, behind the others. */
  script: readonly string[];
  /** What the script is told of how to keep up. */
  live: { events: string; position: string };
}

/** Makes the page, to be kept. */
export async function pageHtml(data: PageData): Promise<string> {
  return (await pageDocument(data)).html;
}

/** Makes the page; with more parts one that is shown live. */
export async function pageDocument(data: PageData, more?: LiveParts): Promise<HtmlDocument> {
  const { run } = data;
  return await htmlDocument({
    title: `${run.name || run.id}: ${run.outcomeText}`,
    style: partsStyle + pageStyle + (more?.style ?? ""),
    body: (more?.body ?? "") + body,
    script: [...FILES, ...more?.script ?? []],
    blocks: { data, ...(more && { live: more.live }) },
    connects: more !== undefined,
  });
}
