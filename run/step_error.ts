import { isObject } from "../_internal/errors.ts";
import type { ErrorRecord } from "./types.ts";

/**
 * A step of a run has failed for good, or a gate was not passed. What it was caused by is in the form in which
 * it is recorded, the first time too, so that a program that is gone on with sees what the first one saw.
 *
 * Who compensates for what has happened does so on this error only: whatever stops a run rejects with another.
 *
 * @example Usage
 * ```ts
 * import { durable, StepError } from "@taffrail/taffrail/run";
 * import { assert, assertEquals, assertRejects } from "@std/assert";
 *
 * const error = await assertRejects(() =>
 *   durable({ root: Deno.makeTempDirSync(), name: "order" }, async (run) => {
 *     await run.step("charge", () => {
 *       throw new RangeError("card declined");
 *     });
 *   })
 * );
 * assert(error instanceof StepError);
 * assertEquals([error.stepId, error.attempts], ["charge", 1]);
 * assertEquals(error.cause, { name: "RangeError", message: "card declined" });
 * ```
 */
export class StepError extends Error {
  /** The name of the class. */
  override readonly name = "StepError";
  /** What the error was caused by, as it is recorded. */
  declare readonly cause: ErrorRecord;

  /**
   * An error that says how a step has failed.
   *
   * @param stepId The step, or the gate.
   * @param attempts How many attempts were begun, over all times that the run was gone on with.
   * @param cause What the last one has failed by.
   */
  constructor(readonly stepId: string, readonly attempts: number, cause: ErrorRecord) {
    const { name, message } = cause;
    const what = name === undefined || name === "Error" ? message : `${name}: ${message}`;
    super(`${JSON.stringify(stepId)} failed: ${what}`, { cause });
  }
}

/** The step whose failure an error is, or is caused by, of these failures; undefined when it is none. */
export function failedStepOf(
  error: unknown,
  failures: Pick<WeakSet<StepError>, "has">,
): string | undefined {
  const seen = new Set<unknown>();
  const pending = [error];
  while (pending.length > 0) {
    const next = pending.pop();
    if (!isObject(next) || seen.has(next)) continue;
    seen.add(next);
    if (next instanceof StepError && failures.has(next)) return next.stepId;
    const { cause, errors, error, suppressed } = next;
    pending.push(cause);
    if (next instanceof AggregateError && Array.isArray(errors)) {
      pending.push(...errors.toReversed());
    }
    // What was thrown first, and what closing something has thrown because of that.
    if (next instanceof SuppressedError) pending.push(error, suppressed);
  }
  return undefined;
}
