import type { EventLog, RunEvent } from "../eventlog/mod.ts";
import {
  installCrashFlush,
  type RedactTrace,
  type TraceConfig,
  type TraceFileError,
  TraceRecorder,
} from "../trace/mod.ts";
import type { RunRecords } from "./run_recorder.ts";
import { runPaths } from "./run_paths.ts";
import { RunTrace } from "./run_trace.ts";
import { RunWorkers } from "./run_workers.ts";

/** Options of {@linkcode openRecords}. */
export interface OpenRecordsOptions {
  /** The directory that holds the runs. */
  root: string;
  /** The run's name: its flow. */
  name: string;
  /** The open log of the run. */
  log: EventLog<RunEvent>;
  /** How to trace; the file is `trace.json` in the run's directory. */
  trace?: Partial<TraceConfig>;
  /** Replaces secrets before the trace keeps anything. */
  redactTrace?: RedactTrace;
  /** Is told of a trace that could not be written; the run goes on. */
  onTraceError?: (error: TraceFileError) => void;
  /**
   * What happens at SIGINT, SIGTERM and SIGHUP once the trace is written: the program ends, as it would
   * without a run; or, with `"flush-only"`, nothing more, for programs that handle signals themselves.
   *
   * @default {"exit"}
   */
  onSignal?: "exit" | "flush-only";
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
 * await recorder.nodeStarted({ nodeId: "a", attempt: 1, kind: "task" });
 * await recorder.nodeEnded({ nodeId: "a", attempt: 1 }, { termination: "Completed" });
 * await recorder.pipeCompleted();
 * assertEquals(await log.lastSeq(), 4);
 * ```
 */
export async function openRecords(options: OpenRecordsOptions): Promise<OpenRecords> {
  const { root, name, log, trace, redactTrace, onTraceError, onSignal = "exit" } = options;
  const { runId } = log;
  await using opened = new AsyncDisposableStack();
  const workers = opened.use(await RunWorkers.open({ root, runId, name }));
  const traceRecorder = new TraceRecorder({
    config: { outPath: runPaths(root, runId).trace, ...trace },
    context: { pack_ref: name, flow_id: name, flow_version: "unknown" },
    runId,
    ...(redactTrace !== undefined && { redact: redactTrace }),
    ...(onTraceError !== undefined && { onWriteError: onTraceError }),
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
