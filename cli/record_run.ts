import type { FileEventLog } from "../eventlog/file_event_log.ts";
import { openEventLog } from "../eventlog/open_event_log.ts";
import type { RunEvent } from "../eventlog/run_event.ts";
import { isLive, newRunId } from "../eventlog/runs_directory.ts";
import { RecordingError } from "./engine/errors.ts";
import { runFlow, type RunFlowEnd } from "./engine/run_flow.ts";
import type { PlacePorts } from "./engine/types.ts";
import { exitCodeOfRun } from "./exit_codes.ts";
import { findPrograms } from "./flow/find_programs.ts";
import type { Flow } from "./flow/flow.ts";
import { CommandInvoker } from "./process/command_invoker.ts";
import { Interrupts } from "./process/interrupts.ts";
import { prepareRootDirectory } from "./reading/find_root.ts";
import type { RunDisplay } from "./reading/run_display.ts";
import { readRunReport, reportOf, type RunReport } from "./reading/run_report.ts";
import type { RunSettings } from "./verbs/arguments.ts";

/** How a run ended, and the exit code for it. */
interface EndOfRun {
  /** What `show --json` prints of it. */
  report: RunReport;
  /** The exit code. */
  exitCode: number;
}

/**
 * Runs a flow, and records it as a new run below the root.
 *
 * @param flow The flow.
 * @param options Where, how, and what shows it, from its begin to its end.
 * @returns How it ended.
 * @throws {UsageError} If a program of the flow is missing; then nothing was recorded.
 * @throws {RecordingError} If something cannot be recorded.
 */
export async function recordRun(
  flow: Flow,
  options: RunSettings & { root: string; display: RunDisplay },
): Promise<EndOfRun> {
  const { root, display } = options;
  const programs = findPrograms(flow);
  prepareRootDirectory(root);
  using interrupts = new Interrupts();
  interrupts.listenFor(display, options.graceMs);
  let runId: string;
  let end: RunFlowEnd;
  {
    await using log = await openNewLog(root, flow.name);
    runId = log.runId;
    display.runStarted(runId);
    end = await runFlow({
      ...options,
      ...flowPorts({ ...options, flow, programs, runId }, interrupts),
      log,
      past: undefined,
    });
  }
  const report = await reportOfEnd({ root, runId }, end);
  display.runEnded(report);
  const { received } = interrupts;
  const hasLost = display.passed?.hasLost ?? false;
  return { report, exitCode: exitCodeOfRun(report, { received, hasLost }) };
}

/** A flow that is to be run, and by what it is shown. */
interface RunOfFlow extends RunSettings {
  flow: Flow;
  programs: ReadonlyMap<string, string>;
  root: string;
  runId: string;
  display: RunDisplay;
}

/** What a run is connected with: where its commands run, who sees it, and who may end it. */
export function flowPorts(run: RunOfFlow, interrupts: Interrupts) {
  const { display: observer } = run;
  const { stop, kill } = interrupts;
  const { passed } = observer;
  return {
    flow: run.flow,
    runId: run.runId,
    observer,
    stop,
    stoppedBy: () => interrupts.received?.name,
    openPlace: (ports: PlacePorts) => {
      const passThrough = passed && { output: passed.output.take, errors: passed.errors.take };
      const options = { ...run, ...ports, observer, kill, ...(passThrough && { passThrough }) };
      return new CommandInvoker(options);
    },
  };
}

/** What `show` tells of a run that has ended. `end`: undefined when it was broken off; then its log is read. */
export async function reportOfEnd(
  run: { root: string; runId: string },
  end: RunFlowEnd | undefined,
): Promise<RunReport> {
  const { root, runId } = run;
  if (!end?.isAlone) return await readRunReport(root, runId);
  return reportOf(run, { ...end, live: await isLive(root, runId) });
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
