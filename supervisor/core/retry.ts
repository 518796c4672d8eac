import type { Backoff, Duration, RunTermination } from "../types.ts";
import { compareTimes, earlierOf, multiplyDuration } from "./event_time.ts";

/** Whether a termination is a mechanical failure, which alone is tried again (INV-1, SUP-4). */
export function isRetryable(termination: RunTermination): boolean {
  if (termination === "TimedOut") return true;
  if (typeof termination === "string") return false;
  const kind = termination.Failed;
  return kind === "NetworkTimeout" || kind === "AdapterUnavailable" || kind === "RuntimeError";
}

/** How long the n-th retry waits, n = 1 being the first. */
export function backoffDelay(backoff: Backoff, retry: number): Duration {
  let delay = earlierOf(backoff.initial, backoff.max);
  for (let made = 1; made < retry; made++) {
    const longer = earlierOf(multiplyDuration(delay, backoff.factor), backoff.max);
    if (compareTimes(longer, delay) === 0) return delay;
    delay = longer;
  }
  return delay;
}
