import type { ErrorKind } from "../eventlog/run_event.ts";
import type { RunTermination } from "../supervisor/types.ts";
import type { NodeAttempt } from "./types.ts";

/**
 * What tells an attempt from all others of its run. In the trace it is the `execution_id`, in the store
 * the objective of the worker.
 *
 * @param attempt The attempt.
 * @returns Its node and its number, with `#` between them.
 *
 * @example Usage
 * ```ts
 * import { attemptKey } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(attemptKey({ nodeId: "build", attempt: 2 }), "build#2");
 * ```
 */
export function attemptKey({ nodeId, attempt }: NodeAttempt): string {
  return `${nodeId}#${attempt}`;
}

/**
 * What the state of a run calls the end of an attempt.
 *
 * @param termination The end.
 * @param error What is recorded of it: only that tells a program that cannot be started, which is not
 * tried again, from other work that is not.
 * @returns Its kind; `cancelled` stands in the log as `crash`, with `cancelled: true` beside it.
 *
 * @example Usage
 * ```ts
 * import { errorKindOf } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(errorKindOf("TimedOut"), "timeout");
 * assertEquals(errorKindOf({ Failed: "RuntimeError" }), "crash");
 * assertEquals(errorKindOf({ Failed: "ValidationFailed" }, { kind: "host_missing" }), "host_missing");
 * ```
 */
export function errorKindOf(
  termination: Exclude<RunTermination, "Completed">,
  error?: { kind?: string },
): ErrorKind | "cancelled" {
  if (termination === "TimedOut") return "timeout";
  if (termination === "Aborted") return "cancelled";
  if (termination.Failed === "AdapterUnavailable") return "host_missing";
  return error?.kind === "host_missing" ? "host_missing" : "crash";
}
