/**
 * Append-only logs of events, one file of JSON lines a run, that lose nothing they acknowledged:
 * many processes may append at the same time, any of them may be killed at any moment, and whoever
 * reads meanwhile sees whole events only.
 *
 * @example Record and read
 * ```ts
 * import { newRunId, openEventLog, readRun } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const runId = await newRunId({ root, name: "import" });
 *
 * {
 *   await using log = await openEventLog<{ file: string }>({ root, runId });
 *   await log.append({ file: "a.csv" });
 *   await log.append({ file: "b.csv" }, { durability: "disk" });
 * }
 *
 * const files = [];
 * for await (const { events } of readRun<{ file: string }>(root, runId)) {
 *   for (const { event } of events) files.push(event.file);
 * }
 * assertEquals(files, ["a.csv", "b.csv"]);
 * ```
 *
 * @module
 */
export type * from "./types.ts";
export {
  EventLogError,
  type EventLogErrorDetails,
  type EventLogErrorKind,
} from "./event_log_error.ts";
export {
  DEFAULT_LOCK_TIMEOUT_MS,
  openEventLog,
  type OpenEventLogOptions,
  openEventLogSync,
} from "./open_event_log.ts";
export { FileEventLog, viewRun, type ViewRunOptions } from "./file_event_log.ts";
export type { OtherLines } from "./run_reader.ts";
export type { Redact } from "../_internal/event_codec.ts";
export {
  followRun,
  type FollowRunOptions,
  peekRun,
  readRun,
  type ReadRunOptions,
  readRunSync,
  type RunPeek,
} from "./read_run.ts";
export {
  isLive,
  listRuns,
  type LockProbe,
  newRunId,
  probeLock,
  removeRun,
  runExists,
  sweepRemovedRuns,
} from "./runs_directory.ts";

export {
  repairRun,
  type RunProblem,
  type RunProblemKind,
  type RunVerdict,
  verifyLog,
  verifyRun,
} from "./verify_run.ts";
export { attemptChange } from "./attempt_change.ts";
export { deriveRunState, RunFold } from "./derive_run_state.ts";
export type * from "./run_state.ts";
export * from "./run_event.ts";
export { VERSION } from "../_internal/version.ts";
export { TaffrailError, type TaffrailErrorOptions } from "../_internal/errors.ts";
