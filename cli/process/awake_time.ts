/**
 * Time that stands still while this process and its commands are suspended by Ctrl-Z: what had time left then
 * has as much left afterwards. Whoever stops this process alone, by SIGSTOP, stops no clock: its commands
 * go on meanwhile.
 */
import { addDuration, durationBetween, durationOfMs } from "../../_internal/event_time.ts";
import type { Timers } from "../../supervisor/types.ts";

let suspendedMs = 0;

/** The time of this process in milliseconds, without that in which it was suspended. */
export function awakeNow(): number {
  return performance.now() - suspendedMs;
}

/** For how long this process was suspended in all, in milliseconds. */
export function suspendedTime(): number {
  return suspendedMs;
}

/** Does what suspends this process, and returns when that goes on. */
export function suspended(stop: () => void): void {
  const from = performance.now();
  stop();
  suspendedMs += performance.now() - from;
}

/**
 * Calls back after a time in which this process is awake.
 *
 * @returns What takes it back.
 */
export function setAwakeTimeout(callback: () => void, milliseconds: number): () => void {
  const due = awakeNow() + milliseconds;
  const arm = () => {
    // On a busy machine it may be due before it is set; Deno warns of less than no time.
    const left = Math.max(0, Math.ceil(due - awakeNow()));
    return setTimeout(ring, Math.min(left, LONGEST_TIMEOUT_MS));
  };
  const ring = () => {
    // The timers of the system go on meanwhile, and ring as soon as this process goes on.
    if (due - awakeNow() >= 1) timer = arm();
    else callback();
  };
  let timer = arm();
  return () => clearTimeout(timer);
}

/** A longer `setTimeout` fires at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** The same for the deadlines of attempts: a time of events, without that in which this process was suspended. */
export function awakeTimers(timers: Timers): Timers {
  const suspension = () => durationOfMs(Math.floor(suspendedMs));
  return {
    now: () => durationBetween(suspension(), timers.now()),
    // One that rings too early is set again by whoever has set it.
    setTimer: (at, callback) => timers.setTimer(addDuration(at, suspension()), callback),
  };
}
