import { join } from "node:path";

/** Where what an attempt prints is kept. */
export function outputPath(
  run: { root: string; runId: string },
  attempt: { nodeId: string; attempt: number; stream: "out" | "err" },
): string {
  const name = `${attempt.nodeId}.${attempt.attempt}.${attempt.stream}`;
  return join(run.root, "runs", run.runId, "nodes", name);
}
