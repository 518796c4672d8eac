import { recoverCapture } from "../../capture/mod.ts";
import { attemptKey, runPaths } from "../../run/mod.ts";
import { FsRuntimeStore, runtimeDirectory, RuntimeStoreError } from "../../store/mod.ts";
import { exists } from "../exists.ts";
import { readFlowRecord } from "../flow/flow_record.ts";
import { journalAttempts } from "../flow/past_attempts.ts";
import { readRunHistory } from "../flow/run_history.ts";
import { fileProblem, type Problem } from "./problem.ts";

/**
 * What the log of an ended run lacks of what the capture journal has. A line that is missing from a log
 * cannot be seen in the log alone; the bundle is sealed when the log has every end.
 */
export async function inspectAgreement(
  { root, runId, live }: { root: string; runId: string; live: boolean },
): Promise<Problem[]> {
  const { journal, bundle } = runPaths(root, runId);
  // A program of the user's names its work as it likes.
  if (live || !exists(bundle) || await readFlowRecord(root, runId) === undefined) return [];
  const { attempts, state } = readRunHistory(root, runId);
  const missing = journalAttempts(await recoverCapture(journal))
    // One that was aborted may never have begun.
    .filter(({ termination }) => termination !== null && termination !== "Aborted")
    .filter((attempt) => attempts.get(attemptKey(attempt))?.isEnded !== true);
  if (missing.length === 0) return state === "Running" ? [] : await inspectEnd(root, runId);
  const names = missing.map(({ nodeId, attempt }) => `${nodeId} (attempt ${attempt})`);
  const place = { run_id: runId, part: "log", path: `${root}/runs/${runId}/events.jsonl` } as const;
  const message = `it lacks ends that the capture journal has: ${names.slice(0, 5).join(", ")}` +
    (names.length > 5 ? ` and ${names.length - 5} more` : "");
  return [fileProblem(place, { kind: "lost-events", message })];
}

/** The store of a run that has ended is stopped, unless the run was killed in between. */
async function inspectEnd(root: string, runId: string): Promise<Problem[]> {
  const path = runtimeDirectory(root, runId);
  if (exists(path) && await isStopped(root, runId)) return [];
  const message = "it does not have the end of the run, which the log has";
  const repair = "bring it up to the log";
  return [
    fileProblem({ run_id: runId, part: "store", path }, { kind: "behind-log", message, repair }),
  ];
}

/** What cannot be opened is told when the store is looked at. */
async function isStopped(root: string, runId: string): Promise<boolean> {
  try {
    await using store = await FsRuntimeStore.open({ root, runtimeId: runId, readOnly: true });
    return store.summary().status === "stopped";
  } catch (error) {
    if (error instanceof RuntimeStoreError) return true;
    throw error;
  }
}
