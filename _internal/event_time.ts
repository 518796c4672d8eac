/** A length of time as on the wire: whole seconds and 0 to 999,999,999 nanoseconds. */
export interface Duration {
  /** Whole seconds, 0 to 2^53 − 1. */
  readonly secs: number;
  /** Nanoseconds beyond them, 0 to 999,999,999. */
  readonly nanos: number;
}

/**
 * An instant on the logical clock: the duration since an origin that the program chooses. Arithmetic on
 * it saturates at 2^53 − 1 seconds (SCH-18).
 */
export interface EventTime {
  /** Whole seconds since the origin, 0 to 2^53 − 1. */
  readonly secs: number;
  /** Nanoseconds beyond them, 0 to 999,999,999. */
  readonly nanos: number;
}

/** The nanoseconds of a second. */
export const NANOS_PER_SECOND = 1_000_000_000;
const NANOS_PER_MILLISECOND = 1_000_000;

/** The origin of event time. */
export const ZERO: EventTime = Object.freeze({ secs: 0, nanos: 0 });
/** Where event time saturates (SCH-18): later instants do not exist. */
export const LATEST: EventTime = Object.freeze({
  secs: Number.MAX_SAFE_INTEGER,
  nanos: NANOS_PER_SECOND - 1,
});

/** Negative when `a` is earlier than `b`, positive when it is later, 0 when they are the same. */
export function compareTimes(a: EventTime, b: EventTime): number {
  return a.secs - b.secs || a.nanos - b.nanos;
}

/** The later of two times. */
export function laterOf(a: EventTime, b: EventTime): EventTime {
  return compareTimes(a, b) >= 0 ? a : b;
}

/** The earlier of two times. */
export function earlierOf(a: EventTime, b: EventTime): EventTime {
  return compareTimes(a, b) <= 0 ? a : b;
}

/** `time + duration`, at most {@linkcode LATEST}. */
export function addDuration(time: EventTime, duration: Duration): EventTime {
  const nanos = time.nanos + duration.nanos;
  const carry = nanos >= NANOS_PER_SECOND ? 1 : 0;
  const secs = time.secs + duration.secs + carry;
  if (secs > Number.MAX_SAFE_INTEGER) return LATEST;
  return { secs, nanos: nanos - carry * NANOS_PER_SECOND };
}

/** `later - earlier`, or zero when `later` is the earlier one. */
export function durationBetween(earlier: EventTime, later: EventTime): Duration {
  if (compareTimes(earlier, later) >= 0) return ZERO;
  const borrow = later.nanos < earlier.nanos ? 1 : 0;
  return {
    secs: later.secs - earlier.secs - borrow,
    nanos: later.nanos - earlier.nanos + borrow * NANOS_PER_SECOND,
  };
}

/** Whether `duration` or more lies between the two times. */
export function hasElapsed(start: EventTime, duration: Duration, now: EventTime): boolean {
  const secs = now.secs - start.secs - duration.secs;
  return secs * NANOS_PER_SECOND + (now.nanos - start.nanos - duration.nanos) >= 0;
}

/** `duration × factor`, at most {@linkcode LATEST}; the factor is an integer up to a million. */
export function multiplyDuration(duration: Duration, factor: number): Duration {
  const nanos = duration.nanos * factor;
  const carry = Math.floor(nanos / NANOS_PER_SECOND);
  const secs = duration.secs * factor + carry;
  if (secs > Number.MAX_SAFE_INTEGER) return LATEST;
  return { secs, nanos: nanos - carry * NANOS_PER_SECOND };
}

/** A time, or a length of time, in milliseconds, rounded down. */
export function millisecondsOf({ secs, nanos }: EventTime | Duration): number {
  return secs * 1000 + Math.floor(nanos / NANOS_PER_MILLISECOND);
}

/** A length of time, or a time, of whole milliseconds. */
export function durationOfMs(milliseconds: number): Duration {
  const secs = Math.floor(milliseconds / 1000);
  return { secs, nanos: (milliseconds - secs * 1000) * NANOS_PER_MILLISECOND };
}
