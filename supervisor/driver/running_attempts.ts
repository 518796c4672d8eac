import { addDuration, compareTimes, ZERO } from "../core/event_time.ts";
import type { Attempt } from "../core/supervisor_core.ts";
import type { Duration, EventTime, RunTermination, Timers } from "../types.ts";

/** An attempt that an invoker is making. */
export interface RunningAttempt {
  readonly attempt: Attempt;
  readonly controller: AbortController;
}

/** What {@linkcode RunningAttempts} is given. */
export interface RunningAttemptsOptions {
  timers: Timers | undefined;
  /** How long an attempt may take; null = as long as it likes. */
  deadline: Duration | null;
  /** How long it may take to answer after its signal aborted; without timers that is no time. */
  grace: Duration;
  /** Told of an attempt that did not answer in time, and is no longer running. */
  onGivenUp: (given: RunningAttempt, termination: RunTermination) => void;
}

/** What an attempt meets when it does not end before. */
interface Alarm {
  readonly running: RunningAttempt;
  readonly at: EventTime;
}

/**
 * The attempts that invokers are making. When the deadline of one has passed its signal aborts; when
 * the grace has passed too it is given up. One timer serves them all: deadlines are equally long, and
 * so are graces, so each of these maps by episode is in the order of time. (A clock that is set back
 * breaks that order, and a deadline behind it may wait for the ones before.)
 */
export class RunningAttempts {
  readonly #options: RunningAttemptsOptions;
  readonly #running = new Map<number, RunningAttempt>();
  readonly #deadlines = new Map<number, Alarm>();
  readonly #graces = new Map<number, Alarm & { readonly termination: RunTermination }>();
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

  /** Adds an attempt, whose deadline begins now. */
  add(running: RunningAttempt): void {
    const { episodeId } = running.attempt;
    this.#running.set(episodeId, running);
    if (this.#options.deadline !== null) {
      this.#deadlines.set(episodeId, { running, at: this.#after(this.#options.deadline) });
      this.#arm();
    }
    if (this.#aborted !== null) this.abort(this.#aborted.reason);
  }

  /** Takes an attempt out, and says whether it was still in. */
  end(running: RunningAttempt): boolean {
    const { episodeId } = running.attempt;
    if (this.#running.get(episodeId) !== running) return false;
    this.#running.delete(episodeId);
    if (this.#deadlines.delete(episodeId) || this.#graces.delete(episodeId)) this.#arm();
    return true;
  }

  /**
   * Aborts all signals, and those of attempts that are added later; what does not answer within the
   * grace is given up as `Aborted`.
   */
  abort(reason: unknown): void {
    this.#aborted = { reason };
    for (const running of [...this.#running.values()]) this.#abort(running, "Aborted", reason);
    this.#tick();
  }

  /** Aborts all signals and forgets the attempts. */
  abandon(reason: unknown): void {
    const abandoned = [...this.#running.values()];
    this.#running.clear();
    this.#deadlines.clear();
    this.#graces.clear();
    this.#arm();
    for (const { controller } of abandoned) controller.abort(reason);
  }

  #abort(running: RunningAttempt, termination: RunTermination, reason: unknown): void {
    const { episodeId } = running.attempt;
    if (this.#graces.has(episodeId)) return;
    this.#deadlines.delete(episodeId);
    this.#graces.set(episodeId, { running, at: this.#after(this.#options.grace), termination });
    running.controller.abort(reason);
  }

  /** Does what has come due. */
  #tick(): void {
    const now = this.#now();
    for (const { running, at } of this.#deadlines.values()) {
      if (compareTimes(at, now) > 0) break;
      const reason = new DOMException("The deadline of the attempt has passed", "TimeoutError");
      this.#abort(running, "TimedOut", reason);
    }
    for (const { running, at, termination } of this.#graces.values()) {
      if (this.#options.timers !== undefined && compareTimes(at, now) > 0) break;
      if (this.end(running)) this.#options.onGivenUp(running, termination);
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
      this.#tick();
    });
    if (cancel !== undefined) this.#timer = { at, cancel };
  }

  #earliest(): EventTime | null {
    const [deadline] = this.#deadlines.values();
    const [grace] = this.#graces.values();
    if (deadline === undefined || grace === undefined) return (deadline ?? grace)?.at ?? null;
    return compareTimes(deadline.at, grace.at) <= 0 ? deadline.at : grace.at;
  }

  #after(duration: Duration): EventTime {
    return addDuration(this.#now(), duration);
  }

  #now(): EventTime {
    return this.#options.timers?.now() ?? ZERO;
  }
}
