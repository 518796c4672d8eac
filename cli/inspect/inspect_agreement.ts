import { recoverCapture } from "../../capture/mod.ts";
import { runPaths } from "../../run/mod.ts";
import { readFlowRecord } from "../flow/flow_record.ts";
import { attemptKey } from "../flow/node_attempt.ts";
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
  if (live || !isThere(bundle) || await readFlowRecord(root, runId) === undefined) return [];
  const { attempts } = readRunHistory(root, runId);
  const missing = journalAttempts(await recoverCapture(journal))
    // One that was aborted may never have begun.
    .filter(({ termination }) => termination !== null && termination !== "Aborted")
    .filter((attempt) => attempts.get(attemptKey(attempt))?.isEnded !== true);
  if (missing.length === 0) return [];
  const names = missing.map(({ nodeId, attempt }) => `${nodeId} (attempt ${attempt})`);
  const place = { run_id: runId, part: "log", path: `${root}/runs/${runId}/events.jsonl` } as const;
  const message = `it lacks ends that the capture journal has: ${names.slice(0, 5).join(", ")}` +
    (names.length > 5 ? ` and ${names.length - 5} more` : "");
  return [fileProblem(place, { kind: "lost-events", message })];
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
