import { runPaths } from "../../run/mod.ts";
import { readTrace, TraceFileError } from "../../trace/mod.ts";
import { fileProblem, type Problem, unreadable } from "./problem.ts";

const SET_ASIDE = "keep it under another name";

/** What is wrong with the trace of a run. It is replaced as a whole, so it may be read at any time. */
export async function inspectTrace(
  { root, runId }: { root: string; runId: string },
): Promise<Problem[]> {
  const { trace: path } = runPaths(root, runId);
  const place = { run_id: runId, part: "trace", path } as const;
  try {
    const { run_id: tracedRun } = await readTrace(path);
    if (tracedRun === undefined || tracedRun === runId) return [];
    const message = `it is of the run ${tracedRun}`;
    return [fileProblem(place, { kind: "foreign-run", message, repair: SET_ASIDE })];
  } catch (error) {
    // Only a run in which something failed has one.
    if (isMissing(error)) return [];
    return [unreadable(place, error, { repair: SET_ASIDE })];
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof TraceFileError && error.cause instanceof Deno.errors.NotFound;
}
