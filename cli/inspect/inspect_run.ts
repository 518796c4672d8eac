import { isLive } from "../../eventlog/mod.ts";
import { inspectAgreement } from "./inspect_agreement.ts";
import { inspectCapture } from "./inspect_capture.ts";
import { inspectLog } from "./inspect_log.ts";
import { inspectStore } from "./inspect_store.ts";
import { inspectTrace } from "./inspect_trace.ts";
import { fileProblem, type Problem, reasonOf } from "./problem.ts";

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
      ...await inspectStore(run),
    ];
  } catch (error) {
    const place = { run_id: runId, part: "log", path: `${root}/runs/${runId}` } as const;
    return [fileProblem(place, { kind: "unreadable", message: reasonOf(error) })];
  }
}
