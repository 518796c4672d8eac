import type { FileEventLog } from "../../eventlog/file_event_log.ts";
import { newRunId } from "../../eventlog/runs_directory.ts";
import { openEventLog } from "../../eventlog/open_event_log.ts";
import type { RunEvent } from "../../eventlog/run_event.ts";
import type { EventLog } from "../../eventlog/types.ts";
import { openRecords } from "../../run/open_run.ts";
import { type RecordedBegin, RunRecorder } from "../../run/run_recorder.ts";
import type { RunWorkers } from "../../run/run_workers.ts";
import { traceConfigFromEnv } from "../../trace/trace_config.ts";
import type { TraceMode } from "../../trace/types.ts";
import { RecordingError } from "../flow/errors.ts";
import type { Flow } from "../flow/flow.ts";
import { writeFlowRecord } from "../flow/flow_record.ts";
import {
  CommandInvoker,
  type CommandInvokerOptions,
  type RunView,
} from "../process/command_invoker.ts";
import { prepareRootDirectory } from "../reading/find_root.ts";
import { readRunReport, type RunReport } from "../reading/run_report.ts";
import { Interrupts } from "./interrupts.ts";
import { superviseNodes } from "./supervise_nodes.ts";
import { reasonOf } from "../../_internal/text.ts";

/** How to run a flow and record it. */
export type RecordRunOptions =
  & Omit<CommandInvokerOptions, "runId" | "recorder" | "hurry" | "onFatal">
  & { view: RunView; traceMode: TraceMode | undefined };

/**
 * Runs a flow, and records it as a new run below the root.
 *
 * @returns What became of it, and the exit code that says so.
 */
export async function recordRun(
  options: RecordRunOptions,
): Promise<{ report: RunReport; exitCode: number }> {
  const { flow, root, view, graceMs } = options;
  prepareRootDirectory(root);
  using interrupts = new Interrupts();
  interrupts.announce(view, graceMs);
  interrupts.listen();
  let runId: string;
  {
    await using log = await openNewLog(root, flow.name);
    runId = log.runId;
    view.runStarted(runId);
    await runRecorded({ ...options, runId, log, interrupts });
  }
  const report = await readRunReport(root, runId);
  const exitCode = interrupts.received?.exitCode ?? (report.state === "Completed" ? 0 : 1);
  return { report, exitCode };
}

/** The log of a new run. */
async function openNewLog(root: string, name: string): Promise<FileEventLog<RunEvent>> {
  try {
    const runId = await newRunId({ root, name });
    return await openEventLog({ root, runId, durability: "disk" });
  } catch (cause) {
    throw new RecordingError("log", { of: "a new run", cause });
  }
}

/** Runs it in the open log. What cannot be recorded ends it. */
async function runRecorded(
  options: RecordRunOptions & { runId: string; log: EventLog<RunEvent>; interrupts: Interrupts },
): Promise<void> {
  const { flow, interrupts } = options;
  const halt = new AbortController();
  let fatal: unknown;
  const onFatal = (error: unknown) => {
    fatal ??= error;
    halt.abort();
  };
  const stop = AbortSignal.any([interrupts.stop, halt.signal]);
  await using records = await openRecorder(options);
  const { recorder } = records;
  const invoker = new CommandInvoker({
    ...options,
    recorder,
    hurry: interrupts.hurry,
    onFatal,
  });
  await runFlow(flow, {
    recorder,
    async runNodes() {
      await writeFlowRecord(options, flow);
      const reason = await superviseNodes({ ...options, recorder, invoker, stop });
      if (fatal !== undefined) throw fatal;
      const signal = interrupts.received?.name;
      return reason === "cancelled" && signal !== undefined ? `cancelled by ${signal}` : reason;
    },
  });
}

/** Records a run from its begin to its end. */
export interface RunFlowOptions {
  /** Records the begin and the end of the run. */
  recorder: RunRecorder;
  /** Runs the nodes, and tells why that ended early; undefined when all has completed. */
  runNodes: () => Promise<string | undefined>;
}

/**
 * Runs a flow. Whatever happens, the log gets exactly one terminal event (OEV-6), unless it is the
 * log that cannot be written.
 */
export async function runFlow(flow: Flow, options: RunFlowOptions): Promise<void> {
  const { recorder, runNodes } = options;
  await recorder.pipeStarted({ name: flow.name, nodes: flow.nodes.map(({ id }) => id) });
  try {
    const reason = await runNodes();
    if (reason === undefined) await recorder.pipeCompleted();
    else await recorder.pipeAborted(reason);
  } catch (error) {
    if (error instanceof RecordingError && error.what === "log") throw error;
    await recorder.pipeAborted(reasonOf(error));
    throw error;
  }
}

/** How many steps the trace of a run keeps, the newest. */
const TRACED_STEPS = 200;

/** What {@linkcode openRecorder} needs. */
export interface OpenRecorderOptions {
  /** The directory that holds the runs. */
  root: string;
  /** The flow that is run. */
  flow: Flow;
  /** The open log of the run. */
  log: EventLog<RunEvent>;
  /** When a trace is written; as `TAFFRAIL_TRACE` says where that is left out. */
  traceMode: TraceMode | undefined;
  /** Is told of a trace that cannot be written. */
  view: Pick<RunView, "note">;
  /** What another process recorded of the run. */
  begun?: RecordedBegin;
}

/** Opens the records of a run beside its log, and gives what writes them all. */
export async function openRecorder(
  options: OpenRecorderOptions,
): Promise<AsyncDisposable & { recorder: RunRecorder; workers: RunWorkers }> {
  const { root, flow, log, view, begun } = options;
  const toError = (what: "log" | "store", cause: unknown) => {
    return new RecordingError(what, { of: `run ${log.runId}`, cause });
  };
  const { mode, gitSha } = traceConfigFromEnv();
  const trace = {
    mode: options.traceMode ?? mode,
    bufferSize: TRACED_STEPS,
    // Command lines stand in the log anyway, and a replay of the trace needs them.
    captureInputs: true,
    ...(gitSha !== undefined && { gitSha }),
  };
  const onTraceError = (error: Error) => {
    view.note(`Cannot write the trace: ${error.message}; the run goes on without it`);
  };
  const records = await openRecords({
    root,
    name: flow.name,
    log,
    trace,
    onTraceError,
    onSignal: "flush-only",
  }).catch((cause) => {
    throw toError("store", cause);
  });
  const recorder = new RunRecorder({
    ...records,
    toError,
    ...(begun !== undefined && { begun }),
  });
  return {
    recorder,
    workers: records.workers,
    [Symbol.asyncDispose]: () => records[Symbol.asyncDispose](),
  };
}
