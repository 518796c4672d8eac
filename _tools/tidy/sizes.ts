import { dirname } from "@std/path/posix/dirname";
import ts from "typescript";
import { folderOf, type Project, PUBLISHED } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { lineAt, lineOf, nodesOf, type Source } from "../_source.ts";
import { SHORT_FILES } from "./short_files.ts";

const MOST_SOURCE_LINES = 500;
const MOST_TEST_LINES = 600;
const MOST_FUNCTION_LINES = 70;
const FEWEST_LINES = 60;
const MOST_FILES_IN_FOLDER = 25;

/** Short by their nature: what a folder exports, its types, and the verbs, one file each. */
const MAY_BE_SHORT = /(^|\/)(mod|types)\.ts$|\.d\.ts$|^cli\/(main|verbs\/[^/]*)\.ts$/;

/**
 * Rule 5: files are rooms, neither drawers nor halls, functions stay small enough to hold in the
 * head, and a folder has no more files than a reader looks through.
 */
export function checkSizes(project: Project): Problem[] {
  return [
    ...[...project.sources.values()].flatMap((source) => [
      ...checkFile(source),
      ...checkFunctions(source),
    ]),
    ...checkTable(project),
    ...checkFolders(project),
  ];
}

function checkFile(source: Source): Problem[] {
  const { path } = source;
  const lines = linesOf(source);
  const most = path.startsWith("tests/") ? MOST_TEST_LINES : MOST_SOURCE_LINES;
  if (lines > most) {
    return [{
      path,
      line: most + 1,
      message: `File has ${lines} lines, at most ${most}: split it`,
    }];
  }
  if (!isRoom(path) || lines >= FEWEST_LINES || path in SHORT_FILES) return [];
  const message = `File has ${lines} lines, at least ${FEWEST_LINES}: merge it with what it ` +
    "belongs to, or give the reason in _tools/tidy/short_files.ts";
  return [{ path, line: 1, message }];
}

/** Whether a file is to have a size worth opening it; tests and tools follow what they are for. */
function isRoom(path: string): boolean {
  return PUBLISHED.includes(folderOf(path)) && !MAY_BE_SHORT.test(path);
}

function linesOf({ text }: Source): number {
  return text.split("\n").length - 1;
}

/** A reason that no file needs any more goes. */
function checkTable({ sources }: Project): Problem[] {
  if (!sources.has("_tools/tidy/short_files.ts")) return [];
  return Object.keys(SHORT_FILES).flatMap((path) => {
    const source = sources.get(path);
    if (source !== undefined && linesOf(source) < FEWEST_LINES) return [];
    const message = `Excuses ${path}, which is not short: remove the row`;
    return [{ path: "_tools/tidy/short_files.ts", line: 1, message }];
  });
}

function checkFolders(project: Project): Problem[] {
  const counts = Map.groupBy(project.sources.keys(), (path) => dirname(path));
  return [...counts].flatMap(([folder, { length }]) => {
    if (length <= MOST_FILES_IN_FOLDER || !PUBLISHED.includes(folderOf(folder))) return [];
    const size = `${length} files, at most ${MOST_FILES_IN_FOLDER}`;
    return [{ path: folder, line: 1, message: `Folder has ${size}: make sub-folders` }];
  });
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
