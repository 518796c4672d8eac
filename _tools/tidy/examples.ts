import ts from "typescript";
import { type Definition, definitionsOf } from "../_exports.ts";
import type { Project } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { lineOf } from "../_source.ts";

/** Every function and class of a public module shows how it is used. */
export function checkExamples(project: Project): Problem[] {
  const { exports } = project.config;
  const entries = Object.keys(exports).filter((name) => name !== "./cli");
  return entries.flatMap((name) =>
    definitionsOf(project, exports[name]!.slice(2)).flatMap(checkDefinition)
  );
}

function checkDefinition({ source, name, nodes }: Definition): Problem[] {
  const documented = nodes.filter((node) =>
    ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node)
  );
  if (documented.length === 0 || documented.some(hasExample)) return [];
  const message = `Exported ${name} has no @example: add one that runs`;
  return [{ path: source.path, line: lineOf(source, documented[0]!), message }];
}

function hasExample(node: ts.Node): boolean {
  return ts.getJSDocTags(node).some(({ tagName }) => tagName.text === "example");
}
