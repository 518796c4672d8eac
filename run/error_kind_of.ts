import type { ErrorKind } from "../eventlog/mod.ts";
import type { RunTermination } from "../supervisor/mod.ts";

/**
 * What `node.failed` calls the end of an attempt.
 *
 * @param termination The end.
 * @returns Its kind.
 *
 * @example Usage
 * ```ts
 * import { errorKindOf } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(errorKindOf("TimedOut"), "timeout");
 * assertEquals(errorKindOf({ Failed: "RuntimeError" }), "crash");
 * ```
 */
export function errorKindOf(termination: Exclude<RunTermination, "Completed">): ErrorKind {
  if (termination === "TimedOut") return "timeout";
  if (termination === "Aborted") return "cancelled";
  return termination.Failed === "AdapterUnavailable" ? "host_missing" : "crash";
}
