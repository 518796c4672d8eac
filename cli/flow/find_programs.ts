import { UsageError } from "../usage_error.ts";
import type { Flow } from "./flow.ts";
import { findProgram, isDirectory, pathFor, type ProgramPlace } from "./find_program.ts";
import { findTask, readTaskFiles } from "./task_files.ts";

/**
 * Finds the program of every node, before anything is recorded: a flow that cannot run does not
 * begin to.
 *
 * @returns The paths of the programs, by the ids of the nodes.
 * @throws {UsageError} Its message names the node and what to do.
 */
export function findPrograms(flow: Flow): Map<string, string> {
  const programs = new Map<string, string>();
  // Many nodes run the same program.
  const found = new Map<string, ReturnType<typeof findProgram>>();
  const find = (name: string, place: ProgramPlace) => {
    const key = JSON.stringify([name, place]);
    const program = found.get(key) ?? findProgram(name, place);
    found.set(key, program);
    return program;
  };
  for (const { id, run, task, env, cwd } of flow.nodes) {
    const name = task ?? run[0]!;
    const fail = failerOf(flow, { id, what: task === undefined ? "" : "the task ", name });
    if (!isDirectory(cwd)) fail(`but in the cwd ${cwd}, which is no directory`);
    if (task !== undefined) checkTask(task, cwd, fail);
    // An executable that deno compile made cannot stand for deno.
    const isDeno = task !== undefined && !Deno.build.standalone;
    const program = isDeno ? Deno.execPath() : find(run[0]!, { cwd, path: pathFor(env.PATH) });
    if (typeof program === "string") programs.set(id, program);
    else fail(`${task === undefined ? "which" : "but deno"} ${program.problem}`);
  }
  return programs;
}

function failerOf(
  flow: Flow,
  { id, what, name }: { id: string; what: string; name: string },
): (problem: string) => never {
  const subject = flow.path === undefined
    ? "Cannot run"
    : `Cannot run ${flow.path}: node ${JSON.stringify(id)} runs`;
  return (problem) => {
    throw new UsageError(`${subject} ${what}${JSON.stringify(name)}, ${problem}`);
  };
}

/** A task is looked for as Deno will: a flow with one that is not there does not begin to run. */
function checkTask(name: string, cwd: string, fail: (problem: string) => never): void {
  const task = findTask(name, readTaskFiles(cwd));
  if ("problem" in task) fail(task.problem);
}
