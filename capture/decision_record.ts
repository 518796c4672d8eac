import type {
  Constraints,
  ConstraintsInit,
  DecisionLogEntry,
  DecisionRecord,
  Duration,
  EpisodeInvocationRecord,
  RunTermination,
} from "./types.ts";

/** The record of a decision, which shares nothing with the entry, and has no effects yet (CAP-3). */
export function recordDecision(entry: DecisionLogEntry): DecisionRecord {
  const { numbers } = entry;
  return {
    event_id: entry.event_id,
    decision: entry.decision,
    schedule_at: copyOf(entry.schedule_at),
    episode_id: entry.episode_id,
    deadline: copyOf(entry.deadline),
    termination: copyOfTermination(entry.termination),
    retry_count: entry.retry_count,
    effects: [],
    attempt_termination: copyOfTermination(entry.attemptTermination),
    reason: entry.reason,
    numbers: {
      now: { secs: numbers.now.secs, nanos: numbers.now.nanos },
      in_flight: numbers.in_flight,
      in_window: numbers.in_window,
      deferred: numbers.deferred,
      next_due: copyOf(numbers.next_due),
      defer_count: numbers.defer_count,
    },
    origin_event_id: entry.originEventId,
  };
}

/** The decision without what the seed's format cannot say. */
export function asSeedDecision(record: DecisionRecord): EpisodeInvocationRecord {
  const {
    attempt_termination: _answer,
    reason: _reason,
    numbers: _numbers,
    origin_event_id: _origin,
    ...rest
  } = record;
  return rest;
}

/** Constraints with everything said: what is left out is no limit. */
export function completeConstraints(constraints: ConstraintsInit): Constraints {
  return {
    max_in_flight: constraints.max_in_flight ?? null,
    max_per_window: constraints.max_per_window ?? null,
    rate_window: copyOf(constraints.rate_window ?? null),
    deadline: copyOf(constraints.deadline ?? null),
    max_retries: constraints.max_retries,
  };
}

/** A copy of an answer. */
export function copyOfTermination<T extends RunTermination | null>(termination: T): T {
  return typeof termination === "object" && termination !== null
    ? { Failed: termination.Failed } as T
    : termination;
}

function copyOf(time: Duration | null): Duration | null {
  return time === null ? null : { secs: time.secs, nanos: time.nanos };
}
