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

/** What a {@linkcode TraceFileError} tells besides its message. */
export interface TraceFileErrorDetails {
  /** The file concerned; for `create-directory` the directory. */
  path: string;
  /** What caused it. */
  cause?: unknown;
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
 * import { TraceFileError } from "@taffrail/taffrail/trace";
 * import { assertEquals } from "@std/assert";
 *
 * const cause = new Error("No space left on device (os error 28)");
 * const error = new TraceFileError("write", "write trace.json.7.0.tmp: no space", {
 *   path: "trace.json",
 *   cause,
 * });
 * assertEquals(error.kind, "write");
 * assertEquals(error.cause, cause);
 * ```
 */
export class TraceFileError extends Error {
  /** The name of the class. */
  override name = "TraceFileError";
  /** What went wrong, for programs. */
  readonly kind: TraceFileErrorKind;
  /** The file concerned; for `create-directory` the directory. */
  readonly path: string;
  /** The number of the step concerned, from 1. */
  readonly step: number | undefined;
  /** What was required. */
  readonly expected: string | undefined;
  /** What was found instead. */
  readonly actual: string | undefined;

  /** Makes an error; the module's functions do it for you. */
  constructor(kind: TraceFileErrorKind, message: string, details: TraceFileErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.path = details.path;
    this.step = details.step;
    this.expected = details.expected;
    this.actual = details.actual;
  }
}
