import type { Duration, EventTime } from "./types.ts";

const NANOS_PER_SECOND = 1_000_000_000;
const NANOS_PER_MILLISECOND = 1_000_000;

/** `time + duration`, which saturates at 2^53 − 1 seconds (SCH-18). */
export function addDuration(time: EventTime, duration: Duration): EventTime {
  const nanos = time.nanos + duration.nanos;
  const secs = time.secs + duration.secs + Math.floor(nanos / NANOS_PER_SECOND);
  if (secs > Number.MAX_SAFE_INTEGER) {
    return { secs: Number.MAX_SAFE_INTEGER, nanos: NANOS_PER_SECOND - 1 };
  }
  return { secs, nanos: nanos % NANOS_PER_SECOND };
}

/** A duration of whole milliseconds. */
export function durationOfMs(milliseconds: number): Duration {
  const secs = Math.floor(milliseconds / 1000);
  return { secs, nanos: (milliseconds - secs * 1000) * NANOS_PER_MILLISECOND };
}

/** `later - earlier`, or zero when `later` is the earlier one. */
export function durationBetween(earlier: EventTime, later: EventTime): Duration {
  const borrow = later.nanos < earlier.nanos ? 1 : 0;
  const secs = later.secs - earlier.secs - borrow;
  if (secs < 0) return { secs: 0, nanos: 0 };
  return { secs, nanos: later.nanos - earlier.nanos + borrow * NANOS_PER_SECOND };
}
