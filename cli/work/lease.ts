/**
 * Until when a worker may have a job. It goes by two clocks, as one of them stands still while the machine sleeps, and the
 * other one can be set; whichever is past counts.
 */

/** A time, on both clocks. */
export interface ClockTime {
  /** In milliseconds of the monotonic clock of this process. */
  monotonicMs: number;
  /** In milliseconds since 1970. */
  wallMs: number;
}

/** What a lease leaves time for before it is over. */
export interface LeaseTimes {
  /** How long it is. */
  leaseMs: number;
  /** How often it is renewed. */
  renewMs: number;
  /** How long before its end the worker has ended what runs. */
  endBeforeMs: number;
  /** How long before its end the guard ends it, where the worker has not. */
  guardBeforeMs: number;
}

/** A kill takes no longer, but on a machine that is very busy. */
const LONGEST_KILL_MS = 5000;

/** The times of a lease. */
export function leaseTimes(leaseMs: number): LeaseTimes {
  const endBeforeMs = Math.min(LONGEST_KILL_MS, leaseMs / 4);
  return { leaseMs, renewMs: leaseMs / 4, endBeforeMs, guardBeforeMs: endBeforeMs / 2 };
}

/** The time now. */
export function clockNow(): ClockTime {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}

/** A time so much later; or earlier, where it is less than 0. */
export function laterBy({ monotonicMs, wallMs }: ClockTime, ms: number): ClockTime {
  return { monotonicMs: monotonicMs + ms, wallMs: wallMs + ms };
}

/** How many milliseconds are left, on the clock on which it is less. */
export function msUntil(time: ClockTime): number {
  const now = clockNow();
  return Math.min(time.monotonicMs - now.monotonicMs, time.wallMs - now.wallMs);
}
