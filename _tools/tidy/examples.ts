import ts from "typescript";
import { type Project, resolveImport } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { lineOf, type Source } from "../_source.ts";

type Documented = ts.FunctionDeclaration | ts.ClassDeclaration;

/** Every function and class of a public module shows how it is used. */
export function checkExamples(project: Project): Problem[] {
  const { exports } = project.config;
  const entries = Object.keys(exports).filter((name) => name !== "./cli");
  return entries.flatMap((name) => checkEntry(project, exports[name]!.slice(2)));
}

function checkEntry(project: Project, entry: string): Problem[] {
  const problems: Problem[] = [];
  for (const [source, name] of exportedNames(project, entry)) {
    const declarations = declarationsOf(source, name);
    if (declarations.length === 0 || declarations.some(hasExample)) continue;
    const message = `Exported ${name} has no @example: add one that runs`;
    problems.push({ path: source.path, line: lineOf(source, declarations[0]!), message });
  }
  return problems;
}

/** Follows `export … from` to the files that declare what `path` exports. */
function exportedNames(project: Project, path: string, wanted?: string): [Source, string][] {
  const source = project.sources.get(path);
  if (source === undefined) return [];
  const own = source.tree.statements.filter(isDocumented).filter(isExported)
    .map((statement) => statement.name!.text);
  const here = own.filter((name) => wanted === undefined || name === wanted);
  return [
    ...here.map((name): [Source, string] => [source, name]),
    ...source.tree.statements.filter(ts.isExportDeclaration)
      .flatMap((statement) => followExport(project, source, { statement, wanted })),
  ];
}

function followExport(
  project: Project,
  source: Source,
  { statement, wanted }: { statement: ts.ExportDeclaration; wanted: string | undefined },
): [Source, string][] {
  const { moduleSpecifier, exportClause } = statement;
  if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier)) return [];
  const target = resolveImport(project, source.path, moduleSpecifier.text);
  if (target === null) return [];
  if (exportClause === undefined) return exportedNames(project, target, wanted);
  if (!ts.isNamedExports(exportClause)) return [];
  return exportClause.elements
    .filter(({ name }) => wanted === undefined || name.text === wanted)
    .flatMap(({ name, propertyName }) =>
      exportedNames(project, target, (propertyName ?? name).text)
    );
}

function declarationsOf({ tree }: Source, name: string): Documented[] {
  return tree.statements.filter(isDocumented).filter((statement) => statement.name?.text === name);
}

function isDocumented(statement: ts.Statement): statement is Documented {
  return (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) &&
    statement.name !== undefined;
}

function isExported(statement: Documented): boolean {
  return statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;
}

function hasExample(statement: Documented): boolean {
  return ts.getJSDocTags(statement).some(({ tagName }) => tagName.text === "example");
}
