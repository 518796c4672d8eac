/**
 * A flight recorder for flows: it keeps the last steps of a program in memory, with what is in flight, and
 * writes them to a file when something fails, on demand, or when the program dies.
 *
 * @module
 */
export { traceConfigFromEnv, type TraceConfigFromEnvOptions } from "./trace_config.ts";
export type { RedactTrace } from "./payload.ts";
export type { TraceClock, TraceFlush, TraceRecorderOptions } from "./trace_config.ts";
export { TraceRecorder } from "./trace_recorder.ts";
export { type CrashFlushOptions, installCrashFlush } from "./install_crash_flush.ts";
export {
  TraceFileError,
  type TraceFileErrorDetails,
  type TraceFileErrorKind,
} from "./trace_file_error.ts";
export { hashJsonText, hashValue } from "./hash_value.ts";
export {
  parseTrace,
  readTrace,
  resolvePackPath,
  type ResolvePackPathOptions,
} from "./read_trace.ts";
export { resolveTraceCall, type TraceCall, validateInvocation } from "./invocation.ts";
export {
  type ExecuteTraceCall,
  replayTrace,
  type ReplayTraceOptions,
  type TraceCallContext,
  type TraceReplay,
  type TraceReplayOutcome,
  type TraceStepReplay,
} from "./replay_trace.ts";
export { type ChromeTrace, type ChromeTraceEvent, toChromeTrace } from "./to_chrome_trace.ts";
export type * from "./types.ts";
export { TaffrailError, type TaffrailErrorOptions } from "../_internal/errors.ts";
