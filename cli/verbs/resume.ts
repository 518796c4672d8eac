import { checkRegular } from "../../_internal/file_port.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { readCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import type { PipeState } from "../../eventlog/run_state.ts";
import { EventLogError } from "../../eventlog/event_log_error.ts";
import type { FileEventLog } from "../../eventlog/file_event_log.ts";
import { openEventLog } from "../../eventlog/open_event_log.ts";
import type { RunEvent } from "../../eventlog/run_event.ts";
import type { NodeAttempt } from "../../run/types.ts";
import { readTrace } from "../../trace/read_trace.ts";
import { ResumeError } from "../engine/errors.ts";
import { runFlow, type RunFlowEnd } from "../engine/run_flow.ts";
import { exitCodeOfRun, UsageError } from "../exit_codes.ts";
import { lookAt } from "../files.ts";
import { findPrograms } from "../flow/find_programs.ts";
import type { Flow } from "../flow/flow.ts";
import {
  flowDifference,
  flowOfRecord,
  type FlowRecord,
  FlowRecordError,
  readFlowRecord,
} from "../flow/flow_record.ts";
import { flowOfCapture } from "../flow/node_event.ts";
import { readFlow } from "../flow/parse_flow.ts";
import { Interrupts } from "../process/interrupts.ts";
import { endOrphans } from "../process/orphan_processes.ts";
import { isSuspended } from "../process/run_holder.ts";
import { commandHint, findReadableRun } from "../reading/find_run.ts";
import { isNewer, newerText } from "../reading/open_capture.ts";
import { JsonDisplay, type RunDisplay, TextDisplay } from "../reading/run_display.ts";
import { readRunLog } from "../reading/run_log.ts";
import { flowPorts, reportOfEnd } from "../record_run.ts";
import {
  onlyOperand,
  readArguments,
  RUN_HELP,
  RUN_OPTIONS,
  type RunSettings,
  runSettings,
  type Verb,
} from "./arguments.ts";

/** `taffrail resume`: goes on with a run whose process died. */
export const resumeVerb: Verb = {
  summary: "go on with a run whose process was killed",
  help: `Goes on with a run whose process died: killed, or by a power cut. What has
completed does not run again. Attempts that were cut off are run again, when
nothing of them runs any more: what is left of them is ended first. RUN is the
id of a run, its beginning where no other begins so, or the name of a flow for
its newest run without an end.

Usage: taffrail resume [options] RUN

  --flow FLOW         the flow file, where it is no longer where it was: it has
                      the values of "env", and must not have changed
  --wait              wait for what is left of the run to end by itself
  --assume-ended      take it that nothing is left where nobody can tell; on
                      Linux that is rare
${RUN_HELP}

A run that has ended, well or not, cannot be resumed, nor can one that somebody
works on. Attempts are numbered on; max_retries counts anew. Ctrl-C ends what
runs and leaves the run without an end, so that it can be resumed again; SIGTERM
ends it for good. Output and exit codes are those of taffrail run.`,

  async run(args) {
    const kinds = {
      ...RUN_OPTIONS,
      flow: "string",
      wait: "boolean",
      "assume-ended": "boolean",
    } as const;
    const { root, json, options, operands } = readArguments("resume", args, kinds);
    const wanted = onlyOperand("resume", operands, "run");
    const runId = await findReadableRun(root, wanted, (id) => mayBeOpen(root, id));
    return await resumeRun({
      root,
      runId,
      json,
      flowPath: options.flow,
      waits: options.wait ?? false,
      assumesEnded: options["assume-ended"] ?? false,
      ...runSettings(options),
    });
  },
};

/** Whether a run has no end; one that cannot be read may have none. */
function mayBeOpen(root: string, runId: string): boolean {
  try {
    return stateOf(root, runId) === "Running";
  } catch {
    return true;
  }
}

function stateOf(root: string, runId: string): PipeState {
  return readRunLog(root, runId).fold.state().state;
}

interface ResumeOptions extends RunSettings {
  root: string;
  runId: string;
  json: boolean;
  /** Where the flow file is now, if it is no longer where it was. */
  flowPath: string | undefined;
  /** Wait for what is left of the run to end by itself, instead of ending it. */
  waits: boolean;
  /** Assume that nothing is left where that cannot be found out. */
  assumesEnded: boolean;
}

/** A probe may hold the lock for a moment; who works on the run holds it longer. */
const LIVE_TIMEOUT_MS = 500;

/**
 * Goes on with a run whose process died. Nobody else works on it as long as this does.
 *
 * @returns The exit code.
 * @throws {ResumeError} If it cannot be resumed; its message says why, and what to do.
 */
async function resumeRun(options: ResumeOptions): Promise<number> {
  const { root, runId, json } = options;
  refuseEnded(runId, stateOf(root, runId));
  refuseOwnRun(runId);
  using interrupts = new Interrupts();
  using shown = new DisposableStack();
  let display: RunDisplay;
  let end: RunFlowEnd | undefined;
  let isSound: boolean;
  {
    await using log = await openAlone(root, runId);
    const logged = readRunLog(root, runId);
    isSound = logged.damagedLines === 0;
    // It may have ended a moment ago.
    refuseEnded(runId, logged.fold.state().state);
    await refuseNewer(root, runId);
    const flow = await findFlow(options);
    const programs = findPrograms(flow);
    display = shown.use(json ? new JsonDisplay() : new TextDisplay(flow, { root }));
    interrupts.listenFor(display, options.graceMs);
    display.runStarted(runId);
    const ports = flowPorts({ ...options, flow, programs, display }, interrupts);
    const { stop, kill } = interrupts;
    const note = (text: string) => display.note(text);
    const past = {
      ...logged,
      endOrphans: (attempts: NodeAttempt[]) =>
        endOrphans({ ...options, attempts, stop, kill, note }),
    };
    try {
      end = await runFlow({ ...options, ...ports, log, past });
    } catch (error) {
      if (interrupts.received === undefined || error !== interrupts.stop.reason) throw error;
    }
  }
  // Lines that cannot be used are counted by whoever reads the log again.
  const report = await reportOfEnd({ root, runId }, isSound ? end : undefined);
  if (report.state === "Running") {
    display.note(`go on with it: ${commandHint("resume", { root, runId })}`);
  }
  display.runEnded(report);
  // What commands print goes to files only, so none of it can be lost.
  return exitCodeOfRun(report, { received: interrupts.received, hasLost: false });
}

function refuseEnded(runId: string, state: PipeState): void {
  if (state === "Running") return;
  const how = state === "Completed" ? "it has completed" : `it has ended: ${state.Aborted.reason}`;
  const remedy = state === "Completed" ? "there is nothing left to do" : "run its flow again";
  throw new ResumeError("ended", `${how}; ${remedy}`, { runId });
}

/** It would have to end itself first. */
function refuseOwnRun(runId: string): void {
  if (Deno.env.get("TAFFRAIL_RUN_ID") !== runId) return;
  const problem = "this is one of its own commands; resume it from outside";
  throw new ResumeError("own-command", problem, { runId });
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
    const how = await isSuspended(root, runId) ? ", which is suspended" : "";
    const problem = `it is still being worked on by ${who}${how}; ` +
      `${commandHint("follow", { root, runId })} shows it`;
    throw new ResumeError("live", problem, { runId, cause });
  }
}

/** The flow that a run keeps; where it is gone or damaged it is said whether the journal has it. */
async function keptFlow(run: { root: string; runId: string }): Promise<FlowRecord> {
  const { root, runId } = run;
  let damage: FlowRecordError | undefined;
  const record = await readFlowRecord(root, runId).catch((error) => {
    if (!(error instanceof FlowRecordError) || error.kind !== "damaged") throw error;
    damage = error;
  });
  if (record !== undefined) return record;
  const recovered = await recoverCapture(runPaths(root, runId).journal).catch(() => undefined);
  const isInJournal = recovered !== undefined &&
    await flowOfCapture(recovered.bundle) !== undefined;
  const repair = `${commandHint("repair", run)} makes it again from the journal`;
  if (damage !== undefined) {
    if (!isInJournal) throw damage;
    const { kind, message, details } = damage;
    throw new FlowRecordError(kind, `${message}; or ${repair}`, { details, cause: damage });
  }
  const problem = isInJournal
    ? `it has no flow.json: ${repair}`
    : "it has no flow.json: it died before it began, or another program recorded it; " +
      "run its flow again";
  throw new ResumeError("no-flow", problem, { runId });
}

/** The flow with the values of its variables, which are in its file only. */
async function findFlow({ root, runId, flowPath }: ResumeOptions): Promise<Flow> {
  const record = await keptFlow({ root, runId });
  if (record.path === null) {
    if (flowPath === undefined) return flowOfRecord(record);
    throw new UsageError(`Cannot use --flow: ${runId} is the run of a command, not of a flow`);
  }
  const path = flowPath ?? record.path;
  const flow = await readRecordedFlow(path, { isGiven: flowPath !== undefined }).catch((cause) => {
    const problem = `${cause.message}; name the flow that was run with --flow`;
    throw new ResumeError("other-flow", problem, { runId, cause });
  });
  const difference = flowDifference(record, flow);
  if (difference === undefined) return flow;
  const remedy = "name the flow that was run with --flow, or run this one anew";
  const problem = `${path} is not the flow that was run: ${difference}; ${remedy}`;
  throw new ResumeError("other-flow", problem, { runId });
}

/** What a person gives may be a pipe; what only a record names is not waited for. */
async function readRecordedFlow(path: string, { isGiven }: { isGiven: boolean }): Promise<Flow> {
  const info = isGiven ? undefined : lookAt(path);
  if (info !== undefined) checkRegular(path, info);
  return await readFlow(path);
}

/**
 * Refuses a run whose recording or trace a newer version has written, before anything is written beside
 * them. The log and the store do so by themselves when they are opened.
 */
async function refuseNewer(root: string, runId: string): Promise<void> {
  const { journal, bundle, trace } = runPaths(root, runId);
  const refuse = (cause: unknown) => {
    // Whatever else is wrong is reported by who uses the file.
    if (isNewer(cause)) throw new ResumeError("newer", newerText(cause), { runId, cause });
  };
  await recoverCapture(journal).catch(refuse);
  await readCaptureBundle(bundle).catch(refuse);
  await readTrace(trace).catch(refuse);
}
