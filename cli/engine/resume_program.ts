/**
 * Goes on with the run of a program, which only the program itself can: it is started again, as its run says
 * that it was.
 *
 * - What is left of the run has ended before the program starts.
 * - The run is not held while the program runs, which holds it itself.
 * - The program is as if it were started by hand: it has the streams and the terminal of this process, gets the
 *   signals that this process gets, and its exit code is passed on.
 */
import { isWindows } from "../../_internal/path.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import { resumeVariable } from "../../run/marks.ts";
import type { RunsRoot, RunView } from "../../run/types.ts";
import { exitCodeOfSignal, signalNumber, UsageError } from "../exit_codes.ts";
import { findCommand, pathFor } from "../flow/find_programs.ts";
import { NotStartedError, refuseNotExecutable } from "../process/cannot_run.ts";
import { ProcessGroup } from "../process/end_processes.ts";
import type { Interrupts } from "../process/interrupts.ts";
import { endOrphans } from "../process/orphan_processes.ts";
import { hasTerminal } from "../process/shared_terminal.ts";
import { commandHint } from "../reading/find_run.ts";
import type { ProgramAbout } from "../reading/program_about.ts";
import type { JunitFile } from "../report/junit_file.ts";
import { ciWishes, wantsAny } from "../display/run_display.ts";
import { outcomeOf, outcomeText, reasonText } from "../reading/run_outcome.ts";
import { printReportJson, readRunReport, type RunReport } from "../reading/run_report.ts";
import { commandLine, listed, printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { ResumeError } from "./errors.ts";

/** How a program is gone on with. */
export interface ResumeProgramOptions {
  /** What the root was named. */
  root: string;
  runs: RunsRoot;
  runId: string;
  json: boolean;
  /** Wait for what is left of the run to end by itself, instead of ending it. */
  waits: boolean;
  /** Assume that nothing is left where that cannot be found out. */
  assumesEnded: boolean;
  /** The time between what asks what is left to end and SIGKILL, in milliseconds. */
  graceMs: number;
  /** Options that were given and that only flows know. */
  ofFlows: readonly string[];
  /** The JUnit file that is asked for. */
  junit: JunitFile | undefined;
}

/** A program that has said how it is started. */
export type StartedProgram = ProgramAbout & { command: readonly string[] };

/** A run that is held, of a program. */
interface HeldProgram {
  program: StartedProgram;
  /** Gives the run up. */
  hold: AsyncDisposable;
  interrupts: Interrupts;
}

/**
 * Goes on with it.
 *
 * @returns The exit code of the program; 1 where that is 0 and it has not gone on with the run.
 * @throws {ResumeError} If it cannot be started, or what is left of its run cannot be ended.
 */
export async function resumeProgram(
  options: ResumeProgramOptions,
  { program, hold, interrupts }: HeldProgram,
): Promise<number> {
  const { root, runs, runId, json, ofFlows, junit } = options;
  const view = runs.view(runId);
  let before: number;
  let start: Start;
  {
    await using _ = hold;
    refuseOfFlows(ofFlows, runId);
    start = startOf(program, options);
    const target: { send?: (signal: Deno.Signal) => void } = {};
    const errors = new Screen(Deno.stderr);
    const note = (text: string) => errors.line(printableLine(text));
    interrupts.listen((signal) => target.send?.(signal));
    start.onSpawned = (child) => passSignals(child, interrupts, target);
    const { stop, kill } = interrupts;
    // Its functions have died with it; what they have started bears the mark of its run.
    const left = { attempts: [], wholeRun: true, processes: [] };
    await endOrphans({ ...options, root: runs.name, ...left, stop, kill, note });
    if (interrupts.received !== undefined) {
      note(`${interrupts.received.name}: the run is as it was`);
      return interrupts.received.exitCode;
    }
    before = await sittingsOf(view);
    errors.line(`run_id=${runId}`);
    if (!json) note(`▸ ${commandLine(start.words)}`);
  }
  const exitCode = await startProgram(start, runId);
  const hasGoneOn = await sittingsOf(view) > before;
  const report = await readRunReport({ root, view });
  const errors = new Screen(Deno.stderr);
  if (!hasGoneOn) errors.line(printableLine(notGoneOn({ root, runId }, exitCode)));
  if (json) printReportJson(errors, report);
  else printEnd(errors, report, root);
  const wishes = ciWishes(junit);
  if (wantsAny(wishes)) {
    const { tellCi } = await import("../report/tell_ci.ts");
    const note = (text: string) => errors.line(printableLine(text));
    await tellCi({ root, view }, { display: { screen: errors, note, endLine() {} }, wishes });
  }
  return hasGoneOn ? exitCode : exitCode || 1;
}

function refuseOfFlows(names: readonly string[], runId: string): void {
  if (names.length === 0) return;
  const given = listed(names.map((name) => `--${name}`));
  throw new UsageError(
    `Cannot use ${given}: ${runId} is the run of a program, and not of a flow; what runs again is ` +
      "said by the options of openRun and durable, accept and retryFailed",
  );
}

/** A program that is to be started. */
interface Start {
  /** The command as it is recorded. */
  words: readonly string[];
  /** The path of its program. */
  path: string;
  cwd: string;
  env: Record<string, string>;
  /** Whether it shares the terminal, and the process group of this process. */
  sharesTerminal: boolean;
  onSpawned?: (child: Deno.ChildProcess) => void;
}

/** What to start; nothing is begun where that is known not to work. */
function startOf(
  { command, cwd = Deno.cwd() }: StartedProgram,
  { runs: { name: root }, runId }: { runs: RunsRoot; runId: string },
): Start {
  const path = findCommand(command, cwd);
  const cannot = (problem: string, cause?: unknown) => {
    const text = `its program cannot be started: ${problem}`;
    return new ResumeError("no-program", text, { runId, cause });
  };
  if (typeof path !== "string") throw cannot(path.problem);
  try {
    refuseNotExecutable(path);
  } catch (cause) {
    throw cannot(NotStartedError.of(cause, { program: path, cwd }).message, cause);
  }
  const env = {
    PATH: pathFor(undefined),
    TAFFRAIL_ROOT: root,
    TAFFRAIL_RESUME: resumeVariable({ root, runId }),
  };
  return { words: command, path, cwd, env, sharesTerminal: hasTerminal() };
}

/** Starts it and waits for its end; returns what a shell would exit with. */
async function startProgram(
  { words, path, cwd, env, sharesTerminal, onSpawned }: Start,
  runId: string,
): Promise<number> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(path, {
      args: words.slice(1),
      cwd,
      env,
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
      detached: !isWindows && !sharesTerminal,
    }).spawn();
  } catch (cause) {
    const { message } = NotStartedError.of(cause, { program: path, cwd });
    throw new ResumeError("no-program", `its program cannot be started: ${message}`, {
      runId,
      cause,
    });
  }
  onSpawned?.(child);
  const { code, signal } = await child.status;
  return signal === null ? code : exitCodeOfSignal(signalNumber(signal));
}

/** From now on signals are for the program, each as it comes: it says itself what becomes of them. */
function passSignals(
  child: Deno.ChildProcess,
  interrupts: Interrupts,
  target: { send?: (signal: Deno.Signal) => void },
): void {
  const isAlone = hasTerminal();
  const group = new ProcessGroup(child, { isAlone });
  interrupts.commands.add(group);
  if (isAlone) interrupts.shareTerminal();
  target.send = (signal) => {
    // A terminal that is closed says so to all that share it.
    if (!isAlone || signal !== "SIGHUP") group.send(signal);
  };
  // One that came while it was being started.
  if (interrupts.received !== undefined) target.send(interrupts.received.name);
}

/** How often a run was begun or gone on with, by its journal; 0 where that has nothing. */
async function sittingsOf(view: RunView): Promise<number> {
  try {
    const { resumed } = await recoverCapture(view.raw("capture"));
    return 1 + resumed.length;
  } catch {
    return 0;
  }
}

function notGoneOn({ root, runId }: { root: string; runId: string }, exitCode: number): string {
  return `The program has ended with exit code ${exitCode}, and has not gone on with ${runId}: it ` +
    `has to open the root ${root} with the name of that run, by openRun or durable; ` +
    `${commandHint("show", { root, runId })} tells of the run`;
}

function printEnd(screen: Screen, report: RunReport, root: string): void {
  const { run_id: runId, state } = report;
  const { text, colour } = outcomeText(outcomeOf(report));
  screen.line(`${screen.paint(runId, "bold")}  ${screen.paint(text, colour)}`);
  if (typeof state === "object") {
    screen.line(printableLine(`reason  ${reasonText(state.Aborted.reason)}`));
  }
  if (state !== "Completed") screen.line(`go on   ${commandHint("resume", { root, runId })}`);
}
