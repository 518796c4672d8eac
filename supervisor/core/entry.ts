import type {
  Decision,
  DecisionLogEntry,
  DecisionNumbers,
  DecisionReason,
  EventTime,
  ExternalEvent,
  RunTermination,
} from "../types.ts";
import type { Rules } from "./rules.ts";

/** What was decided and why. */
export interface Verdict {
  readonly decision: Decision;
  readonly reason: DecisionReason;
  readonly scheduleAt: EventTime | null;
  readonly numbers: DecisionNumbers;
}

/** What it was decided about. */
export interface Subject {
  /** The event that the entry stands under. */
  readonly event: ExternalEvent;
  readonly episodeId: number;
  /** The event that the episode was made for, if there is one. */
  readonly origin: ExternalEvent | undefined;
  /** How many attempts were made, one that starts now included. */
  readonly attempts: number;
  /** How the attempt ended whose end was decided on; null when the decision is about an event. */
  readonly answer: RunTermination | null;
  /** Whether the episode ends with that answer. */
  readonly isOver: boolean;
}

/** The entry of a decision. Its deadline is the configured one, whatever was decided (SCH-9). */
export function makeEntry(rules: Rules, verdict: Verdict, subject: Subject): DecisionLogEntry {
  return {
    graph_id: rules.graphId,
    event_id: subject.event.id,
    event: subject.event,
    decision: verdict.decision,
    schedule_at: verdict.scheduleAt,
    episode_id: subject.episodeId,
    deadline: rules.constraints.deadline,
    termination: subject.isOver ? subject.answer : null,
    retry_count: Math.max(subject.attempts - 1, 0),
    attemptTermination: subject.answer,
    reason: verdict.reason,
    numbers: verdict.numbers,
    originEventId: subject.origin === undefined ? null : subject.origin.id,
  };
}
