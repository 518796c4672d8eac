import { isStringArray } from "../../_internal/errors.ts";
import { checkRegular } from "../../_internal/file_port.ts";
import { dirname, join } from "../../_internal/path.ts";
import { reasonOf } from "../../_internal/text.ts";
import { UsageError } from "../exit_codes.ts";
import { listed, quoted } from "../text/printable.ts";
import { lookAt, pathUpFrom } from "../files.ts";
import {
  DEFAULT_CONSTRAINTS,
  type Flow,
  type FlowNode,
  makeFlow,
  makeNode,
  nameFrom,
} from "./flow.ts";
import { type Json, parseJsonc } from "./parse_jsonc.ts";

/**
 * Makes a flow of tasks and of all that they depend on. Each task is one node, whoever depends on
 * it; one that runs nothing itself hands its dependencies on.
 *
 * @throws {UsageError} If there is no such task, or they depend on each other in a cycle.
 */
export function makeTaskFlow(names: string[], options: { cwd: string; jobs: number }): Flow {
  const walk = new TaskWalk(readTaskFiles(options.cwd), options.cwd);
  for (const name of names) walk.visit(name);
  if (walk.nodes.length === 0) {
    throw new UsageError(`Cannot run --tasks ${listed(names)}: they run nothing`);
  }
  return makeFlow({
    madeBy: "tasks",
    name: nameFrom(names.join("-")),
    nodes: walk.nodes,
    constraints: { ...DEFAULT_CONSTRAINTS, max_in_flight: options.jobs },
  });
}

/**
 * Walks from tasks to what they depend on, which comes first. The way from the task that was asked for
 * is a list of its own: tasks may depend on each other more deeply than calls can nest.
 */
class TaskWalk {
  readonly nodes: FlowNode[] = [];
  readonly #files: TaskFile[];
  readonly #cwd: string;
  readonly #path: { task: Task; visited: number }[] = [];
  readonly #onPath = new Set<string>();
  /** The node of each task that runs something. */
  readonly #nodeIds = new Map<string, string>();
  /** What the tasks depend on that run nothing themselves. */
  readonly #handedOn = new Map<string, string[]>();
  /** The ids of the nodes, in lower case: some file systems do not tell the cases apart. */
  readonly #ids = new Set<string>();
  /** The number that the next node of a name gets that is not free. */
  readonly #numbers = new Map<string, number>();

  constructor(files: TaskFile[], cwd: string) {
    this.#files = files;
    this.#cwd = cwd;
  }

  visit(name: string): void {
    this.#enter(name);
    for (let at = this.#path.at(-1); at !== undefined; at = this.#path.at(-1)) {
      const dependency = at.task.dependencies[at.visited++];
      if (dependency !== undefined) this.#enter(dependency);
      else this.#leave(at.task);
    }
  }

  #enter(name: string): void {
    if (this.#nodeIds.has(name) || this.#handedOn.has(name)) return;
    if (this.#onPath.has(name)) {
      const names = this.#path.map(({ task }) => task.name);
      const cycle = listed([...names.slice(names.indexOf(name)), name], " -> ");
      throw new UsageError(`Cannot run the task ${cycle}: it depends on itself`);
    }
    const task = findTask(name, this.#files);
    if ("problem" in task) {
      const asker = this.#path.at(-1)?.task.name;
      const by = asker === undefined ? "" : `, on which ${quoted(asker)} depends`;
      throw new UsageError(`Cannot run the task ${quoted(name)}${by}, ${task.problem}`);
    }
    this.#path.push({ task, visited: 0 });
    this.#onPath.add(name);
  }

  #leave(task: Task): void {
    if (task.command === undefined) this.#handedOn.set(task.name, task.dependencies);
    else this.#nodeIds.set(task.name, this.#add(task, task.command, this.#needsOf(task)));
    this.#onPath.delete(task.name);
    this.#path.pop();
  }

  /** The nodes that a task depends on, in the order in which it names them. */
  #needsOf(task: Task): string[] {
    const needs = new Set<string>();
    const seen = new Set<string>();
    const left = task.dependencies.toReversed();
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      if (seen.has(name)) continue;
      seen.add(name);
      const id = this.#nodeIds.get(name);
      if (id !== undefined) needs.add(id);
      for (const handed of this.#handedOn.get(name)?.toReversed() ?? []) left.push(handed);
    }
    return [...needs];
  }

  #add(task: Task, command: string, needs: string[]): string {
    const id = this.#freeId(nameFrom(task.name));
    const run = task.dependencies.length === 0
      ? taskCommand(task.name)
      : commandOfTask(command, { path: task.path, cwd: this.#cwd });
    this.nodes.push(makeNode({ id, run, task: task.name, needs, cwd: this.#cwd }));
    return id;
  }

  /** The names of tasks have characters that no id has, so two may become one. */
  #freeId(wanted: string): string {
    let id = wanted;
    let number = this.#numbers.get(wanted) ?? 2;
    for (; this.#ids.has(id.toLowerCase()); number++) id = `${wanted.slice(0, 58)}-${number}`;
    this.#numbers.set(wanted, number);
    this.#ids.add(id.toLowerCase());
    return id;
  }
}

/** A task as its file has it. */
interface Task {
  /** Its name. */
  name: string;
  /** The file. */
  path: string;
  /** What it runs; one that only depends on others runs nothing. */
  command?: string;
  /** The tasks that must have completed before. */
  dependencies: string[];
}

/** A file with tasks: `deno.json`, `deno.jsonc` or `package.json`. */
export interface TaskFile {
  path: string;
  tasks: Map<string, Task>;
}

/**
 * Reads the files that Deno takes tasks from in a directory: the nearest `deno.json` or
 * `deno.jsonc`, here or above, the nearest `package.json`, and the `deno.json` of a workspace above.
 *
 * @throws {UsageError} If one is wrong; its message names the file and the place.
 */
export function readTaskFiles(cwd: string): TaskFile[] {
  const files: TaskFile[] = [];
  let hasDeno = false;
  let hasPackage = false;
  for (let at = cwd;; at = dirname(at)) {
    const deno: JsonFile | undefined = readFirst([join(at, "deno.json"), join(at, "deno.jsonc")]);
    if (deno !== undefined && (!hasDeno || deno.json.has("workspace"))) {
      files.push({ path: deno.path, tasks: tasksOf(deno.path, deno.json.get("tasks")) });
    }
    const npm: JsonFile | undefined = hasPackage
      ? undefined
      : readFirst([join(at, "package.json")]);
    if (npm !== undefined) {
      files.push({ path: npm.path, tasks: tasksOf(npm.path, npm.json.get("scripts")) });
    }
    hasDeno ||= deno !== undefined;
    hasPackage ||= npm !== undefined;
    if (dirname(at) === at) return files;
  }
}

/** Finds a task; or lists those there are, in words, when there is no such one. */
export function findTask(name: string, files: TaskFile[]): Task | { problem: string } {
  for (const { tasks } of files) {
    const task = tasks.get(name);
    if (task !== undefined) return task;
  }
  const [first] = files;
  if (first === undefined) {
    return { problem: "but there is no deno.json, deno.jsonc or package.json here or above" };
  }
  const known = files.flatMap(({ tasks }) => [...tasks.keys()]);
  const remedy = known.length === 0 ? "it has no tasks" : `there are ${listed(known)}`;
  const paths = files.map(({ path }) => path).join(" or ");
  return { problem: `which is no task of ${paths}: ${remedy}` };
}

interface JsonFile {
  path: string;
  json: Map<string, Json>;
}

function readFirst(paths: string[]): JsonFile | undefined {
  for (const path of paths) {
    const text = readText(path);
    if (text === undefined) continue;
    try {
      const json = parseJsonc(text, { comments: !path.endsWith("package.json") });
      if (json instanceof Map) return { path, json };
      throw new SyntaxError("it is no JSON object");
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw new UsageError(`Cannot read the tasks of ${path}: ${cause.message}`, { cause });
    }
  }
  return undefined;
}

/** Nobody gave this path, so a pipe is not waited for, and a device not read. */
function readText(path: string): string | undefined {
  try {
    const info = lookAt(path);
    if (info?.isDirectory) return undefined;
    if (info !== undefined) checkRegular(path, info);
    return Deno.readTextFileSync(path).replace(/^\ufeff/, "");
  } catch (cause) {
    const isNone = cause instanceof Deno.errors.NotFound ||
      cause instanceof Deno.errors.NotADirectory;
    if (isNone) return undefined;
    const reason = reasonOf(cause);
    throw new UsageError(`Cannot read the tasks of ${path}: ${reason}`, { cause });
  }
}

function tasksOf(path: string, value: Json | undefined): Map<string, Task> {
  const tasks = new Map<string, Task>();
  if (value === undefined) return tasks;
  const fail = (problem: string): never => {
    throw new UsageError(`Cannot read the tasks of ${path}: ${problem}`);
  };
  if (!(value instanceof Map)) return fail("they are no object");
  for (const [name, task] of value) {
    if (typeof task === "string") {
      tasks.set(name, { name, path, command: task, dependencies: [] });
      continue;
    }
    if (!(task instanceof Map)) return fail(`${quoted(name)} is no text and no object`);
    const command = task.get("command");
    const dependencies = task.get("dependencies") ?? [];
    if (command !== undefined && typeof command !== "string") {
      return fail(`the command of ${quoted(name)} is no text`);
    }
    if (!isStringArray(dependencies)) {
      return fail(`the dependencies of ${quoted(name)} are no list of texts`);
    }
    tasks.set(name, { name, path, dependencies, ...(command !== undefined && { command }) });
  }
  return tasks;
}

/** The command that runs a task of `deno.json` or a script of `package.json`, with what it depends on. */
export function taskCommand(name: string): string[] {
  return ["deno", "task", "--quiet", name];
}

/**
 * The command that runs what a task itself does. Deno has no option to leave out what it depends
 * on, but runs any text as a task. Paths are relative to where it runs, as the same tasks are the
 * same flow wherever the project lies.
 */
function commandOfTask(
  command: string,
  place: { path: string; cwd: string },
): string[] {
  const path = pathUpFrom(place.cwd, place.path);
  return ["deno", "task", "--quiet", "--config", path, "--cwd", dirname(path), "--eval", command];
}
