import { join } from "../_internal/path.ts";

/**
 * Where the records of a run are that have a file each: the capture journal, the bundle that is made of it
 * when the run ends, and the trace.
 *
 * Permissions: none.
 *
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @returns The paths.
 *
 * @example Usage
 * ```ts
 * import { runPaths } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(runPaths(".taffrail", "demo").trace, ".taffrail/runs/demo/trace.json");
 * ```
 */
export function runPaths(
  root: string,
  runId: string,
): { journal: string; bundle: string; trace: string } {
  const directory = join(root, "runs", runId);
  return {
    journal: join(directory, "capture.jsonl"),
    bundle: join(directory, "capture.json"),
    trace: join(directory, "trace.json"),
  };
}
