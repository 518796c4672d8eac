/** The flow of `taffrail run --tasks`. */
import { dirname } from "../../_internal/path.ts";
import type { Constraints } from "../../supervisor/types.ts";
import { UsageError } from "../exit_codes.ts";
import { listed, quoted } from "../text/printable.ts";
import {
  type Flow,
  type FlowNode,
  makeFlow,
  makeNode,
  nameFrom,
  type TaskRequest,
} from "./flow.ts";
import { noTaskProblem, type Task, type TaskFile, TaskFiles, tasksIn } from "./task_files.ts";
import {
  type AskedTask,
  commandOfTask,
  FreeIds,
  keyOf,
  TaskNodes,
  tasksInOrder,
} from "./task_order.ts";
import { filterProjects, matcher, type Project, projectsOf } from "./workspace.ts";

/**
 * Makes a flow of tasks and of all that they depend on. One that runs nothing itself hands its dependencies
 * on.
 *
 * @throws {UsageError} If there is no such task, or they depend on each other in a cycle.
 */
export function makeTaskFlow(request: TaskRequest, constraints: Constraints): Flow {
  const files = new TaskFiles();
  const projects = projectsFor(request, files);
  const asked = askedTasks(request, { files, projects });
  checkArguments(request, asked);
  const nameOf = nodeNames(request, files);
  const keys = new Set(asked.map(({ task }) => keyOf(task)));
  const nodes: FlowNode[] = [];
  const ids = new FreeIds();
  const known = new TaskNodes();
  for (const placed of tasksInOrder(asked, files)) {
    const { task } = placed;
    const cwd = isRecursive(request) ? dirname(task.path) : placed.cwd;
    if (task.command !== undefined) {
      const id = ids.take(nameOf(task));
      const given = keys.has(keyOf(task)) ? request.arguments : [];
      const command = commandOfTask(task, { cwd, files, given });
      nodes.push(makeNode({ id, ...command, needs: known.needsOf(placed), cwd }));
      known.add(task, id);
    } else known.handOn(placed);
  }
  if (nodes.length === 0) {
    throw new UsageError(`Cannot run --tasks ${listed(request.names)}: they run nothing`);
  }
  const name = nameFrom(request.names.join("-"));
  return makeFlow({ madeBy: "tasks", tasks: request, name, nodes, constraints });
}

/** The files whose tasks such a request may name, each once. */
export function taskFilesFor(request: TaskRequest): TaskFile[] {
  const files = new TaskFiles();
  const found = projectsFor(request, files).flatMap(({ directory }) => files.for(directory));
  return [...new Set(found)];
}

function isRecursive({ recursive, filter }: TaskRequest): boolean {
  return recursive === true || filter !== undefined;
}

/** Where tasks are looked for: here, or in the members of the workspace. */
function projectsFor(request: TaskRequest, files: TaskFiles): Project[] {
  const { cwd, filter } = request;
  if (!isRecursive(request)) return [{ directory: cwd, name: "" }];
  const projects = projectsOf(cwd, files);
  return filter === undefined ? projects : filterProjects(projects, filter);
}

/** What the node of a task is called: in a workspace its member and its name, else its name says enough. */
function nodeNames(request: TaskRequest, files: TaskFiles): (task: Task) => string {
  if (!isRecursive(request)) return ({ name }) => name;
  const all = projectsOf(request.cwd, files);
  const names = new Map(all.map(({ directory, name }) => [directory, name]));
  return ({ path, name }) => {
    const project = names.get(dirname(path));
    return project === undefined ? name : `${project}:${name}`;
  };
}

/** All that the names and patterns of a request mean, each once. */
function askedTasks(
  { names }: TaskRequest,
  { files, projects }: { files: TaskFiles; projects: readonly Project[] },
): AskedTask[] {
  const asked = new Map<string, AskedTask>();
  const places = projects.map(({ directory: cwd }) => ({ cwd, tasks: tasksIn(files.for(cwd)) }));
  for (const name of names) {
    const matches = name.includes("*") ? matcher(name, "is") : undefined;
    const found = places.flatMap(({ cwd, tasks }) => {
      const own = matches === undefined
        ? [tasks.get(name)].filter((task) => task !== undefined)
        : [...tasks.values()].filter((task) => matches(task.name));
      return own.map((task) => ({ task, cwd }));
    });
    if (found.length === 0) {
      const all = new Set(projects.flatMap(({ directory }) => files.for(directory)));
      const [what, fits] = matches === undefined
        ? ["task ", "is no task"]
        : ["tasks ", "fits no task"];
      const problem = noTaskProblem([...all], fits);
      throw new UsageError(`Cannot run the ${what}${quoted(name)}, ${problem}`);
    }
    for (const one of found) {
      const key = keyOf(one.task);
      if (!asked.has(key)) asked.set(key, one);
    }
  }
  return [...asked.values()];
}

/**
 * Arguments are for the tasks that were named, and not for what these depend on; of those that a pattern means
 * they are for the ones that run something.
 */
function checkArguments(request: TaskRequest, asked: readonly AskedTask[]): void {
  const idles = asked.filter(({ task }) => task.command === undefined);
  const idle = idles.length === asked.length
    ? idles[0]
    : idles.find(({ task }) => request.names.includes(task.name));
  if (idle === undefined || request.arguments.length === 0) return;
  const problem = "it runs nothing itself, and what it depends on is not given any";
  throw new UsageError(`Cannot give arguments to the task ${quoted(idle.task.name)}: ${problem}`);
}
