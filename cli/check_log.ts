import { join } from "node:path";

/** What is wrong with the log of a run before it is opened, and what to do; undefined when nothing is. */
export function logProblem(root: string, runId: string): string | undefined {
  const path = join(root, "runs", runId, "events.jsonl");
  try {
    if (Deno.statSync(path).isFile) return undefined;
    return `its log ${path} is no file: move it away`;
  } catch (error) {
    // What else is wrong is told by whoever opens it.
    if (!(error instanceof Deno.errors.NotFound)) return undefined;
    return `it has no log ${path}: if no program uses its folder, remove that`;
  }
}
