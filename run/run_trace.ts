import type { TraceRecorder } from "../trace/trace_recorder.ts";
import type { NodeEvent } from "../trace/types.ts";
import { attemptKey, errorKindOf } from "./attempt_key.ts";
import type { AttemptBegin, AttemptEnd, NodeAttempt } from "./types.ts";

/**
 * The attempts of a run as steps of its trace. A trace that cannot be written stops nothing.
 *
 * **Durability** and **Permissions**: those of the recorder.
 *
 * @example Usage
 * ```ts
 * import { RunTrace } from "@taffrail/taffrail/run";
 * import { readTrace, TraceRecorder } from "@taffrail/taffrail/trace";
 * import { assertEquals } from "@std/assert";
 *
 * const recorder = new TraceRecorder({
 *   config: { outPath: `${await Deno.makeTempDir()}/trace.json`, mode: "always" },
 *   context: { pack_ref: "demo", flow_id: "demo" },
 * });
 * const trace = new RunTrace(recorder, "demo");
 * trace.begin({ nodeId: "a", attempt: 1, kind: "command" });
 * trace.end({ nodeId: "a", attempt: 1 }, { termination: "Completed" });
 * await trace.finish();
 * const { steps } = await readTrace(recorder.path);
 * assertEquals(steps.map(({ execution_id, status }) => [execution_id, status]), [["a#1", "ok"]]);
 * ```
 */
export class RunTrace {
  readonly #recorder: TraceRecorder;
  readonly #flowId: string;
  readonly #inFlight = new Map<string, NodeEvent>();
  /** The first error of an attempt; what ended the run came of it. */
  #error: { cause: unknown } | undefined;

  /**
   * Nothing is recorded yet.
   *
   * @param recorder The recorder of the run's trace.
   * @param flowId What the trace calls the flow.
   */
  constructor(recorder: TraceRecorder, flowId: string) {
    this.#recorder = recorder;
    this.#flowId = flowId;
  }

  /**
   * Records that an attempt begins.
   *
   * @param begin The attempt, and what it is given.
   */
  begin({ input = null, kind, task, ...attempt }: AttemptBegin): void {
    const event = this.#eventOf(attempt, { kind: task === undefined ? kind : "task", input });
    this.#inFlight.set(event.execution_id!, event);
    this.#recorder.onNodeStart(event);
  }

  /**
   * Records that an attempt has ended; one that another process began is recorded by its end alone. An end
   * other than `Completed` writes the trace at once.
   *
   * @param attempt The attempt.
   * @param end How it ended.
   */
  end(attempt: NodeAttempt, end: AttemptEnd): void {
    const key = attemptKey(attempt);
    const event = this.#inFlight.get(key) ??
      this.#eventOf(attempt, { kind: "unknown", input: null });
    this.#inFlight.delete(key);
    const { termination, exitCode, outputHash } = end;
    if (termination !== "Completed") {
      const error = errorOf(end);
      this.#error ??= { cause: error };
      this.#recorder.onNodeError(event, error);
      return;
    }
    this.#recorder.onNodeEnd(event, { exit_code: exitCode ?? null, output: outputHash ?? null });
  }

  /**
   * Writes what the end of the run asks for. It never throws: the recorder reports what could not be written.
   *
   * @param reason Why the run did not complete; undefined when it did.
   */
  async finish(reason?: string): Promise<void> {
    if (reason === undefined) {
      // What was written when an attempt failed is to tell how it went on.
      if (this.#error !== undefined) await this.#recorder.flushBuffer();
      else await this.#recorder.flushSuccess();
      return;
    }
    await this.#recorder.flushError(new Error(reason, this.#error));
  }

  #eventOf(attempt: NodeAttempt, { kind, input }: { kind: string; input: unknown }): NodeEvent {
    return {
      context: { flow_id: this.#flowId, attempt: attempt.attempt },
      node_id: attempt.nodeId,
      node: { component_id: kind, operation_name: "run" },
      payload: input,
      execution_id: attemptKey(attempt),
    };
  }
}

/** The error of an attempt: what was thrown, or what is known of it. */
function errorOf({ termination, exitCode, signal, message, error }: AttemptEnd): unknown {
  if (error !== undefined || termination === "Completed") return error;
  const how = exitCode !== undefined ? `, exit code ${exitCode}` : signal ? `, ${signal}` : "";
  const kind = errorKindOf(termination);
  return new Error(message ? `${kind}${how}: ${message}` : `${kind}${how}`);
}
