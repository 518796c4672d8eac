/**
 * A page as one HTML document that loads nothing. What is always true:
 *
 * - **Nothing of a record is markup or code.** The data stands in a block of JSON, in which every `<` is written
 *   as `\u003c`, and the script only makes texts of it.
 * - **Nothing runs but this script**: the policy names it, and the style, by their hashes, and permits no others,
 *   no attributes that are code or style, and no connection but, where a page is shown live, to where it came from.
 */
import { encodeUtf8 } from "../../_internal/text.ts";
import { jsonBlock } from "./page_text.ts";

/** A page, and what it may do. */
export interface HtmlDocument {
  /** The document. */
  html: string;
  /** Its policy, which stands in it too. */
  policy: string;
}

/** What a page is made of. */
export interface HtmlParts {
  /** Its title, any text. */
  title: string;
  /** Its style sheet. */
  style: string;
  /** Its markup, with nothing of a record. */
  body: string;
  /** The files of its script, each behind those that it imports. */
  script: readonly string[];
  /** Its data: blocks of JSON, by their ids. */
  blocks: Readonly<Record<string, unknown>>;
  /** Whether it may ask where it came from for more. */
  connects?: boolean;
}

/** Puts a page together. */
export async function htmlDocument(
  { title, style, body, script: files, blocks, connects = false }: HtmlParts,
): Promise<HtmlDocument> {
  const script = scriptOf(files);
  const policy = [
    "default-src 'none'",
    `script-src '${await hashOf(script)}'`,
    `style-src '${await hashOf(style)}'`,
    ...(connects ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const data = Object.entries(blocks).map(([id, value]) => {
    return `<script type="application/json" id="${id}">${jsonBlock(value)}</script>\n`;
  });
  const html = `<!doctype html>
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
${body}${data.join("")}<script type="module">${script}</script>
</body>
</html>
`;
  return { html, policy };
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
