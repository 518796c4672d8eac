import { RunFold } from "../../eventlog/derive_run_state.ts";
import type { RunState } from "../../eventlog/run_state.ts";
import { isLive, listRuns } from "../../eventlog/runs_directory.ts";
import { peekRun } from "../../eventlog/read_run.ts";
import { isKnownRunEvent, type RunEvent } from "../../eventlog/run_event.ts";
import { runPaths, runtimeDirectory } from "../../_internal/root_layout.ts";
import { sizeOfDirectory } from "../files.ts";
import { isSuspended } from "../process/run_holder.ts";
import { logProblem, readingProblem } from "./find_run.ts";
import { eventProblem } from "./run_log.ts";
import { compareBegins, type RunTimes, timesOf } from "./run_times.ts";

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

/** A run as it is listed, and when it was. */
export interface Summary {
  /** The run. */
  run: Listed;
  /** Its times. */
  times: RunTimes;
}

/** Reads the ends of all logs; the newest run comes last, and what has no time first. */
export async function summarizeRuns(root: string): Promise<Summary[]> {
  const runIds = await listRuns(root);
  const runs = await Promise.all(runIds.map((runId) => summarize(root, runId)));
  return runs.map(({ run, times }) => ({ run, times, runId: run.run_id })).sort(compareBegins);
}

/** Reads the ends of the log of a run. */
export async function summarizeRun(root: string, runId: string): Promise<Listed> {
  return (await summarize(root, runId)).run;
}

async function summarize(root: string, runId: string): Promise<Summary> {
  try {
    const problem = logProblem(root, runId);
    if (problem !== undefined) return withoutEvents(root, { run_id: runId, problem });
    // Asked first: a run that ends in between is then seen to have ended.
    const live = await isLive(root, runId);
    const { events, whole, size } = await peekRun(root, runId);
    const suspended = live && await isSuspended(root, runId);
    const peek = { events, whole, isEmpty: size === 0, live, suspended };
    const summary = derive({ root, runId }, peek);
    return isOrphan(summary) ? await upToJournal({ root, runId }, summary, whole) : summary;
  } catch (error) {
    return withoutEvents(root, { run_id: runId, problem: readingProblem({ root, runId }, error) });
  }
}

function derive(
  { root, runId }: { root: string; runId: string },
  peek: {
    events: RunEvent[];
    whole: boolean;
    isEmpty: boolean;
    live: boolean;
    suspended: boolean;
  },
): Summary {
  const events = peek.events.filter((event) => eventProblem(event) === undefined);
  if (!events.some(isKnownRunEvent) && !peek.isEmpty) {
    const isOther = peek.events.length > 0 && !peek.events.some(isKnownRunEvent);
    if (isOther) return withoutEvents(root, { run_id: runId, is_other_log: true });
    const problem = "its log has no event of a run that can be read";
    return withoutEvents(root, { run_id: runId, problem });
  }
  const fold = new RunFold();
  for (const event of events) fold.take(event);
  const { nodes, ...state } = fold.state({ live: peek.live });
  const completed = nodes.filter(({ status }) => status === "Completed").length;
  const run = {
    ...state,
    run_id: runId,
    is_suspended: peek.suspended,
    nodes_completed: peek.whole ? completed : null,
    nodes_total: peek.whole ? nodes.length : null,
  };
  return { run, times: timesOf({ root, runId }, { first: fold.startedTs, last: state.last_ts }) };
}

function isOrphan({ run }: Summary): boolean {
  return "is_orphan" in run && run.is_orphan;
}

/**
 * The log of a run that was killed may be behind its journal, which may even have the end. Of a long run
 * only the last line of that is looked at.
 */
async function upToJournal(
  { root, runId }: { root: string; runId: string },
  summary: Summary,
  isWhole: boolean,
): Promise<Summary> {
  const { run, times } = summary;
  if (!("state" in run)) return summary;
  try {
    // Few runs are killed, and nothing else needs it.
    const { endInJournal, readRunHistory } = await import("./run_history.ts");
    if (!isWhole) return { run: { ...run, ...endInJournal(root, runId) }, times };
    const { fold } = await readRunHistory(root, runId);
    const { nodes, ...state } = fold.state({ live: false });
    const completed = nodes.filter(({ status }) => status === "Completed").length;
    const counts = { nodes_completed: completed, nodes_total: nodes.length };
    const last = { first: fold.startedTs, last: state.last_ts };
    return {
      run: { ...run, ...state, ...counts, run_id: runId },
      times: timesOf({ root, runId }, last),
    };
  } catch {
    // What is wrong with it is a matter of whoever needs it.
    return summary;
  }
}

function withoutEvents(root: string, run: OtherLog | UnreadableRun): Summary {
  const times = timesOf({ root, runId: run.run_id }, { first: undefined, last: null });
  return { run, times };
}

/** Bytes of all files of a run, those of its runtime too; what cannot be looked at has none. */
export function sizeOfRun(root: string, runId: string): number {
  return sizeOfDirectory(runPaths(root, runId).directory) +
    sizeOfDirectory(runtimeDirectory(root, runId));
}
