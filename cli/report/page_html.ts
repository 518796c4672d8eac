/**
 * The page of a run as one HTML document that loads nothing. What is always true:
 *
 * - **Nothing of a record is markup or code.** The data stands in a block of JSON, in which every `<` is written
 *   as `\u003c`, and the script only makes texts of it.
 * - **Nothing runs but this script**: the policy names it, and the style, by their hashes, and permits no others,
 *   no attributes that are code or style, and no connection.
 */
import { encodeUtf8 } from "../../_internal/text.ts";
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
import type { PageData } from "./page_data.ts";
import { jsonBlock } from "./page_text.ts";

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

/** Makes the page. */
export async function pageHtml(data: PageData): Promise<string> {
  const script = scriptOf(FILES);
  const style = partsStyle + pageStyle;
  const policy = [
    "default-src 'none'",
    `script-src '${await hashOf(script)}'`,
    `style-src '${await hashOf(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const { run } = data;
  const title = `${run.name || run.id}: ${run.outcomeText}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
${body}<script type="application/json" id="data">${jsonBlock(data)}</script>
<script type="module">${script}</script>
</body>
</html>
`;
}

/**
 * The files of the script as one: they stand in one scope, so that nothing has to be imported. Each name is
 * declared in one of them only.
 */
function scriptOf(files: readonly string[]): string {
  return files.map((text) => {
    return text.replaceAll(/^import .*?;\n/gms, "").replaceAll(
      /^export (?=function|const|class)/gm,
      "",
    );
  }).join("\n");
}

/** What a policy calls a text by. */
async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", encodeUtf8(text));
  return `sha256-${new Uint8Array(digest).toBase64()}`;
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"'\u2028\u2029]/g, (character) => `&#${character.charCodeAt(0)};`);
}
