import { Marked } from "marked";
import { type Heading, targetOf } from "../markdown.ts";
import type { SitePage } from "./pages.ts";

/** What is taken of highlight.js: its own types bring those of a browser, for all files that are checked. */
interface Highlighter {
  highlight(code: string, options: { language: string }): { value: string };
}

const { default: highlighter }: { default: Highlighter } = await import(
  "highlight.js/lib/common" as string
);

/** The language of code, by the word behind a fence or the end of a file's name. */
const LANGUAGE_OF: Record<string, string> = {
  ts: "typescript",
  js: "typescript",
  json: "json",
  jsonc: "json",
  sh: "bash",
  run: "bash",
  console: "shell",
  sql: "sql",
  yml: "yaml",
};

/**
 * What stands in the middle of a page, as HTML.
 *
 * @param pages All pages, by path: links between them are rewritten.
 */
export function renderContent(page: SitePage, pages: ReadonlyMap<string, SitePage>): string {
  const { content, path, title } = page;
  if (content.kind === "source") {
    const language = /[^./]*$/.exec(path)![0];
    return `<h1>${escapeHtml(path)}</h1>\n${codeBlock(content.text, language)}`;
  }
  if (content.kind === "folder") {
    const items = content.paths.map((found) => {
      const { url, title } = pages.get(found)!;
      const href = relativeUrl(page.url, url);
      return `<li><a href="${href}">${escapeHtml(title.replace(`${path}/`, ""))}</a></li>`;
    });
    return `<h1>${escapeHtml(title)}</h1>\n<ul>\n${items.join("\n")}\n</ul>`;
  }
  const { tokens, headings } = content.page;
  return markedFor(page, { headings, pages }).parser(tokens);
}

function markedFor(
  page: SitePage,
  { headings, pages }: { headings: readonly Heading[]; pages: ReadonlyMap<string, SitePage> },
): Marked {
  // They are rendered in the order in which they were found.
  let rendered = 0;
  return new Marked({
    renderer: {
      heading({ tokens, depth }) {
        const anchor = escapeHtml(headings[rendered++]!.anchor);
        const text = this.parser.parseInline(tokens);
        const link = depth === 1 ? "" : ` <a class="anchor" href="#${anchor}" aria-label="#">#</a>`;
        return `<h${depth} id="${anchor}">${text}${link}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const target = urlOf(page, href, pages);
        return `<a href="${escapeHtml(target)}">${this.parser.parseInline(tokens)}</a>`;
      },
      code({ text, lang = "" }) {
        return codeBlock(text, lang.split(/\s/)[0]!);
      },
      table(token) {
        const row = (cells: typeof token.header) =>
          `<tr>${cells.map((cell) => this.tablecell(cell)).join("")}</tr>\n`;
        const head = `<thead>${row(token.header)}</thead>`;
        const body = `<tbody>${token.rows.map(row).join("")}</tbody>`;
        return `<div class="wide" tabindex="0"><table>${head}${body}</table></div>\n`;
      },
    },
  });
}

/** Where a link of a page leads to in the site. */
function urlOf(page: SitePage, link: string, pages: ReadonlyMap<string, SitePage>): string {
  const target = link.startsWith("#") ? null : targetOf(page.path, link);
  if (target === null) return link;
  const anchor = /#.*/.exec(link)?.[0] ?? "";
  return relativeUrl(page.url, pages.get(target.path)!.url) + anchor;
}

/** The address of one page of the site as another one names it. */
export function relativeUrl(from: string, to: string): string {
  return "../".repeat(from.split("/").length - 1) + encodeURI(to);
}

function codeBlock(text: string, word: string): string {
  const language = LANGUAGE_OF[word];
  const html = language === undefined
    ? escapeHtml(text)
    : highlighter.highlight(text, { language }).value;
  return `<pre tabindex="0"><code>${html}</code></pre>\n`;
}

/** Text as it stands in HTML, between tags and in attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
