import type { Decision, DecisionReason, Duration, RunTermination } from "../../supervisor/types.ts";

/** What was decided about one attempt. Times count from the begin of the recording, without its pauses. */
export interface AttemptView {
  /** When it was asked for: its event came, or the attempt before it had ended. */
  askedAt: Duration;
  /** Why it was deferred, in order; what was decided again for the same reason stands once. */
  waits: DecisionReason[];
  /** When it was begun, and why then; `null` when it was not. Of a retry in a `"v3"` bundle it is not known when. */
  begun: { at: Duration | null; reason: DecisionReason | null } | null;
  /** How it ended, and what was decided about that; `null` when it did not, or that is not known. */
  ended: {
    at: Duration | null;
    termination: RunTermination;
    reason: DecisionReason | null;
  } | null;
  /** Why it was given up without being begun; `null` when it was not. */
  skipped: DecisionReason | null;
}

/** One decision about the episode of an event. */
export interface Step {
  /** Which event, counted without Pumps. */
  readonly event: number;
  readonly at: Duration;
  readonly decision: Decision;
  readonly reason: DecisionReason | null;
  /** How the attempt ended whose end was decided on; `null` when the decision is about none. */
  readonly answer: RunTermination | null;
  /** Whether the times of begins and ends are known: in serial mode they are not. */
  readonly isTimed: boolean;
}

/** What the decisions say about the attempts of each event. */
export function viewsOf(steps: Iterable<Step>, eventCount: number): AttemptView[][] {
  const views = Array.from({ length: eventCount }, (): AttemptView[] => []);
  for (const step of steps) take(views[step.event]!, step);
  return views;
}

function take(views: AttemptView[], step: Step): void {
  const { at, decision, reason, answer, isTimed } = step;
  if (answer !== null) {
    const time = isTimed ? at : null;
    views.at(-1)!.ended = { at: time, termination: answer, reason };
    if (decision === "Finish") return;
  }
  const last = views.at(-1);
  const isWaiting = last !== undefined && last.begun === null && last.skipped === null;
  if (!isWaiting) views.push({ askedAt: at, waits: [], begun: null, ended: null, skipped: null });
  const view = views.at(-1)!;
  if (decision === "Invoke") {
    const isRetry = reason === "retry" && !isTimed;
    view.begun = { at: isRetry ? null : at, reason };
  } else if (decision === "Skip") view.skipped = reason;
  else if (reason !== null && view.waits.at(-1) !== reason) view.waits.push(reason);
}

/** Whether other things were decided, whatever the times. An end that is not known differs from none. */
export function isDecidedAlike(
  recorded: AttemptView,
  whatIf: AttemptView,
  { isEndKnown }: { isEndKnown: boolean },
): boolean {
  return JSON.stringify(decisionsIn(recorded, isEndKnown)) ===
    JSON.stringify(decisionsIn(whatIf, isEndKnown));
}

function decisionsIn({ waits, begun, ended, skipped }: AttemptView, isEndKnown: boolean) {
  const end = isEndKnown && ended !== null ? [ended.termination, ended.reason] : null;
  return [waits, begun === null ? null : [begun.reason], end, skipped];
}
