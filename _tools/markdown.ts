/** What the checks and the site see of a page in Markdown, as GitHub shows it. */
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import GithubSlugger from "github-slugger";
import { marked, type MarkedToken, type Token } from "marked";
import { lineAt } from "./_source.ts";

/** Something in a page, and its 1-based line. */
export interface Found {
  text: string;
  line: number;
}

/** A heading, and what leads to it behind a `#`. */
export interface Heading extends Found {
  depth: number;
  anchor: string;
}

/** A block of code. */
export interface CodeBlock extends Found {
  /** The first word behind the fence, or nothing. */
  language: string;
}

/** A page. */
export interface Page {
  tokens: MarkedToken[];
  headings: Heading[];
  /** Where its links lead to, and its pictures are, as they stand there. */
  links: Found[];
  blocks: CodeBlock[];
  /** What stands between backticks in its text. */
  spans: Found[];
  /** HTML, which GitHub and the site would show differently. */
  html: Found[];
}

/** Reads a page. */
export function parsePage(text: string): Page {
  const tokens = marked.lexer(text) as MarkedToken[];
  const page: Page = { tokens, headings: [], links: [], blocks: [], spans: [], html: [] };
  const slugger = new GithubSlugger();
  let offset = 0;
  for (const top of tokens) {
    const start = offset;
    offset += top.raw.length;
    marked.walkTokens([top], (token) => {
      const within = Math.max(0, top.raw.indexOf(token.raw));
      take(page, token as MarkedToken, { line: lineAt(text, start + within), slugger });
    });
  }
  return page;
}

function take(
  page: Page,
  token: MarkedToken,
  { line, slugger }: { line: number; slugger: GithubSlugger },
): void {
  if (token.type === "heading") {
    const text = plainText(token.tokens);
    page.headings.push({ text, line, depth: token.depth, anchor: slugger.slug(text) });
  } else if (token.type === "link" || token.type === "image") {
    page.links.push({ text: token.href, line });
  } else if (token.type === "code") {
    page.blocks.push({ text: token.text, line, language: token.lang?.split(/\s/)[0] ?? "" });
  } else if (token.type === "codespan") {
    page.spans.push({ text: token.text, line });
  } else if (token.type === "html") {
    page.html.push({ text: token.raw, line });
  }
}

/** What a link leads to. */
export interface Target {
  /** The file or folder of the project. */
  path: string;
  /** What stands behind the `#`. */
  anchor: string | undefined;
}

/** What a link in the page at `path` leads to in the project, or null where it leads out of it. */
export function targetOf(path: string, link: string): Target | null {
  if (/^(https?|mailto):/.test(link)) return null;
  const [target = "", anchor] = decodeURI(link).split("#");
  const found = target === "" ? path : join(dirname(path), target).replace(/\/$/, "");
  return { path: found, anchor };
}

/** What is read of some text when how it is set does not count. */
function plainText(tokens: readonly Token[]): string {
  return tokens.map((token) => {
    return "tokens" in token && token.tokens !== undefined
      ? plainText(token.tokens)
      : "text" in token
      ? String(token.text)
      : "";
  }).join("");
}
