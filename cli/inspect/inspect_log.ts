import { join } from "node:path";
import { verifyRun } from "../../eventlog/mod.ts";
import { logProblem } from "../check_log.ts";
import { fileProblem, type Problem, reasonOf } from "./problem.ts";

const MEND = "complete the line, or move it to a file beside the log";

/** Everything that is wrong in the event log of a run. */
export async function inspectLog(
  { root, runId, live }: { root: string; runId: string; live: boolean },
): Promise<Problem[]> {
  const path = join(root, "runs", runId, "events.jsonl");
  const place = { run_id: runId, part: "log", path } as const;
  try {
    const { problems } = await verifyRun(root, runId);
    return problems
      // A writer is just writing that line.
      .filter(({ kind }) => !(live && kind === "torn"))
      .map(({ kind, line, byteOffset, message }): Problem => ({
        ...place,
        kind,
        line,
        byte_offset: byteOffset,
        message,
        // A whole line is never changed: others may have its number.
        repair: kind === "torn" ? MEND : null,
      }));
  } catch (error) {
    const message = logProblem(root, runId) ?? reasonOf(error);
    return [fileProblem(place, { kind: "unreadable", message })];
  }
}
