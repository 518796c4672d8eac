import type { TraceClock } from "../trace/trace_config.ts";
import { defined } from "../_internal/errors.ts";
import { denoFilePort, lookAtSync } from "../_internal/file_port.ts";
import { dirname } from "../_internal/path.ts";
import { failureText } from "../_internal/text.ts";
import { installCrashFlush } from "../trace/install_crash_flush.ts";
import type { RedactTrace } from "../trace/payload.ts";
import type { TraceFileError } from "../trace/trace_file_error.ts";
import { TraceRecorder } from "../trace/trace_recorder.ts";
import type { NodeEvent, TraceConfig } from "../trace/types.ts";
import { attemptKey, errorKindOf } from "./attempt_key.ts";
import { type NodeText, wasBegun } from "./engine/lifecycle.ts";
import type { Payload, RunFollower } from "./engine/types.ts";
import { errorOfRecord } from "./error_record.ts";
import type { AttemptEnd, NodeAttempt } from "./types.ts";

/** The time of a trace: that of what is traced, which is told behind a barrier and has happened before. */
class TracedTime implements TraceClock {
  #atMs: number | undefined;

  /** Traces what happened at this time. */
  at(milliseconds: number, trace: () => void): void {
    this.#atMs = milliseconds;
    try {
      trace();
    } finally {
      this.#atMs = undefined;
    }
  }

  wallMs(): number {
    return this.#atMs ?? Date.now();
  }

  /** The journal has times of one kind alone. */
  monotonicMs(): number {
    return this.wallMs();
  }
}

/** How a run is traced. */
export interface RunTraceOptions {
  /** How to trace; the file is `trace.json` in the run's directory. */
  trace?: Partial<TraceConfig>;
  /** Replaces secrets before the trace keeps anything. */
  redactTrace?: RedactTrace;
  /** Gets the error of every trace that could not be written; the run goes on. */
  onTraceError?: (error: TraceFileError) => void;
}

/** Which run is traced, and where. */
interface TracedRun extends RunTraceOptions {
  /** The file. */
  path: string;
  /** The run. */
  runId: string;
  /** What is run. */
  name: string;
  /** Whether it is written at a signal, too: whoever runs it ends it in good time. */
  onSignal: "flush-only" | "none";
  /** What of what a node is asked for with counts as its input; all of it where that is not said. */
  inputOf?: (payload: Payload) => unknown;
}

/** The trace of a run, which is written too if the program dies. */
export function openTrace(options: TracedRun): Disposable & { trace: RunTrace } {
  const { path, runId, name, trace, redactTrace, onTraceError, onSignal } = options;
  const { inputOf = (payload: Payload) => payload } = options;
  const time = new TracedTime();
  const recorder = new TraceRecorder({
    clock: time,
    config: { outPath: path, ...trace },
    context: { pack_ref: name, flow_id: name, flow_version: "unknown" },
    runId,
    ...defined({ redact: redactTrace, onWriteError: onTraceError }),
  });
  const flush = installCrashFlush(recorder, { onSignal });
  return {
    trace: new RunTrace(recorder, { flowId: name, time, folder: dirname(path), inputOf }),
    [Symbol.dispose]: () => flush[Symbol.dispose](),
  };
}

/** The attempts of a run as steps of its trace. A trace that cannot be written stops nothing. */
export class RunTrace implements RunFollower {
  readonly #recorder: TraceRecorder;
  readonly #time: TracedTime;
  readonly #flowId: string;
  readonly #folder: string;
  readonly #inputOf: (payload: Payload) => unknown;
  /** What has begun, and when. */
  readonly #inFlight = new Map<string, { event: NodeEvent; at: number }>();
  /** The first error of an attempt; what ended the run came of it. */
  #error: { cause: unknown } | undefined;

  /** `flowId`: the name of what is run. `time`: the recorder's. `folder`: that of the run. */
  constructor(
    recorder: TraceRecorder,
    { flowId, time, folder, inputOf }: {
      flowId: string;
      time: TracedTime;
      folder: string;
      inputOf: (payload: Payload) => unknown;
    },
  ) {
    this.#recorder = recorder;
    this.#folder = folder;
    this.#inputOf = inputOf;
    this.#flowId = flowId;
    this.#time = time;
  }

  /** Traces the begin of an attempt; its input is kept if the trace captures inputs. */
  attemptBegan(
    attempt: NodeAttempt,
    { text: { kind, task }, payload, at }: { text: NodeText; payload: Payload; at: number },
  ): void {
    const input = this.#inputOf(payload) ?? null;
    const event = this.#eventOf(attempt, { kind: task === undefined ? kind : "task", input });
    this.#inFlight.set(event.execution_id!, { event, at });
    this.#time.at(at, () => this.#recorder.onNodeStart(event));
  }

  /** Traces the end of an attempt. An error is written at once. */
  attemptEnded(attempt: NodeAttempt, end: AttemptEnd & { at: number }): void {
    const key = attemptKey(attempt);
    const begun = this.#inFlight.get(key);
    // What may not begin is no step.
    if (begun === undefined && !wasBegun(end)) return;
    const event = begun?.event ?? this.#eventOf(attempt, { kind: "unknown", input: null });
    this.#inFlight.delete(key);
    const { exit_code: exitCode = null, output_hash: output = null } = end.end;
    const error = errorOf(end);
    if (error !== undefined) this.#error ??= { cause: error };
    // It took as long as the log says; that its end was decided on later is a matter of the recording.
    const length = end.end.duration_ms;
    const at = begun === undefined || length === undefined ? end.at : begun.at + length;
    this.#time.at(at, () => {
      if (error !== undefined) this.#recorder.onNodeError(event, error);
      else this.#recorder.onNodeEnd(event, { exit_code: exitCode, output });
    });
  }

  /** Writes what there is to write at the end of the run; `reason`: why it did not complete. */
  async finish(reason?: string): Promise<void> {
    // Where something has removed or moved the run, a trace would be a part of a run that nobody knows.
    if (lookAtSync(denoFilePort, this.#folder) === undefined) return;
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
  const { exit_code, signal, error } = end;
  // Only what was thrown has a name.
  if (error?.name !== undefined) return errorOfRecord(error);
  const how = failureText({ kind: errorKindOf(termination, end), exit_code, signal });
  return new Error(error?.message ? `${how}: ${error.message}` : how);
}
