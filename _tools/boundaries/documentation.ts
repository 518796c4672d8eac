import { folderOf, type Project, resolveImport, sourcesIn } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { lineAt } from "../_source.ts";

const RELATIVE_IMPORT = /\b(?:from|import)\s*\(?\s*["'](\.\.?\/[^"'\n]*)["']/g;
const DOCUMENTATION_COMMENT = /\/\*\*.*?\*\//gs;

/** Rule 2, last part: examples and documentation show the specifier that a reader can copy. */
export function checkDocumentation(project: Project): Problem[] {
  // What a comment of JavaScript imports are its types.
  const published = [...project.sources.values()].filter(({ path }) =>
    !/^(tests|_tools)\//.test(path) && !path.endsWith(".js")
  );
  const pages = [...project.documents].filter(([path]) => path.endsWith(".md"));
  return [
    ...findInExamples(project),
    ...published.flatMap(({ path, text }) => findInComments(project, path, text)),
    ...pages.flatMap(([path, text]) => findIn(project, path, { text, all: text, offset: 0 })),
  ];
}

function findInExamples(project: Project): Problem[] {
  const problems: Problem[] = [];
  for (const { path, imports } of sourcesIn(project, ["examples"])) {
    for (const { specifier, line } of imports) {
      const target = resolveImport(project, path, specifier);
      const isRelative = /^\.\.?\//.test(specifier);
      if (isRelative ? folderOf(target!) === "examples" : isPublic(specifier, target)) continue;
      const message = `Imports "${specifier}" (rule 2): examples import the package and @std only`;
      problems.push({ path, line, message });
    }
  }
  return problems;
}

function isPublic(specifier: string, target: string | null): boolean {
  return target !== null || /^@std\/(?!assert)/.test(specifier);
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
