/** What GitHub Actions shows beside the changes and on the page of a workflow: the failures of a run. */
import { join, SEPARATOR } from "../../_internal/path.ts";
import { counted } from "../text/printable.ts";
import { isAbsolute, lookAt, resolve } from "../files.ts";
import { workflowCommand } from "../text/workflow_commands.ts";
import { endsOf, howFailed, isAllowed, lastOf, problemOf, whyOf } from "./ci_words.ts";
import type { PageData, PageNode } from "./page_data.ts";

/** GitHub shows so many errors of a step, and as many warnings. */
const MOST_ANNOTATIONS = 10;
const MOST_LINES = 30;
const MOST_CHARACTERS = 3000;
const MOST_OF_TITLE = 200;

/**
 * The commands that annotate what has failed, as lines.
 *
 * @param data The run.
 * @param workspace The directory of the repository: what is elsewhere has no place in that.
 */
export function annotationsOf(data: PageData, workspace: string | undefined): string[] {
  const { run, nodes } = data;
  // What somebody ended is told of the run.
  const all = nodes.filter(({ state }) => state === "failed");
  const allowed = all.filter((node) => isAllowed(node, run));
  const failed = all.filter((node) => !isAllowed(node, run));
  const name = run.name || run.id;
  const annotate = (level: "error" | "warning", nodes: readonly PageNode[]) => {
    const lines = nodes.slice(0, MOST_ANNOTATIONS).map((node) => {
      // A command of exec is called as its run is.
      const of = node.id === name ? name : `${name}: ${node.id}`;
      const title = `${of} ${whyOf(node, run)}`.slice(0, MOST_OF_TITLE);
      const properties = { title: title.toWellFormed(), ...placeIn(node, workspace) };
      return workflowCommand(level, { data: messageOf(node, data), properties });
    });
    const more = nodes.length - lines.length;
    // The last one that is shown says how many are not.
    if (more > 0) {
      const rest = `${counted(more + 1, "more node")} failed: ${
        nodes.at(MOST_ANNOTATIONS - 1)!.id
      } …`;
      lines[MOST_ANNOTATIONS - 1] = workflowCommand(level, {
        data: rest,
        properties: { title: name },
      });
    }
    return lines;
  };
  const problem = problemOf(data.run);
  const ofRun = problem === undefined || failed.length > 0
    ? []
    : [workflowCommand("error", { data: problem, properties: { title: name } })];
  return [...annotate("error", failed), ...ofRun, ...annotate("warning", allowed)];
}

/** Why, and the end of what was printed. */
function messageOf(node: PageNode, { run }: PageData): string {
  const ends = endsOf(lastOf(node));
  const texts = ends.map(({ text }) => text.split("\n").slice(-MOST_LINES).join("\n"));
  const shown = texts.filter((text) => text !== "").join("\n\n");
  const end = shown.slice(-MOST_CHARACTERS).toWellFormed();
  return end === ""
    ? `${node.id} ${whyOf(node, run)}`
    : `${node.id} ${howFailed(node, run)}\n\n${end}`;
}

/** A path with a line, as compilers, stack traces and Python say it. */
const PLACE =
  /(?:file:\/\/)?([\w@~+./\\-]*[\w+-]\.\w+)(?::(\d+)(?::(\d+))?|\((\d+),(\d+)\)|", line (\d+))/g;
const MOST_PLACES = 40;

/** The first file of the checkout that is named with a line in what a node has printed in the end. */
function placeIn(
  node: PageNode,
  workspace: string | undefined,
): { file?: string; line?: string; col?: string } {
  if (workspace === undefined) return {};
  const root = resolve(workspace);
  let looked = 0;
  for (const { text } of endsOf(lastOf(node))) {
    for (const [, path = "", colonLine, colonColumn, line, column, named] of text.matchAll(PLACE)) {
      if (looked++ === MOST_PLACES) return {};
      const file = fileIn(root, path, node);
      if (file === undefined) continue;
      const col = colonColumn ?? column;
      return { file, line: colonLine ?? line ?? named!, ...(col !== undefined && { col }) };
    }
  }
  return {};
}

/** The file as it is seen from the workspace, if it is there. */
function fileIn(workspace: string, path: string, node: PageNode): string | undefined {
  const [, cwd = workspace] = node.about.find(([name]) => name === "in") ?? [];
  for (const from of isAbsolute(path) ? [""] : [cwd, workspace]) {
    const absolute = resolve(join(from, path));
    const isInside = absolute.startsWith(workspace + SEPARATOR);
    if (!isInside || lookAt(absolute)?.isFile !== true) continue;
    return absolute.slice(workspace.length + 1).replaceAll(SEPARATOR, "/");
  }
  return undefined;
}
