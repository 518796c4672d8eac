import { TaffrailError } from "../_internal/errors.ts";

/**
 * What went wrong. When reading:
 * - `read`: the file system refused
 * - `parse`: the text is no JSON
 * - `shape`: the JSON is no trace
 * - `version`: the trace is of a format that this version does not know
 * - `algorithm`: a digest is of an algorithm that this version does not know
 *
 * When writing, in the order of the steps; up to `rename` the old file is untouched:
 * - `serialize`: the text could not be made
 * - `create-directory`: the directory could not be created
 * - `write`: the file beside the target could not be created, written or synced
 * - `rename`: it could not be put into place
 * - `sync-directory`: it stands in place, but a power cut may bring the old one back
 */
export type TraceFileErrorKind =
  | "read"
  | "parse"
  | "shape"
  | "version"
  | "algorithm"
  | "serialize"
  | "create-directory"
  | "write"
  | "rename"
  | "sync-directory";

/** What a {@linkcode TraceFileError} says besides its message, for programs. */
export interface TraceFileErrorDetails {
  /** The file concerned; for `create-directory` the directory; absent for a text of no file. */
  path?: string;
  /** The number of the step concerned, from 1. */
  step?: number;
  /** What was required. */
  expected?: string;
  /** What was found instead. */
  actual?: string;
}

/**
 * The error of this module: a trace that could not be read or written. Bad arguments are `TypeError` and
 * `RangeError` instead.
 *
 * @example Usage
 * ```ts
 * import { parseTrace, TraceFileError } from "@taffrail/taffrail/trace";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const error = assertThrows(() => parseTrace('{"trace_version":2}'), TraceFileError);
 * assertEquals([error.kind, error.details], ["version", { expected: "1", actual: "2" }]);
 * ```
 */
export class TraceFileError extends TaffrailError<TraceFileErrorKind, TraceFileErrorDetails> {
  /** The name of the class. */
  override readonly name = "TraceFileError";
}
