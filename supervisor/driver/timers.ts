import { checkDuration } from "../../_internal/errors.ts";
import {
  addDuration,
  compareTimes,
  durationBetween,
  laterOf,
  ZERO,
} from "../../_internal/event_time.ts";
import type { Duration, EventTime, Timers } from "../types.ts";

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

/** A timer that is set. */
interface PendingTimer {
  readonly at: EventTime;
  readonly callback: () => void;
}

/**
 * Time that stands still until `advance` is called: for tests without waiting.
 *
 * @example A deadline passes
 * ```ts
 * import { createEvent, ManualTimers, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const timers = new ManualTimers();
 * const decisionLog = new MemoryDecisionLog();
 * const supervisor = new Supervisor({
 *   graphId: "g",
 *   constraints: { max_retries: 0, deadline: { secs: 30, nanos: 0 } },
 *   mode: "concurrent",
 *   decisionLog,
 *   invoker: { run: () => new Promise(() => {}) },
 *   timers,
 *   deadlineGraceMs: 500,
 * });
 * await supervisor.onEvent(createEvent({ id: "e1", kind: "Command", at: timers.now() }));
 * timers.advance({ secs: 30, nanos: 500_000_000 });
 * await supervisor.close();
 * assertEquals(decisionLog.entries.at(-1)?.termination, "TimedOut");
 * assertEquals(timers.pendingCount, 0);
 * ```
 */
export class ManualTimers implements Timers {
  #now: EventTime;
  readonly #pending = new Set<PendingTimer>();

  /**
   * Timers that show a time.
   *
   * @param now The time; by default the origin.
   */
  constructor(now: EventTime = ZERO) {
    this.#now = checkDuration(now, "now");
  }

  /** How many timers are set. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /**
   * The time.
   *
   * @returns The time.
   */
  now(): EventTime {
    return this.#now;
  }

  /**
   * Sets a timer. It calls back when {@linkcode ManualTimers.advance} comes to its time.
   *
   * @param at When to call back; a time that has passed means at the next call of `advance`.
   * @param callback What to call.
   * @returns A function that takes the timer back.
   */
  setTimer(at: EventTime, callback: () => void): () => void {
    const timer = { at, callback };
    this.#pending.add(timer);
    return () => this.#pending.delete(timer);
  }

  /**
   * Lets time go on. Timers call back at their times and in the order of these, timers included that
   * are set meanwhile. What the callbacks start asynchronously goes on after this call.
   *
   * @param duration How far; by default not at all, which lets timers call back that are due.
   */
  advance(duration: Duration = ZERO): void {
    const end = addDuration(this.#now, checkDuration(duration, "duration"));
    for (let timer = this.#dueBy(end); timer !== undefined; timer = this.#dueBy(end)) {
      this.#pending.delete(timer);
      this.#now = laterOf(this.#now, timer.at);
      timer.callback();
    }
    this.#now = end;
  }

  #dueBy(end: EventTime): PendingTimer | undefined {
    let first: PendingTimer | undefined;
    for (const timer of this.#pending) {
      if (compareTimes(timer.at, end) > 0) continue;
      if (first === undefined || compareTimes(timer.at, first.at) < 0) first = timer;
    }
    return first;
  }
}
