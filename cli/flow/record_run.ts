import {
  type EventLog,
  type FileEventLog,
  newRunId,
  openEventLog,
  type RunEvent,
} from "../../eventlog/mod.ts";
import type { TraceMode } from "../../trace/mod.ts";
import { prepareRootDirectory } from "../root_directory.ts";
import { readRunReport, type RunReport } from "../run_report.ts";
import { CommandInvoker, type CommandInvokerOptions, type RunView } from "./command_invoker.ts";
import { writeFlowRecord } from "./flow_record.ts";
import { Interrupts } from "./interrupts.ts";
import { openRecorder } from "./open_recorder.ts";
import { RecordingError } from "./recording_error.ts";
import { runFlow } from "./run_flow.ts";
import { superviseNodes } from "./supervise_nodes.ts";

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
