import { addDuration, compareTimes, laterOf, ZERO } from "../../_internal/event_time.ts";
import type {
  CompletionInput,
  DecisionLogEntry,
  DecisionNumbers,
  DecisionReason,
  Duration,
  EventTime,
  ExternalEvent,
  RunTermination,
  SupervisorInput,
  WithdrawInput,
} from "../types.ts";
import { type DeferredEpisode, DeferredQueue } from "./deferred_queue.ts";
import { makeEntry, NO_END, type Verdict } from "./entry.ts";
import { backoffDelay, isRetryable, RateWindow, retryRulesOf, type Rules } from "./rules.ts";

/** An attempt in flight, and the order to make it. */
export interface Attempt {
  readonly episodeId: number;
  /** The first is 1. */
  readonly attempt: number;
  /** The event that the episode was made for: its id and context are the run's (SCH-14). */
  readonly origin: ExternalEvent;
  /** The event that started it: the origin, or a Pump. Its entries stand under this event. */
  readonly trigger: ExternalEvent;
  /** Why it was started, and the numbers behind that: a serial entry is written at its end. */
  readonly reason: DecisionReason;
  readonly numbers: DecisionNumbers;
}

/** What one input leads to: at most one entry, at most one attempt to make. */
export interface StepResult {
  /** Empty as long as a serial run is not over (SCH-3). */
  readonly decisions: readonly DecisionLogEntry[];
  readonly invocations: readonly Attempt[];
}

/** Everything that a core remembers. */
export interface CoreState {
  readonly inputs: number;
  readonly nextEpisodeId: number;
  readonly clock: EventTime;
  readonly recent: readonly EventTime[];
  readonly deferred: readonly DeferredEpisode[];
  readonly inFlight: readonly Attempt[];
}

/** What an event would lead to. */
interface Admission extends Verdict {
  readonly episodeId: number;
  /** Undefined for a Pump that finds nothing due: it burns an id for nothing (SCH-11). */
  readonly episode: DeferredEpisode | undefined;
}

/** What stands in the way of a run, and until when. */
interface Obstacle {
  readonly reason: DecisionReason;
  readonly until: EventTime | null;
}

const NONE: readonly never[] = Object.freeze([]);
const NOTHING_DUE: Obstacle = { reason: "nothing_due", until: null };

/**
 * The supervisor's decisions as a state machine: no clock, no timers, no chance, nothing asynchronous.
 * {@linkcode SupervisorCore.step} changes the state; {@linkcode SupervisorCore.explain} applies the
 * same rules without changing it.
 *
 * What always holds, and why a replay is exact:
 *
 * - **State is a function of the rules and the list of inputs.** Nothing else is looked at, so the same
 *   list fed to a fresh core gives the same entries and the same attempts, however they were timed.
 * - **An input leads to at most one entry and at most one attempt.** In serial mode the entry is written
 *   when the run is over, so an event that starts one has none yet, and no event is taken meanwhile.
 * - **The clock does not go back.** It is the latest time that an event, a withdrawal or a concurrent
 *   completion had.
 *   Starts in the rate window are therefore in order, and what has left the window never returns.
 * - **An episode is in one place**: in flight with one attempt, or in the deferred queue, or over. Its id
 *   is given once, in the order of admission; a Pump that finds nothing due uses one up (SCH-11). What is
 *   withdrawn leaves the queue for good, without a termination: it has not failed.
 * - **Saturation is looked at before the rate, and both only when an episode starts.** A retry without
 *   back-off keeps the place of the attempt that failed, and counts for no window (INV-2).
 * - **The numbers of an entry are those before it took effect**, so that an entry explains itself.
 * - **What throws ends this core.** A counter at 2^53 − 1, a completion of an attempt that is not in
 *   flight, or a withdrawal of what is not deferred leaves a state that no input list leads to; the driver
 *   stops.
 */
export class SupervisorCore {
  readonly rules: Rules;
  readonly #isSerial: boolean;
  #inputs = 0;
  #nextEpisodeId = 0;
  #clock = ZERO;
  readonly #window: RateWindow;
  readonly #deferred = new DeferredQueue();
  readonly #inFlight = new Map<number, Attempt>();

  constructor(rules: Rules) {
    this.rules = rules;
    this.#isSerial = rules.mode === "serial";
    this.#window = new RateWindow(rules.constraints);
  }

  /** Goes on from a state. Only for a core that has taken no input. */
  restore(state: CoreState): void {
    this.#inputs = state.inputs;
    this.#nextEpisodeId = state.nextEpisodeId;
    this.#clock = state.clock;
    for (const start of state.recent) this.#window.addStart(start);
    for (const episode of state.deferred) this.#deferred.add(episode);
    for (const attempt of state.inFlight) this.#inFlight.set(attempt.episodeId, attempt);
  }

  /** The logical clock (SCH-2). */
  get clock(): EventTime {
    return this.#clock;
  }

  /** How many inputs were taken. */
  get inputs(): number {
    return this.#inputs;
  }

  /** How many episodes are deferred. */
  get deferredCount(): number {
    return this.#deferred.size;
  }

  /** Whether an episode is deferred, so that it can be withdrawn. */
  isDeferred(episodeId: number): boolean {
    return this.#deferred.has(episodeId);
  }

  /** How many attempts are in flight. */
  get inFlightCount(): number {
    return this.#inFlight.size;
  }

  /** Whether the next input has to be a completion: serial runs do not overlap. */
  get isOccupied(): boolean {
    return this.#isSerial && this.#inFlight.size > 0;
  }

  /** Everything that is remembered. */
  state(): CoreState {
    return {
      inputs: this.#inputs,
      nextEpisodeId: this.#nextEpisodeId,
      clock: this.#clock,
      recent: this.#window.toArray(),
      deferred: this.#deferred.toArray(),
      inFlight: [...this.#inFlight.values()],
    };
  }

  /** Takes one input. What throws (a counter at its end, an impossible input) ends this core. */
  step(input: SupervisorInput): StepResult {
    this.#inputs = following(this.#inputs, "inputs");
    if (input.type === "event") return this.#takeEvent(input.event);
    return input.type === "completion" ? this.#takeCompletion(input) : this.#takeWithdrawal(input);
  }

  /** The entry that an event would get now, but for the end of its run. */
  explain(event: ExternalEvent): DecisionLogEntry {
    return this.#entryOfAdmission(this.#decide(event, laterOf(this.#clock, event.at)), event);
  }

  /**
   * When a Pump would next start an episode, `now` meaning at once; null when nothing is deferred, only
   * a completion can make room or the end of event time comes first.
   */
  nextPumpAt(now: EventTime): EventTime | null {
    const first = this.#deferred.first();
    if (first === undefined || this.isOccupied || this.#isSaturated()) return null;
    const from = laterOf(now, this.#clock);
    const due = laterOf(first.at, from);
    const free = addDuration(due, this.#window.delayAt(due) ?? ZERO);
    if (this.#window.delayAt(free) !== null) return null;
    return compareTimes(free, from) <= 0 ? now : free;
  }

  #takeEvent(event: ExternalEvent): StepResult {
    if (this.isOccupied) throw new TypeError("Cannot take an event: a serial run is not over");
    this.#moveClock(event.at);
    const admission = this.#decide(event, this.#clock);
    const { episode, decision, scheduleAt: at, numbers: { defer_count: deferCount } } = admission;
    if (event.kind === "Pump" && episode !== undefined) this.#deferred.removeFirst();
    else this.#nextEpisodeId = following(this.#nextEpisodeId, "episodes");
    if (episode !== undefined && decision === "Invoke") {
      return this.#invoke(admission, episode, event);
    }
    if (episode !== undefined && at !== null) this.#deferred.add({ ...episode, at, deferCount });
    return { decisions: [this.#entryOfAdmission(admission, event)], invocations: NONE };
  }

  /** The rules of admission (SCH-5 to SCH-9) and of the Pump (SCH-10 to SCH-14), without effects. */
  #decide(event: ExternalEvent, now: EventTime): Admission {
    const isPump = event.kind === "Pump";
    const episode = isPump ? this.#dueAt(now) : this.#newEpisode(event, now);
    const episodeId = episode?.episodeId ?? this.#nextEpisodeId;
    const obstacle = episode === undefined ? NOTHING_DUE : this.#obstacleAt(now);
    const deferCount = episode?.deferCount ?? 0;
    const origin = episode?.origin;
    if (obstacle === null) {
      const reason = isPump ? "due" : "admitted";
      const numbers = this.#numbers(now, deferCount, origin);
      return { decision: "Invoke", reason, scheduleAt: null, numbers, episodeId, episode };
    }
    if (!isPump && this.#isQueueFull()) {
      const reason = "queue_full";
      const numbers = this.#numbers(now, deferCount, origin);
      return { decision: "Skip", reason, scheduleAt: null, numbers, episodeId, episode };
    }
    const { reason, until: scheduleAt } = obstacle;
    const isDeferred = episode !== undefined;
    const deferrals = isDeferred ? following(deferCount, "deferrals") : 0;
    const numbers = this.#numbers(now, deferrals, origin);
    return { decision: "Defer", reason, scheduleAt, numbers, episodeId, episode };
  }

  /** The deferred episode that a Pump takes (SCH-10). */
  #dueAt(now: EventTime): DeferredEpisode | undefined {
    const first = this.#deferred.first();
    return first !== undefined && compareTimes(first.at, now) <= 0 ? first : undefined;
  }

  #newEpisode(origin: ExternalEvent, now: EventTime): DeferredEpisode {
    return { at: now, episodeId: this.#nextEpisodeId, origin, deferCount: 0, attempts: 0 };
  }

  /** Saturation is looked at before the rate (SCH-9). */
  #obstacleAt(now: EventTime): Obstacle | null {
    if (this.#isSaturated()) return { reason: "saturated", until: now };
    const delay = this.#window.delayAt(now);
    return delay === null ? null : { reason: "rate_limited", until: addDuration(now, delay) };
  }

  #isSaturated(): boolean {
    const { max_in_flight: max } = this.rules.constraints;
    return max !== null && this.#occupancy() >= max;
  }

  #isQueueFull(): boolean {
    const { maxDeferred } = this.rules;
    return maxDeferred !== null && this.#deferred.size >= maxDeferred;
  }

  /** Episodes in flight when an event is looked at: none in serial mode, where it waits (SCH-6). */
  #occupancy(): number {
    return this.#isSerial ? 0 : this.#inFlight.size;
  }

  #invoke(admission: Admission, episode: DeferredEpisode, trigger: ExternalEvent): StepResult {
    const attempt: Attempt = {
      episodeId: episode.episodeId,
      attempt: following(episode.attempts, "attempts"),
      origin: episode.origin,
      trigger,
      reason: admission.reason,
      numbers: admission.numbers,
    };
    this.#window.addStart(this.#clock);
    this.#inFlight.set(attempt.episodeId, attempt);
    const decisions = this.#isSerial ? NONE : [this.#entryOfAdmission(admission, trigger)];
    return { decisions, invocations: [attempt] };
  }

  #takeCompletion(completion: CompletionInput): StepResult {
    const { episode_id: episodeId, attempt, termination } = completion;
    const ended = this.#inFlight.get(episodeId);
    if (ended?.attempt !== attempt) {
      throw new TypeError(
        `Cannot take a completion: attempt ${attempt} of episode ${episodeId} is not in flight`,
      );
    }
    if (!this.#isSerial) this.#moveClock(completion.at);
    const { maxRetries, backoff } = retryRulesOf(this.rules, ended.origin);
    if (termination === "Completed") return this.#finish(ended, "completed", termination);
    if (!isRetryable(termination)) return this.#finish(ended, "not_retryable", termination);
    if (attempt > maxRetries) return this.#finish(ended, "retries_exhausted", termination);
    if (backoff === null) return this.#retry(ended, termination);
    return this.#postponeRetry(ended, backoffDelay(backoff, attempt), termination);
  }

  /** The episode is over. A serial entry says why it was started: that is what was decided. */
  #finish(ended: Attempt, reason: DecisionReason, answer: RunTermination): StepResult {
    const { defer_count: deferCount } = ended.numbers;
    const verdict: Verdict = this.#isSerial
      ? { decision: "Invoke", reason: ended.reason, scheduleAt: null, numbers: ended.numbers }
      : {
        decision: "Finish",
        reason,
        scheduleAt: null,
        numbers: this.#numbersNow(deferCount, ended.origin),
      };
    this.#inFlight.delete(ended.episodeId);
    const entry = makeEntry(this.rules, verdict, ended, { answer, isOver: true });
    return { decisions: [entry], invocations: NONE };
  }

  /** The retry takes the place of the attempt that failed (INV-2). */
  #retry(failed: Attempt, answer: RunTermination): StepResult {
    const attempt = { ...failed, attempt: following(failed.attempt, "attempts") };
    const numbers = this.#numbersNow(failed.numbers.defer_count, failed.origin);
    this.#inFlight.set(attempt.episodeId, attempt);
    if (this.#isSerial) return { decisions: NONE, invocations: [attempt] };
    const verdict: Verdict = { decision: "Invoke", reason: "retry", scheduleAt: null, numbers };
    const entry = makeEntry(this.rules, verdict, attempt, { answer, isOver: false });
    return { decisions: [entry], invocations: [attempt] };
  }

  /** The retry waits in the queue, where it is an episode like the others. */
  #postponeRetry(failed: Attempt, delay: Duration, answer: RunTermination): StepResult {
    const { episodeId, origin, attempt: attempts, numbers: { defer_count: deferCount } } = failed;
    const isOver = this.#isQueueFull();
    const deferrals = isOver ? deferCount : following(deferCount, "deferrals");
    const numbers = this.#numbersNow(deferrals, origin);
    const at = addDuration(this.#clock, delay);
    const verdict: Verdict = isOver
      ? { decision: "Skip", reason: "queue_full", scheduleAt: null, numbers }
      : { decision: "Defer", reason: "backoff", scheduleAt: at, numbers };
    this.#inFlight.delete(episodeId);
    if (!isOver) {
      this.#deferred.add({ at, episodeId, origin, deferCount: numbers.defer_count, attempts });
    }
    const entry = makeEntry(this.rules, verdict, failed, { answer, isOver });
    return { decisions: [entry], invocations: NONE };
  }

  /** The episode is over without an end: nothing of it runs. The last attempt, if any, has its own entry. */
  #takeWithdrawal({ episode_id: episodeId, at }: WithdrawInput): StepResult {
    if (this.isOccupied) throw new TypeError("Cannot withdraw: a serial run is not over");
    this.#moveClock(at);
    const now = this.#numbersNow(0, undefined);
    const episode = this.#deferred.remove(episodeId);
    if (episode === undefined) {
      throw new TypeError(`Cannot withdraw episode ${episodeId}: it is not deferred`);
    }
    const { origin, deferCount, attempts: attempt } = episode;
    const numbers = withOwnRetries({ ...now, defer_count: deferCount }, origin);
    const verdict: Verdict = { decision: "Skip", reason: "withdrawn", scheduleAt: null, numbers };
    const subject = { trigger: origin, episodeId, origin, attempt };
    return { decisions: [makeEntry(this.rules, verdict, subject, NO_END)], invocations: NONE };
  }

  #moveClock(at: EventTime): void {
    this.#clock = laterOf(this.#clock, at);
    this.#window.advance(this.#clock);
  }

  #numbersNow(deferCount: number, origin: ExternalEvent | undefined): DecisionNumbers {
    return this.#numbers(this.#clock, deferCount, origin);
  }

  #numbers(
    now: EventTime,
    deferCount: number,
    origin: ExternalEvent | undefined,
  ): DecisionNumbers {
    const numbers = {
      now,
      in_flight: this.#occupancy(),
      in_window: this.#window.countAt(now),
      deferred: this.#deferred.size,
      next_due: this.#deferred.first()?.at ?? null,
      defer_count: deferCount,
    };
    return withOwnRetries(numbers, origin);
  }

  #entryOfAdmission(admission: Admission, trigger: ExternalEvent): DecisionLogEntry {
    const { episodeId, episode } = admission;
    const attempt = (episode?.attempts ?? 0) + (admission.decision === "Invoke" ? 1 : 0);
    const subject = { trigger, episodeId, origin: episode?.origin, attempt };
    return makeEntry(this.rules, admission, subject, NO_END);
  }
}

/** The numbers, with how many retries the event of the episode asks for, if it does. */
function withOwnRetries(
  numbers: DecisionNumbers,
  origin: ExternalEvent | undefined,
): DecisionNumbers {
  const own = origin?.retry?.max_retries;
  return own === undefined ? numbers : { ...numbers, max_retries: own };
}

/**
 * The number after `value`; a `RangeError` at 2^53 − 1, beyond which numbers would be rounded. The name
 * is the counter's, for the error.
 */
function following(value: number, name: string): number {
  if (value >= Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`Cannot count ${name} further: it has reached ${value}`);
  }
  return value + 1;
}
