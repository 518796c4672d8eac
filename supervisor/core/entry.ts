import type {
  Decision,
  DecisionLogEntry,
  DecisionNumbers,
  DecisionReason,
  EventTime,
  ExternalEvent,
  RunTermination,
} from "../types.ts";
import { retryRulesOf, type Rules } from "./rules.ts";

/** What was decided and why. */
export interface Verdict {
  readonly decision: Decision;
  readonly reason: DecisionReason;
  readonly scheduleAt: EventTime | null;
  readonly numbers: DecisionNumbers;
}

/** What it was decided about. */
interface Subject {
  /** The event that the entry stands under. */
  readonly trigger: ExternalEvent;
  readonly episodeId: number;
  /** The event that the episode was made for, if there is one. */
  readonly origin: ExternalEvent | undefined;
  /** How many attempts were made, one that starts now included. */
  readonly attempt: number;
}

/** How an attempt ended whose end was decided on. */
export interface End {
  readonly answer: RunTermination | null;
  /** Whether the episode ends with that answer. */
  readonly isOver: boolean;
}

/** For decisions about events. */
export const NO_END: End = Object.freeze({ answer: null, isOver: false });

/** The entry of a decision. Its deadline is that of its episode, whatever was decided (SCH-9). */
export function makeEntry(
  rules: Rules,
  verdict: Verdict,
  { trigger, episodeId, origin, attempt }: Subject,
  { answer, isOver }: End,
): DecisionLogEntry {
  return {
    graph_id: rules.graphId,
    event_id: trigger.id,
    event: trigger,
    decision: verdict.decision,
    schedule_at: verdict.scheduleAt,
    episode_id: episodeId,
    deadline: retryRulesOf(rules, origin).deadline,
    termination: isOver ? answer : null,
    retry_count: Math.max(attempt - 1, 0),
    attemptTermination: answer,
    reason: verdict.reason,
    numbers: verdict.numbers,
    originEventId: origin === undefined ? null : origin.id,
  };
}
