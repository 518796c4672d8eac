import type { ErrorKind } from "../eventlog/run_event.ts";
import type { RunTermination } from "../supervisor/types.ts";
import type { EndRecord, NodeAttempt } from "./types.ts";

/**
 * What tells an attempt from all others of its run: its node and its number. In the trace it is the
 * `execution_id`, in the store the objective of the worker.
 */
export function attemptKey({ nodeId, attempt }: NodeAttempt): string {
  return `${nodeId}#${attempt}`;
}

/**
 * What the state of a run calls the end of an attempt; `cancelled` stands in the log as `crash`, with
 * `cancelled: true` beside it. `end`: what is recorded of it, which tells a program that cannot be started
 * from other work that must not be tried again.
 */
export function errorKindOf(
  termination: Exclude<RunTermination, "Completed">,
  end?: EndRecord,
): ErrorKind | "cancelled" {
  if (termination === "TimedOut") return "timeout";
  if (termination === "Aborted") return "cancelled";
  const { Failed: failure } = termination;
  if (failure === "AdapterUnavailable") return "host_missing";
  const kind = failure === "ValidationFailed" ? end?.error?.kind : undefined;
  return kind === "host_missing" || kind === "gate_failed" ? kind : "crash";
}
