import ts from "typescript";
import { filesLoadedBy, LIBRARY, type Project, sourcesIn, valueImportsOf } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { isMemberName, lineOf, type Source } from "../_source.ts";

/** Where a look at `Deno` while loading is by design. */
const LOOKS_AT_SYSTEM: Record<string, string> = {
  "_internal/path.ts": "picks the path functions of the system once, and loads without Deno too",
};

/** What starts before a command is spawned: `taffrail exec` and `taffrail run`, as they load. */
const BEFORE_SPAWN = ["cli/main.ts", "cli/verbs/exec.ts", "cli/verbs/run.ts"];

/**
 * Rule 4, second half: the library touches nothing of `Deno` while it loads, so that what is pure
 * loads in Node and Bun too; and `taffrail` spawns a command before it loads anything of Node, one
 * module of which costs more than a third of an empty program's start.
 */
export function checkLoading(project: Project): Problem[] {
  return [
    ...sourcesIn(project, LIBRARY).flatMap(findDenoAtLoad),
    ...BEFORE_SPAWN.flatMap((path) => findNodeModules(project, path)),
  ];
}

function findDenoAtLoad(source: Source): Problem[] {
  if (source.path in LOOKS_AT_SYSTEM) return [];
  return [...nodesEvaluatedAtLoad(source.tree)].filter(isDeno).map((node) => ({
    path: source.path,
    line: lineOf(source, node),
    message: "Uses Deno while it loads (rule 4): ask inside the function that needs it, so that " +
      "what is pure loads in Node and Bun",
  }));
}

function isDeno(node: ts.Node): boolean {
  if (!ts.isIdentifier(node) || node.text !== "Deno") return false;
  return !isMemberName(node) || node.parent.getText().startsWith("globalThis.");
}

/** Bodies of functions and methods, members of instances, and types wait; the rest runs at once. */
function* nodesEvaluatedAtLoad(node: ts.Node): Generator<ts.Node> {
  yield node;
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) if (!waits(child)) yield* nodesEvaluatedAtLoad(child);
}

function waits(node: ts.Node): boolean {
  if (ts.isExpressionWithTypeArguments(node)) return !isBaseClass(node.parent);
  if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) {
    return true;
  }
  if (ts.isPropertyDeclaration(node)) {
    return (ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Static) === 0;
  }
  return ts.isFunctionLike(node) && !isCalledAtOnce(node);
}

function isBaseClass(clause: ts.Node): boolean {
  return ts.isHeritageClause(clause) && clause.token === ts.SyntaxKind.ExtendsKeyword &&
    ts.isClassLike(clause.parent);
}

/** `(() => …)()` runs where it stands. */
function isCalledAtOnce(node: ts.Node): boolean {
  let at = node;
  while (ts.isParenthesizedExpression(at.parent)) at = at.parent;
  return ts.isCallExpression(at.parent) && at.parent.expression === at;
}

function findNodeModules(project: Project, start: string): Problem[] {
  const problems: Problem[] = [];
  for (const path of filesLoadedBy(project, start, { atStart: true })) {
    for (const { specifier, isLazy, line } of valueImportsOf(project, path)) {
      if (isLazy || !specifier.startsWith("node:")) continue;
      const message = `Imports "${specifier}" on the way to a spawned command (rule 4): ` +
        "do without it, or import it where it is needed";
      problems.push({ path, line, message });
    }
  }
  return problems;
}
