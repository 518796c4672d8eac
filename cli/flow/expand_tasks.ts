/**
 * Tasks in flow files: what a task depends on is part of the flow.
 *
 * - What several tasks depend on is one node, where they are given the same variables; a node of the flow that
 *   runs that task is it.
 * - A node that starts in other cases than success runs its task with what that depends on, as one command: it
 *   is part of what is then to be done.
 * - A node whose task runs nothing itself stands for what that depends on, and runs nothing either.
 * - A node that is made begins when all has completed that each node needs which depends on it: no earlier
 *   than their tasks would have begun it themselves. Such needs lead to no cycle.
 */
import { defined } from "../../_internal/errors.ts";
import { UsageError } from "../exit_codes.ts";
import { isDirectory } from "../files.ts";
import { type Flow, type FlowNode, makeNode, nodesById } from "./flow.ts";
import { checkNeeds } from "./ready_nodes.ts";
import { findTask, type Task, TaskFiles } from "./task_files.ts";
import { commandOfTask, FreeIds, type PlacedTask, TaskNodes, tasksInOrder } from "./task_order.ts";

/**
 * Gives the nodes of a flow that run tasks the texts of these, and makes nodes of what they depend on. A task
 * that is not there, as an earlier node may make it, is left as it is.
 *
 * @throws {UsageError} If what a task depends on is not there, or needs and dependencies make a cycle.
 */
export function expandTasks(flow: Flow): Flow {
  const nodes = new Expansion(flow.nodes).expand();
  checkNeeds(nodes, (problem) => {
    throw new UsageError(`Cannot run ${flow.path}: with what its tasks depend on ${problem}`);
  });
  return { ...flow, nodes };
}

class Expansion {
  readonly #nodes: readonly FlowNode[];
  readonly #files = new TaskFiles();
  readonly #ids: FreeIds;
  /** The nodes of tasks, by the variables that they are given. */
  readonly #known = new Map<string, TaskNodes>();
  /** The nodes of the flow that depend on a node that was made. */
  readonly #dependents = new Map<string, FlowNode[]>();

  constructor(nodes: readonly FlowNode[]) {
    this.#nodes = nodes;
    this.#ids = new FreeIds(nodes.map(({ id }) => id));
  }

  expand(): FlowNode[] {
    const tasks = new Map(this.#nodes.map((node) => [node.id, this.#taskOf(node)]));
    for (const node of this.#nodes) {
      const task = tasks.get(node.id);
      const known = this.#knownFor(node);
      if (task?.command === undefined || node.when !== "success") continue;
      if (known.idOf(task) === undefined) known.add(task, node.id);
    }
    const expanded = this.#nodes.flatMap((node) => {
      const task = tasks.get(node.id);
      return task === undefined ? [node] : this.#expandNode(node, task);
    });
    const byId = nodesById(this.#nodes);
    return expanded.map((node) => {
      const dependents = this.#dependents.get(node.id);
      if (dependents === undefined) return node;
      return { ...node, needs: [...new Set([...commonNeeds(dependents, byId), ...node.needs])] };
    });
  }

  /** The task that a node runs, where it is there. */
  #taskOf({ task: name, cwd }: FlowNode): Task | undefined {
    if (name === undefined || !isDirectory(cwd)) return undefined;
    const task = findTask(name, this.#files.for(cwd));
    return "problem" in task ? undefined : task;
  }

  #knownFor({ env }: FlowNode): TaskNodes {
    const key = JSON.stringify(Object.entries(env).sort());
    const known = this.#known.get(key) ?? new TaskNodes();
    this.#known.set(key, known);
    return known;
  }

  /** A node that runs a task, behind the nodes that are made of what the task depends on. */
  #expandNode(node: FlowNode, task: Task): FlowNode[] {
    const { cwd } = node;
    if (takesAlong(node, task)) {
      return [{ ...node, ...defined({ taskText: task.command }), taskFile: task.path }];
    }
    const known = this.#knownFor(node);
    const ordered = tasksInOrder([{ task, cwd }], this.#files);
    const own = ordered.pop()!;
    const made = ordered.flatMap((placed) => this.#make(placed, node));
    const needs = [...new Set([...node.needs, ...known.needsOf(own)])];
    if (task.command !== undefined) {
      return [...made, { ...node, ...commandOfTask(task, { cwd, files: this.#files }), needs }];
    }
    const { task: _, ...aggregate } = node;
    return [...made, { ...aggregate, run: [], needs }];
  }

  /** The node of what a task depends on, unless there is one already. */
  #make(placed: PlacedTask, dependent: FlowNode): FlowNode[] {
    const { task, cwd } = placed;
    const known = this.#knownFor(dependent);
    if (task.command === undefined) {
      known.handOn(placed);
      return [];
    }
    const there = known.idOf(task);
    if (there !== undefined) {
      this.#dependents.get(there)?.push(dependent);
      return [];
    }
    const id = this.#ids.take(task.name);
    known.add(task, id);
    this.#dependents.set(id, [dependent]);
    const command = commandOfTask(task, { cwd, files: this.#files });
    const needs = known.needsOf(placed);
    return [makeNode({ id, ...command, needs, env: dependent.env, cwd })];
  }
}

/**
 * Whether a node runs its task with all that this depends on, as one command: where that is begun in other cases
 * than success, and where what runs nothing itself has a rule of its own.
 */
function takesAlong(node: FlowNode, { command, dependencies }: Task): boolean {
  if (dependencies.length === 0) return command === undefined;
  const hasRules = node.timeoutMs !== undefined || node.retry !== undefined || node.allowFailure;
  return node.when !== "success" || (command === undefined && hasRules);
}

/** What each of some nodes needs, itself or by way of others; without what others of these need anyway. */
function commonNeeds(
  nodes: readonly FlowNode[],
  byId: ReadonlyMap<string, FlowNode>,
): Set<string> {
  const [first, ...others] = nodes.map(({ needs }) => allNeeds(needs, byId));
  const common = new Set(first);
  for (const other of others) for (const id of common) if (!other.has(id)) common.delete(id);
  for (const id of [...common]) {
    if (!common.has(id)) continue;
    for (const need of allNeeds(byId.get(id)?.needs ?? [], byId)) common.delete(need);
  }
  return common;
}

/** Nodes, and all that they need. */
function allNeeds(ids: readonly string[], byId: ReadonlyMap<string, FlowNode>): Set<string> {
  const found = new Set(ids);
  for (const id of found) for (const need of byId.get(id)?.needs ?? []) found.add(need);
  return found;
}
