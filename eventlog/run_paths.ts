import { lookAtSync } from "../_internal/directories.ts";
import type { FilePort } from "../_internal/file_port.ts";
import { join } from "../_internal/path.ts";

/** Where the files of a run are. */
export interface RunPaths {
  directory: string;
  run: string;
  events: string;
  eventsLock: string;
  liveLock: string;
}

const MAX_RUN_ID_LENGTH = 128;
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i;

/** What is wrong with a run id; undefined when it is right. */
export function runIdProblem(runId: string): string | undefined {
  if (runId.length < 1 || runId.length > MAX_RUN_ID_LENGTH) {
    return `it must have 1 to ${MAX_RUN_ID_LENGTH} characters`;
  }
  if (!/^[A-Za-z0-9._-]+$/.test(runId)) return "it may only have letters, digits, '.', '_' and '-'";
  if (runId.startsWith(".") || runId.endsWith(".")) return "it may not begin or end with '.'";
  if (WINDOWS_DEVICE.test(runId)) return "it is the name of a Windows device";
  return undefined;
}

/** Throws a `TypeError` for a run id that could be no folder, or escape its root (OLG-8). */
export function checkRunId(runId: string): void {
  const problem = runIdProblem(runId);
  if (problem !== undefined) {
    throw new TypeError(`Cannot use run id ${JSON.stringify(runId)}: ${problem}`);
  }
}

/** The folder below a root that holds the runs. */
export function runsDirectory(root: string): string {
  return join(root, "runs");
}

/** The files of a run. The id is checked first: no path can escape the root. */
export function runPaths(root: string, runId: string): RunPaths {
  checkRunId(runId);
  const directory = join(runsDirectory(root), runId);
  return {
    directory,
    run: join(directory, "run.json"),
    events: join(directory, "events.jsonl"),
    eventsLock: join(directory, "events.lock"),
    liveLock: join(directory, "live.lock"),
  };
}

/** Throws a `TypeError` for a link: it could lead out of the root. */
export function refuseLinksSync(port: FilePort, paths: readonly string[]): void {
  for (const path of paths) {
    if (lookAtSync(port, path)?.isSymlink) {
      throw new TypeError(`Cannot use ${path}: it is a symbolic link`);
    }
  }
}
