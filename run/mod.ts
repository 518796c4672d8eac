/**
 * The five modules together: {@linkcode openRun} begins work that is supervised, recorded and traced,
 * in the files that the `taffrail` command reads. Where these files are is a {@linkcode RunsRoot}.
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
export { openFileRoot } from "./file_root/file_root.ts";
export { RunError, type RunErrorDetails, type RunErrorKind } from "./run_error.ts";
export { openRun, type OpenRunOptions } from "./open_run.ts";
export { Run } from "./run.ts";
export { passGate, type PassGateOptions } from "./pass_gate.ts";
export { TaffrailError, type TaffrailErrorOptions } from "../_internal/errors.ts";
export type { RunTraceOptions } from "./run_trace.ts";
