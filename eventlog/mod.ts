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
export { openEventLog, type OpenEventLogOptions, openEventLogSync } from "./open_event_log.ts";
export { FileEventLog } from "./file_event_log.ts";
export type { Redact } from "./encode_event.ts";
export { readRun, type ReadRunOptions, readRunSync } from "./read_run.ts";
export { followRun, type FollowRunOptions } from "./follow_run.ts";
export { peekRun, type RunPeek } from "./read_run.ts";
export { listRuns, runExists } from "./list_runs.ts";
export { isLive } from "./live_lock.ts";
export { newEventId, newRunId } from "./new_run_id.ts";
export { removeRun, sweepRemovedRuns } from "./remove_run.ts";
export { repairRun } from "./repair_run.ts";
export { type RunProblem, type RunProblemKind, type RunVerdict, verifyRun } from "./verify_run.ts";
export { type LockProbe, probeLock } from "./live_lock.ts";
export {
  type AttemptChange,
  attemptChange,
  type AttemptInfo,
  type NodeStatus,
  type ProcessInfo,
} from "./attempt_change.ts";
export {
  deriveRunState,
  type NodeInfo,
  type PipeState,
  RunFold,
  type RunState,
} from "./derive_run_state.ts";
export * from "./run_event.ts";
export { VERSION } from "../_internal/version.ts";
