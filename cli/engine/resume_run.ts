import { readCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { openCaptureJournal } from "../../capture/session/journal.ts";
import { recoverCapture, type RecoveredCapture } from "../../capture/session/recover_capture.ts";
import { EventLogError } from "../../eventlog/event_log_error.ts";
import type { FileEventLog } from "../../eventlog/file_event_log.ts";
import { openEventLog } from "../../eventlog/open_event_log.ts";
import type { RunEvent } from "../../eventlog/run_event.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import type { RunRecorder } from "../../run/run_recorder.ts";
import { readTrace } from "../../trace/read_trace.ts";
import type { TraceMode } from "../../trace/types.ts";
import { ResumeError } from "../flow/errors.ts";
import { findPrograms } from "../flow/find_programs.ts";
import type { Flow } from "../flow/flow.ts";
import { flowDifference, flowOfRecord, readFlowRecord } from "../flow/flow_record.ts";
import { readFlow } from "../flow/parse_flow.ts";
import { CommandInvoker } from "../process/command_invoker.ts";
import { endLeftProcesses } from "../process/orphan_processes.ts";
import { commandHint } from "../reading/find_run.ts";
import { isNewer, newerText } from "../reading/open_capture.ts";
import { readRunReport, type RunReport } from "../reading/run_report.ts";
import type { WholeRunView } from "../reading/run_view.ts";
import { UsageError } from "../text/usage_error.ts";
import { Interrupts } from "./interrupts.ts";
import { PastAttempts } from "./past_attempts.ts";
import { openRecorder } from "./record_run.ts";
import { readRunHistory, type RunHistory } from "./run_history.ts";
import { type PastRun, superviseNodes } from "./supervise_nodes.ts";

/** How to go on with a run. */
export interface ResumeRunOptions {
  /** The directory that holds the runs. */
  root: string;
  /** The run. */
  runId: string;
  /** Where the flow file is now, if it is no longer where it was. */
  flowPath: string | undefined;
  /** Wait for what is left of the run to end by itself, instead of ending it. */
  waits: boolean;
  /** Take it that nothing is left where nobody can tell. */
  assumesEnded: boolean;
  /** How much of each output of a node is kept. */
  maxOutputBytes: number;
  /** The time between SIGTERM and SIGKILL. */
  graceMs: number;
  /** When a trace is written. */
  traceMode: TraceMode | undefined;
  /** Makes what shows the run. */
  createView: (flow: Flow) => WholeRunView;
}

/** A run that goes on, in its open log. */
interface Resumption extends ResumeRunOptions {
  flow: Flow;
  programs: ReadonlyMap<string, string>;
  log: FileEventLog<RunEvent>;
  history: RunHistory;
  view: WholeRunView;
  interrupts: Interrupts;
}

/** A probe may hold the lock for a moment; who works on the run holds it longer. */
const LIVE_TIMEOUT_MS = 500;

/** Signals after which the run can be resumed again; SIGTERM ends it for good, as it does any run. */
const PAUSING: readonly (Deno.Signal | undefined)[] = ["SIGINT", "SIGHUP"];

/**
 * Goes on with a run whose process died. Nobody else works on it as long as this does.
 *
 * @returns What became of it, and the exit code that says so.
 * @throws {ResumeError} If it cannot be resumed; its message says why, and what to do.
 */
export async function resumeRun(
  options: ResumeRunOptions,
): Promise<{ report: RunReport; exitCode: number; view: WholeRunView }> {
  const { root, runId, graceMs } = options;
  refuseEnded(runId, readRunHistory(root, runId));
  refuseOwnRun(runId);
  using interrupts = new Interrupts();
  let view: WholeRunView;
  {
    await using log = await openAlone(root, runId);
    const history = readRunHistory(root, runId);
    // It may have ended a moment ago.
    refuseEnded(runId, history);
    await refuseNewer(root, runId);
    const flow = await findFlow(options);
    const programs = findPrograms(flow);
    view = options.createView(flow);
    interrupts.announce(view, graceMs);
    interrupts.listen();
    view.runStarted(runId);
    try {
      await resumeRecorded({ ...options, flow, programs, log, history, view, interrupts });
    } catch (error) {
      view[Symbol.dispose]();
      if (interrupts.received === undefined || error !== interrupts.stop.reason) throw error;
    }
  }
  const report = await readRunReport(root, runId);
  const exitCode = interrupts.received?.exitCode ?? (report.state === "Completed" ? 0 : 1);
  if (report.state === "Running") {
    view.note(`go on with it: ${commandHint("resume", { root, runId })}`);
  }
  return { report, exitCode, view };
}

/** Runs what is left of it. What cannot be recorded leaves it without an end. */
async function resumeRecorded(resumption: Resumption): Promise<void> {
  const { flow, history, interrupts } = resumption;
  const halt = new AbortController();
  let fatal: unknown;
  const onFatal = (error: unknown) => {
    fatal ??= error;
    halt.abort();
  };
  await using records = await openRecorder({ ...resumption, begun: history });
  const { recorder, workers } = records;
  // What the store lacks of the log comes first, so that it has its order.
  await workers.catchUp();
  const past = await hasSession(resumption) ? pastRun(resumption, recorder) : undefined;
  if (history.startedTs === undefined) {
    await recorder.pipeStarted({ name: flow.name, nodes: flow.nodes.map(({ id }) => id) });
  }
  const { hurry, stop: interrupted } = interrupts;
  const invoker = new CommandInvoker({ ...resumption, recorder, hurry, onFatal });
  const reason = await superviseNodes({
    ...resumption,
    recorder,
    invoker,
    stop: AbortSignal.any([interrupted, halt.signal]),
    ...(past !== undefined && { past }),
  });
  if (fatal !== undefined) throw fatal;
  const signal = interrupts.received?.name;
  if (reason === undefined) return await recorder.pipeCompleted();
  if (reason === "cancelled" && PAUSING.includes(signal)) return;
  const isSignal = reason === "cancelled" && signal !== undefined;
  await recorder.pipeAborted(isSignal ? `cancelled by ${signal}` : reason);
}

/** What to do once the journal has been gone through, before anything new begins. */
function pastRun(resumption: Resumption, recorder: RunRecorder): PastRun {
  const { runId, interrupts, view } = resumption;
  const attempts = new PastAttempts(resumption);
  return {
    attempts,
    async onRecovered(recovered: RecoveredCapture) {
      await attempts.recordEnds(recovered, recorder);
      await endLeftProcesses({
        ...resumption,
        runId,
        attempts: attempts.cutOff(recovered),
        hurry: interrupts.hurry,
        stop: interrupts.stop,
        note: (text) => view.note(text),
      });
    },
  };
}

function refuseEnded(runId: string, { state }: RunHistory): void {
  if (state === "Running") return;
  const how = state === "Completed" ? "it has completed" : `it has ended: ${state.Aborted.reason}`;
  const remedy = state === "Completed" ? "there is nothing left to do" : "run its flow again";
  throw new ResumeError(runId, `${how}; ${remedy}`);
}

/** It would have to end itself first. */
function refuseOwnRun(runId: string): void {
  if (Deno.env.get("TAFFRAIL_RUN_ID") !== runId) return;
  throw new ResumeError(runId, "this is one of its own commands; resume it from outside");
}

async function openAlone(root: string, runId: string): Promise<FileEventLog<RunEvent>> {
  try {
    return await openEventLog({
      root,
      runId,
      durability: "disk",
      exclusive: true,
      lockTimeoutMs: LIVE_TIMEOUT_MS,
    });
  } catch (cause) {
    if (!(cause instanceof EventLogError) || cause.kind !== "live") throw cause;
    const who = cause.details.actual === undefined
      ? "another process"
      : `process ${cause.details.actual}`;
    const problem = `it is still being worked on by ${who}; ` +
      `${commandHint("follow", { root, runId })} shows it`;
    throw new ResumeError(runId, problem, { cause });
  }
}

/** The flow with the values of its variables, which are in its file only. */
async function findFlow({ root, runId, flowPath }: ResumeRunOptions): Promise<Flow> {
  const record = await readFlowRecord(root, runId);
  if (record === undefined) {
    throw new ResumeError(
      runId,
      "it has no flow.json: it died before it began, or another program recorded it; " +
        "run its flow again",
    );
  }
  if (record.path === null) {
    if (flowPath === undefined) return flowOfRecord(record);
    throw new UsageError(`Cannot use --flow: ${runId} is the run of a command, not of a flow`);
  }
  const path = flowPath ?? record.path;
  const flow = await readFlow(path).catch((cause) => {
    throw new ResumeError(runId, `${cause.message}; name the flow that was run with --flow`, {
      cause,
    });
  });
  const difference = flowDifference(record, flow);
  if (difference === undefined) return flow;
  const remedy = "name the flow that was run with --flow, or run this one anew";
  throw new ResumeError(runId, `${path} is not the flow that was run: ${difference}; ${remedy}`);
}

/** Whether anything was decided. A run that died before it was is begun as a new one is. */
async function hasSession({ root, runId, history }: Resumption): Promise<boolean> {
  const { journal } = runPaths(root, runId);
  try {
    await Deno.lstat(journal);
    // Opening it mends its end.
    openCaptureJournal(journal).close();
    await recoverCapture(journal);
    return true;
  } catch (error) {
    const isNone = error instanceof Deno.errors.NotFound ||
      error instanceof CaptureJournalError && error.kind === "no-session";
    if (!isNone) throw error;
    if (history.attempts.size === 0) return false;
    throw new ResumeError(
      runId,
      `its capture journal ${journal} is missing or empty, so nobody can tell what it had decided; ` +
        "run its flow again",
      { cause: error },
    );
  }
}

/**
 * Refuses a run whose recording or trace a newer version has written, before anything is written beside
 * them. The log and the store do so by themselves when they are opened.
 */
export async function refuseNewer(root: string, runId: string): Promise<void> {
  const { journal, bundle, trace } = runPaths(root, runId);
  const refuse = (cause: unknown) => {
    // Whatever else is wrong is told by who uses the file.
    if (isNewer(cause)) throw new ResumeError(runId, newerText(cause), { cause });
  };
  await recoverCapture(journal).catch(refuse);
  await readCaptureBundle(bundle).catch(refuse);
  await readTrace(trace).catch(refuse);
}
