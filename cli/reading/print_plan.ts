/** What a flow would do, and which tasks there are, without running anything. */
import { CONSTRAINT_NAMES } from "../../_internal/constraints.ts";
import { defined } from "../../_internal/errors.ts";
import type { Flow, FlowNode } from "../flow/flow.ts";
import { flowRecordText } from "../flow/flow_record.ts";
import { orderOf } from "../flow/ready_nodes.ts";
import type { TaskFile } from "../flow/task_files.ts";
import { commandLine, listed, printableLine } from "../text/printable.ts";
import type { Screen } from "../text/screen.ts";
import { formatDuration, formatLimit } from "../text/units.ts";

/** Prints the nodes in an order in which they may run, for people. */
export function printPlan(screen: Screen, flow: Flow): void {
  using _batch = screen.batch();
  const nodes = orderOf(flow.nodes);
  const width = Math.max(...nodes.map(({ id }) => id.length));
  screen.line(`flow    ${flow.name}`);
  const limits = limitsOf(flow);
  if (limits.length > 0) screen.line(`limits  ${listed(limits)}`);
  screen.line(`nodes   ${nodes.length}, none of them was run`);
  screen.line();
  for (const node of nodes) {
    screen.line(`${node.id.padEnd(width)}  ${printableLine(whatOf(node))}`);
    const rules = rulesOf(node);
    if (rules !== "") {
      screen.line(`${"".padEnd(width)}    ${screen.paint(printableLine(rules), "dim")}`);
    }
  }
}

/** Prints the same for programs: what the `flow.json` of the run would have, the nodes in that order. */
export async function printPlanJson(screen: Screen, flow: Flow): Promise<void> {
  const record = await flowRecordText({ ...flow, nodes: orderOf(flow.nodes) });
  screen.line(JSON.stringify(JSON.parse(record)));
}

function limitsOf({ constraints, onFailure, deadlineMs }: Flow): string[] {
  const limits = CONSTRAINT_NAMES.flatMap((name) => {
    const limit = constraints[name];
    return limit === null ? [] : [`${name} ${formatLimit(limit)}`];
  });
  if (onFailure !== "stop") limits.push(`on_failure ${onFailure}`);
  if (deadlineMs !== undefined) limits.push(`${formatDuration(deadlineMs)} in all`);
  return limits;
}

function whatOf({ run, task, gate }: FlowNode): string {
  if (gate !== undefined) return `asks: ${gate}`;
  if (task !== undefined) return `task ${task}`;
  return run.length === 0 ? "stands for what it needs" : commandLine(run);
}

function rulesOf({ needs, when, allowFailure, timeoutMs, retry }: FlowNode): string {
  const after = { success: "after", failure: "after a failure of", always: "in any case after" };
  return [
    needs.length === 0 ? "" : `${after[when]} ${listed(needs)}`,
    timeoutMs === undefined ? "" : `timeout ${formatDuration(timeoutMs)}`,
    retry === undefined ? "" : `tried again up to ${retry.maxRetries} times`,
    allowFailure ? "may fail" : "",
  ].filter((text) => text !== "").join("; ");
}

/** Prints the tasks of some files, for people: what each is for, what it runs and what before. */
export function printTasks(screen: Screen, files: readonly TaskFile[]): void {
  for (const { path, packageName, tasks } of files) {
    if (tasks.size === 0) continue;
    const name = packageName === undefined ? "" : `  ${packageName}`;
    screen.line(screen.paint(printableLine(`${path}${name}`), "bold"));
    const width = Math.max(...[...tasks.keys()].map((name) => printableLine(name).length));
    for (const { name, command, description, dependencies } of tasks.values()) {
      const needs = dependencies.length === 0 ? undefined : `after ${listed(dependencies)}`;
      const [first = "", ...others] = [description, command, needs]
        .filter((text) => text !== undefined).map(printableLine);
      screen.line(`  ${printableLine(name).padEnd(width)}  ${first}`);
      for (const text of others) {
        screen.line(`  ${"".padEnd(width)}    ${screen.paint(text, "dim")}`);
      }
    }
  }
}

/** Prints the same for programs. */
export function printTasksJson(screen: Screen, files: readonly TaskFile[]): void {
  const document = {
    files: files.map(({ path, packageName, tasks }) => ({
      path,
      ...defined({ package: packageName }),
      tasks: Array.from(tasks.values(), ({ name, command, description, dependencies }) => {
        return { name, ...defined({ command, description }), dependencies };
      }),
    })),
  };
  screen.line(JSON.stringify(document));
}
