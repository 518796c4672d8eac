import { addDuration, durationBetween, laterOf, ZERO } from "../../_internal/event_time.ts";
import type { Duration, EventTime, Timers } from "../../supervisor/types.ts";

/** A timer that was set while the recording was gone through. */
interface WaitingTimer {
  readonly at: EventTime;
  readonly callback: () => void;
  cancel: () => void;
}

/**
 * The time of a session that is resumed. First it is what the recording says and no timer rings; from
 * {@linkcode ResumedTimers.goOn} on it passes evenly, from the end of the recording at the earliest: a
 * clock that has been set back meanwhile makes nothing wait.
 */
export class ResumedTimers implements Timers {
  readonly #timers: Timers;
  readonly #waiting = new Set<WaitingTimer>();
  #recorded = ZERO;
  /** What the recording was ahead of the clock; null until the session goes on. */
  #ahead: Duration | null = null;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** The recording is at this time. */
  moveTo(time: EventTime): void {
    this.#recorded = laterOf(this.#recorded, time);
  }

  /** From now on time passes. */
  goOn(): void {
    this.#ahead = durationBetween(this.#timers.now(), this.#recorded);
  }

  /** Sets the timers that were waiting for that. */
  setWaiting(): void {
    for (const waiting of this.#waiting) {
      waiting.cancel = this.setTimer(waiting.at, waiting.callback);
    }
    this.#waiting.clear();
  }

  /** The time now. */
  now(): EventTime {
    if (this.#ahead === null) return this.#recorded;
    return addDuration(this.#timers.now(), this.#ahead);
  }

  /** Calls back when the time has come. */
  setTimer(at: EventTime, callback: () => void): () => void {
    if (this.#ahead !== null) {
      return this.#timers.setTimer(durationBetween(this.#ahead, at), callback);
    }
    const waiting: WaitingTimer = { at, callback, cancel: () => this.#waiting.delete(waiting) };
    this.#waiting.add(waiting);
    return () => waiting.cancel();
  }
}
