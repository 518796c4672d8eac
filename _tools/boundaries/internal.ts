import ts from "typescript";
import {
  COMPOSITION,
  DATABASE,
  folderOf,
  MODULES,
  type Project,
  resolveImport,
  sourcesIn,
} from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { lineOf, type Source } from "../_source.ts";

const ENTRY = /(^|\/)mod\.ts$/;

/** Rule 2, first half: `_internal/` imports no module, and `mod.ts` files only export. */
export function checkInternal(project: Project): Problem[] {
  const entries = [...project.sources.values()].filter(({ path }) => ENTRY.test(path));
  return [
    ...sourcesIn(project, ["_internal"]).flatMap((source) => findModuleImports(project, source)),
    ...entries.flatMap(findOtherStatements),
  ];
}

function findModuleImports(project: Project, source: Source): Problem[] {
  const problems: Problem[] = [];
  for (const { specifier, line } of source.imports) {
    const target = resolveImport(project, source.path, specifier);
    if (target === null || ![...MODULES, COMPOSITION, DATABASE].includes(folderOf(target))) {
      continue;
    }
    const message = `Imports a module, "${target}" (rule 2): ` +
      "_internal/ stands below the modules, so move what is shared into it";
    problems.push({ path: source.path, line, message });
  }
  return problems;
}

function findOtherStatements(source: Source): Problem[] {
  return source.tree.statements
    .filter((statement) => !isReExport(statement))
    .map((statement) => ({
      path: source.path,
      line: lineOf(source, statement),
      message: 'Holds more than "export … from" (rule 2): move this into a file of its own',
    }));
}

function isReExport(statement: ts.Statement): boolean {
  return ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined;
}
