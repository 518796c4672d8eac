import ts from "typescript";
import type { Project } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { lineOf, nodesOf, type Source } from "../_source.ts";

const SNAKE_CASE_PATH = /^\.?[a-z0-9_]+(\/[a-z0-9_]+)*(\.[a-z0-9]+)*\.(ts|js)$/;
const CAMEL_CASE = /^[_$]*[A-Za-z][A-Za-z0-9]*$/;
const CONSTANT_CASE = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/;

/** Files are snake_case; what code declares is camelCase, except members equal to their JSON. */
export function checkNames(project: Project): Problem[] {
  return [...project.sources.values()].flatMap((source) => [
    ...checkPath(source.path),
    ...checkDeclarations(source),
  ]);
}

function checkPath(path: string): Problem[] {
  if (SNAKE_CASE_PATH.test(path)) return [];
  return [{ path, line: 1, message: "File name is not in snake_case: rename it" }];
}

function checkDeclarations(source: Source): Problem[] {
  const problems: Problem[] = [];
  for (const node of nodesOf(source.tree)) {
    const name = declaredName(node);
    if (name === null || isProper(name.text)) continue;
    const message = `Name ${name.text} is not in camelCase: rename it, ` +
      "only members of documents on disk keep snake_case";
    problems.push({ path: source.path, line: lineOf(source, name), message });
  }
  return problems;
}

function isProper(name: string): boolean {
  return CAMEL_CASE.test(name) || CONSTANT_CASE.test(name) || /^_+$/.test(name);
}

function declaredName(node: ts.Node): ts.Identifier | null {
  if (ts.isBindingElement(node) && takesMember(node)) return null;
  const declares = ts.isVariableDeclaration(node) || ts.isParameter(node) ||
    ts.isBindingElement(node) || ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) ||
    ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) || ts.isTypeParameterDeclaration(node);
  return declares && node.name !== undefined && ts.isIdentifier(node.name) ? node.name : null;
}

/** `{ run_id }` takes a member out under the name that it has on disk. */
function takesMember(node: ts.BindingElement): boolean {
  return ts.isObjectBindingPattern(node.parent) && node.propertyName === undefined;
}
