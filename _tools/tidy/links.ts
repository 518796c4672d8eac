import { type Page, parsePage, targetOf } from "../markdown.ts";
import type { Project } from "../_project.ts";
import type { Problem } from "../_problem.ts";

/** Every link of a page leads to a file or folder of the project, and to a heading that is there. */
export function checkLinks(project: Project): Problem[] {
  const texts = [...project.documents].filter(([path]) => path.endsWith(".md"));
  const pages = new Map(texts.map(([path, text]) => [path, parsePage(text)]));
  const places = new Set(project.files.flatMap(withFolders));
  return [...pages].flatMap(([path, { links, html }]) => [
    ...links.flatMap(({ text, line }) => {
      const problem = problemOf(path, text, { pages, places });
      return problem === undefined ? [] : [{ path, line, message: `${problem}: mend the link` }];
    }),
    ...html.map(({ line }) => {
      return {
        path,
        line,
        message: "HTML in a page: GitHub and the site would show it differently",
      };
    }),
  ]);
}

function withFolders(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

function problemOf(
  path: string,
  link: string,
  { pages, places }: { pages: ReadonlyMap<string, Page>; places: ReadonlySet<string> },
): string | undefined {
  const target = targetOf(path, link);
  if (target === null) return undefined;
  const { path: file, anchor } = target;
  if (!places.has(file)) return `There is no ${file}`;
  if (anchor === undefined) return undefined;
  const headings = pages.get(file)?.headings ?? [];
  if (headings.some((heading) => heading.anchor === anchor)) return undefined;
  return `${file} has no heading #${anchor}`;
}
