/**
 * A flight recorder for flows: it keeps the last steps of a program in memory, with what is in flight, and
 * writes them to a file when something fails, on demand, or when the program dies.
 *
 * @module
 */
export {
  TraceFileError,
  type TraceFileErrorDetails,
  type TraceFileErrorKind,
} from "./trace_file_error.ts";
export type * from "./types.ts";
