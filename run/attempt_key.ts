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
