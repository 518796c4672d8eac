import { addDuration, compareTimes, ZERO } from "../../_internal/event_time.ts";
import type { Attempt } from "../core/supervisor_core.ts";
import type { Duration, EventTime, RunTermination, Timers } from "../types.ts";

/** An attempt that is being made. */
export interface RunningAttempt {
  readonly attempt: Attempt;
  /** Its signal is the one that the invoker gets; null as long as the invoker is not called. */
  controller: AbortController | null;
}

/** What {@linkcode RunningAttempts} works with. */
interface RunningAttemptsOptions {
  timers: Timers | undefined;
  /** How long an attempt may take; null = as long as it likes. */
  deadlineOf: (attempt: Attempt) => Duration | null;
  /** How long it may take to answer after its signal aborted; without timers that is no time. */
  grace: Duration;
  /** Called for an attempt that did not answer within the grace, and is no longer running. */
  onExpired: (expired: RunningAttempt, termination: RunTermination) => void;
}

/** When something happens to an attempt that has not ended before. */
interface Expiry {
  readonly running: RunningAttempt;
  readonly at: EventTime;
}

/**
 * The attempts that are being made, and what happens when one of them times out:
 *
 * 1. {@linkcode RunningAttempts.startDeadline} sets its deadline, when its invoker is called. What comes
 *    before the call ({@linkcode RunningAttempts.add} alone: `beforeRun` is under way) has no deadline.
 * 2. When the deadline has passed, its signal aborts with a `TimeoutError`, and the grace begins. An
 *    answer within the grace counts as it is.
 * 3. When the grace has passed too, the attempt is taken out and ends as `TimedOut`. What its invoker
 *    answers later changes nothing.
 *
 * An abort of the whole supervisor begins at step 2, and its attempts end as `Aborted`.
 *
 * This is the deadline of the constraints, or of the event. The `timeout` of one node of a flow is
 * kept by who runs its command (`cli/process/run_command.ts`), and its attempt answers `TimedOut`.
 *
 * One timer serves them all. Graces are equally long, and so are the deadlines of one length, so each map by
 * episode is in the order of time. (A clock that is set back breaks that order, and a deadline behind
 * it may wait for the ones before.)
 */
export class RunningAttempts {
  readonly #options: RunningAttemptsOptions;
  readonly #running = new Map<number, RunningAttempt>();
  /** By how long they are; there is no empty one. */
  readonly #deadlines = new Map<string, Map<number, Expiry>>();
  readonly #graces = new Map<number, Expiry & { readonly termination: RunTermination }>();
  #aborted: { reason: unknown } | null = null;
  #timer: { at: EventTime; cancel: () => void } | null = null;

  constructor(options: RunningAttemptsOptions) {
    this.#options = options;
  }

  /** How many there are. */
  get size(): number {
    return this.#running.size;
  }

  /** The attempt with this number, if it is running. */
  find(episodeId: number, attempt: number): RunningAttempt | undefined {
    const running = this.#running.get(episodeId);
    return running?.attempt.attempt === attempt ? running : undefined;
  }

  /** Whether an attempt is in. */
  has(running: RunningAttempt): boolean {
    return this.#running.get(running.attempt.episodeId) === running;
  }

  /** Adds an attempt, without a deadline. */
  add(running: RunningAttempt): void {
    this.#running.set(running.attempt.episodeId, running);
    if (this.#aborted !== null) this.abort(this.#aborted.reason);
  }

  /** The deadline of an attempt begins now. */
  startDeadline(running: RunningAttempt): void {
    const { episodeId } = running.attempt;
    const deadline = this.#options.deadlineOf(running.attempt);
    if (deadline === null || this.#aborted !== null) return;
    const length = lengthOf(deadline);
    const equallyLong = this.#deadlines.get(length) ?? new Map<number, Expiry>();
    this.#deadlines.set(length, equallyLong);
    equallyLong.set(episodeId, { running, at: this.#after(deadline) });
    this.#arm();
  }

  /** Takes an attempt out, and says whether it was still in. */
  end(running: RunningAttempt): boolean {
    if (!this.has(running)) return false;
    const { episodeId } = running.attempt;
    this.#running.delete(episodeId);
    if (this.#endDeadline(running) || this.#graces.delete(episodeId)) this.#arm();
    return true;
  }

  /**
   * Aborts all signals, and those of attempts that are added later; what does not answer within the
   * grace ends as `Aborted`.
   */
  abort(reason: unknown): void {
    this.#aborted = { reason };
    for (const running of [...this.#running.values()]) this.#abort(running, "Aborted", reason);
    this.#expire();
  }

  /** Aborts all signals and forgets the attempts. */
  abandon(reason: unknown): void {
    const abandoned = [...this.#running.values()];
    this.#running.clear();
    this.#deadlines.clear();
    this.#graces.clear();
    this.#arm();
    for (const { controller } of abandoned) controller?.abort(reason);
  }

  #abort(running: RunningAttempt, termination: RunTermination, reason: unknown): void {
    const { episodeId } = running.attempt;
    if (this.#graces.has(episodeId)) return;
    this.#endDeadline(running);
    this.#graces.set(episodeId, { running, at: this.#after(this.#options.grace), termination });
    running.controller?.abort(reason);
  }

  /** Its deadline does not count any more. Says whether it had begun. */
  #endDeadline({ attempt }: RunningAttempt): boolean {
    const deadline = this.#options.deadlineOf(attempt);
    if (deadline === null) return false;
    const length = lengthOf(deadline);
    const equallyLong = this.#deadlines.get(length);
    const hadBegun = equallyLong?.delete(attempt.episodeId) === true;
    if (equallyLong?.size === 0) this.#deadlines.delete(length);
    return hadBegun;
  }

  /** Aborts what has passed its deadline, and ends what has passed its grace. */
  #expire(): void {
    const now = this.#now();
    for (const equallyLong of this.#deadlines.values()) {
      for (const { running, at } of equallyLong.values()) {
        if (compareTimes(at, now) > 0) break;
        const reason = new DOMException("The deadline of the attempt has passed", "TimeoutError");
        this.#abort(running, "TimedOut", reason);
      }
    }
    for (const { running, at, termination } of this.#graces.values()) {
      if (this.#options.timers !== undefined && compareTimes(at, now) > 0) break;
      if (this.end(running)) this.#options.onExpired(running, termination);
    }
    this.#arm();
  }

  /** Sees to it that the timer rings in time. One that rings too early is left alone. */
  #arm(): void {
    const at = this.#earliest();
    if (this.#timer !== null && at !== null && compareTimes(this.#timer.at, at) <= 0) return;
    this.#timer?.cancel();
    this.#timer = null;
    if (at === null) return;
    const cancel = this.#options.timers?.setTimer(at, () => {
      this.#timer = null;
      this.#expire();
    });
    if (cancel !== undefined) this.#timer = { at, cancel };
  }

  #earliest(): EventTime | null {
    let [earliest]: Iterable<Expiry> = this.#graces.values();
    for (const equallyLong of this.#deadlines.values()) {
      const [first] = equallyLong.values();
      if (earliest === undefined || compareTimes(first!.at, earliest.at) < 0) earliest = first;
    }
    return earliest?.at ?? null;
  }

  #after(duration: Duration): EventTime {
    return addDuration(this.#now(), duration);
  }

  #now(): EventTime {
    return this.#options.timers?.now() ?? ZERO;
  }
}

function lengthOf({ secs, nanos }: Duration): string {
  return `${secs} ${nanos}`;
}
