import { DEFAULT_CONSTRAINTS, type Flow } from "../../cli/flow/flow.ts";
import { makeTaskFlow } from "../../cli/flow/tasks.ts";

/** The flow of some tasks, asked for in a directory. */
export function taskFlowOf(names: string[], cwd: string): Flow {
  return makeTaskFlow({ names, arguments: [], cwd }, DEFAULT_CONSTRAINTS);
}
