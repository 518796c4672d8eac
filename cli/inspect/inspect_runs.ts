import { listRuns } from "../../eventlog/runs_directory.ts";
import { isLive } from "../../eventlog/run_folder.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { findRun } from "../reading/find_run.ts";
import { Screen } from "../text/screen.ts";
import {
  fileProblem,
  inspectAgreement,
  inspectCapture,
  inspectLog,
  inspectStore,
  inspectTrace,
  type Problem,
} from "./inspect_files.ts";

/** The runs that are meant: those that are named, or all. */
export async function chosenRuns(root: string, operands: readonly string[]): Promise<string[]> {
  if (operands.length === 0) return await listRuns(root);
  const found = await Promise.all(operands.map((operand) => findRun(root, operand)));
  return [...new Set(found)];
}

/** Goes through runs, one after the other; on a terminal it shows how far it is. */
export function* withProgress(doing: string, runIds: readonly string[]): Generator<string> {
  const progress = new Screen(Deno.stderr);
  try {
    for (const [index, runId] of runIds.entries()) {
      progress.status(`${doing} ${index + 1}/${runIds.length} ${runId}`);
      yield runId;
    }
  } finally {
    progress.status();
  }
}

/** Everything that is wrong in the records of a run. Nothing is changed, and it may be at work. */
export async function inspectRun(root: string, runId: string): Promise<Problem[]> {
  try {
    const run = { root, runId, live: await isLive(root, runId) };
    const [log, capture] = [await inspectLog(run), await inspectCapture(run)];
    // Damage explains what is missing.
    const isSound = log.length + capture.length === 0;
    return [
      ...log,
      ...capture,
      ...isSound ? await inspectAgreement(run) : [],
      ...await inspectTrace(run),
      ...await inspectStore(root, { runtimeId: runId }),
    ];
  } catch (error) {
    const place = { run_id: runId, part: "log", path: runPaths(root, runId).directory } as const;
    return [fileProblem(place, { kind: "unreadable", message: reasonOf(error) })];
  }
}
