import type { TraceRecorder } from "../trace/trace_recorder.ts";
import type { NodeEvent } from "../trace/types.ts";
import { attemptKey, errorKindOf } from "./attempt_key.ts";
import type { NodeText } from "./engine/lifecycle.ts";
import { errorOfRecord } from "./error_record.ts";
import type { AttemptEnd } from "./port.ts";
import type { NodeAttempt } from "./types.ts";

/** The attempts of a run as steps of its trace. A trace that cannot be written stops nothing. */
export class RunTrace {
  readonly #recorder: TraceRecorder;
  readonly #flowId: string;
  readonly #inFlight = new Map<string, NodeEvent>();
  /** The first error of an attempt; what ended the run came of it. */
  #error: { cause: unknown } | undefined;

  /** `flowId`: the name of what is run. */
  constructor(recorder: TraceRecorder, flowId: string) {
    this.#recorder = recorder;
    this.#flowId = flowId;
  }

  /** Traces the begin of an attempt; `input` is what it is given, kept if the trace captures inputs. */
  begin(attempt: NodeAttempt, { kind, task }: NodeText, input: unknown = null): void {
    const event = this.#eventOf(attempt, { kind: task === undefined ? kind : "task", input });
    this.#inFlight.set(event.execution_id!, event);
    this.#recorder.onNodeStart(event);
  }

  /** Traces the end of an attempt. An error is written at once. */
  end(attempt: NodeAttempt, end: AttemptEnd): void {
    const key = attemptKey(attempt);
    const event = this.#inFlight.get(key) ??
      this.#eventOf(attempt, { kind: "unknown", input: null });
    this.#inFlight.delete(key);
    const { exit_code: exitCode = null, output_hash: output = null } = end.end;
    const error = errorOf(end);
    if (error === undefined) {
      this.#recorder.onNodeEnd(event, { exit_code: exitCode, output });
      return;
    }
    this.#error ??= { cause: error };
    this.#recorder.onNodeError(event, error);
  }

  /** Writes what there is to write at the end of the run; `reason`: why it did not complete. */
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

/** The error of an attempt: what was thrown, or what is known of it; undefined when it completed. */
function errorOf({ termination, end }: AttemptEnd): Error | undefined {
  if (termination === "Completed") return undefined;
  const { exit_code: exitCode, signal, error } = end;
  // Only what was thrown has a name.
  if (error?.name !== undefined) return errorOfRecord(error);
  const how = exitCode !== undefined ? `, exit code ${exitCode}` : signal ? `, ${signal}` : "";
  const kind = errorKindOf(termination, end);
  return new Error(error?.message ? `${kind}${how}: ${error.message}` : `${kind}${how}`);
}
