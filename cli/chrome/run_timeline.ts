/**
 * When what of a run was at work, and when and for what it waited: from its log and its journal, so that every node is
 * in it, of a run of any length and on any root.
 */
import type { RunEvent } from "../../eventlog/run_event.ts";
import type { AttemptInfo } from "../../eventlog/run_state.ts";
import type { NodeAttempt } from "../../run/types.ts";
import { readFlowRecord } from "../flow/flow_record.ts";
import type { RunPlace } from "../reading/open_root.ts";
import { readRunHistory, type RunHistory } from "../reading/run_history.ts";
import { JournalStretches } from "./journal_stretches.ts";

/** An attempt, and when it was made, in milliseconds since 1970. */
export interface TimedAttempt extends NodeAttempt {
  from: number;
  to: number;
  /** The worker that made it; undefined where that was whoever held the run. */
  worker: string | undefined;
  /** Whether it is the first one at its node that is known, and whether the last. */
  isFirst: boolean;
  isLast: boolean;
}

/** What is known of the time of a run. */
export interface RunTimeline {
  runId: string;
  /** What the log and the journal tell besides. */
  history: RunHistory;
  /** When somebody worked on it. */
  sittings: readonly Sitting[];
  /** What waited. */
  stretches: JournalStretches;
  /** The attempts, in the order in which they began. */
  attempts: readonly TimedAttempt[];
  /** What nodes need, by their ids, where they need anything. */
  needs: ReadonlyMap<string, readonly string[]>;
  /** When all that goes on is said to end: now, or of a run that nobody works on the last time it has. */
  lastMs: number;
}

/** Reads when what of a run was at work. */
export async function readTimeline({ root, view }: RunPlace): Promise<RunTimeline> {
  // Asked first: a run that ends in between is then seen to have ended.
  const isLive = await view.holder() !== undefined;
  const stretches = new JournalStretches();
  const sittings: Sitting[] = [];
  const history = await readRunHistory(view, {
    onEvent: (event) => takeEvent(sittings, event),
    onLine: (line) => stretches.take(line),
  });
  const last = sittings.at(-1);
  const goesOn = isLive && history.fold.run.state === "Running";
  if (last !== undefined && goesOn) last.to = Math.max(last.to, Date.now());
  return {
    runId: view.runId,
    history,
    sittings,
    stretches,
    attempts: attemptsOf({ history, stretches, sittings }),
    needs: await needsOf({ root, view }),
    lastMs: last?.to ?? 0,
  };
}

/** What each node needs; what is wrong with the record of a flow is for others to say. */
async function needsOf(place: RunPlace): Promise<Map<string, readonly string[]>> {
  const record = await readFlowRecord(place).catch(() => undefined);
  const needs = record?.nodes.filter(({ needs }) => needs.length > 0);
  return new Map(needs?.map(({ id, needs }) => [id, needs]));
}

function attemptsOf(
  { history: { fold }, stretches, sittings }: Pick<
    RunTimeline,
    "history" | "stretches" | "sittings"
  >,
): TimedAttempt[] {
  const attempts: TimedAttempt[] = [];
  for (const { id: nodeId, last_ts: lastTs } of fold.nodes()) {
    // A gate is no work.
    if (stretches.gates.has(nodeId)) continue;
    const infos = fold.attemptsOf(nodeId);
    for (const [index, info] of infos.entries()) {
      // Other programs may tell of an end alone.
      const from = Date.parse(info.started_ts ?? lastTs ?? "");
      if (Number.isNaN(from)) continue;
      const { attempt } = info;
      const worker = stretches.workerOf({ nodeId, attempt });
      attempts.push({
        nodeId,
        attempt,
        from,
        to: endOf(info, { from, sittings }),
        worker,
        isFirst: index === 0,
        isLast: index === infos.length - 1,
      });
    }
  }
  return attempts.sort((a, b) => a.from - b.from);
}

/** One that was cut off, or is at work, has no length: it is drawn as long as it can have been. */
function endOf(
  { duration_ms: length }: AttemptInfo,
  { from, sittings }: { from: number; sittings: readonly Sitting[] },
): number {
  return length === undefined ? endOfSitting(sittings, from) : from + Math.max(0, length);
}

/** What a run has not begun, each with why, where that is known. */
export function* unbegunOf(
  { history: { fold } }: RunTimeline,
): Generator<{ nodeId: string; why: string | undefined }, void> {
  for (const { id: nodeId, status, skipped } of fold.nodes()) {
    if (status === "Pending") yield { nodeId, why: skipped };
  }
}

/**
 * When somebody worked on a run: from its begin to its end, and from each time it was gone on with, in milliseconds since
 * 1970. One that was killed has no end of its own; the last thing that it has recorded is what is known of it.
 */
export interface Sitting {
  from: number;
  to: number;
  /** How it ended, in words; undefined where it was cut off, or goes on. */
  end: string | undefined;
  /** Whether it ended well. */
  isWell: boolean;
}

/** Takes the next event of the log into the sittings, which are in order. */
function takeEvent(sittings: Sitting[], event: RunEvent): void {
  const at = Date.parse(event.ts);
  if (Number.isNaN(at)) return;
  if (event.type === "pipe.started" || sittings.length === 0) {
    sittings.push({ from: at, to: at, end: undefined, isWell: false });
  }
  const sitting = sittings.at(-1)!;
  // What a log lacked is written behind what it had, and may be older.
  sitting.to = Math.max(sitting.to, at);
  if (event.type === "pipe.completed") {
    sitting.end = "completed";
    sitting.isWell = true;
  } else if (event.type === "pipe.aborted") {
    sitting.end = typeof event.reason === "string" ? event.reason : "aborted";
  }
}

/** When something ended at the latest that began in one of these sittings and has no end of its own. */
function endOfSitting(sittings: readonly Sitting[], at: number): number {
  const sitting = sittings.findLast(({ from }) => from <= at);
  return Math.max(at, sitting?.to ?? at);
}
