/** The runtimes of runs that are gone: what is left when the folder of a run is removed by hand. */
import { isObject } from "../../_internal/errors.ts";
import { denoFilePort, lookAtSync, readFileSync } from "../../_internal/file_port.ts";
import { join } from "../../_internal/path.ts";
import {
  idOfDirectory,
  partsOfRunId,
  runsDirectory,
  RuntimePaths,
  runtimesDirectory,
} from "../../_internal/root_layout.ts";
import { parseJsonFile } from "../../_internal/text.ts";
import { type RunTimes, timesOfId } from "./run_times.ts";

/** A runtime whose run is gone. */
export interface LeftRuntime {
  /** Its id, that of its run. */
  runtimeId: string;
  /** Its directory. */
  path: string;
  /** When its run was, as far as that can be told. */
  times: RunTimes;
}

/**
 * The runtimes that runs of this root have left behind. A program's own are none: that of a run has the
 * id of the run with its name in it, and each of its workers is an attempt.
 */
export function leftRuntimes(root: string): LeftRuntime[] {
  if (lookAtSync(denoFilePort, runtimesDirectory(root))?.isDirectory !== true) return [];
  const left: LeftRuntime[] = [];
  for (const { name, isDirectory } of denoFilePort.readDirSync(runtimesDirectory(root))) {
    const runtimeId = isDirectory ? idOfDirectory(name) : undefined;
    if (runtimeId === undefined || !isOfRun(root, runtimeId)) continue;
    if (lookAtSync(denoFilePort, join(runsDirectory(root), runtimeId)) !== undefined) continue;
    const { directory: path, snapshot } = new RuntimePaths(root, runtimeId);
    const written = lookAtSync(denoFilePort, snapshot)?.mtime?.getTime();
    left.push({ runtimeId, path, times: timesOfId(runtimeId, written) });
  }
  return left.toSorted((a, b) => a.runtimeId < b.runtimeId ? -1 : 1);
}

/** What cannot be read belongs to nobody that is known. */
function isOfRun(root: string, runtimeId: string): boolean {
  const parts = partsOfRunId(runtimeId);
  if (parts === undefined) return false;
  const paths = new RuntimePaths(root, runtimeId);
  try {
    const runtime = readObject(paths.snapshot);
    if (runtime.runtime_id !== runtimeId || runtime.display_name !== parts.name) return false;
    if (lookAtSync(denoFilePort, paths.workers) === undefined) return true;
    return Array.from(denoFilePort.readDirSync(paths.workers)).every(({ name, isDirectory }) => {
      return !isDirectory || isAttempt(readObject(paths.snapshotIn(join(paths.workers, name))));
    });
  } catch {
    return false;
  }
}

/** The objective of a worker is the attempt that it is. */
function isAttempt({ request }: Record<string, unknown>): boolean {
  const intent = isObject(request) ? request.intent : undefined;
  return isObject(intent) && intent.kind === "task" && typeof intent.objective === "string" &&
    /#[1-9]\d*$/.test(intent.objective);
}

function readObject(path: string): Record<string, unknown> {
  const content = parseJsonFile(readFileSync(denoFilePort, path));
  return isObject(content) ? content : {};
}
