import { join } from "@std/path/posix/join";
import { type Page, parsePage, targetOf } from "../markdown.ts";
import type { Project } from "../_project.ts";

/** A page of the site: a page in Markdown, any other file as it is, or what a folder has. */
export interface SitePage {
  /** The file or folder of the project. */
  path: string;
  /** Where it is in the site. */
  url: string;
  title: string;
  /** What it is made of. */
  content:
    | { kind: "markdown"; page: Page }
    | { kind: "source"; text: string }
    | { kind: "folder"; paths: string[] };
}

/** A group of pages as the site lists them. */
export interface Group {
  title: string;
  pages: { title: string; url: string }[];
}

/** What a reader is to see first; guides that are not named here follow, by their names. */
const GUIDES = [
  "flows",
  "durable_programs",
  "report",
  "editors_and_shells",
  "ci",
  "tracing",
  "postgres",
  "durability",
  "determinism",
];

/** Where the documentation of the library is, which `deno doc` writes. */
const API = { title: "Library", url: "api/index.html" };

/**
 * The pages of the site, by their path in the project: all that is written in Markdown, the examples, and
 * whatever these lead to, so that no link leaves the site.
 */
export async function collectPages(
  project: Project,
  read: (path: string) => Promise<string>,
): Promise<Map<string, SitePage>> {
  const pages = new Map<string, SitePage>();
  const toVisit = project.files.filter((path) => /^(docs\/.*|[^/]*)\.md$/.test(path));
  toVisit.push("examples");
  for (const path of toVisit) {
    if (pages.has(path)) continue;
    const page = await makePage(project, path, read);
    pages.set(path, page);
    toVisit.push(...pathsNamedBy(page));
  }
  return pages;
}

async function makePage(
  { files }: Project,
  path: string,
  read: (path: string) => Promise<string>,
): Promise<SitePage> {
  if (!files.includes(path)) return folderPage(path, files);
  const text = await read(path);
  if (!path.endsWith(".md")) {
    return { path, url: `${path}.html`, title: path, content: { kind: "source", text } };
  }
  const page = parsePage(text);
  const url = path === "README.md" ? "index.html" : path.replace(/md$/, "html");
  return { path, url, title: page.headings[0]?.text ?? path, content: { kind: "markdown", page } };
}

function folderPage(path: string, files: readonly string[]): SitePage {
  const within = files.filter((file) => file.startsWith(`${path}/`));
  if (within.length === 0) throw new Error(`Cannot make a page of ${path}: it is not there`);
  const names = within.map((file) => file.slice(path.length + 1).split("/")[0]!);
  const paths = [...new Set(names)].map((name) => join(path, name));
  return { path, url: `${path}/index.html`, title: path, content: { kind: "folder", paths } };
}

/** The files and folders of the project to which a page leads. */
function pathsNamedBy({ path, content }: SitePage): string[] {
  if (content.kind === "source") return [];
  if (content.kind === "folder") return content.paths;
  return content.page.links.flatMap(({ text }) => targetOf(path, text)?.path ?? []);
}

/** The pages in the order in which the site lists them. */
export function groupPages(pages: ReadonlyMap<string, SitePage>): Group[] {
  const all = [...pages.values()].filter(({ content }) => content.kind === "markdown");
  const group = (title: string, pattern: RegExp): Group => {
    return { title, pages: all.filter(({ path }) => pattern.test(path)).toSorted(byRank) };
  };
  return [
    { title: "Start", pages: [{ title: "taffrail", url: "index.html" }] },
    group("Guides", /^docs\/[^/]*\.md$|^SECURITY\.md$/),
    { title: "Reference", pages: [API, { title: "Examples", url: "examples/index.html" }] },
    group("Files and documents", /^docs\/.*\/[^/]*\.md$/),
    group("Project", /^(?!README|SECURITY)[^/]*\.md$/),
  ];
}

function byRank(a: SitePage, b: SitePage): number {
  const rank = ({ path }: SitePage) => {
    const place = GUIDES.indexOf(path.replace(/^docs\/|\.md$/g, ""));
    return place === -1 ? GUIDES.length : place;
  };
  return rank(a) - rank(b);
}
