import { RunFold } from "../../eventlog/derive_run_state.ts";
import type { RunState } from "../../eventlog/run_state.ts";
import { isLive, listRuns } from "../../eventlog/runs_directory.ts";
import { peekRun } from "../../eventlog/read_run.ts";
import { isKnownRunEvent, type RunEvent } from "../../eventlog/run_event.ts";
import { runPaths, runtimeDirectory } from "../../_internal/root_layout.ts";
import { exists, sizeOfDirectory } from "../files.ts";
import { isSuspended } from "../process/run_holder.ts";
import { logProblem, readingProblem } from "./find_run.ts";
import { eventProblem } from "../../run/engine/run_log.ts";
import { compareBegins, createdAt, type RunPlace, type RunTimes, timesOf } from "./run_times.ts";

/** A run, as the first and the last lines of its log describe it. */
interface RunSummary extends Omit<RunState, "nodes"> {
  /** Whether the process that works on it was suspended, as by Ctrl-Z. */
  is_suspended: boolean;
  /** When it began. */
  started_ts: string | null;
  /** How long it was worked on; null when it has no end, or that cannot be told from the ends of its log. */
  duration_ms: number | null;
  /** What it runs, where that is one command. */
  command: string | null;
  /** What a program at work waits for, where it does nothing else and that is easily told. */
  waits_for: "gate" | "sleep" | null;
  nodes_completed: number | null;
  nodes_total: number | null;
}

/**
 * A log that another program wrote, with events of its own. It has a time all the same: it began when its
 * folder was made, and ended when its file was written last and nobody has it open any more.
 */
export interface OtherLog {
  run_id: string;
  is_other_log: true;
  /** Whether somebody has it open. */
  is_live: boolean;
  started_ts: string | null;
  last_ts: string | null;
  /** How long it was written to; null as long as somebody has it open. */
  duration_ms: number | null;
}

/** A run that cannot be read. */
interface UnreadableRun {
  run_id: string;
  problem: string;
}

/** What lies below `runs/`. */
export type Listed = RunSummary | OtherLog | UnreadableRun;

/** The state of a run in one word, as `--json` of those verbs has it that change runs. */
export type RunStateWord =
  | "running"
  | "completed"
  | "aborted"
  | "orphan"
  | "other"
  | "unreadable";

/** The state of a run in one word. */
export function stateWordOf(run: Listed): RunStateWord {
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
  /** Whether an attempt at one of its nodes has no end, as far as its log tells. */
  isBusy?: boolean;
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
    if (isOrphan(summary)) return await upToJournal({ root, runId }, summary, whole);
    if (live && summary.isBusy === false) return await withWait({ root, runId }, summary);
    return summary;
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
  const run = { root, runId };
  const events = peek.events.filter((event) => eventProblem(event) === undefined);
  if (isOtherLog(run, peek.events)) return otherLog(run, peek.live);
  if (!events.some(isKnownRunEvent) && !peek.isEmpty) {
    const problem = "its log has no event of a run that can be read";
    return withoutEvents(root, { run_id: runId, problem });
  }
  const fold = new RunFold();
  for (const event of events) fold.take(event);
  return summaryOf(run, fold, peek);
}

/**
 * Whether a log is one of a program's own: no event of it is about a run as a whole. Where the begin of a run
 * was damaged, those of its nodes have a journal beside them.
 */
function isOtherLog({ root, runId }: RunPlace, events: readonly RunEvent[]): boolean {
  if (events.length === 0 || events.some(({ type }) => `${type}`.startsWith("pipe."))) return false;
  return !events.some(isKnownRunEvent) || !exists(runPaths(root, runId).journal);
}

function otherLog(run: RunPlace, isLive: boolean): Summary {
  const info = Deno.lstatSync(runPaths(run.root, run.runId).events);
  const last = info.mtime;
  // A copy of a file is younger than what is in it.
  const made = info.birthtime === null || last === null || info.birthtime > last
    ? last
    : info.birthtime;
  const started = createdAt(run) ?? made?.toISOString();
  const milliseconds = Number(last) - Date.parse(started ?? "");
  const log: OtherLog = {
    run_id: run.runId,
    is_other_log: true,
    is_live: isLive,
    started_ts: started ?? null,
    last_ts: last?.toISOString() ?? null,
    duration_ms: isLive || !(milliseconds >= 0) ? null : milliseconds,
  };
  return { run: log, times: timesOf(run, { first: started, last: null }) };
}

function summaryOf(
  run: RunPlace,
  fold: RunFold,
  { live, suspended, whole }: { live: boolean; suspended: boolean; whole: boolean },
): Summary {
  const { nodes, ...state } = fold.state({ live });
  const completed = nodes.filter(({ status }) => status === "Completed").length;
  const [only] = nodes;
  const command = whole && nodes.length === 1 ? fold.nameOf(only!.id) : undefined;
  const summary = {
    ...state,
    run_id: run.runId,
    is_suspended: suspended,
    started_ts: fold.startedTs ?? null,
    duration_ms: (whole ? fold.durationMs : durationOfEnds(fold)) ?? null,
    command: command ?? null,
    waits_for: null,
    nodes_completed: whole ? completed : null,
    nodes_total: whole ? nodes.length : null,
  };
  const times = timesOf(run, { first: fold.startedTs, last: state.last_ts });
  return { run: summary, times, isBusy: nodes.some(({ status }) => status === "Running") };
}

const CLOCK_SLACK_MS = 1000;

/** How long a run took of which only the ends were read: it may have been gone on with in between. */
function durationOfEnds({ durationMs, startedTs, run }: RunFold): number | undefined {
  const length = Date.parse(run.last_ts ?? "") - Date.parse(startedTs ?? "");
  return Math.abs(length - (durationMs ?? NaN)) < CLOCK_SLACK_MS ? durationMs : undefined;
}

function isOrphan({ run }: Summary): boolean {
  return "is_orphan" in run && run.is_orphan;
}

/** Adds what a program waits for; of flows their nodes tell it. */
async function withWait({ root, runId }: RunPlace, summary: Summary): Promise<Summary> {
  const { run } = summary;
  if (!("state" in run) || exists(runPaths(root, runId).flow)) return summary;
  const { waitInJournal } = await import("./run_history.ts");
  try {
    const waitsFor = waitInJournal(root, runId) ?? null;
    return { ...summary, run: { ...run, waits_for: waitsFor } };
  } catch {
    // It is just being written.
    return summary;
  }
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
    return summaryOf({ root, runId }, fold, { live: false, suspended: false, whole: true });
  } catch {
    // What is wrong with it is a matter of whoever needs it.
    return summary;
  }
}

function withoutEvents(root: string, run: UnreadableRun): Summary {
  const times = timesOf({ root, runId: run.run_id }, { first: undefined, last: null });
  return { run, times };
}

/** Bytes of all files of a run, those of its runtime too; what cannot be looked at has none. */
export function sizeOfRun(root: string, runId: string): number {
  return sizeOfDirectory(runPaths(root, runId).directory) +
    sizeOfDirectory(runtimeDirectory(root, runId));
}
