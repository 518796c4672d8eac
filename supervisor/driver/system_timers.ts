import { durationBetween } from "../core/event_time.ts";
import type { EventTime, Timers } from "../types.ts";

const NANOS_PER_MILLISECOND = 1_000_000;
/** A longer `setTimeout` fires at once. One that fires early is set again by whoever set it. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * The machine's time: event times count from 1970, and go on evenly when the system clock is set. A
 * timer that is set keeps the process alive.
 *
 * Permissions: none.
 *
 * @example The time of an event
 * ```ts
 * import { createEvent, systemTimers } from "@taffrail/taffrail/supervisor";
 * import { assertGreater } from "@std/assert";
 *
 * const event = createEvent({ id: "e1", kind: "Command", at: systemTimers.now() });
 * assertGreater(event.at.secs, 1_700_000_000);
 * ```
 */
export const systemTimers: Timers = Object.freeze({
  now(): EventTime {
    const milliseconds = performance.timeOrigin + performance.now();
    const secs = Math.floor(milliseconds / 1_000);
    const nanos = Math.floor((milliseconds - secs * 1_000) * NANOS_PER_MILLISECOND);
    return { secs, nanos };
  },

  setTimer(at: EventTime, callback: () => void): () => void {
    const { secs, nanos } = durationBetween(systemTimers.now(), at);
    const milliseconds = secs * 1_000 + Math.ceil(nanos / NANOS_PER_MILLISECOND);
    const timer = setTimeout(callback, Math.min(milliseconds, LONGEST_TIMEOUT_MS));
    return () => clearTimeout(timer);
  },
});
