import { checkTypes, defined } from "../_internal/errors.ts";
import { absoluteRoot, runPaths } from "../_internal/root_layout.ts";
import { CapturingSession } from "../capture/session/capturing_session.ts";
import { openCaptureJournal } from "../capture/session/journal.ts";
import { openEventLog } from "../eventlog/open_event_log.ts";
import type { RunEvent } from "../eventlog/run_event.ts";
import { newRunId } from "../eventlog/runs_directory.ts";
import type { EventLog } from "../eventlog/types.ts";
import { MemoryDecisionLog } from "../supervisor/driver/memory_ports.ts";
import { Supervisor } from "../supervisor/driver/supervisor.ts";
import { systemTimers } from "../supervisor/driver/timers.ts";
import type { ConstraintsInit, DecisionLogEntry, RuntimeInvoker } from "../supervisor/types.ts";
import { installCrashFlush } from "../trace/install_crash_flush.ts";
import type { RedactTrace } from "../trace/payload.ts";
import type { TraceFileError } from "../trace/trace_file_error.ts";
import { TraceRecorder } from "../trace/trace_recorder.ts";
import type { TraceConfig } from "../trace/types.ts";
import { messageOf, RecordingInvoker } from "./recording_invoker.ts";
import { Run } from "./run.ts";
import { RunRecorder, type RunRecords } from "./run_recorder.ts";
import { RunTrace } from "./run_trace.ts";
import { RunWorkers } from "./run_workers.ts";

/** How the records of a run that follow its event log are kept. */
export interface RecordsOptions {
  /** How to trace; the file is `trace.json` in the run's directory. */
  trace?: Partial<TraceConfig>;
  /** Replaces secrets before the trace keeps anything. */
  redactTrace?: RedactTrace;
  /** Gets the error of every trace that could not be written; the run goes on. */
  onTraceError?: (error: TraceFileError) => void;
  /**
   * What happens at SIGINT, SIGTERM and SIGHUP once the trace is written: the program ends, as it would
   * without a run; or, with `"flush-only"`, nothing more, for programs that handle signals themselves,
   * such as by `signal`.
   *
   * @default {"exit"}
   */
  onSignal?: "exit" | "flush-only";
}

/** Options of {@linkcode openRun}. */
export interface OpenRunOptions extends RecordsOptions {
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
 * **Durability**: what an attempt did is recorded, in the order journal, log, store, before the
 * supervisor goes on; `durability` says what that means for the first two.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param options What to run, and where to record it.
 * @returns The run.
 * @throws {TypeError} When an option is missing, of the wrong type or not allowed; the message names it.
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
  checkOptions(options);
  const { name, constraints, durability = "os", runtimeProvenance, signal } = options;
  const root = absoluteRoot(options.root);
  const runId = await newRunId({ root, name });
  const halt = new AbortController();
  const stop = signal === undefined ? halt.signal : AbortSignal.any([signal, halt.signal]);
  await using opening = new AsyncDisposableStack();
  const log = opening.use(await openEventLog({ root, runId, durability }));
  const records = opening.use(await openRecords({ ...options, root, log }));
  const recorder = new RunRecorder(records);
  const invoker = new RecordingInvoker({ invoker: options.invoker, recorder, signal: stop });
  await recorder.pipeStarted({ name, nodes: [] });
  let session: CapturingSession<Supervisor> | undefined;
  // What is told is on disk before, where that was asked for.
  const onDisk = {
    log: async (entry: DecisionLogEntry) => {
      await session?.barrier();
      await invoker.log(entry);
    },
  };
  try {
    session = new CapturingSession<Supervisor>({
      graphId: name,
      mode: "concurrent",
      constraints,
      decisionLog: durability === "disk" ? onDisk : invoker,
      invoker,
      beforeRun: async (attempt) => {
        if (durability === "disk") await session?.barrier();
        await invoker.beforeRun(attempt);
      },
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

const RECORDS_TYPES = {
  root: "string",
  name: "string",
  trace: "object?",
  redactTrace: "function?",
  onTraceError: "function?",
  onSignal: "string?",
} as const;

/** Refuses what any part of the run would refuse, before anything is on disk. */
function checkOptions(options: OpenRunOptions): void {
  checkTypes(options, {
    ...RECORDS_TYPES,
    constraints: "object",
    invoker: "object",
    durability: "string?",
    runtimeProvenance: "string?",
  });
  const { name, constraints, invoker, signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("Cannot use signal: it is no AbortSignal");
  }
  const decisionLog = new MemoryDecisionLog();
  const rules = { graphId: name, mode: "concurrent", constraints } as const;
  new Supervisor({ ...rules, decisionLog, invoker, timers: systemTimers });
}

/** Options of {@linkcode openRecords}. */
export interface OpenRecordsOptions extends RecordsOptions {
  /** The directory that holds the runs. */
  root: string;
  /** The run's name: its flow. */
  name: string;
  /** The open log of the run. */
  log: EventLog<RunEvent>;
}

/** The records of a run that follow its event log, open. */
export interface OpenRecords extends RunRecords, AsyncDisposable {
  /** The recorder of the trace. */
  traceRecorder: TraceRecorder;
}

/**
 * Opens the records of a run that follow its event log: the store, as a runtime that has the run's id,
 * and the trace, which is written too if the program dies.
 *
 * **Durability**: `"disk"`, for what has been recorded when {@linkcode RunRecorder}'s methods return.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param options The run.
 * @returns The records; disposing of them closes the store, not the log.
 * @throws {TypeError} When an option is missing or of the wrong type; the message names it.
 * @throws {RuntimeStoreError} When the store cannot be opened.
 *
 * @example Usage
 * ```ts
 * import { openEventLog } from "@taffrail/taffrail/eventlog";
 * import { openRecords, RunRecorder } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using log = await openEventLog({ root, runId: "demo" });
 * await using records = await openRecords({ root, name: "demo", log });
 * const recorder = new RunRecorder(records);
 * await recorder.pipeStarted({ name: "demo", nodes: ["a"] });
 * await recorder.nodeStarted({ nodeId: "a", attempt: 1, kind: "command" });
 * await recorder.nodeEnded({ nodeId: "a", attempt: 1 }, { termination: "Completed" });
 * await recorder.pipeCompleted();
 * assertEquals(await log.lastSeq(), 4);
 * ```
 */
export async function openRecords(options: OpenRecordsOptions): Promise<OpenRecords> {
  checkTypes(options, { ...RECORDS_TYPES, log: "object" });
  const { root, name, log, trace, redactTrace, onTraceError, onSignal = "exit" } = options;
  const { runId } = log;
  await using opened = new AsyncDisposableStack();
  const workers = opened.use(await RunWorkers.open({ root, runId, name }));
  const traceRecorder = new TraceRecorder({
    config: { outPath: runPaths(root, runId).trace, ...trace },
    context: { pack_ref: name, flow_id: name, flow_version: "unknown" },
    runId,
    ...defined({ redact: redactTrace, onWriteError: onTraceError }),
  });
  opened.use(installCrashFlush(traceRecorder, { onSignal }));
  const kept = opened.move();
  return {
    log,
    workers,
    trace: new RunTrace(traceRecorder, name),
    traceRecorder,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
