import { dirname, join } from "node:path";
import { UsageError } from "../usage_error.ts";
import { type Json, parseJson } from "./parse_json.ts";

/** A task as its file has it. */
export interface Task {
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

/** Finds a task; tells in words which there are when there is no such. */
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
  const remedy = known.length === 0 ? "it has no tasks" : `there are ${known.join(", ")}`;
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
      const json = parseJson(text, { comments: !path.endsWith("package.json") });
      if (json instanceof Map) return { path, json };
      throw new SyntaxError("it is no JSON object");
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw new UsageError(`Cannot read the tasks of ${path}: ${cause.message}`, { cause });
    }
  }
  return undefined;
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path).replace(/^\ufeff/, "");
  } catch (cause) {
    const isNone = cause instanceof Deno.errors.NotFound ||
      cause instanceof Deno.errors.IsADirectory || cause instanceof Deno.errors.NotADirectory;
    if (isNone) return undefined;
    const reason = cause instanceof Error ? cause.message : String(cause);
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
    if (!(task instanceof Map)) return fail(`${JSON.stringify(name)} is no text and no object`);
    const command = task.get("command");
    const dependencies = task.get("dependencies") ?? [];
    if (command !== undefined && typeof command !== "string") {
      return fail(`the command of ${JSON.stringify(name)} is no text`);
    }
    if (!isTexts(dependencies)) {
      return fail(`the dependencies of ${JSON.stringify(name)} are no list of texts`);
    }
    tasks.set(name, { name, path, dependencies, ...(command !== undefined && { command }) });
  }
  return tasks;
}

function isTexts(value: Json): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
