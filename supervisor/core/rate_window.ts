import type { Constraints, Duration, EventTime } from "../types.ts";
import { durationBetween, hasElapsed } from "./event_time.ts";
import { Fifo } from "./fifo.ts";

/** The sliding window of the rate limit (SCH-15): when the latest episodes started. */
export class RateWindow {
  /** The limits; null unless both are set, for then nothing is limited and nothing remembered. */
  readonly #limit: { max: number; window: Duration } | null;
  readonly #starts = new Fifo<EventTime>();

  constructor(constraints: Constraints) {
    const { max_per_window: max, rate_window: window } = constraints;
    this.#limit = max === null || window === null ? null : { max, window };
  }

  /** How many episodes started within the window that ends now. */
  countAt(now: EventTime): number {
    return this.#starts.length - this.#expiredAt(now);
  }

  /** How long the next episode has to wait; null when it may start. */
  delayAt(now: EventTime): Duration | null {
    if (this.#limit === null) return null;
    const expired = this.#expiredAt(now);
    const oldest = this.#starts.at(expired);
    if (oldest === undefined || this.#starts.length - expired < this.#limit.max) return null;
    return durationBetween(durationBetween(oldest, now), this.#limit.window);
  }

  /** Forgets what lies before the window that ends now: the clock does not go back. */
  advance(now: EventTime): void {
    for (let expired = this.#expiredAt(now); expired > 0; expired--) this.#starts.shift();
  }

  /** Counts an episode that starts now. */
  addStart(now: EventTime): void {
    if (this.#limit !== null) this.#starts.push(now);
  }

  /** The remembered starts, in order. */
  toArray(): EventTime[] {
    return this.#starts.toArray();
  }

  /** How many of the remembered starts the window that ends now has left behind. */
  #expiredAt(now: EventTime): number {
    if (this.#limit === null) return 0;
    let expired = 0;
    for (let start = this.#starts.at(0); start !== undefined; start = this.#starts.at(++expired)) {
      if (!hasElapsed(start, this.#limit.window, now)) break;
    }
    return expired;
  }
}
