import { UsageError } from "../usage_error.ts";
import { DEFAULT_CONSTRAINTS, type Flow, type FlowNode } from "./flow.ts";
import { nameFrom } from "./names.ts";
import { commandOfTask, taskCommand } from "./task_command.ts";
import { findTask, readTaskFiles, type Task, type TaskFile } from "./task_files.ts";

/**
 * Makes a flow of tasks and of all that they depend on. Each task is one node, whoever depends on
 * it; one that runs nothing itself hands its dependencies on.
 *
 * @throws {UsageError} If there is no such task, or they depend on each other in a cycle.
 */
export function makeTaskFlow(names: string[], options: { cwd: string; jobs: number }): Flow {
  const walk = new TaskWalk(readTaskFiles(options.cwd), options.cwd);
  for (const name of names) walk.visit(name, []);
  if (walk.nodes.length === 0) {
    throw new UsageError(`Cannot run --tasks ${names.join(",")}: they run nothing`);
  }
  return {
    name: nameFrom(names.join("-")),
    nodes: walk.nodes,
    constraints: { ...DEFAULT_CONSTRAINTS, max_in_flight: options.jobs },
  };
}

/** Walks from tasks to what they depend on, which comes first. */
class TaskWalk {
  readonly nodes: FlowNode[] = [];
  readonly #files: TaskFile[];
  readonly #cwd: string;
  /** The nodes that whoever depends on a task needs. */
  readonly #needs = new Map<string, string[]>();

  constructor(files: TaskFile[], cwd: string) {
    this.#files = files;
    this.#cwd = cwd;
  }

  visit(name: string, path: string[]): string[] {
    const known = this.#needs.get(name);
    if (known !== undefined) return known;
    if (path.includes(name)) {
      const cycle = [...path.slice(path.indexOf(name)), name].join(" -> ");
      throw new UsageError(`Cannot run the task ${cycle}: it depends on itself`);
    }
    const task = findTask(name, this.#files);
    if ("problem" in task) {
      const by = path.length === 0 ? "" : `, on which ${JSON.stringify(path.at(-1))} depends`;
      throw new UsageError(`Cannot run the task ${JSON.stringify(name)}${by}, ${task.problem}`);
    }
    const below = task.dependencies.flatMap((other) => this.visit(other, [...path, name]));
    const needs = [...new Set(below)];
    const own = task.command === undefined ? needs : [this.#add(task, task.command, needs)];
    this.#needs.set(name, own);
    return own;
  }

  #add(task: Task, command: string, needs: string[]): string {
    const id = this.#freeId(nameFrom(task.name));
    const run = task.dependencies.length === 0
      ? taskCommand(task.name)
      : commandOfTask(command, { path: task.path, cwd: this.#cwd });
    this.nodes.push({ id, run, task: task.name, needs, env: {}, cwd: this.#cwd });
    return id;
  }

  /** The names of tasks have characters that no id has, so two may become one. */
  #freeId(wanted: string): string {
    const taken = new Set(this.nodes.map(({ id }) => id.toLowerCase()));
    let id = wanted;
    for (let number = 2; taken.has(id.toLowerCase()); number++) {
      id = `${wanted.slice(0, 60)}-${number}`;
    }
    return id;
  }
}
