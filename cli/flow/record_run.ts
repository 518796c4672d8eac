import { newRunId, openEventLog } from "../../eventlog/mod.ts";
import { prepareRootDirectory } from "../root_directory.ts";
import { readRunReport, type RunReport } from "../run_report.ts";
import { formatDuration } from "../units.ts";
import { CommandInvoker, type CommandInvokerOptions, type RunView } from "./command_invoker.ts";
import { Interrupts } from "./interrupts.ts";
import { runFlow } from "./run_flow.ts";
import { RunRecorder } from "./run_recorder.ts";

/** How to run a flow and record it. */
export type RecordRunOptions =
  & Omit<CommandInvokerOptions, "runId" | "recorder" | "hurry">
  & { view: RunView };

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
  interrupts.onInterrupt = (signal, isFirst) => {
    view.note(
      isFirst
        ? `${signal}: ending what runs, within ${formatDuration(graceMs)}; once more to kill it`
        : `${signal}: killing what runs`,
    );
  };
  interrupts.listen();
  const runId = await newRunId({ root, name: flow.name });
  view.runStarted(runId);
  {
    await using log = await openEventLog({ root, runId, durability: "disk" });
    const recorder = new RunRecorder(log);
    const { hurry } = interrupts;
    const invoker = new CommandInvoker({ ...options, runId, recorder, hurry });
    await runFlow(flow, { invoker, recorder, interrupts });
  }
  const report = await readRunReport(root, runId);
  const exitCode = interrupts.received?.exitCode ?? (report.state === "Completed" ? 0 : 1);
  return { report, exitCode };
}
