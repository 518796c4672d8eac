import type { AppendFailure } from "../_internal/append_file.ts";
import { TaffrailError, type TaffrailErrorOptions } from "../_internal/errors.ts";
import { type Gap, malformedLine } from "../_internal/event_codec.ts";
import { RunFolderError } from "../_internal/run_folder.ts";
import { reasonOf, writeRemedy } from "../_internal/text.ts";

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
 * - `rewound`: the log became shorter than this handle left it, and this handle accepts no more
 * - `replaced`: the log was moved, replaced, removed or rewritten under this handle, which accepts no
 *   more. What the file that is there now lacks is kept beside it, in `events.jsonl.lost-<n>`; the
 *   message tells
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
  | "replaced"
  | "malformed"
  | "format"
  | "corrupt";

/** Where an {@linkcode EventLogError} happened, and with what. */
export interface EventLogErrorDetails {
  /** The file or directory concerned. */
  path?: string;
  /** The 1-based line concerned. */
  line?: number;
  /** Where that line begins in the file. */
  byteOffset?: number;
  /** What was required: a seq for `conflict`, a file size for `rewound`. */
  expected?: number;
  /** What was found instead; the process that has the run open for `live`, where that is known. */
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
export class EventLogError extends TaffrailError<EventLogErrorKind, EventLogErrorDetails> {
  /** The name of the class. */
  override readonly name = "EventLogError";
}

/** An error whose message ends with its remedy, where there is one. */
export function eventLogError(
  kind: EventLogErrorKind,
  problem: string,
  options: TaffrailErrorOptions<EventLogErrorDetails>,
): EventLogError {
  const { remedy } = options;
  return new EventLogError(kind, remedy === undefined ? problem : `${problem}; ${remedy}`, options);
}

/** A refusal of the file system (OLG-5), with the message of the original program. */
export function ioError(path: string, cause: unknown): EventLogError {
  const message = `I/O error on ${path}: ${reasonOf(cause)}`;
  return new EventLogError("io", message, { details: { path }, cause });
}

/** What was thrown, as an error of this module: a refusal of the file system becomes `io`. */
export function asModuleError(path: string, error: unknown): unknown {
  if (error instanceof RunFolderError) {
    const { kind, message, details, remedy, cause } = error;
    return new EventLogError(kind, message, { details, remedy, cause });
  }
  const known = error instanceof EventLogError || error instanceof RangeError ||
    (error instanceof TypeError && !isRefusal(error));
  return known ? error : ioError(path, error);
}

/** Deno says "Invalid argument", as for a seek in a folder, with a `TypeError`. */
function isRefusal(error: TypeError): boolean {
  return /\(os error \d+\)$/.test(error.message);
}

/** What strict reading refuses a line with that gives no event (OLG-5). */
export function malformedError(path: string, gap: Gap): EventLogError {
  const { message, details } = malformedLine(path, gap);
  return new EventLogError("malformed", message, { details });
}

/** Runs file operations; what they throw becomes an `io` error that names the path. */
export function wrapIo<T>(path: string, operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw asModuleError(path, error);
  }
}

/** A lock that others held for too long (OLG-4), with the message of the original program. */
export function lockTimeoutError(path: string): EventLogError {
  const message = `event log lock ${path} was not released within the acquire budget`;
  return new EventLogError("lock-timeout", message, { details: { path } });
}

/** Says in the words of this module why lines could not be appended. */
export function appendError(
  { kind, cause, lockPath, problem: whatHappened, ...numbers }: AppendFailure,
  path: string,
): EventLogError {
  const { expected, actual } = numbers;
  const details = { path, ...numbers };
  const appending = `Cannot append to ${path}:`;
  switch (kind) {
    case "io":
      return ioError(path, cause);
    case "lock-timeout":
      return lockTimeoutError(lockPath ?? path);
    case "conflict":
      return eventLogError(kind, `${appending} the log ends with seq ${actual}, not ${expected}`, {
        details,
      });
    case "rewound": {
      const problem = `it shrank from ${expected} to ${actual} bytes under this log, ` +
        "so another program has cut it";
      return eventLogError(kind, `${appending} ${problem}`, {
        details,
        remedy: "open the log again",
      });
    }
    case "replaced":
      return eventLogError(kind, `${appending} ${whatHappened}`, {
        details,
        remedy: "let other programs leave an open log alone, and open it again",
        cause,
      });
    case "busy":
      return eventLogError(kind, `${appending} ${actual} appends wait already`, {
        details,
        remedy: "await some first",
      });
    case "sync": {
      const problem = `Cannot vouch for what was appended to ${path}: syncing it failed ` +
        `(${reasonOf(cause)})`;
      const remedy = `${writeRemedy(cause)}, open the log again and verify it`;
      return eventLogError(kind, problem, { details, remedy, cause });
    }
    case "closed":
      return eventLogError(kind, `${appending} the log is closed`, { details });
  }
}
