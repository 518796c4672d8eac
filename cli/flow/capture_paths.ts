import { join } from "node:path";

/** Where the capture of a run is: the journal as it goes, and the bundle that its end seals. */
export function capturePaths(root: string, runId: string): { journal: string; bundle: string } {
  const directory = join(root, "runs", runId);
  return { journal: join(directory, "capture.jsonl"), bundle: join(directory, "capture.json") };
}
