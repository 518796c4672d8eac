import { deriveRunState, type RunState } from "../../eventlog/derive_run_state.ts";
import { listRuns } from "../../eventlog/runs_directory.ts";
import { isLive } from "../../eventlog/run_folder.ts";
import { peekRun } from "../../eventlog/read_run.ts";
import { isKnownRunEvent, type RunEvent } from "../../eventlog/run_event.ts";
import { runPaths, runtimeDirectory } from "../../_internal/root_layout.ts";
import { sizeOfDirectory } from "../files.ts";
import { isSuspended } from "../process/run_holder.ts";
import { logProblem, readingProblem } from "./find_run.ts";
import { eventProblem } from "./run_log.ts";

/** A run, as the first and the last lines of its log describe it. */
interface RunSummary extends Omit<RunState, "nodes"> {
  /** Whether the process that works on it was suspended, as by Ctrl-Z. */
  is_suspended: boolean;
  nodes_completed: number | null;
  nodes_total: number | null;
}

/** A log that another program wrote, with events of its own. */
interface OtherLog {
  run_id: string;
  is_other_log: true;
}

/** A run that cannot be read. */
interface UnreadableRun {
  run_id: string;
  problem: string;
}

/** What lies below `runs/`. */
export type Listed = RunSummary | OtherLog | UnreadableRun;

/** What can be asked for, in one word. */
export const STATES = [
  "running",
  "completed",
  "aborted",
  "orphan",
  "other",
  "unreadable",
] as const;

/** One of these words. */
export type StateWord = (typeof STATES)[number];

/** The state of a run in one word. */
export function stateWordOf(run: Listed): StateWord {
  if ("problem" in run) return "unreadable";
  if ("is_other_log" in run) return "other";
  if (run.is_orphan) return "orphan";
  if (run.state === "Running") return "running";
  return run.state === "Completed" ? "completed" : "aborted";
}

/** Reads the ends of all logs; the newest comes last, and what has no time first. */
export async function summarizeRuns(root: string): Promise<Listed[]> {
  const runIds = await listRuns(root);
  const runs = await Promise.all(runIds.map((runId) => summarizeRun(root, runId)));
  // No two keys are equal.
  return runs.toSorted((a, b) => sortKey(a) < sortKey(b) ? -1 : 1);
}

/** Reads the ends of the log of a run. */
export async function summarizeRun(root: string, runId: string): Promise<Listed> {
  const problem = logProblem(root, runId);
  if (problem !== undefined) return { run_id: runId, problem };
  try {
    // Asked first: a run that ends in between is then seen to have ended.
    const live = await isLive(root, runId);
    const { events, whole, size } = await peekRun(root, runId);
    const suspended = live && await isSuspended(root, runId);
    return derive(runId, { events, whole, isEmpty: size === 0, live, suspended });
  } catch (error) {
    return { run_id: runId, problem: readingProblem({ root, runId }, error) };
  }
}

function derive(
  runId: string,
  peek: {
    events: RunEvent[];
    whole: boolean;
    isEmpty: boolean;
    live: boolean;
    suspended: boolean;
  },
): Listed {
  const events = peek.events.filter((event) => eventProblem(event) === undefined);
  if (!events.some(isKnownRunEvent) && !peek.isEmpty) {
    const isOther = peek.events.length > 0 && !peek.events.some(isKnownRunEvent);
    if (isOther) return { run_id: runId, is_other_log: true };
    return { run_id: runId, problem: "its log has no event of a run that can be read" };
  }
  const { nodes, ...run } = deriveRunState(events, { live: peek.live });
  const completed = nodes.filter(({ status }) => status === "Completed").length;
  return {
    ...run,
    run_id: runId,
    is_suspended: peek.suspended,
    nodes_completed: peek.whole ? completed : null,
    nodes_total: peek.whole ? nodes.length : null,
  };
}

/** By time; those without one first, so that those of today stay at the end. */
function sortKey(run: Listed): string {
  return "state" in run ? `${run.last_ts ?? ""} ${run.run_id}` : ` ${run.run_id}`;
}

/**
 * When something was last recorded, in milliseconds: by the last event, or where that has no time
 * by the file of the log; undefined where there is none.
 */
export function lastTimeOf(root: string, run: Listed): number | undefined {
  const time = "state" in run ? Date.parse(run.last_ts ?? "") : NaN;
  if (!Number.isNaN(time)) return time;
  try {
    return Deno.lstatSync(runPaths(root, run.run_id).events).mtime?.getTime();
  } catch {
    return undefined;
  }
}

/** Bytes of all files of a run, those of its runtime too; what goes away meanwhile has none. */
export function sizeOfRun(root: string, runId: string): number {
  const runtime = sizeOfDirectory(runtimeDirectory(root, runId));
  return sizeOfDirectory(runPaths(root, runId).directory) + runtime;
}
