import { openCaptureJournal } from "../../capture/session/journal.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { RunEvent } from "../../eventlog/run_event.ts";
import type { EventLog } from "../../eventlog/types.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { type OpenRecords, openRecords } from "../../run/open_run.ts";
import { type RecordedBegin, RunRecorder } from "../../run/run_recorder.ts";
import type { NodeAttempt } from "../../run/types.ts";
import { traceConfigFromEnv } from "../../trace/trace_config.ts";
import type { TraceMode } from "../../trace/types.ts";
import { exists } from "../files.ts";
import type { Flow } from "../flow/flow.ts";
import { writeFlowRecord } from "../flow/flow_record.ts";
import { RecordingError, ResumeError } from "./errors.ts";
import { type PastSession, superviseNodes } from "./node_session.ts";
import { PastAttempts } from "./past_attempts.ts";
import type { AttemptPlace, PlacePorts, RunObserver } from "./types.ts";

/** How to run a flow in the open log of its run. */
interface RunFlowOptions {
  /** The flow. */
  flow: Flow;
  /** The directory that holds the runs. */
  root: string;
  /** The run. */
  runId: string;
  /** The open log of the run. */
  log: EventLog<RunEvent>;
  /** Observes what happens. */
  observer: RunObserver;
  /** Makes the place where attempts are made. */
  openPlace: (ports: PlacePorts) => AttemptPlace;
  /** When a trace is written; as `TAFFRAIL_TRACE` says where that is left out. */
  traceMode: TraceMode | undefined;
  /** Ends the run: nothing more is started, and what runs is ended. */
  stop: AbortSignal;
  /** The signal that {@linkcode RunFlowOptions.stop} was aborted because of. */
  stoppedBy: () => Deno.Signal | undefined;
  /** What another process has recorded of the run, when it is gone on with. */
  past: PastRun | undefined;
}

/** A run that another process began. */
interface PastRun extends RecordedBegin {
  /** Ends what is left of its attempts, so that they can be made again; what it throws ends all. */
  endOrphans: (attempts: NodeAttempt[]) => Promise<void>;
}

/** What came of a run that was not broken off. */
export interface RunFlowEnd {
  /** Its log, folded. */
  fold: RunFold;
  /** Whether nobody else has written to the log meanwhile. */
  isAlone: boolean;
  /** What was given to the supervisor, and what it has decided. */
  bundle: CaptureBundle;
}

/** Signals after which a run that was resumed can be resumed again; SIGTERM ends it for good. */
const PAUSING: readonly (Deno.Signal | undefined)[] = ["SIGINT", "SIGHUP"];

/**
 * Runs a flow, or what is left of it, and records it.
 *
 * What is always true, at whatever line the process is killed:
 * - The log is open from before the first record to after the last one, so nobody else takes the run for
 *   one that nobody works on.
 * - What happens is in the capture journal first, then in the log, then in the store and the trace, each
 *   on disk before the next; nothing begins before its begin is in the log. So each of them can be
 *   brought up to the one before, and is when the run is resumed.
 * - The log gets exactly one terminal event (OEV-6), unless it is the log that cannot be written, or the
 *   run is one that was resumed and can be again: that is left without an end when it is broken off.
 * - When something cannot be recorded, what runs is ended, and nothing more begins.
 *
 * @throws {RecordingError} If something cannot be recorded.
 * @throws {ResumeError} If the run cannot be gone on with; then nothing has begun.
 */
export async function runFlow(options: RunFlowOptions): Promise<RunFlowEnd> {
  const { flow, past } = options;
  const halt = new AbortController();
  let fatal: { error: unknown } | undefined;
  const onFatal = (error: unknown) => {
    fatal ??= { error };
    halt.abort();
  };
  const stop = AbortSignal.any([options.stop, halt.signal]);
  const toError = (kind: "log" | "store", cause: unknown) => {
    return new RecordingError(kind, { of: `run ${options.runId}`, cause });
  };
  await using records = await openRunRecords(options).catch((cause) => {
    throw toError("store", cause);
  });
  const begun = past === undefined ? {} : { begun: past };
  const recorder = new RunRecorder({ ...records, toError, ...begun });
  // What the store lacks of the log comes first, so that it has its order.
  if (past !== undefined) await records.workers.catchUp();
  const place = options.openPlace({ recorder, onFatal });
  const session = past && await hasSession(options)
    ? pastSession(past, new PastAttempts(recorder, place))
    : undefined;
  if (!recorder.fold.hasBegun) {
    await recorder.pipeStarted({ name: flow.name, nodes: flow.nodes.map(({ id }) => id) });
  }
  try {
    if (past === undefined) await keepFlow(options);
    const nodes = { ...options, recorder, place, stop, past: session };
    const { reason, bundle } = await superviseNodes(nodes);
    if (fatal !== undefined) throw fatal.error;
    await recordEnd(options, recorder, reason);
    return { fold: recorder.fold, isAlone: recorder.isAlone, bundle };
  } catch (error) {
    const isOfLog = error instanceof RecordingError && error.kind === "log";
    if (past === undefined && !isOfLog) await recorder.pipeAborted(reasonOf(error));
    throw error;
  }
}

async function keepFlow({ flow, root, runId }: RunFlowOptions): Promise<void> {
  await writeFlowRecord({ root, runId }, flow).catch((cause) => {
    throw new RecordingError("capture", { of: `the flow of run ${runId}`, cause });
  });
}

async function recordEnd(
  { past, stoppedBy }: RunFlowOptions,
  recorder: RunRecorder,
  reason: string | undefined,
): Promise<void> {
  if (reason === undefined) return await recorder.pipeCompleted();
  const signal = reason === "cancelled" ? stoppedBy() : undefined;
  if (past !== undefined && PAUSING.includes(signal)) return;
  await recorder.pipeAborted(signal === undefined ? reason : `cancelled by ${signal}`);
}

/** What to do once the journal has been gone through, before anything new begins. */
function pastSession({ endOrphans }: PastRun, attempts: PastAttempts): PastSession {
  return {
    attempts,
    async onRecovered(recovered) {
      await attempts.recordEnds(recovered);
      await endOrphans(attempts.cutOff(recovered));
    },
  };
}

/** Whether anything was decided. A run that died before it was is begun as a new one is. */
async function hasSession({ root, runId, past }: RunFlowOptions): Promise<boolean> {
  const { journal, bundle } = runPaths(root, runId);
  try {
    await Deno.lstat(journal);
    // Opening it mends its end.
    openCaptureJournal(journal).close();
    await recoverCapture(journal);
    return true;
  } catch (cause) {
    const isMissing = cause instanceof Deno.errors.NotFound;
    const isNone = isMissing || cause instanceof CaptureJournalError && cause.kind === "no-session";
    if (!isNone) throw cause;
    if (past?.fold.state().nodes.every(({ status }) => status === "Pending")) return false;
    const what = isMissing || (await Deno.lstat(journal)).size === 0
      ? `its capture journal ${journal} is missing or empty`
      : `its capture journal is damaged: ${reasonOf(cause)}`;
    const remedy = exists(bundle)
      ? `taffrail repair ${runId} makes it again from its bundle, if that is whole`
      : "run its flow again";
    const problem = `${what}, so nobody can tell what it had decided; ${remedy}`;
    throw new ResumeError("no-journal", problem, { runId, cause });
  }
}

/** How many steps the trace of a run keeps, the newest. */
const TRACED_STEPS = 200;

/** Opens the records of a run beside its log. */
async function openRunRecords(
  { root, flow, log, observer, traceMode }: RunFlowOptions,
): Promise<OpenRecords> {
  const { mode, gitSha } = traceConfigFromEnv();
  return await openRecords({
    root,
    name: flow.name,
    log,
    trace: {
      mode: traceMode ?? mode,
      bufferSize: TRACED_STEPS,
      // Command lines stand in the log anyway, and a replay of the trace needs them.
      captureInputs: true,
      ...(gitSha !== undefined && { gitSha }),
    },
    onTraceError: ({ message }) => {
      observer.note(`Cannot write the trace: ${message}; the run goes on without it`);
    },
    onSignal: "flush-only",
  });
}
