import type { AppendFailure } from "../_internal/append_file.ts";
import { reasonOf } from "../_internal/text.ts";

/**
 * What went wrong:
 * - `io`: the file system refused; the `cause` says why
 * - `lock-timeout`: others held the lock for the whole time allowed
 * - `conflict`: the log did not end with `expectedLastSeq`; nothing was written
 * - `sync`: fdatasync failed; the event is in the file but perhaps not on disk, and this handle
 *   accepts no more
 * - `busy`: too many callers wait already
 * - `closed`: the log was closed
 * - `live`: somebody has the run open, and this needs it alone
 * - `cursor`: the cursor is of another log, or the log was rewound
 * - `rewound`: the log became shorter than this handle left it
 * - `malformed`: a bad line, in strict reading
 * - `format`: the run was written by a newer version, or its `run.json` is unreadable
 * - `corrupt`: a state file of the root is unreadable
 */
export type EventLogErrorKind =
  | "io"
  | "lock-timeout"
  | "conflict"
  | "sync"
  | "busy"
  | "closed"
  | "live"
  | "cursor"
  | "rewound"
  | "malformed"
  | "format"
  | "corrupt";

/** What an {@linkcode EventLogError} tells besides its message. */
export interface EventLogErrorDetails {
  /** The file or directory concerned. */
  path: string;
  /** What caused it. */
  cause?: unknown;
  /** The 1-based line concerned. */
  line?: number;
  /** Where that line begins in the file. */
  byteOffset?: number;
  /** What was required. */
  expected?: number;
  /** What was found instead. */
  actual?: number;
}

/**
 * The error of this module. Bad arguments are `TypeError` and `RangeError` instead.
 *
 * @example Usage
 * ```ts
 * import { EventLogError, openEventLog } from "@taffrail/taffrail/eventlog";
 * import { assert } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using log = await openEventLog<{ type: string }>({ root, runId: "demo" });
 * try {
 *   await log.append({ type: "late" }, { expectedLastSeq: 7 });
 * } catch (error) {
 *   assert(error instanceof EventLogError && error.kind === "conflict");
 * }
 * ```
 */
export class EventLogError extends Error {
  /** The name of the class. */
  override name = "EventLogError";
  /** What went wrong, for programs. */
  readonly kind: EventLogErrorKind;
  /** The file or directory concerned. */
  readonly path: string;
  /** The 1-based line concerned. */
  readonly line: number | undefined;
  /** Where that line begins in the file. */
  readonly byteOffset: number | undefined;
  /** What was required: a seq for `conflict`, a file size for `rewound`. */
  readonly expected: number | undefined;
  /** What was found instead. */
  readonly actual: number | undefined;

  /** Makes an error; the module's functions do it for you. */
  constructor(kind: EventLogErrorKind, message: string, details: EventLogErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.path = details.path;
    this.line = details.line;
    this.byteOffset = details.byteOffset;
    this.expected = details.expected;
    this.actual = details.actual;
  }
}

/** A refusal of the file system (OLG-5), with the seed's message. */
export function ioError(path: string, cause: unknown): EventLogError {
  return new EventLogError("io", `I/O error on ${path}: ${reasonOf(cause)}`, { path, cause });
}

/** What was thrown, as an error of this module: a refusal of the file system becomes `io`. */
export function asModuleError(path: string, error: unknown): unknown {
  const known = error instanceof EventLogError || error instanceof RangeError ||
    (error instanceof TypeError && !isRefusal(error));
  return known ? error : ioError(path, error);
}

/** Deno says "Invalid argument", as for a seek in a folder, with a `TypeError`. */
function isRefusal(error: TypeError): boolean {
  return /\(os error \d+\)$/.test(error.message);
}

/** Runs file operations; what they throw becomes an `io` error that names the path. */
export function wrapIo<T>(path: string, operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw asModuleError(path, error);
  }
}

/** A lock that others held for too long (OLG-4), with the seed's message. */
export function lockTimeoutError(path: string): EventLogError {
  const message = `event log lock ${path} was not released within the acquire budget`;
  return new EventLogError("lock-timeout", message, { path });
}

/** Says what the append core failed at in the words of this module. */
export function appendError(
  failure: AppendFailure,
  paths: { events: string; eventsLock: string },
): EventLogError {
  const path = paths.events;
  const { kind, cause, expected, actual } = failure;
  switch (kind) {
    case "io":
      return ioError(path, cause);
    case "lock-timeout":
      return lockTimeoutError(paths.eventsLock);
    case "conflict": {
      const message = `Cannot append to ${path}: the log ends with seq ${actual}, not ${expected}`;
      return new EventLogError(kind, message, { path, expected: expected!, actual: actual! });
    }
    case "rewound": {
      const message = `Cannot append to ${path}: it shrank from ${expected} to ${actual} bytes ` +
        "under this log, so another program has cut it; open the log again";
      return new EventLogError(kind, message, { path, expected: expected!, actual: actual! });
    }
    case "busy": {
      const message = `Cannot append to ${path}: ${actual} appends wait already; await some first`;
      return new EventLogError(kind, message, { path, actual: actual! });
    }
    case "sync": {
      const message = `Cannot vouch for what was appended to ${path}: syncing it failed ` +
        `(${reasonOf(cause)}); free some space, open the log again and verify it`;
      return new EventLogError(kind, message, { path, cause });
    }
    case "closed":
      return new EventLogError(kind, `Cannot append to ${path}: the log is closed`, { path });
  }
}
