import { UsageError } from "../usage_error.ts";
import type { Flow } from "./flow.ts";
import { findProgram, isDirectory, pathFor } from "./find_program.ts";

/**
 * Finds the program of every node, before anything is recorded: a flow that cannot run does not
 * begin to.
 *
 * @returns The paths of the programs, by the ids of the nodes.
 * @throws {UsageError} Its message names the node and what to do.
 */
export function findPrograms(flow: Flow): Map<string, string> {
  const programs = new Map<string, string>();
  for (const { id, run, env, cwd } of flow.nodes) {
    const subject = flow.path === undefined
      ? "Cannot run"
      : `Cannot run ${flow.path}: node ${JSON.stringify(id)} runs`;
    const name = run[0]!;
    const fail = (problem: string): never => {
      throw new UsageError(`${subject} ${JSON.stringify(name)}, ${problem}`);
    };
    if (!isDirectory(cwd)) fail(`but in the cwd ${cwd}, which is no directory`);
    const program = findProgram(name, { cwd, path: pathFor(env.PATH) });
    if (typeof program === "string") programs.set(id, program);
    else fail(`which ${program.problem}`);
  }
  return programs;
}
