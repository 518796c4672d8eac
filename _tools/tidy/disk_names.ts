import ts from "typescript";
import { type Project, PUBLISHED, sourcesIn } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { lineOf, nodesOf, type Source } from "../_source.ts";

/** The one file that knows how a root is laid out. */
const LAYOUT = "_internal/root_layout.ts";

/** Where a name of the layout means something else. */
const EXCEPTIONS: Record<string, string> = {
  "trace/trace_recorder.ts": "the file in a folder that the user chose, which need not be a root",
};

/** A file or a folder, as against text for people. */
const NAME = /^\.?[a-z0-9][a-z0-9._-]*$/;

/** Functions that make paths of names. */
const JOINS = new Set(["join", "resolve"]);

/** Rule 5, last part: what is on disk below a root is named in one place. */
export function checkDiskNames(project: Project): Problem[] {
  const layout = project.sources.get(LAYOUT);
  if (layout === undefined) return [];
  const names = namesIn(layout);
  return sourcesIn(project, PUBLISHED)
    .filter((source) => source !== layout && !(source.path in EXCEPTIONS))
    .flatMap((source) => findNames(source, names));
}

function namesIn(layout: Source): Set<string> {
  const names = new Set<string>();
  for (const node of nodesOf(layout.tree)) {
    if (ts.isStringLiteral(node) && NAME.test(node.text) && !isType(node)) names.add(node.text);
  }
  return names;
}

function isType({ parent }: ts.Node): boolean {
  return ts.isLiteralTypeNode(parent) || ts.isImportDeclaration(parent);
}

function findNames(source: Source, names: Set<string>): Problem[] {
  const problems: Problem[] = [];
  for (const node of nodesOf(source.tree)) {
    const name = namesInPath(node).find((segment) => names.has(segment));
    if (name === undefined) continue;
    const message = `Makes a path with "${name}" (rule 5): take it from ${LAYOUT}`;
    problems.push({ path: source.path, line: lineOf(source, node), message });
  }
  return problems;
}

/** The segments that are joined by `join(…)`, and those beside a slash in a template. */
function namesInPath(node: ts.Node): string[] {
  if (ts.isCallExpression(node) && JOINS.has(node.expression.getText())) {
    return node.arguments.filter(ts.isStringLiteralLike).flatMap(({ text }) => text.split("/"));
  }
  if (!ts.isTemplateExpression(node)) return [];
  const head = node.head.text.split("/").slice(0, -1);
  return [
    ...head,
    ...node.templateSpans.flatMap(({ literal }) => literal.text.split("/").slice(1)),
  ];
}
