import type { FilePort } from "../_internal/file_port.ts";
import { encodeJson } from "../_internal/wire_json/codec.ts";
import { traceEnvelope } from "./read_trace.ts";
import { type InFlight, printable, type RecordedStep, toTraceStep } from "./recorded_step.ts";
import type { StepBuffer } from "./step_buffer.ts";
import type { StepRecorder } from "./step_recorder.ts";
import type { TraceClock, TraceFlush, TraceRecorderOptions } from "./trace_config.ts";
import { TraceFile, type TraceState } from "./trace_file.ts";
import { TraceFileError } from "./trace_file_error.ts";
import type { TraceConfig, TraceContext, TraceEnvelope, TraceReason, TraceStep } from "./types.ts";
import { encodeUtf8, reasonOf } from "../_internal/text.ts";

/** What is to be written, or why nothing is. */
export type Wish = TraceReason | (TraceFlush & { outcome: "skipped" });

/** What a {@linkcode TraceWriter} writes, and where to. */
export interface TraceWriterParts {
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

  /** Writes what is wished. */
  async flush(wish: Wish): Promise<TraceFlush> {
    if (typeof wish !== "string") return wish;
    try {
      const state = this.#render(wish);
      await this.#file.write(state);
      return this.#succeed(state.changes);
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** {@linkcode TraceWriter.flush}, blocking. */
  flushSync(wish: Wish): TraceFlush {
    if (typeof wish !== "string") return wish;
    try {
      const state = this.#render(wish);
      this.#file.writeSync(state);
      return this.#succeed(state.changes);
    } catch (error) {
      return this.#fail(error);
    }
  }

  #render(reason: TraceReason): TraceState & { changes: number } {
    const { steps, path, ...parts } = this.#parts;
    const { buffer, inFlight, changes, failures } = steps;
    const snapshot = this.#file.snapshots + 1;
    const isFailure = reason !== "success" && reason !== "demand";
    try {
      const contents = { ...parts, reason, snapshot, buffer, inFlight };
      const text = encodeJson(traceEnvelope, toTraceEnvelope(contents), { style: "pretty" });
      return {
        bytes: encodeUtf8(text),
        order: ++this.#states,
        failures: isFailure ? failures : undefined,
        changes,
      };
    } catch (cause) {
      const message = `serialize trace: ${reasonOf(cause)}`;
      throw new TraceFileError("serialize", message, { details: { path }, cause });
    }
  }

  #succeed(changes: number): TraceFlush {
    this.lastError = undefined;
    this.#writtenChanges = Math.max(this.#writtenChanges, changes);
    return { outcome: "written", path: this.#parts.path };
  }

  #fail(thrown: unknown): TraceFlush {
    const error = this.lastError = this.#asModuleError(thrown);
    try {
      this.#parts.onWriteError?.(error);
    } catch { /* A trace must not end the program that it traces. */ }
    return { outcome: "failed", error };
  }

  #asModuleError(thrown: unknown): TraceFileError {
    if (thrown instanceof TraceFileError) return thrown;
    const { path } = this.#parts;
    return new TraceFileError("write", `write ${path}: ${reasonOf(thrown)}`, {
      details: { path },
      cause: thrown,
    });
  }
}

/** Everything that a file says. */
export interface TraceContents {
  readonly config: TraceConfig;
  readonly context: TraceContext;
  readonly runId: string;
  readonly clock: TraceClock;
  readonly startedAtMs: number;
  readonly reason: TraceReason;
  readonly snapshot: number;
  readonly buffer: StepBuffer;
  readonly inFlight: InFlight;
}

/** The file as it is now: the seed's, and behind each part of it the extras. */
export function toTraceEnvelope(contents: TraceContents): TraceEnvelope {
  const { config, context } = contents;
  const { runnerVersion, gitSha } = config;
  return {
    trace_version: 1,
    ...(runnerVersion !== undefined && { runner_version: printable(runnerVersion) }),
    ...(gitSha !== undefined && { git_sha: printable(gitSha) }),
    pack: {
      pack_ref: printable(context.pack_ref),
      ...(context.resolved_digest !== undefined &&
        { resolved_digest: printable(context.resolved_digest) }),
    },
    flow: {
      id: printable(context.flow_id),
      version: printable(context.flow_version ?? "unknown"),
    },
    ...(config.extras && extrasOf(contents)),
    steps: stepsOf(contents),
  };
}

function extrasOf(contents: TraceContents): Partial<TraceEnvelope> {
  const { buffer } = contents;
  return {
    run_id: printable(contents.runId),
    started_at: new Date(contents.startedAtMs).toISOString(),
    written_at: new Date(contents.clock.wallMs()).toISOString(),
    reason: contents.reason,
    snapshot: contents.snapshot,
    dropped_steps: buffer.droppedSteps,
    dropped_bytes: buffer.droppedBytes,
  };
}

function stepsOf(contents: TraceContents): TraceStep[] {
  const { config, buffer, clock } = contents;
  const inFlight = contents.inFlight.all();
  const ended = buffer.all();
  buffer.settle(ended);
  buffer.settle(inFlight);
  const style = { ...config, nowMs: clock.monotonicMs() };
  const toStep = (step: RecordedStep) => toTraceStep(step, style);
  if (config.extras) return [...ended, ...inFlight].map(toStep);
  const newest = inFlight.at(-1);
  if (newest === undefined || !isEnding(contents.reason)) return ended.map(toStep);
  // What the seed would write if it were told of the end as of an error (TRC-12).
  const message = `the program ended before this step did (${contents.reason})`;
  const error = { code: "node_error", message, details: null };
  const steps = [...ended.map(toStep), { ...toStep(newest), error }];
  return steps.slice(Math.max(0, steps.length - config.bufferSize));
}

/** Whether the program ends, and with it all that is in flight. */
function isEnding(reason: TraceReason): boolean {
  return reason !== "error" && reason !== "success" && reason !== "demand";
}
