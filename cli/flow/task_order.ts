/**
 * Tasks with what they depend on, and the nodes that run them.
 *
 * - A task is known by its file and its name, and is one node, whoever depends on it.
 * - What a task depends on is looked for where its file lies, as Deno does.
 * - A node runs the text that was read, so that what is recorded is what ran. Only scripts of `package.json`
 *   are run by their name: Deno gives them variables of npm, and runs others before and behind them.
 */
import { dirname } from "../../_internal/path.ts";
import { UsageError } from "../exit_codes.ts";
import { pathUpFrom } from "../files.ts";
import { listed, quoted } from "../text/printable.ts";
import { type FlowNode, nodeIdFrom, taskCommand } from "./flow.ts";
import { outputVariable } from "./output_variables.ts";
import { findTask, type Task, type TaskFiles } from "./task_files.ts";

/** A task, and where it was asked for. */
export interface AskedTask {
  /** The task. */
  task: Task;
  /** The directory; the file of the task lies here or above. */
  cwd: string;
}

/** A task, with what it depends on. */
export interface PlacedTask extends AskedTask {
  /** The tasks that it depends on, in the order in which it names them. */
  dependencies: Task[];
}

/** What tells a task from all others. */
export function keyOf({ path, name }: Task): string {
  return JSON.stringify([path, name]);
}

/**
 * Tasks and all that they depend on, each once and behind what it depends on. The way from the task that
 * was asked for is a list of its own: tasks may depend on each other more deeply than calls can nest.
 *
 * @throws {UsageError} If one of them is not there, or they depend on each other in a cycle.
 */
export function tasksInOrder(asked: readonly AskedTask[], files: TaskFiles): PlacedTask[] {
  const ordered = new Map<string, PlacedTask>();
  const path: { placed: PlacedTask; visited: number }[] = [];
  const onPath = new Set<string>();
  const enter = ({ task, cwd }: AskedTask) => {
    const key = keyOf(task);
    if (ordered.has(key)) return;
    if (onPath.has(key)) refuseCycle([...path.map(({ placed }) => placed.task), task]);
    onPath.add(key);
    path.push({ placed: { task, cwd, dependencies: dependenciesOf(task, files) }, visited: 0 });
  };
  for (const one of asked) {
    enter(one);
    for (let at = path.at(-1); at !== undefined; at = path.at(-1)) {
      const { placed } = at;
      const task = placed.dependencies[at.visited++];
      if (task !== undefined) {
        enter({ task, cwd: cwdFor(task, { cwd: placed.cwd, files }) });
        continue;
      }
      const key = keyOf(placed.task);
      ordered.set(key, placed);
      onPath.delete(key);
      path.pop();
    }
  }
  return [...ordered.values()];
}

function refuseCycle(way: readonly Task[]): never {
  const last = keyOf(way.at(-1)!);
  const names = way.slice(way.findIndex((task) => keyOf(task) === last)).map(({ name }) => name);
  throw new UsageError(`Cannot run the task ${listed(names, " -> ")}: it depends on itself`);
}

function dependenciesOf(task: Task, files: TaskFiles): Task[] {
  return task.dependencies.map((name) => {
    const found = findTask(name, files.for(dirname(task.path)));
    if (!("problem" in found)) return found;
    const by = `on which ${quoted(task.name)} depends`;
    throw new UsageError(`Cannot run the task ${quoted(name)}, ${by}, ${found.problem}`);
  });
}

/** Where a task is asked for that another depends on: there too, unless that is another one there. */
function cwdFor(task: Task, { cwd, files }: { cwd: string; files: TaskFiles }): string {
  const found = findTask(task.name, files.for(cwd));
  return "problem" in found || found.path !== task.path ? dirname(task.path) : cwd;
}

/** The nodes of tasks. */
export class TaskNodes {
  /** The node of each task that runs something. */
  readonly #ids = new Map<string, string>();
  /** What the tasks depend on that run nothing themselves. */
  readonly #handedOn = new Map<string, Task[]>();

  /** The node of a task; undefined where it has none yet. */
  idOf(task: Task): string | undefined {
    return this.#ids.get(keyOf(task));
  }

  /** A task has become a node. */
  add(task: Task, id: string): void {
    this.#ids.set(keyOf(task), id);
  }

  /** A task runs nothing itself: whoever depends on it depends on what it depends on. */
  handOn({ task, dependencies }: PlacedTask): void {
    this.#handedOn.set(keyOf(task), dependencies);
  }

  /** The nodes that a task depends on, in the order in which it names them. */
  needsOf({ dependencies }: PlacedTask): string[] {
    const needs = new Set<string>();
    const seen = new Set<string>();
    const left = dependencies.toReversed();
    for (let task = left.pop(); task !== undefined; task = left.pop()) {
      const key = keyOf(task);
      if (seen.has(key)) continue;
      seen.add(key);
      const id = this.#ids.get(key);
      if (id !== undefined) needs.add(id);
      for (const handed of this.#handedOn.get(key)?.toReversed() ?? []) left.push(handed);
    }
    return [...needs];
  }
}

/** Hands out ids of nodes. The names of tasks have characters that no id has, so two may become one. */
export class FreeIds {
  /** As variables: others find by them what nodes printed, and some file systems do not tell cases apart. */
  readonly #taken: Set<string>;
  /** The number that the next node of a name gets that is not free. */
  readonly #numbers = new Map<string, number>();

  /** `taken`: ids that are not free. */
  constructor(taken: readonly string[] = []) {
    this.#taken = new Set(taken.map(outputVariable));
  }

  /** A free id that says what is wanted. */
  take(text: string): string {
    const wanted = nodeIdFrom(text);
    let id = wanted;
    let number = this.#numbers.get(wanted) ?? 2;
    for (; this.#taken.has(outputVariable(id)); number++) id = `${wanted.slice(0, 58)}-${number}`;
    this.#numbers.set(wanted, number);
    this.#taken.add(outputVariable(id));
    return id;
  }
}

/** What the node of a task has to say of what it runs. */
type TaskCommand = Required<Pick<FlowNode, "run" | "task" | "taskText" | "taskFile">>;

/**
 * The command that runs what a task itself does, with arguments behind it. Deno has no option to leave out
 * what it depends on, but runs any text as a task. Paths are relative to where it runs, as the same tasks
 * are the same flow wherever the project lies.
 */
export function commandOfTask(
  { name, path, command = "", isScript }: Task,
  { cwd, files, given = [] }: { cwd: string; files: TaskFiles; given?: readonly string[] },
): TaskCommand {
  const recorded = { task: name, taskFile: path };
  if (isScript) {
    const scripts = files.in(dirname(path)).npm?.tasks;
    const texts = [`pre${name}`, name, `post${name}`].map((one) => scripts?.get(one)?.command);
    const taskText = texts.filter((text) => text !== undefined).join(" && ");
    return { ...recorded, run: [...taskCommand(name), ...given], taskText };
  }
  const config = pathUpFrom(cwd, path);
  const place = ["--config", config, "--cwd", dirname(config)];
  const run = ["deno", "task", "--quiet", ...place, "--eval", command, ...given];
  return { ...recorded, run, taskText: command };
}
