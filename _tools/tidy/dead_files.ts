import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import ts from "typescript";
import { type Project, resolveImport } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { nodesOf, type Source } from "../_source.ts";

const STARTED_BY_HAND =
  /^(tests|_tools)\/.*_test\.ts$|^tests\/(postgres|browser)\/[^/]*_(pg|browser)\.ts$|^examples\/(flows\/)?[^/]*\.ts$/;

/** Every file is a test, an example, named in a `deno.json`, or used by such a file. */
export function checkDeadFiles(project: Project): Problem[] {
  const used = new Set([...startingFiles(project)]);
  for (const path of used) {
    const source = project.sources.get(path);
    if (source !== undefined) filesNamedIn(project, source).forEach((file) => used.add(file));
  }
  return [...project.sources.keys()].filter((path) => !used.has(path)).map((path) => ({
    path,
    line: 1,
    message: "File is used by nothing: import it, name it in deno.json, or remove it",
  }));
}

function startingFiles(project: Project): string[] {
  const configs = [...project.documents].filter(([path]) => /(^|\/)deno\.json$/.test(path));
  const named = configs.flatMap(([path, text]) =>
    (text.match(/[\w./-]+\.ts\b/g) ?? []).map((file) => join(dirname(path), file))
  );
  return [...named, ...[...project.sources.keys()].filter((path) => STARTED_BY_HAND.test(path))];
}

function filesNamedIn(project: Project, source: Source): string[] {
  const imported = source.imports.map(({ specifier }) =>
    resolveImport(project, source.path, specifier)
  );
  return [...imported.filter((file) => file !== null), ...filesInStrings(project, source)];
}

/** What a test starts as a process or a worker is named in a string, relative to the test. */
function filesInStrings({ sources }: Project, source: Source): string[] {
  const files: string[] = [];
  for (const node of nodesOf(source.tree)) {
    if (!ts.isStringLiteralLike(node) || !/^\.\.?\/.*\.ts$/.test(node.text)) continue;
    files.push(join(dirname(source.path), node.text));
  }
  return files.filter((file) => sources.has(file));
}
