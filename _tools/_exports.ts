import ts from "typescript";
import { type Project, resolveImport } from "./_project.ts";
import type { Source } from "./_source.ts";

/** What declares an exported name. */
export interface Definition {
  /** The file that declares it. */
  source: Source;
  /** The name that it has there. */
  name: string;
  /** The declarations: a function has one an overload. */
  nodes: ts.Node[];
}

/**
 * Follows `export … from`, also under other names and for types, to what declares the names that the
 * file at `path` exports.
 *
 * @param wanted Only this one of the names.
 */
export function definitionsOf(project: Project, path: string, wanted?: string): Definition[] {
  const source = project.sources.get(path);
  if (source === undefined) return [];
  const own = [...exportedIn(source)].filter(([name]) => wanted === undefined || name === wanted);
  return [
    ...own.map(([name, nodes]) => ({ source, name, nodes })),
    ...source.tree.statements.filter(ts.isExportDeclaration)
      .flatMap((statement) => followExport(project, source, { statement, wanted })),
  ];
}

function followExport(
  project: Project,
  source: Source,
  { statement, wanted }: { statement: ts.ExportDeclaration; wanted: string | undefined },
): Definition[] {
  const { moduleSpecifier, exportClause } = statement;
  if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier)) return [];
  const target = resolveImport(project, source.path, moduleSpecifier.text);
  if (target === null) return [];
  if (exportClause === undefined) return definitionsOf(project, target, wanted);
  if (!ts.isNamedExports(exportClause)) return [];
  return exportClause.elements
    .filter(({ name }) => wanted === undefined || name.text === wanted)
    .flatMap(({ name, propertyName }) =>
      definitionsOf(project, target, (propertyName ?? name).text)
    );
}

/** The declarations of a file that bear `export` themselves, by name. */
function exportedIn({ tree }: Source): Map<string, ts.Node[]> {
  const found = new Map<string, ts.Node[]>();
  for (const statement of tree.statements) {
    const isExported = ts.canHaveModifiers(statement) &&
      statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;
    if (!isExported) continue;
    for (const node of declarationsIn(statement)) {
      if (node.name === undefined || !ts.isIdentifier(node.name)) continue;
      found.set(node.name.text, [...found.get(node.name.text) ?? [], node]);
    }
  }
  return found;
}

function declarationsIn(statement: ts.Statement): readonly (ts.Node & { name?: ts.Node })[] {
  return ts.isVariableStatement(statement) ? statement.declarationList.declarations : [statement];
}
