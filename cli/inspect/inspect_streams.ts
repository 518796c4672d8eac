/**
 * The lines that a run keeps beside its log and its journal. Those of its processes are never synced, as a
 * power cut leaves no process: what is damaged of them tells of none. A message in its inbox was on disk
 * when its sender was answered.
 */
import { checkRegular, denoFilePort, lookAtSync } from "../../_internal/file_port.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { viewRun } from "../../eventlog/file_event_log.ts";
import type { Gap } from "../../eventlog/types.ts";
import { fileProblem, type InspectedRun, type Problem } from "./problem.ts";

/** What is wrong in the lines of the processes and of the inbox of a run, as far as it has them. */
export async function inspectStreams(run: InspectedRun): Promise<Problem[]> {
  const { processes, inbox } = runPaths(run.root, run.runId);
  return [
    ...await inspectStream(run, { part: "processes", path: processes }),
    ...await inspectStream(run, { part: "inbox", path: inbox }),
  ];
}

async function inspectStream(
  { root, runId }: InspectedRun,
  { part, path }: { part: "processes" | "inbox"; path: string },
): Promise<Problem[]> {
  const place = { run_id: runId, part, path } as const;
  try {
    const info = lookAtSync(denoFilePort, path);
    if (info === undefined) return [];
    checkRegular(path, info);
    const gaps = await gapsIn(root, runId, part);
    return gaps.map(({ seq: line, byteOffset, reason, message }) => {
      // Whoever wrote it was killed meanwhile, or is just writing it.
      const isLost = part === "processes" || reason === "torn";
      const kind = isLost ? "lost-tail" : reason;
      return fileProblem(place, { kind, line, byteOffset, message: `${reason}: ${message}` });
    });
  } catch (error) {
    return [fileProblem(place, { kind: "unreadable", message: reasonOf(error) })];
  }
}

async function gapsIn(root: string, runId: string, lines: "processes" | "inbox"): Promise<Gap[]> {
  const view = viewRun<unknown>(root, runId, { lines });
  const found: Gap[] = [];
  for (let after: string | number = 0;;) {
    const { gaps, next, hasMore } = await view.read({ after });
    found.push(...gaps);
    if (!hasMore) return found;
    after = next;
  }
}
