import ts from "typescript";
import type { Project } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { commentsOf, lineAt, lineOf, nodesOf, type Source } from "../_source.ts";

const UNFINISHED = /\b(TODO|FIXME|XXX)\b/;
const LINT_DIRECTIVE = /^\/[/*]\s*(deno-lint-ignore(?:-file)?)\b(?!.*\s--\s+\S)/s;
const TYPE_DIRECTIVE = /^\/[/*]\s*(@ts-(?:ignore|nocheck|expect-error))\W*$/;

/** Nothing unfinished stays, no test is switched off, no check is silenced without a reason. */
export function checkLeftovers(project: Project): Problem[] {
  const sources = [...project.sources.values()];
  return [
    ...sources.flatMap(checkComments),
    ...sources.flatMap(checkTests),
    ...[...project.documents].flatMap(([path, text]) => checkDocument(path, text)),
  ];
}

function checkComments(source: Source): Problem[] {
  const problems: Problem[] = [];
  for (const { offset, text } of commentsOf(source)) {
    const message = adviseOnComment(text);
    if (message !== null) {
      problems.push({ path: source.path, line: lineAt(source.text, offset), message });
    }
  }
  return problems;
}

function adviseOnComment(text: string): string | null {
  const unfinished = UNFINISHED.exec(text);
  if (unfinished !== null) return `Comment says ${unfinished[1]}: do it, or open an issue`;
  const lint = LINT_DIRECTIVE.exec(text);
  if (lint !== null) return `Comment has ${lint[1]} without a reason: add one after " -- "`;
  const type = TYPE_DIRECTIVE.exec(text);
  if (type !== null) return `Comment has ${type[1]} without a reason: add one after it`;
  return null;
}

function checkTests(source: Source): Problem[] {
  const problems: Problem[] = [];
  for (const node of nodesOf(source.tree)) {
    const what = ts.isPropertyAccessExpression(node)
      ? /^Deno\.(test|bench)\.(ignore|only)$/.exec(node.getText())?.[0]
      : ts.isPropertyAssignment(node)
      ? /^(ignore|only): true$/.exec(node.getText())?.[0]
      : undefined;
    if (what === undefined) continue;
    const message = `Test is switched by "${what}": let every test run, ` +
      "or ignore it on a condition";
    problems.push({ path: source.path, line: lineOf(source, node), message });
  }
  return problems;
}

function checkDocument(path: string, text: string): Problem[] {
  return text.split("\n").flatMap((content, index) => {
    const word = UNFINISHED.exec(content)?.[1];
    if (word === undefined || !/\.(md|yml)$/.test(path)) return [];
    return [{ path, line: index + 1, message: `Text says ${word}: do it, or open an issue` }];
  });
}
