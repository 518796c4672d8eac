/**
 * What becomes of a decision in a record: the fields that the v3 format has, copied. The supervisor's
 * memory log gives such records, capture makes its own of them.
 */
import type { Duration, EventTime } from "./event_time.ts";

/** The fields of a decision that its entry and its record have in common. */
interface DecisionFields<D, T> {
  readonly event_id: string;
  readonly decision: D;
  readonly schedule_at: EventTime | null;
  readonly episode_id: number;
  readonly deadline: Duration | null;
  readonly termination: T;
  readonly retry_count: number;
}

/** How an attempt ended, as far as copying goes. */
type Termination = string | { readonly Failed: string } | null;

/** The record of a decision, which shares nothing with the entry, and has no effects yet (CAP-3). */
export function episodeRecordOf<D, T extends Termination>(entry: DecisionFields<D, T>) {
  return {
    event_id: entry.event_id,
    decision: entry.decision,
    schedule_at: copyOfTime(entry.schedule_at),
    episode_id: entry.episode_id,
    deadline: copyOfTime(entry.deadline),
    termination: copyOfTermination(entry.termination),
    retry_count: entry.retry_count,
    effects: [] as never[],
  };
}

/** A copy of a termination. */
export function copyOfTermination<T extends Termination>(termination: T): T {
  return typeof termination === "object" && termination !== null
    ? { Failed: termination.Failed } as T
    : termination;
}

/** A copy of a time or a span. */
export function copyOfTime(time: Duration | null): Duration | null {
  return time === null ? null : { secs: time.secs, nanos: time.nanos };
}
