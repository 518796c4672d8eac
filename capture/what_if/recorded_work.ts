import {
  addDuration,
  compareTimes,
  durationBetween,
  laterOf,
  ZERO,
} from "../../_internal/event_time.ts";
import type { Duration, EventTime, ExternalEvent, RunTermination } from "../../supervisor/types.ts";
import { rehydrate } from "../replay/replay_run.ts";
import type { DecisionRecord, InputRecord, TaffrailCaptureBundle } from "../types.ts";
import type { Step } from "./attempt_view.ts";

/** An attempt as it was recorded. */
export interface RecordedAttempt {
  readonly began: EventTime;
  /** How long it could have taken. */
  readonly deadline: Duration | null;
  /** How it ended; undefined when that is not recorded. */
  end?: { readonly at: EventTime; readonly place: number; readonly termination: RunTermination };
}

/** An event that asked for work, and what is recorded of that. */
export interface RecordedEvent {
  readonly event: ExternalEvent;
  /** Which of the inputs it is. */
  readonly place: number;
  readonly at: EventTime;
  readonly sitting: number;
  /** The events, by their index, that had to be over before. */
  readonly needs: readonly number[];
  readonly attempts: RecordedAttempt[];
  /** When its episode was over, and how; no termination when it was given up. */
  over?: { readonly at: EventTime; readonly termination: RunTermination | null };
  /** The input that withdrew it. */
  withdrawn?: { readonly at: EventTime; readonly place: number; readonly sitting: number };
}

/** A time in which a process worked on the session: from its begin, or from when it was gone on with. */
export interface Sitting {
  readonly began: EventTime;
  ended: EventTime;
}

/** What a concurrent recording says of the work: how long it took, and what came from outside when. */
export interface RecordedWork {
  readonly events: readonly RecordedEvent[];
  readonly sittings: readonly Sitting[];
  /** What was decided about them. */
  readonly steps: readonly Step[];
}

/** Reads the recorded work. `dependsOn`: the ids of the events that had to be over before one was handed over. */
export function recordedWork(
  bundle: TaffrailCaptureBundle,
  dependsOn: (eventId: string) => readonly string[],
): RecordedWork {
  const reader = new WorkReader(bundle, dependsOn);
  for (const [place, decision] of bundle.decisions.entries()) {
    reader.take(bundle.inputs[place]!, decision, place);
  }
  return reader;
}

class WorkReader implements RecordedWork {
  readonly events: RecordedEvent[] = [];
  readonly sittings: Sitting[] = [];
  readonly steps: Step[] = [];
  readonly #dependsOn: (eventId: string) => readonly string[];
  /** By which of the inputs a further sitting begins. */
  readonly #begins: number[];
  readonly #byEpisode = new Map<number, number>();
  readonly #byId = new Map<string, number[]>();
  /** How long it was worked on in the sittings before. */
  #worked: Duration = ZERO;

  constructor(
    { notes = [] }: TaffrailCaptureBundle,
    dependsOn: (eventId: string) => readonly string[],
  ) {
    this.#dependsOn = dependsOn;
    this.#begins = notes.filter(({ type }) => type === "resumed")
      .map(({ after }) => Math.ceil(after / 2));
  }

  take(input: InputRecord, decision: DecisionRecord, place: number): void {
    const at = decision.numbers.now;
    this.#passTime(place, at);
    if (input.type === "event" && input.kind !== "Pump") {
      this.#takeEvent(rehydrate(input), { at, place });
      this.#byEpisode.set(decision.episode_id, this.events.length - 1);
    }
    const index = this.#byEpisode.get(decision.episode_id);
    if (index === undefined) return;
    const event = this.events[index]!;
    if (input.type === "completion") {
      event.attempts[input.attempt - 1]!.end = { at, place, termination: input.termination };
    }
    this.#takeDecision(event, decision, place);
    this.steps.push(stepOf(decision, index, this.#elapsed(at)));
  }

  #passTime(place: number, at: EventTime): void {
    let isFirst = this.sittings.length === 0;
    // In a sitting in which nothing happened no time passed.
    for (; this.#begins[0] !== undefined && this.#begins[0] <= place; isFirst = true) {
      this.#begins.shift();
    }
    const last = this.sittings.at(-1);
    if (!isFirst) last!.ended = laterOf(last!.ended, at);
    else {
      if (last !== undefined) {
        this.#worked = addDuration(this.#worked, durationBetween(last.began, last.ended));
      }
      this.sittings.push({ began: at, ended: at });
    }
  }

  #elapsed(at: EventTime): Duration {
    return addDuration(this.#worked, durationBetween(this.sittings.at(-1)!.began, at));
  }

  #takeEvent(event: ExternalEvent, { at, place }: { at: EventTime; place: number }): void {
    const sitting = this.sittings.length - 1;
    // What was not over by then, it cannot have waited for.
    const needs = this.#dependsOn(event.id).flatMap((id) => this.#byId.get(id) ?? [])
      .filter((need) => this.events[need]!.over !== undefined);
    const index = this.events.push({ event, place, at, sitting, needs, attempts: [] }) - 1;
    const sameId = this.#byId.get(event.id);
    if (sameId === undefined) this.#byId.set(event.id, [index]);
    else sameId.push(index);
  }

  #takeDecision(event: RecordedEvent, record: DecisionRecord, place: number): void {
    const { decision, reason, deadline, termination, numbers: { now: at } } = record;
    if (decision === "Invoke") event.attempts.push({ began: at, deadline });
    if (decision === "Finish" || decision === "Skip") event.over = { at, termination };
    if (reason !== "withdrawn") return;
    event.withdrawn = { at, place, sitting: this.sittings.length - 1 };
  }
}

/** A decision as a step of its event. */
export function stepOf(
  { decision, reason, attempt_termination: answer }: Pick<
    DecisionRecord,
    "decision" | "reason" | "attempt_termination"
  >,
  event: number,
  at: Duration,
): Step {
  return { event, at, decision, reason, answer, isTimed: true };
}

/** How long it was worked on. */
export function timeWorked(sittings: readonly Sitting[]): Duration {
  return sittings.reduce(
    (sum, { began, ended }) => addDuration(sum, durationBetween(began, ended)),
    ZERO,
  );
}

/** How an attempt would go whose begin and deadline are these, or why that is not known. */
export type Outcome =
  | { at: EventTime; place: number; termination: RunTermination }
  | { why: "never-made" | "no-end" | "cut-off" | "timed-out" };

/**
 * An attempt takes as long as it took and ends as it did, unless another deadline ends it before. What was
 * ended from outside, or by a shorter deadline, would have gone on: nobody knows how.
 */
export function outcomeOf(
  recorded: RecordedAttempt | undefined,
  { now, deadline }: { now: EventTime; deadline: Duration | null },
): Outcome {
  if (recorded === undefined) return { why: "never-made" };
  const { began, end, deadline: before } = recorded;
  if (end === undefined) return { why: "no-end" };
  const { place, termination } = end;
  const length = durationBetween(began, end.at);
  const asRecorded = { at: addDuration(now, length), place, termination };
  const isSame = isSameDeadline(deadline, before);
  const isAtOnce = before !== null && compareTimes(before, ZERO) === 0;
  if (termination === "Aborted") return isSame && isAtOnce ? asRecorded : { why: "cut-off" };
  if (isSame) return asRecorded;
  const wasTimedOut = termination === "TimedOut" && before !== null &&
    compareTimes(length, before) >= 0;
  if (wasTimedOut && (deadline === null || compareTimes(deadline, before) > 0)) {
    return { why: "timed-out" };
  }
  if (deadline === null || compareTimes(deadline, length) >= 0) return asRecorded;
  const ended = compareTimes(deadline, ZERO) === 0 ? "Aborted" : "TimedOut";
  return { at: addDuration(now, deadline), place, termination: ended };
}

/** Whether two attempts could take equally long. */
export function isSameDeadline(a: Duration | null, b: Duration | null): boolean {
  return a === b || (a !== null && b !== null && compareTimes(a, b) === 0);
}
