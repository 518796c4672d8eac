/** The pages that are shown live: that of a run, with what makes it so, and that of all runs. */
import dom from "../client/dom.js" with { type: "text" };
import live from "../client/live.js" with { type: "text" };
import liveRun from "../client/live_run.js" with { type: "text" };
import runs from "../client/runs.js" with { type: "text" };
import words from "../client/words.js" with { type: "text" };
import runBody from "../client/live_run.html" with { type: "text" };
import runsBody from "../client/runs.html" with { type: "text" };
import liveStyle from "../client/live.css" with { type: "text" };
import pageStyle from "../client/page.css" with { type: "text" };
import partsStyle from "../client/parts.css" with { type: "text" };
import { type HtmlDocument, htmlDocument } from "../html_document.ts";
import type { PageData } from "../page_data.ts";
import { pageDocument } from "../page_html.ts";
import type { LivePage } from "./live_feed.ts";
import type { RunsData } from "./runs_data.ts";

const STYLE = partsStyle + pageStyle + liveStyle;

/** The page of a run; `events` is where it hears of what changes. */
export async function liveRunPage(
  { data, position }: LivePage,
  events: string,
): Promise<HtmlDocument> {
  return await pageDocument(data as unknown as PageData, {
    body: runBody,
    style: liveStyle,
    script: [live, liveRun],
    live: { events, position },
  });
}

/** The page of all runs. */
export async function liveRunsPage(
  { data, position }: LivePage,
  events: string,
): Promise<HtmlDocument> {
  const { root } = data as unknown as RunsData;
  return await htmlDocument({
    title: `runs in ${root}`,
    style: STYLE,
    body: runsBody,
    script: [words, dom, live, runs],
    blocks: { data, live: { events, position } },
    connects: true,
  });
}

/** A page that says why there is none; `list` is where that of all runs is. */
export async function problemPage(problem: string, list: string): Promise<HtmlDocument> {
  return await htmlDocument({
    title: "This cannot be shown",
    style: STYLE,
    body: `<main>
<p class="live-bar"><a href="${list}">all runs</a></p>
<p id="problem" role="alert"></p>
</main>
`,
    script: [`document.getElementById("problem").textContent =
  JSON.parse(document.getElementById("data").textContent);`],
    blocks: { data: problem },
  });
}
