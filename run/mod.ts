/**
 * The five modules together: {@linkcode openRun} begins work that is supervised, recorded and traced,
 * in the files that the `taffrail` command reads. It connects the modules and does nothing else; who
 * wants something else connects them otherwise, and can use {@linkcode RunRecorder} for the lifecycle.
 *
 * @example A run of two steps
 * ```ts
 * import { openRun } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * const run = await openRun({
 *   root: await Deno.makeTempDir(),
 *   name: "nightly",
 *   constraints: { max_in_flight: 1, max_retries: 2 },
 *   invoker: { run: () => "Completed" }, // your work
 * });
 * await run.submit("fetch");
 * await run.submit("import");
 * assertEquals((await run.finish()).state, "Completed");
 * ```
 *
 * @module
 */
export type * from "./types.ts";
export type {
  HeldRun,
  HoldOptions,
  InboxMessage,
  KeptOutput,
  OutputChunk,
  OutputRange,
  OutputRef,
  OutputSink,
  RunAbout,
  RunDocument,
  RunHolder,
  RunLines,
  RunListing,
  RunsRoot,
  RunStream,
  RunView,
} from "./port.ts";
export { openFileRoot } from "./file_root/file_root.ts";
export { RunError, type RunErrorDetails, type RunErrorKind } from "./run_error.ts";
export { type RunPaths, runPaths } from "../_internal/root_layout.ts";
export { attemptKey, errorKindOf } from "./attempt_key.ts";
export {
  type OpenRecords,
  openRecords,
  type OpenRecordsOptions,
  openRun,
  type OpenRunOptions,
  type RecordsOptions,
} from "./open_run.ts";
export { Run } from "./run.ts";
export { type RecordedBegin, RunRecorder, type RunRecords } from "./run_recorder.ts";
export { RunTrace } from "./run_trace.ts";
export { RunWorkers, type RunWorkersOptions } from "./run_workers.ts";
export { type RestoredWorkers, restoreRunWorkers } from "./restore_workers.ts";
export { TaffrailError, type TaffrailErrorOptions } from "../_internal/errors.ts";
