import { CapturingSession, openCaptureJournal } from "../capture/mod.ts";
import { newRunId, openEventLog } from "../eventlog/mod.ts";
import {
  type ConstraintsInit,
  MemoryDecisionLog,
  type RuntimeInvoker,
  Supervisor,
  systemTimers,
} from "../supervisor/mod.ts";
import type { RedactTrace, TraceConfig, TraceFileError } from "../trace/mod.ts";
import { openRecords } from "./open_records.ts";
import { messageOf, RecordingInvoker } from "./recording_invoker.ts";
import { Run } from "./run.ts";
import { runPaths } from "./run_paths.ts";
import { RunRecorder } from "./run_recorder.ts";

/** Options of {@linkcode openRun}. */
export interface OpenRunOptions {
  /** The directory that holds the runs; `.taffrail` is what the command looks for. */
  root: string;
  /** What is run, as a part of the run's id: letters, digits, `.`, `_` and `-`. */
  name: string;
  /** What the supervisor keeps to. */
  constraints: ConstraintsInit;
  /** Does the work of an event. What it throws is recorded as a failure, with its causes. */
  invoker: RuntimeInvoker;
  /**
   * When an event and a decision count as recorded; of the store and the trace it is always `"disk"`.
   *
   * @default {"os"}
   */
  durability?: "os" | "disk";
  /** What stands for the program in the recording, such as a digest of its sources (PRV-2). */
  runtimeProvenance?: string;
  /** How to trace; the file is `trace.json` in the run's directory. */
  trace?: Partial<TraceConfig>;
  /** Replaces secrets before the trace keeps anything. */
  redactTrace?: RedactTrace;
  /** Is told of a trace that could not be written; the run goes on. */
  onTraceError?: (error: TraceFileError) => void;
  /**
   * What happens at SIGINT, SIGTERM and SIGHUP once the trace is written: the program ends, as it would
   * without a run; or, with `"flush-only"`, nothing more, for programs that handle signals themselves,
   * such as by `signal`.
   *
   * @default {"exit"}
   */
  onSignal?: "exit" | "flush-only";
  /**
   * Ends the run: nothing more is started, and what runs is told to stop. What has not stopped after
   * five seconds is given up.
   */
  signal?: AbortSignal;
}

/**
 * Begins a run that uses all five modules: a supervisor decides what starts when, its inputs and
 * decisions go to a capture journal, the lifecycle to an event log, each attempt to the store as a
 * worker and to the trace as a step. It only connects them; each can be used alone.
 *
 * **Durability**: what an attempt did is recorded, in the order journal, log, store, before the
 * supervisor goes on; `durability` says what that means for the first two.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param options What to run, and where to record it.
 * @returns The run.
 * @throws {TypeError} When the name, the constraints or the invoker are not allowed.
 * @throws {RangeError} When a number of the constraints is out of range.
 * @throws {EventLogError} When the log cannot be opened.
 * @throws {RuntimeStoreError} When the store cannot be opened.
 * @throws {CaptureJournalError} When the capture journal cannot be opened.
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
  const { root, name, constraints, durability = "os", runtimeProvenance, signal } = options;
  checkOptions(options);
  const runId = await newRunId({ root, name });
  const halt = new AbortController();
  const stop = signal === undefined ? halt.signal : AbortSignal.any([signal, halt.signal]);
  await using opening = new AsyncDisposableStack();
  const log = opening.use(await openEventLog({ root, runId, durability }));
  const records = opening.use(await openRecords({ ...options, log }));
  const recorder = new RunRecorder(records);
  const invoker = new RecordingInvoker({ invoker: options.invoker, recorder, signal: stop });
  await recorder.pipeStarted({ name, nodes: [] });
  let session: CapturingSession<Supervisor>;
  try {
    session = new CapturingSession<Supervisor>({
      graphId: name,
      mode: "concurrent",
      constraints,
      decisionLog: invoker,
      invoker,
      createSupervisor: (ports) => new Supervisor(ports),
      runtimeProvenance: runtimeProvenance ?? "none",
      journal: openCaptureJournal(runPaths(root, runId).journal, { durability }),
      timers: systemTimers,
      signal: stop,
    });
  } catch (error) {
    await recorder.pipeAborted(messageOf(error)).catch(() => {});
    throw error;
  }
  return new Run({
    root,
    log,
    runtime: records.workers.runtime,
    trace: records.traceRecorder,
    session,
    recorder,
    invoker,
    halt,
    stop,
    opened: opening.move(),
  });
}

/** Refuses what the supervisor would refuse, before anything is on disk. */
function checkOptions({ name, constraints, invoker }: OpenRunOptions): void {
  const decisionLog = new MemoryDecisionLog();
  const rules = { graphId: name, mode: "concurrent", constraints } as const;
  new Supervisor({ ...rules, decisionLog, invoker, timers: systemTimers });
}
