import { defined } from "../_internal/errors.ts";
import { type FilePort, runSteps, runStepsSync, type Steps } from "../_internal/file_port.ts";
import { encodeUtf8, reasonOf } from "../_internal/text.ts";
import { encodeJson } from "../_internal/wire_json/codec.ts";
import { TRACE_VERSION, traceEnvelope } from "./read_trace.ts";
import { type RecordedStep, toTraceStep } from "./recorded_step.ts";
import type { StepRecorder } from "./step_recorder.ts";
import type { TraceClock, TraceFlush, TraceRecorderOptions } from "./trace_config.ts";
import { TraceFile, type TraceState } from "./trace_file.ts";
import { TraceFileError } from "./trace_file_error.ts";
import type {
  TraceConfig,
  TraceContext,
  TraceEnvelope,
  TraceEnvelopeExtras,
  TraceReason,
  TraceStep,
} from "./types.ts";

/** Why the trace is to be written; or the outcome where nothing is. */
export type FlushRequest = TraceReason | (TraceFlush & { outcome: "skipped" });

/** What a {@linkcode TraceWriter} writes, and where to. */
interface TraceWriterParts {
  readonly port: FilePort;
  readonly path: string;
  readonly config: TraceConfig;
  readonly context: TraceContext;
  readonly runId: string;
  readonly clock: TraceClock;
  readonly startedAtMs: number;
  readonly steps: StepRecorder;
  readonly onWriteError: TraceRecorderOptions["onWriteError"];
}

/** Writes the state of a recorder, and knows what has been written. It never throws. */
export class TraceWriter {
  /** Why the newest flush that had something to write could not; undefined if it could. */
  lastError: TraceFileError | undefined;
  readonly #parts: TraceWriterParts;
  readonly #file: TraceFile;
  #states = 0;
  #writtenChanges = -1;

  constructor(parts: TraceWriterParts) {
    const { port, path, config } = parts;
    this.#parts = parts;
    this.#file = new TraceFile(port, { path, maxSnapshots: config.maxSnapshots });
  }

  /** Whether the file lacks something. */
  get isBehind(): boolean {
    return this.lastError !== undefined || this.#writtenChanges < this.#parts.steps.changes;
  }

  /** Writes what is asked for. The state is that of now, not that of when the disk is ready. */
  flush(request: FlushRequest): Promise<TraceFlush> {
    return runSteps(this.#flush(request));
  }

  /** {@linkcode TraceWriter.flush}, blocking. */
  flushSync(request: FlushRequest): TraceFlush {
    return runStepsSync(this.#flush(request));
  }

  *#flush(request: FlushRequest): Steps<TraceFlush> {
    if (typeof request !== "string") return request;
    const { path } = this.#parts;
    try {
      const state = this.#render(request);
      yield* this.#file.write(state);
      this.lastError = undefined;
      this.#writtenChanges = Math.max(this.#writtenChanges, state.changes);
      return { outcome: "written", path };
    } catch (cause) {
      return this.#fail(
        cause instanceof TraceFileError
          ? cause
          : new TraceFileError("write", `write ${path}: ${reasonOf(cause)}`, {
            details: { path },
            cause,
          }),
      );
    }
  }

  #render(reason: TraceReason): TraceState & { changes: number } {
    const { steps: { changes, failures }, path } = this.#parts;
    const isFailure = reason !== "success" && reason !== "demand";
    try {
      const envelope = toTraceEnvelope(this.#parts, {
        reason,
        snapshot: this.#file.snapshots + 1,
      });
      return {
        bytes: encodeUtf8(encodeJson(traceEnvelope, envelope, { style: "pretty" })),
        order: ++this.#states,
        failures: isFailure ? failures : undefined,
        changes,
      };
    } catch (cause) {
      const message = `serialize trace: ${reasonOf(cause)}`;
      throw new TraceFileError("serialize", message, { details: { path }, cause });
    }
  }

  #fail(error: TraceFileError): TraceFlush {
    this.lastError = error;
    try {
      this.#parts.onWriteError?.(error);
    } catch { /* A trace must not end the program that it traces. */ }
    return { outcome: "failed", error };
  }
}

/** What a state says of itself. */
type StateName = Pick<TraceEnvelopeExtras, "reason" | "snapshot">;

/** The file as it is now: the v1 format, and behind each part of it the extras. */
function toTraceEnvelope(parts: TraceWriterParts, state: StateName): TraceEnvelope {
  const { config, context } = parts;
  const { runnerVersion, gitSha } = config;
  return {
    trace_version: TRACE_VERSION,
    ...defined({ runner_version: runnerVersion, git_sha: gitSha }),
    pack: defined({ pack_ref: context.pack_ref, resolved_digest: context.resolved_digest }),
    flow: { id: context.flow_id, version: context.flow_version ?? "unknown" },
    ...(config.extras && extrasOf(parts, state)),
    steps: stepsOf(parts, state),
  };
}

function extrasOf(
  { runId, startedAtMs, clock, steps: { buffer } }: TraceWriterParts,
  state: StateName,
): TraceEnvelopeExtras {
  return {
    run_id: runId,
    started_at: new Date(startedAtMs).toISOString(),
    written_at: new Date(clock.wallMs()).toISOString(),
    ...state,
    dropped_steps: buffer.droppedSteps,
    dropped_bytes: buffer.droppedBytes,
  };
}

function stepsOf({ config, clock, steps }: TraceWriterParts, { reason }: StateName): TraceStep[] {
  const inFlight = steps.inFlight.all();
  const ended = steps.buffer.all();
  steps.buffer.settle(ended);
  steps.buffer.settle(inFlight);
  const style = { ...config, nowMs: clock.monotonicMs() };
  const toStep = (step: RecordedStep) => toTraceStep(step, style);
  if (config.extras) return [...ended, ...inFlight].map(toStep);
  const newest = inFlight.at(-1);
  if (newest === undefined || !isEnding(reason)) return ended.map(toStep);
  // What the original program would write of the end as of an error (TRC-12).
  const message = `the program ended before this step did (${reason})`;
  const error = { code: "node_error", message, details: null };
  const written = [...ended.map(toStep), { ...toStep(newest), error }];
  return written.slice(Math.max(0, written.length - config.bufferSize));
}

/** Whether the program ends, and with it all that is in flight. */
function isEnding(reason: TraceReason): boolean {
  return reason !== "error" && reason !== "success" && reason !== "demand";
}
