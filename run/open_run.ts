import { checkTypes } from "../_internal/errors.ts";
import { absoluteRoot, runPaths } from "../_internal/root_layout.ts";
import { RunFold } from "../eventlog/derive_run_state.ts";
import { MemoryDecisionLog } from "../supervisor/driver/memory_ports.ts";
import { Supervisor } from "../supervisor/driver/supervisor.ts";
import { systemTimers } from "../supervisor/driver/timers.ts";
import type { ConstraintsInit, RuntimeInvoker } from "../supervisor/types.ts";
import { openFileRoot } from "./file_root/file_root.ts";
import { Run } from "./run.ts";
import { openTrace, type RunTraceOptions } from "./run_trace.ts";

/** Options of {@linkcode openRun}. */
export interface OpenRunOptions extends RunTraceOptions {
  /** The directory that holds the runs; `.taffrail` is what the command looks for. */
  root: string;
  /** What is run, as a part of the run's id: letters, digits, `.`, `_` and `-`. */
  name: string;
  /** What the supervisor keeps to. */
  constraints: ConstraintsInit;
  /**
   * Does the work of an event. What it throws is recorded as a failure, with its causes; of what it answers
   * the termination alone is taken.
   */
  invoker: RuntimeInvoker;
  /**
   * When `submit` resolves: with `"os"` when the decision is in the file of the journal, which survives the
   * death of the process; with `"disk"` when it is on disk. What is told, in the log, in the store and by
   * `finish`, is on disk in either case.
   *
   * @default {"os"}
   */
  durability?: "os" | "disk";
  /** What stands for the program in the recording, such as a digest of its sources (PRV-2). */
  runtimeProvenance?: string;
  /**
   * Ends the run: nothing more is started, and what runs is asked to stop. What has not stopped after
   * five seconds is given up.
   */
  signal?: AbortSignal;
}

/**
 * Begins a run that uses all five modules: a supervisor decides what starts when, its inputs and
 * decisions go to a capture journal, the lifecycle to an event log, each attempt to the store as a
 * worker and to the trace as a step. It only connects them; each can be used alone.
 *
 * **Durability**: what happens is in the capture journal first, and on disk there before the log has it, and
 * the store and the trace behind that. After a power cut nothing that was told is lost; a function that ran
 * may have left no record.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param options What to run, and where to record it.
 * @returns The run.
 * @throws {TypeError} When an option is missing, of the wrong type or not allowed; the message names it.
 * @throws {RangeError} When a number of the constraints is out of range.
 * @throws {RunError} When the run cannot be recorded there.
 *
 * @example Usage
 * ```ts
 * import { openRun } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * const run = await openRun({
 *   root: await Deno.makeTempDir(),
 *   name: "thumbnails",
 *   constraints: { max_in_flight: 2, max_retries: 1 },
 *   invoker: { run: ({ eventId }) => eventId === "b.png" ? "TimedOut" : "Completed" },
 * });
 * await run.submit("a.png", { width: 80 });
 * await run.submit("b.png", { width: 80 });
 * const { state, nodes } = await run.finish();
 * assertEquals(state, { Aborted: { reason: "node b.png failed: timeout" } });
 * assertEquals(nodes.map(({ id, attempt }) => [id, attempt]), [["a.png", 1], ["b.png", 2]]);
 * ```
 */
export async function openRun(options: OpenRunOptions): Promise<Run> {
  checkOptions(options);
  const { name, constraints, invoker, durability = "os", runtimeProvenance = "none" } = options;
  const path = absoluteRoot(options.root);
  const root = openFileRoot(path);
  await using opening = new AsyncDisposableStack();
  opening.use(root);
  const held = opening.use(await root.create({ about: { name } }));
  const { runId } = held.view;
  const trace = opening.use(openTrace({ ...options, path: runPaths(path, runId).trace, runId }));
  const stop = options.signal ?? new AbortController().signal;
  const fold = new RunFold();
  const parts = { held, name, constraints, invoker, durability, runtimeProvenance, stop, fold };
  return new Run({ ...parts, trace: trace.trace, opened: opening });
}

const TRACE_TYPES = {
  trace: "object?",
  redactTrace: "function?",
  onTraceError: "function?",
  onSignal: "string?",
} as const;

/** Refuses what any part of the run would refuse, before anything is on disk. */
function checkOptions(options: OpenRunOptions): void {
  checkTypes(options, {
    ...TRACE_TYPES,
    root: "string",
    name: "string",
    constraints: "object",
    invoker: "object",
    durability: "string?",
    runtimeProvenance: "string?",
  });
  const { name, constraints, invoker, signal, durability = "os" } = options;
  if (durability !== "os" && durability !== "disk") {
    throw new TypeError(`Cannot open a run with durability "${durability}": say "os" or "disk"`);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("Cannot use signal: it is no AbortSignal");
  }
  const decisionLog = new MemoryDecisionLog();
  const rules = { graphId: name, mode: "concurrent", constraints } as const;
  new Supervisor({ ...rules, decisionLog, invoker, timers: systemTimers });
}
