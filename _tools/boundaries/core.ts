import ts from "typescript";
import { filesLoadedBy, type Project, resolveImport, valueImportsOf } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { isMemberName, lineOf, nodesOf, type Source } from "../_source.ts";

const CORE = "supervisor/core/";

const IMPURE_NAMES = new Set([
  "Deno",
  "Date",
  "Temporal",
  "performance",
  "crypto",
  "globalThis",
  "setTimeout",
  "setInterval",
  "clearTimeout",
  "clearInterval",
  "queueMicrotask",
]);

const IMPURE_MEMBERS = new Set(["Math.random", "AbortSignal.timeout"]);

/** Rule 3: the core decides from its input alone, and so does everything that it loads. */
export function checkCore(project: Project): Problem[] {
  const core = [...project.sources.values()].filter(({ path }) => path.startsWith(CORE));
  return core.flatMap((source) => [
    ...findImpureUses(source),
    ...findImpureImports(project, source),
  ]);
}

function findImpureUses(source: Source): Problem[] {
  return impureUsesIn(source).map(({ name, line }) => ({
    path: source.path,
    line,
    message: `Uses ${name} (rule 3): the core decides from its input alone, so let the driver ` +
      "pass in what is needed",
  }));
}

function findImpureImports(project: Project, source: Source): Problem[] {
  const problems: Problem[] = [];
  for (const { specifier, line } of valueImportsOf(project, source.path)) {
    const target = resolveImport(project, source.path, specifier);
    const cause = target === null
      ? `Imports "${specifier}"`
      : target.startsWith(CORE)
      ? null
      : describeImpurity(project, target);
    if (cause === null) continue;
    const message = `${cause} (rule 3): the core loads only what is as pure as itself`;
    problems.push({ path: source.path, line, message });
  }
  return problems;
}

function describeImpurity(project: Project, target: string): string | null {
  for (const path of filesLoadedBy(project, target)) {
    const source = project.sources.get(path);
    const use = source === undefined ? undefined : impureUsesIn(source)[0];
    if (use !== undefined) return `Loads ${path}, which uses ${use.name} on line ${use.line}`;
  }
  return null;
}

function impureUsesIn(source: Source): { name: string; line: number }[] {
  const uses: { name: string; line: number }[] = [];
  for (const node of nodesOf(source.tree)) {
    const name = impureName(node);
    if (name !== null) uses.push({ name, line: lineOf(source, node) });
  }
  return uses;
}

function impureName(node: ts.Node): string | null {
  if (ts.isIdentifier(node) && IMPURE_NAMES.has(node.text) && !isMemberName(node)) {
    return node.text;
  }
  if (!ts.isPropertyAccessExpression(node)) return null;
  const member = node.getText();
  return IMPURE_MEMBERS.has(member) ? member : null;
}
