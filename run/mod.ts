/**
 * Programs that survive being killed: {@linkcode durable} runs one whose steps are supervised, recorded and
 * traced, in the files that the `taffrail` command reads, and goes on with it where it was. Where these files
 * are is a {@linkcode RunsRoot}.
 *
 * @example A program of two steps
 * ```ts
 * import { durable } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir(); // `.taffrail` is what the command looks for.
 * const rows = await durable({ root, runId: "import-2026-11-30", name: "import" }, async (run) => {
 *   const files = await run.step("list", () => ["a.csv", "b.csv"]);
 *   const sizes = await Promise.all(files.map((file) => run.step(`import ${file}`, () => file.length)));
 *   return sizes.length;
 * });
 * assertEquals(rows, 2);
 * ```
 *
 * @module
 */
export type * from "./types.ts";
export type * from "./attempt_queue.ts";
export { openFileRoot } from "./file_root/file_root.ts";
export { RunError, type RunErrorDetails, type RunErrorKind } from "./run_error.ts";
export { StepError } from "./step_error.ts";
export { durable, openRun } from "./open_run.ts";
export type { OpenRunOptions } from "./program/program_options.ts";
export { Run } from "./run.ts";
export { passGate, type PassGateOptions } from "./pass_gate.ts";
export { TaffrailError, type TaffrailErrorOptions } from "../_internal/errors.ts";
export type { RunTraceOptions } from "./run_trace.ts";
export type { StandardSchema } from "../eventlog/types.ts";
export type { RunState } from "../eventlog/run_state.ts";
export type {
  ConstraintsInit,
  RunAnswer,
  RunRequest,
  RunTermination,
  RuntimeInvoker,
} from "../supervisor/types.ts";
