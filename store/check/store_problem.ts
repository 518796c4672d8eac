import type { RuntimeSnapshot, WorkerSnapshot } from "../files/snapshots.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { findingTextOf } from "../store_errors.ts";

/**
 * What is wrong:
 * - `io`: the file system refuses to show something
 * - `busy`: an owner wrote so fast that no consistent state could be seen
 * - `owned`: somebody has the runtime open, so that it could not be repaired
 * - `symlink`: a symbolic link stands where a file or directory is expected, or a file that is written
 *   in place has a second name (a hard link)
 * - `foreign-file`: something that does not belong to the store
 * - `stale-temp`: a file that a killed process left, which nothing refers to
 * - `directory-name`: a directory that is not named after its id
 * - `duplicate-worker`: a second directory of one worker
 * - `missing`: a file that must be there is not
 * - `corrupt`: a snapshot that is no whole JSON, or lacks something
 * - `schema`: a snapshot or a journal of another version
 * - `backend`: a snapshot of another kind of store
 * - `foreign-record`: an id that belongs to another runtime or worker
 * - `journal`: the journal is damaged where it was acknowledged
 * - `torn`: the last line of a log is a stub
 * - `no-newline`: the last line of a log is whole but for its newline
 * - `blank`, `nul-run`, `not-utf8`, `not-json`, `too-long`, `record`: a line of a log that holds no
 *   record; for `record` it is JSON, but of another shape
 * - `order`, `duplicate`, `gap`: the numbers of a log do not grow by one
 * - `lost`: something was recorded, and its line or directory is gone
 * - `counter`: a counter is behind what it counts
 * - `dangling`: a number that refers to no event, or to another worker's
 * - `status`: a worker is running in a runtime that is stopped
 * - `bundle`: a config bundle is not what its digest or its key says
 */
export type StoreProblemKind =
  | "io"
  | "busy"
  | "owned"
  | "symlink"
  | "foreign-file"
  | "stale-temp"
  | "directory-name"
  | "duplicate-worker"
  | "missing"
  | "corrupt"
  | "schema"
  | "backend"
  | "foreign-record"
  | "journal"
  | "torn"
  | "no-newline"
  | "blank"
  | "nul-run"
  | "not-utf8"
  | "not-json"
  | "too-long"
  | "record"
  | "order"
  | "duplicate"
  | "gap"
  | "lost"
  | "counter"
  | "dangling"
  | "status"
  | "bundle";

/** One thing that is wrong in a store. */
export interface StoreProblem {
  /** The runtime; empty for what belongs to none. */
  runtime: string;
  /** What is wrong, for programs. */
  kind: StoreProblemKind;
  /** The file or directory. */
  path: string;
  /** The 1-based line in it. */
  line?: number;
  /** Where that line, or what is wrong, begins. */
  byteOffset?: number;
  /** What is wrong, for people. */
  message: string;
  /** Whether {@linkcode repairStore} does something about it. */
  repairable: boolean;
}

/**
 * What repairing does:
 * - `quarantine`: moves something to `quarantine-<n>` of the runtime
 * - `rename`: gives a directory the name of its worker
 * - `mend-journal`: writes the first line of a journal anew
 * - `cut-journal`: keeps what of a damaged journal is whole
 * - `redo-journal`: brings what only the journal holds to its place
 * - `mend-log`: completes the last line of a log, or takes out what holds no record
 * - `create-log`: creates a log that is missing
 * - `rebuild-runtime`: makes `runtime.json` from logs and workers
 * - `change-runtime`, `change-worker`: changes counters or states in a snapshot
 */
export type RepairActionKind =
  | "quarantine"
  | "rename"
  | "mend-journal"
  | "cut-journal"
  | "redo-journal"
  | "mend-log"
  | "create-log"
  | "rebuild-runtime"
  | "change-runtime"
  | "change-worker";

/** One thing that {@linkcode repairStore} did, or would do. */
export interface RepairAction {
  /** The runtime. */
  runtime: string;
  /** What kind of thing. */
  action: RepairActionKind;
  /** The file or directory. */
  path: string;
  /** What was done, or would be, for people. */
  message: string;
  /** Where what was taken out of the way is kept. */
  evidence?: string;
}

/** The same while the runtime is known. */
export type RepairStep = Omit<RepairAction, "runtime">;

/** What can be done about a problem. */
export type Fix =
  /** Move it to the quarantine of its runtime. */
  | { action: "quarantine"; path: string }
  /** Give a directory the name of its id. */
  | { action: "rename"; path: string; to: string }
  /** Write the first line of a journal anew. */
  | { action: "mend-journal"; path: string; number: number }
  /** Keep what of a journal is whole. */
  | { action: "cut-journal"; path: string; byteOffset: number }
  /** Complete or move aside an unterminated tail; move lines aside that hold no record. */
  | { action: "mend-log"; path: string; name: string }
  | { action: "create-log"; path: string; text: string }
  /** Make a runtime.json from the logs and workers. */
  | { action: "rebuild-runtime"; path: string }
  /** Change counters or states in a snapshot. */
  | { action: "change-runtime"; path: string; changes: Partial<RuntimeSnapshot> }
  | { action: "change-worker"; path: string; workerId: string; changes: Partial<WorkerSnapshot> };

/** Where a record, or what is wrong, stands in a file. */
export interface LinePlace {
  line?: number | undefined;
  byteOffset?: number | undefined;
}

/** A problem, and what can be done about it. */
export interface Finding extends LinePlace {
  kind: StoreProblemKind;
  path: string;
  message: string;
  fix?: Fix;
}

/** A finding of an error that reading a file gave. */
export function findingOf(error: RuntimeStoreError, path: string): Omit<Finding, "kind"> {
  const { line, byteOffset } = error.details;
  return { path, message: findingTextOf(error), line, byteOffset };
}
