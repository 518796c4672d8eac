import type { RedactTrace } from "./payload.ts";
import type { TraceFileError } from "./trace_file_error.ts";
import type { TraceConfig, TraceContext, TraceReason } from "./types.ts";

/** The clocks of a recorder. */
export interface TraceClock {
  /** Milliseconds since 1970, for the times in the file. */
  wallMs(): number;
  /** Milliseconds of a clock that never jumps, for durations. */
  monotonicMs(): number;
}

/** Options of {@linkcode TraceRecorder}. */
export interface TraceRecorderOptions {
  /** How to record; what is left out is as {@linkcode TraceConfig} says. */
  config?: Partial<TraceConfig>;
  /** What is recorded. */
  context: TraceContext;
  /** The id of the run. By default a new ULID. */
  runId?: string;
  /** Replaces secrets before anything is kept or hashed; where it throws, a mask is kept. */
  redact?: RedactTrace;
  /** The clocks. By default the system's. */
  clock?: TraceClock;
  /** Is told of every trace that could not be written. What it throws is ignored. */
  onWriteError?: (error: TraceFileError) => void;
}

/**
 * What became of a flush: the state is in the file; or nothing was to be written, since the mode does not
 * ask for it or since the file has it all already; or it could not be written, and the next flush that
 * has something to write, or a success in any mode, tries again.
 */
export type TraceFlush =
  | { outcome: "written"; path: string }
  | { outcome: "skipped"; why: "mode" | "unchanged" }
  | { outcome: "failed"; error: TraceFileError };

/** How a program ends, for `installCrashFlush`. */
export type ProgramEnd =
  | { reason: "crash"; error: unknown }
  | { reason: Exclude<TraceReason, "error" | "success" | "demand" | "crash"> };
