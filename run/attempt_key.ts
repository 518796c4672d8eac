import type { ErrorKind } from "../eventlog/run_event.ts";
import type { RunTermination } from "../supervisor/types.ts";
import type { NodeAttempt } from "./types.ts";

/**
 * What tells an attempt from all others of its run. In the trace it is the `execution_id`, in the store
 * the objective of the worker.
 *
 * @param attempt The attempt.
 * @returns Its node and its number, with `#` between them.
 */
export function attemptKey({ nodeId, attempt }: NodeAttempt): string {
  return `${nodeId}#${attempt}`;
}

/**
 * What the state of a run calls the end of an attempt.
 *
 * @param termination The end.
 * @returns Its kind; `cancelled` stands in the log as `crash`, with `cancelled: true` beside it.
 */
export function errorKindOf(
  termination: Exclude<RunTermination, "Completed">,
): ErrorKind | "cancelled" {
  if (termination === "TimedOut") return "timeout";
  if (termination === "Aborted") return "cancelled";
  return termination.Failed === "AdapterUnavailable" ? "host_missing" : "crash";
}
