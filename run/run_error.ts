import { TaffrailError, type TaffrailErrorOptions } from "../_internal/errors.ts";
import { isNotFound } from "../_internal/file_port.ts";
import { RunFolderError } from "../_internal/run_folder.ts";
import { reasonOf } from "../_internal/text.ts";
import { CaptureJournalError } from "../capture/errors.ts";
import { EventLogError } from "../eventlog/event_log_error.ts";

/**
 * What went wrong with a run:
 * - `live`: somebody holds it
 * - `missing`: there is none of this id
 * - `exists`: there is one of this id already
 * - `format`: a newer version wrote it, or its `run.json` is unreadable
 * - `lost`: this process does not hold it any more, or what it wrote was moved away
 * - `rewound`: what was acknowledged is gone, as its database came back without its last moments
 * - `damaged`: what was recorded is not what it was
 * - `sync`: it is unknown what is on disk
 * - `io`: the file system refused; the `cause` says why
 * - `mismatch`: the program or an input is another one than was recorded
 * - `stopped`: the run was stopped, by a signal or by who holds it
 * - `not-json`, `too-large`: an input or an end value cannot be recorded
 */
export type RunErrorKind =
  | "live"
  | "missing"
  | "exists"
  | "format"
  | "lost"
  | "rewound"
  | "damaged"
  | "sync"
  | "io"
  | "mismatch"
  | "stopped"
  | "not-json"
  | "too-large";

/** Where a {@linkcode RunError} happened, and with what. */
export interface RunErrorDetails {
  /** The run. */
  runId?: string;
  /** The file or directory concerned. */
  path?: string;
  /** The node or step concerned. */
  nodeId?: string;
  /** What was required or recorded. */
  expected?: unknown;
  /** What was found instead; for `live` the process that holds the run, where that is known. */
  actual?: unknown;
  /** The signal that stopped the run. */
  signal?: Deno.Signal;
}

/**
 * The error of a run and of where it is recorded. What a step throws is no such error, and bad arguments
 * are `TypeError` and `RangeError`.
 *
 * @example Usage
 * ```ts
 * import { openFileRoot, RunError } from "@taffrail/taffrail/run";
 * import { assert, assertEquals, assertRejects } from "@std/assert";
 *
 * await using root = openFileRoot(await Deno.makeTempDir());
 * const error = await assertRejects(() => root.hold("nightly"));
 * assert(error instanceof RunError);
 * assertEquals(error.kind, "missing");
 * ```
 */
export class RunError extends TaffrailError<RunErrorKind, RunErrorDetails> {
  /** The name of the class. */
  override readonly name = "RunError";
}

/** An error whose message ends with its remedy, where there is one. */
export function runError(
  kind: RunErrorKind,
  problem: string,
  options: TaffrailErrorOptions<RunErrorDetails>,
): RunError {
  const { remedy } = options;
  return new RunError(kind, remedy === undefined ? problem : `${problem}; ${remedy}`, options);
}

/** There is no run of this id. */
export function missingError(runId: string, root: string): RunError {
  return runError("missing", `Cannot find the run ${runId} in ${root}: it is not there`, {
    details: { runId, path: root },
    remedy: "taffrail ls shows the runs that are",
  });
}

/** A run was exported without what may be private: what it ran and what that gave is not there any more. */
export function redactedError(runId: string, root: string): RunError {
  return runError("damaged", `Cannot go on with the run ${runId} in ${root}: it was redacted`, {
    details: { runId, path: root },
    remedy: "it can be looked at; go on with the one that it was exported from",
  });
}

/** What the kinds of the event log and of run folders are of a run. */
const KINDS: Readonly<Record<string, RunErrorKind>> = {
  live: "live",
  "lock-timeout": "live",
  format: "format",
  corrupt: "damaged",
  io: "io",
  sync: "sync",
  replaced: "lost",
  rewound: "lost",
  closed: "lost",
  version: "format",
  damaged: "damaged",
  "no-session": "damaged",
  "other-session": "damaged",
  diverged: "format",
};

/**
 * What was thrown on the way to a run, as an error of the run: what a file system refuses is `io`. Wrong
 * arguments stay what they are, and so do errors that have no kind here.
 */
export function asRunError(error: unknown, where: { runId: string; path: string }): unknown {
  if (error instanceof RunError || error instanceof TypeError || error instanceof RangeError) {
    return error;
  }
  if (
    error instanceof EventLogError || error instanceof RunFolderError ||
    error instanceof CaptureJournalError
  ) {
    const { kind, message, details, remedy, cause } = error;
    const known = KINDS[kind];
    if (known === undefined) return error;
    const options = { details: { ...details, runId: where.runId }, cause: cause ?? error };
    if (known === "live" && remedy === undefined) {
      return runError(known, message, { ...options, remedy: "wait until that has ended" });
    }
    return new RunError(known, message, { ...options, remedy });
  }
  const message = `Cannot use the run ${where.runId}: ${where.path}: ${reasonOf(error)}`;
  return new RunError("io", message, { details: where, cause: error });
}

/** Whether a file that was looked for is not there. */
export function isMissingFile(error: unknown): boolean {
  return isNotFound(error) || (error instanceof Error && isNotFound(error.cause));
}
