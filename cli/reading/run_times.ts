/**
 * When a run was. It is told by the ULID in its id, by the times of its events, and by the time at which its
 * log was written; the clock of a computer may have been wrong for any of them.
 */
import { isKnownRunEvent } from "../../eventlog/run_event.ts";
import { partsOfRunId, timeOfUlid } from "../../_internal/root_layout.ts";
import { parseRunFile } from "../../_internal/run_folder.ts";
import type { RunListing, RunsRoot, RunView } from "../../run/types.ts";
import { listPages } from "./open_root.ts";

/** The times of a run, in milliseconds since 1970, as far as they are known. */
export interface RunTimes {
  /** When its id was made. */
  made: number | undefined;
  /** When its first event happened. */
  first: number | undefined;
  /** When its newest event happened. */
  last: number | undefined;
  /** When its log was written last. */
  written: number | undefined;
}

/** Before this there was no such program. */
const EARLIEST_MS = Date.UTC(2025, 0, 1);
const DAY_MS = 86_400_000;

/** The times of a run, of which those of its events are known. */
export function timesOf(
  { runId, log }: Pick<RunListing, "runId" | "log">,
  events: { first: string | undefined; last: string | null },
): RunTimes {
  const times = timesOfId(runId, log?.writtenMs);
  return { ...times, first: parse(events.first), last: parse(events.last) };
}

/** When a run was made, as its `run.json` says; undefined where it has none that does. */
export async function createdAt(view: Pick<RunView, "document">): Promise<string | undefined> {
  try {
    const bytes = await view.document("run.json");
    if (bytes === undefined) return undefined;
    const { created_at: ts } = parseRunFile(bytes);
    return typeof ts === "string" && !Number.isNaN(Date.parse(ts)) ? ts : undefined;
  } catch {
    return undefined;
  }
}

/** The newest run, as `ls` lists them; undefined when there are none. */
export async function newestRun(runs: RunsRoot): Promise<string | undefined> {
  let newest: { runId: string; times: RunTimes } | undefined;
  const take = (run: { runId: string; times: RunTimes }) => {
    if (newest === undefined || compareBegins(newest, run) < 0) newest = run;
  };
  const untold: string[] = [];
  for await (const page of listPages(runs, { fields: [] })) {
    for (const { runId } of page) {
      const times = timesOfId(runId);
      if (times.made === undefined) untold.push(runId);
      else take({ runId, times });
    }
  }
  if (untold.length === 0) return newest?.runId;
  // Nothing is read of those whose ids tell it.
  for await (const page of listPages(runs, { runIds: untold, fields: ["created", "ends"] })) {
    for (const listing of page) {
      const { runId, createdAt, peek, first } = listing;
      const begin = (peek?.events ?? [first]).find((event) => event && isKnownRunEvent(event));
      take({ runId, times: timesOf(listing, { first: begin?.ts ?? createdAt, last: null }) });
    }
  }
  return newest?.runId;
}

/** The times of a run of which nothing is known but its id, and when it was at work, by a file of it. */
export function timesOfId(runId: string, written?: number): RunTimes {
  const ulid = partsOfRunId(runId)?.ulid;
  const made = ulid === undefined ? undefined : timeOfUlid(ulid);
  return { made, first: undefined, last: undefined, written };
}

function parse(ts: string | null | undefined): number | undefined {
  const time = Date.parse(ts ?? "");
  return Number.isNaN(time) ? undefined : time;
}

/** A time at which a run can have been; what lies in the future or before all runs is none. */
function believable(time: number | undefined): number | undefined {
  return time !== undefined && time >= EARLIEST_MS && time <= Date.now() ? time : undefined;
}

function believableTimes(times: RunTimes): number[] {
  return [times.made, times.first, times.last, times.written]
    .map(believable)
    .filter((time) => time !== undefined);
}

/** When something of a run happened last: the youngest of its times; undefined when it has none. */
export function youngestTime(times: RunTimes): number | undefined {
  const known = believableTimes(times);
  return known.length === 0 ? undefined : Math.max(...known);
}

/** When something was recorded last, as the run itself says it: by its newest event, or by its log's file. */
export function lastTime({ last, written }: RunTimes): number | undefined {
  return last ?? written;
}

/** The oldest of its times; undefined when it has none. */
export function oldestTime(times: RunTimes): number | undefined {
  const known = believableTimes(times);
  return known.length === 0 ? undefined : Math.min(...known);
}

/**
 * Why nobody can tell how old a run is; undefined when it is known. Its begin stands in its id and in its
 * first event, its end in the newest one and in the time of its log: where one is more than a day from
 * the other, a clock was wrong, or somebody has changed it.
 */
export function whyOfUnknownAge(times: RunTimes): string | undefined {
  if (youngestTime(times) === undefined) {
    return "its age is not known: none of its times is between 2025 and now";
  }
  const { made, first = times.written, last, written } = times;
  if (!areApart(made, first) && !areApart(last, written)) return undefined;
  const told = [
    ["its id was made", made],
    ["its first event was", times.first],
    ["its newest event was", last],
    ["its log was written", written],
  ] as const;
  const texts = told.flatMap(([what, time]) => {
    return time === undefined ? [] : [`${what} ${new Date(time).toISOString().slice(0, 10)}`];
  });
  return `its age is not known, as its times disagree: ${texts.join(", ")}`;
}

function areApart(one: number | undefined, other: number | undefined): boolean {
  const [a, b] = [believable(one), believable(other)];
  return a !== undefined && b !== undefined && Math.abs(a - b) > DAY_MS;
}

/** Orders runs by when they began, the newest last: ids of one root grow whatever its clock does. */
export function compareBegins(
  a: { runId: string; times: RunTimes },
  b: { runId: string; times: RunTimes },
): number {
  const [one, other] = [beginOf(a.times), beginOf(b.times)];
  if (one !== other) return one < other ? -1 : 1;
  return textOf(a.runId) < textOf(b.runId) ? -1 : 1;
}

/** What has no time comes first, so that the runs of today stay at the end. */
function beginOf({ made, first }: RunTimes): number {
  return made ?? believable(first) ?? -Infinity;
}

function textOf(runId: string): string {
  return partsOfRunId(runId)?.ulid ?? runId;
}
