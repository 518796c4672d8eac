import type { FilePort } from "../_internal/file_port.ts";
import { encodeJson } from "../_internal/wire_json/codec.ts";
import type { TraceClock, TraceFlush, TraceRecorderOptions } from "./recorder_options.ts";
import type { StepRecorder } from "./step_recorder.ts";
import { toTraceEnvelope } from "./to_trace_envelope.ts";
import { traceEnvelope } from "./trace_codec.ts";
import { TraceFile, type TraceState } from "./trace_file.ts";
import { reasonOf, TraceFileError } from "./trace_file_error.ts";
import type { TraceConfig, TraceContext, TraceReason } from "./types.ts";

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
        bytes: new TextEncoder().encode(text),
        order: ++this.#states,
        failures: isFailure ? failures : undefined,
        changes,
      };
    } catch (cause) {
      const message = `serialize trace: ${reasonOf(cause)}`;
      throw new TraceFileError("serialize", message, { path, cause });
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
      path,
      cause: thrown,
    });
  }
}
