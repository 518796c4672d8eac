/**
 * The files that have tasks, `deno.json`, `deno.jsonc` and `package.json`, as Deno finds and reads them.
 */
import { defined, isStringArray } from "../../_internal/errors.ts";
import { checkRegular } from "../../_internal/file_port.ts";
import { dirname, join } from "../../_internal/path.ts";
import { reasonOf } from "../../_internal/text.ts";
import { UsageError } from "../exit_codes.ts";
import { lookAt } from "../files.ts";
import { listed, quoted } from "../text/printable.ts";
import { type Json, parseJsonc } from "./parse_jsonc.ts";

/** A task as its file has it. */
export interface Task {
  /** Its name. */
  name: string;
  /** The file. */
  path: string;
  /** What it runs; one that only depends on others runs nothing. */
  command?: string;
  /** What it is for, to people. */
  description?: string;
  /** The tasks that must have completed before. */
  dependencies: string[];
  /** Whether it is a script of `package.json`, before and behind which Deno may run others. */
  isScript: boolean;
}

/** A file with tasks. */
export interface TaskFile {
  /** Its path. */
  path: string;
  /** The name of the package, where it says one. */
  packageName?: string;
  /** What it says of the members of a workspace, where it is the root of one. */
  workspace?: Json;
  /** Its tasks. */
  tasks: Map<string, Task>;
}

/** Reads files of tasks, each once. */
export class TaskFiles {
  readonly #files = new Map<string, TaskFile | undefined>();
  readonly #found = new Map<string, TaskFile[]>();

  /**
   * The files that Deno takes tasks from in a directory: the nearest `deno.json` or `deno.jsonc`, here or
   * above, the nearest `package.json`, and those of the root of a workspace above.
   *
   * @throws {UsageError} If one is wrong; its message names the file and the place.
   */
  for(cwd: string): TaskFile[] {
    const known = this.#found.get(cwd);
    if (known !== undefined) return known;
    const found: TaskFile[] = [];
    let hasDeno = false;
    let hasPackage = false;
    for (let at = cwd;; at = dirname(at)) {
      const { deno, npm } = this.in(at);
      const isRoot = deno?.workspace !== undefined || npm?.workspace !== undefined;
      if (deno !== undefined && (!hasDeno || isRoot)) found.push(deno);
      if (npm !== undefined && (!hasPackage || isRoot)) found.push(npm);
      hasDeno ||= deno !== undefined;
      hasPackage ||= npm !== undefined;
      if (dirname(at) === at) break;
    }
    this.#found.set(cwd, found);
    return found;
  }

  /** The files that lie in a directory itself. */
  in(directory: string): { deno: TaskFile | undefined; npm: TaskFile | undefined } {
    return {
      deno: this.#read(join(directory, "deno.json")) ?? this.#read(join(directory, "deno.jsonc")),
      npm: this.#read(join(directory, "package.json")),
    };
  }

  #read(path: string): TaskFile | undefined {
    if (this.#files.has(path)) return this.#files.get(path);
    const text = readText(path);
    const file = text === undefined ? undefined : parseTaskFile(path, text);
    this.#files.set(path, file);
    return file;
  }
}

/** Finds a task; or lists those there are, in words, when there is no such one. */
export function findTask(name: string, files: readonly TaskFile[]): Task | { problem: string } {
  const found = files.find(({ tasks }) => tasks.has(name))?.tasks.get(name);
  return found ?? { problem: noTaskProblem(files) };
}

/** Said where tasks are looked for, and there is no file that could have some. */
export const NO_TASK_FILES = "there is no deno.json, deno.jsonc or package.json here or above";

/** What there is, where there is not what was asked for: `which is no task of …: there are …`. */
export function noTaskProblem(files: readonly TaskFile[], what = "is no task"): string {
  if (files.length === 0) return `but ${NO_TASK_FILES}`;
  const known = [...tasksIn(files).keys()];
  const remedy = known.length === 0 ? "it has no tasks" : `there are ${listed(known)}`;
  return `which ${what} of ${files.map(({ path }) => path).join(" or ")}: ${remedy}`;
}

/** The tasks that some files have, by name; of several with one name the one that Deno would run. */
export function tasksIn(files: readonly TaskFile[]): Map<string, Task> {
  const tasks = new Map<string, Task>();
  for (const file of files) {
    for (const [name, task] of file.tasks) if (!tasks.has(name)) tasks.set(name, task);
  }
  return tasks;
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

function parseTaskFile(path: string, text: string): TaskFile {
  const isPackage = path.endsWith("package.json");
  let json: Json;
  try {
    json = parseJsonc(text, { comments: !isPackage });
    if (!(json instanceof Map)) throw new SyntaxError("it is no JSON object");
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new UsageError(`Cannot read the tasks of ${path}: ${cause.message}`, { cause });
  }
  const packageName = json.get("name");
  return {
    path,
    ...defined({
      packageName: typeof packageName === "string" && packageName !== "" ? packageName : undefined,
      workspace: json.get(isPackage ? "workspaces" : "workspace"),
    }),
    tasks: tasksOf(path, json.get(isPackage ? "scripts" : "tasks"), isPackage),
  };
}

function tasksOf(path: string, value: Json | undefined, isScript: boolean): Map<string, Task> {
  const tasks = new Map<string, Task>();
  if (value === undefined) return tasks;
  const fail = (problem: string): never => {
    throw new UsageError(`Cannot read the tasks of ${path}: ${problem}`);
  };
  if (!(value instanceof Map)) return fail("they are no object");
  for (const [name, task] of value) {
    if (typeof task === "string") {
      tasks.set(name, { name, path, command: task, dependencies: [], isScript });
      continue;
    }
    if (!(task instanceof Map)) return fail(`${quoted(name)} is no text and no object`);
    const command = task.get("command");
    const description = task.get("description");
    const dependencies = task.get("dependencies") ?? [];
    if (command !== undefined && typeof command !== "string") {
      return fail(`the command of ${quoted(name)} is no text`);
    }
    if (!isStringArray(dependencies)) {
      return fail(`the dependencies of ${quoted(name)} are no list of texts`);
    }
    const text = typeof description === "string" ? description : undefined;
    const texts = defined({ command, description: text });
    tasks.set(name, { name, path, dependencies, isScript, ...texts });
  }
  return tasks;
}
