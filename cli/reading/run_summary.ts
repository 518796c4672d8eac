import { RunFold } from "../../eventlog/derive_run_state.ts";
import type { RunState } from "../../eventlog/run_state.ts";
import type { RunPeek } from "../../eventlog/read_run.ts";
import { isKnownRunEvent, type RunEvent } from "../../eventlog/run_event.ts";
import type { ListingField, RunListing } from "../../run/types.ts";
import { isSuspended } from "../process/run_holder.ts";
import { logProblem, readingProblem } from "./find_run.ts";
import { eventProblem } from "../../run/engine/run_log.ts";
import { hasLines, isOfFiles, listPages, type OpenedRoot, type RunPlace } from "./open_root.ts";
import { compareBegins, createdAt, type RunTimes, timesOf } from "./run_times.ts";

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
  /** Whether as much of its log was looked at as a summary looks at. */
  isPeeked?: boolean;
  /** How many bytes it takes, where that was asked for. */
  size?: number | undefined;
}

/** What a list tells of a run, and what makes a summary of it. */
const FIELDS = ["holder", "ends"] as const;

/**
 * Reads the ends of all logs; the newest run comes last, and what has no time first. `size`: how many bytes
 * each takes is told too.
 */
export async function summarizeRuns(
  { root, runs }: OpenedRoot,
  { size = false }: { size?: boolean } = {},
): Promise<Summary[]> {
  const summaries: Summary[] = [];
  const fields = size ? [...FIELDS, "size"] as const : FIELDS;
  for await (const page of listPages(runs, { fields })) {
    summaries.push(...await Promise.all(page.map((run) => summarize({ root, runs }, run))));
  }
  return summaries.map((summary) => ({ ...summary, runId: summary.run.run_id }))
    .sort(compareBegins);
}

/** Reads the ends of the log of a run. */
export async function summarizeRun(opened: OpenedRoot, runId: string): Promise<Listed> {
  return (await summarizeSome(opened, [runId]))[0]!;
}

/** Reads the ends of the logs of some runs. */
export async function summarizeSome(
  opened: OpenedRoot,
  runIds: readonly string[],
): Promise<Listed[]> {
  const listings = await listingsOf(opened, runIds, FIELDS);
  return await Promise.all(runIds.map(async (runId) => {
    return (await summarize(opened, listings.get(runId) ?? { runId })).run;
  }));
}

async function listingsOf(
  { runs }: OpenedRoot,
  runIds: readonly string[],
  fields: readonly ListingField[],
): Promise<Map<string, RunListing>> {
  const listings = new Map<string, RunListing>();
  for await (const page of listPages(runs, { runIds, fields })) {
    for (const listing of page) listings.set(listing.runId, listing);
  }
  return listings;
}

/**
 * Reads more of some runs than a list tells of all at no more cost: what they run, how much of it has
 * completed, and, unless `size` is false, how many bytes they take.
 */
export async function summarizeMore(
  opened: OpenedRoot,
  summaries: readonly Summary[],
  { size: wantsSize = true }: { size?: boolean } = {},
) {
  const isWhole = summaries.every(({ isPeeked }) => isPeeked);
  const fields = [
    ...isWhole ? [] : [...FIELDS, "peek"] as const,
    ...wantsSize ? ["size"] as const : [],
  ];
  const runIds = summaries.map(({ run }) => run.run_id);
  const listings = await listingsOf(opened, runIds, fields);
  return await Promise.all(summaries.map(async (summary) => {
    const listing = listings.get(summary.run.run_id);
    const size = listing?.size;
    const isNew = !summary.isPeeked && listing?.peek !== undefined;
    return { ...isNew ? await summarize(opened, listing) : summary, size };
  }));
}

async function summarize({ root, runs }: OpenedRoot, listing: RunListing): Promise<Summary> {
  const { runId, holder } = listing;
  try {
    const place = { root, view: runs.view(runId) };
    const known = listing.peek ?? endsOf(listing);
    // Where a list tells nothing of the log, it may know nothing of who holds the run either.
    const live = (known ? holder : await place.view.holder()) !== undefined;
    const peek = known ?? await peekAt(place);
    const suspended = live && isOfFiles(root) && await isSuspended(root, runId);
    const peeked = { ...peek, isEmpty: peek.size === 0, live, suspended };
    const summary = {
      ...await derive(place, listing, peeked),
      isPeeked: listing.peek !== undefined || known === undefined,
      size: listing.size,
    };
    if (isOrphan(summary)) return await upToJournal(place, listing, summary, peek.whole);
    if (live && summary.isBusy === false) return await withWait(place, summary);
    return summary;
  } catch (error) {
    const problem = readingProblem({ root, runId }, error);
    return withoutEvents(listing, problem);
  }
}

/** Why there is nothing in the list of what a log has, or else what it has. */
async function peekAt({ root, view }: RunPlace): Promise<RunPeek<RunEvent>> {
  const problem = logProblem(root, view.runId);
  if (problem !== undefined) throw new Error(problem);
  return await view.peek();
}

/** Whether a list tells all that is to be known of the state of a run: it has an end. */
function isOver({ holder, first, last }: RunListing): boolean {
  return holder === undefined && first?.type === "pipe.started" &&
    (last?.type === "pipe.completed" || last?.type === "pipe.aborted");
}

function endsOf(listing: RunListing): RunPeek<RunEvent> | undefined {
  const { first, last } = listing;
  if (!isOver(listing)) return undefined;
  return { events: [first!, last!], whole: false, size: 1 };
}

async function derive(
  place: RunPlace,
  listing: RunListing,
  peek: {
    events: RunEvent[];
    whole: boolean;
    isEmpty: boolean;
    live: boolean;
    suspended: boolean;
  },
): Promise<Summary> {
  const events = peek.events.filter((event) => eventProblem(event) === undefined);
  if (await isOtherLog(place, peek.events)) return await otherLog(place, listing, peek.live);
  if (!events.some(isKnownRunEvent) && !peek.isEmpty) {
    return withoutEvents(listing, "its log has no event of a run that can be read");
  }
  const fold = new RunFold();
  for (const event of events) fold.take(event);
  return summaryOf(listing, fold, peek);
}

/**
 * Whether a log is one of a program's own: no event of it is about a run as a whole. Where the begin of a run
 * was damaged, those of its nodes have a journal beside them.
 */
async function isOtherLog({ view }: RunPlace, events: readonly RunEvent[]): Promise<boolean> {
  if (events.length === 0 || events.some(({ type }) => `${type}`.startsWith("pipe."))) return false;
  return !events.some(isKnownRunEvent) || !await hasLines(view, "capture");
}

async function otherLog(
  { view }: RunPlace,
  listing: RunListing,
  isLive: boolean,
): Promise<Summary> {
  const { madeMs, writtenMs: last } = listing.log ?? {};
  // A copy of a file is younger than what is in it.
  const made = madeMs === undefined || last === undefined || madeMs > last ? last : madeMs;
  const started = await createdAt(view) ?? textOf(made);
  const milliseconds = (last ?? NaN) - Date.parse(started ?? "");
  const log: OtherLog = {
    run_id: view.runId,
    is_other_log: true,
    is_live: isLive,
    started_ts: started ?? null,
    last_ts: textOf(last) ?? null,
    duration_ms: isLive || !(milliseconds >= 0) ? null : milliseconds,
  };
  return { run: log, times: timesOf(listing, { first: started, last: null }) };
}

function textOf(timeMs: number | undefined): string | undefined {
  return timeMs === undefined ? undefined : new Date(timeMs).toISOString();
}

function summaryOf(
  listing: RunListing,
  fold: RunFold,
  { live, suspended, whole }: { live: boolean; suspended: boolean; whole: boolean },
): Summary {
  const { nodes, ...state } = fold.state({ live });
  const completed = nodes.filter(({ status }) => status === "Completed").length;
  const [only] = nodes;
  const command = whole && nodes.length === 1 ? fold.nameOf(only!.id) : undefined;
  const summary = {
    ...state,
    run_id: listing.runId,
    is_suspended: suspended,
    started_ts: fold.startedTs ?? null,
    duration_ms: (whole ? fold.durationMs : durationOfEnds(fold)) ?? null,
    command: command ?? null,
    waits_for: null,
    nodes_completed: whole ? completed : null,
    nodes_total: whole ? nodes.length : null,
  };
  const times = timesOf(listing, { first: fold.startedTs, last: state.last_ts });
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
async function withWait({ view }: RunPlace, summary: Summary): Promise<Summary> {
  const { run } = summary;
  if (!("state" in run) || await view.has("flow.json")) return summary;
  const { waitInJournal } = await import("./run_history.ts");
  try {
    const waitsFor = await waitInJournal(view) ?? null;
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
  { view }: RunPlace,
  listing: RunListing,
  summary: Summary,
  isWhole: boolean,
): Promise<Summary> {
  const { run } = summary;
  if (!("state" in run)) return summary;
  try {
    // Few runs are killed, and nothing else needs it.
    const { endInJournal, readRunHistory } = await import("./run_history.ts");
    if (!isWhole) return { ...summary, run: { ...run, ...await endInJournal(view) } };
    const { fold } = await readRunHistory(view);
    const more = summaryOf(listing, fold, { live: false, suspended: false, whole: true });
    return { ...summary, ...more };
  } catch {
    // What is wrong with it is a matter of whoever needs it.
    return summary;
  }
}

function withoutEvents(listing: RunListing, problem: string): Summary {
  const times = timesOf(listing, { first: undefined, last: null });
  return { run: { run_id: listing.runId, problem }, times, isPeeked: true, size: listing.size };
}
