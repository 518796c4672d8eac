import type { Project } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { lineAt } from "../_source.ts";

const RELATIVE_IMPORT = /\b(?:from|import)\s*\(?\s*["'](\.\.?\/[^"'\n]*)["']/g;
const DOCUMENTATION_COMMENT = /\/\*\*.*?\*\//gs;

/** Rule 2, last part: documentation shows the specifier that a reader can copy. */
export function checkDocumentation(project: Project): Problem[] {
  const published = [...project.sources.values()].filter(({ path }) =>
    !/^(tests|_tools)\//.test(path)
  );
  const pages = [...project.documents].filter(([path]) => path.endsWith(".md"));
  return [
    ...published.flatMap(({ path, text }) => findInComments(project, path, text)),
    ...pages.flatMap(([path, text]) => findIn(project, path, { text, all: text, offset: 0 })),
  ];
}

function findInComments(project: Project, path: string, all: string): Problem[] {
  return [...all.matchAll(DOCUMENTATION_COMMENT)].flatMap((comment) =>
    findIn(project, path, { text: comment[0], all, offset: comment.index })
  );
}

function findIn(
  { config }: Project,
  path: string,
  part: { text: string; all: string; offset: number },
): Problem[] {
  return [...part.text.matchAll(RELATIVE_IMPORT)].map((found) => ({
    path,
    line: lineAt(part.all, part.offset + found.index),
    message: `Shows the relative import "${found[1]}" (rule 2): ` +
      `show "${config.name}" or one of its subpaths`,
  }));
}
