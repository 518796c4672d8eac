import type { Group, SitePage } from "./pages.ts";
import { escapeHtml, relativeUrl, renderContent } from "./render.ts";

/** Where the style sheet is in the site. */
export const STYLE = "style.css";

/** A page of the site: what stands in it, between the names of all pages and those of its sections. */
export function layOut(
  page: SitePage,
  { pages, groups, version }: {
    pages: ReadonlyMap<string, SitePage>;
    groups: readonly Group[];
    version: string;
  },
): string {
  const to = (url: string) => relativeUrl(page.url, url);
  const name = page.url === "index.html" ? "taffrail" : `${page.title} · taffrail`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(name)}</title>
<link rel="stylesheet" href="${to(STYLE)}">
</head>
<body>
<header><a href="${to("index.html")}">taffrail</a> <span>${escapeHtml(version)}</span>
<a class="to-pages" href="#pages">All pages</a></header>
<main>
${listSections(page)}${renderContent(page, pages)}</main>
<nav id="pages" aria-label="All pages">
${groups.map((group) => listGroup(group, page)).join("\n")}
</nav>
</body>
</html>
`;
}

function listGroup({ title, pages }: Group, page: SitePage): string {
  const items = pages.map(({ title, url }) => {
    const current = url === page.url ? ' aria-current="page"' : "";
    return `<li><a href="${relativeUrl(page.url, url)}"${current}>${escapeHtml(title)}</a></li>`;
  });
  return `<h2>${escapeHtml(title)}</h2>\n<ul>\n${items.join("\n")}\n</ul>`;
}

/** The sections of a page that has many. */
function listSections({ content }: SitePage): string {
  if (content.kind !== "markdown") return "";
  const sections = content.page.headings.filter(({ depth }) => depth === 2);
  if (sections.length < 3) return "";
  const items = sections.map(({ text, anchor }) => {
    return `<li><a href="#${escapeHtml(anchor)}">${escapeHtml(text)}</a></li>`;
  });
  return `<details class="sections"><summary>On this page</summary>
<ul>
${items.join("\n")}
</ul></details>
`;
}
