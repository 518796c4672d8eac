import ts from "typescript";
import type { Project } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { lineAt, lineOf, nodesOf, type Source } from "../_source.ts";

const MOST_SOURCE_LINES = 350;
const MOST_TEST_LINES = 600;
const MOST_FUNCTION_LINES = 70;

/** Files and functions stay small enough to hold in the head. */
export function checkSizes(project: Project): Problem[] {
  return [...project.sources.values()].flatMap((source) => [
    ...checkFile(source),
    ...checkFunctions(source),
  ]);
}

function checkFile({ path, text }: Source): Problem[] {
  const lines = text.split("\n").length - 1;
  const most = path.startsWith("tests/") ? MOST_TEST_LINES : MOST_SOURCE_LINES;
  if (lines <= most) return [];
  return [{ path, line: most + 1, message: `File has ${lines} lines, at most ${most}: split it` }];
}

function checkFunctions(source: Source): Problem[] {
  const problems: Problem[] = [];
  for (const node of nodesOf(source.tree)) {
    if (!ts.isFunctionLike(node)) continue;
    const line = lineOf(source, node);
    const lines = lineAt(source.text, node.getEnd()) - line + 1;
    if (lines <= MOST_FUNCTION_LINES) continue;
    const size = `${lines} lines, at most ${MOST_FUNCTION_LINES}`;
    const message = `Function ${nameOf(node)} has ${size}: split it`;
    problems.push({ path: source.path, line, message });
  }
  return problems;
}

function nameOf(node: ts.SignatureDeclaration): string {
  if (node.name !== undefined) return node.name.getText();
  return ts.isVariableDeclaration(node.parent) ? node.parent.name.getText() : "without a name";
}
