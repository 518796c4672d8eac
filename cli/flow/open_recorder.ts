import type { EventLog, RunEvent } from "../../eventlog/mod.ts";
import { openRecords, type RecordedBegin, RunRecorder, type RunWorkers } from "../../run/mod.ts";
import { traceConfigFromEnv, type TraceMode } from "../../trace/mod.ts";
import type { RunView } from "./command_invoker.ts";
import type { Flow } from "./flow.ts";
import { RecordingError } from "./recording_error.ts";

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
