import { decodeUtf8, encodeUtf8, reasonOf } from "../../_internal/text.ts";
import { readCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { PipeState } from "../../eventlog/run_state.ts";
import { JournalHistory } from "../../run/engine/journal_history.ts";
import type { HeldRun, NodeAttempt, RunsRoot, RunView } from "../../run/types.ts";
import { RunError } from "../../run/run_error.ts";
import { parseTrace } from "../../trace/read_trace.ts";
import { RecordingError, ResumeError } from "../engine/errors.ts";
import { type FlowChoice, planResume, type ResumePlan } from "../engine/resume_plan.ts";
import type { RunFlowEnd } from "../engine/run_flow.ts";
import { passExitCode, UsageError } from "../exit_codes.ts";
import { Programs } from "../flow/find_programs.ts";
import { flowRecordText } from "../flow/flow_record.ts";
import { Interrupts } from "../process/interrupts.ts";
import { endOrphans } from "../process/orphan_processes.ts";
import { processText } from "../process/processes.ts";
import { processLinesOf } from "../process/process_log.ts";
import { HOLD_TIMEOUT_MS, isSuspended } from "../process/run_holder.ts";
import { commandHint, findReadableRun } from "../reading/find_run.ts";
import { isNewer, newerText, unusableBundle } from "../reading/open_capture.ts";
import { isOfFiles, openRoot, recordPlaces, type RunPlace } from "../reading/open_root.ts";
import { programAbout } from "../reading/program_about.ts";
import { displayOf } from "../display/run_display.ts";
import type { RunDisplay } from "../display/types.ts";
import type { JunitFile } from "../report/junit_file.ts";
import { readLogOf, type RunLog } from "../../run/engine/run_log.ts";
import { readRunReport } from "../reading/run_report.ts";
import { exitCodeOf, isForWorkers, reportOfEnd, runOfFlow } from "../record_run.ts";
import {
  KEEP_GOING,
  namesOption,
  onlyOperand,
  type OptionTable,
  readArguments,
  RUN_OPERAND,
  RUN_OPTIONS,
  type RunSettings,
  runSettings,
  type Verb,
  withJunit,
  workersOption,
} from "../text/arguments.ts";

const OPTIONS = {
  flow: {
    value: "FLOW",
    text: 'the flow file, where it is no longer where it was: it has the values of "env"',
  },
  accept: {
    value: "NODES",
    isList: true,
    text: "keep what these nodes came to, a,b, though they changed or are gone",
  },
  rerun: {
    value: "NODES",
    isList: true,
    text: "run these again though they have completed, and all that needs them",
  },
  "failed-only": { text: "run only what failed or was cut off, and nothing that was never begun" },
  ...KEEP_GOING,
  wait: {
    text: "wait for what is left of the run to end by itself; what it prints is lost, and " +
      "as nobody sees how it ends, its node runs again. What prints before this waits is " +
      "ended by the system then, as its pipe is gone",
  },
  "assume-ended": {
    text: "take it that nothing is left where nobody can tell; on Linux that is rare",
  },
  "take-over": {
    text: "take a run in a database from a process that holds it and does nothing, as it is " +
      "frozen or cut off: it kills its commands when it finds out",
  },
  ...RUN_OPTIONS,
} as const satisfies OptionTable;

/** `taffrail resume`: goes on with a run that has not completed. */
export const resumeVerb: Verb = {
  summary: "go on with a run that has not completed",
  help: {
    about: `Goes on with a run that has not completed: its process was killed, or stopped,
or a node failed. What has completed does not run again; everything else does.
What is left of attempts that were cut off is ended first.
${RUN_OPERAND} Of
the runs of a flow it is the newest that has not completed.`,
    usage: ["[options] RUN"],
    options: OPTIONS,
    operands: ["RUN"],
    runs: ["orphan", "aborted"],
    notes: `A run that is not completed can be resumed, whatever has ended it: a kill, a
signal, a node that failed. One that somebody works on cannot. Attempts are
numbered on; max_retries counts anew. Nodes that have not completed may have
changed, be new or be gone; the constraints are those with which the run began,
"on_failure" and "deadline" those of the flow now. A handler, "when" failure or
always, is looked at anew where what it ran after is asked for again; a failure
that "allow_failure" allows stands.
What is printed is what the verb prints that began the run: a command of exec,
and tasks, have their output passed on.

A run in a database can be resumed on any machine. What another one may have
left of it only that one sees: it is told, not waited for, and may still run.

The run of a program (openRun, durable) is gone on with by that: it is started
again by the "command" that it has recorded, in the folder where it began, and
finds the run by TAFFRAIL_RESUME. Its streams, signals and exit code are passed
on; only --wait, --assume-ended, --grace and --json are for it.`,
    exitCodes: `those of the verb that began the run, and of a program those of the program; 1
where it cannot be gone on with, or has completed, and nothing was begun, or
where a program ends well and has not gone on with its run.`,
    json: "what it prints for the verb that began the run.",
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("resume", args, OPTIONS);
    const wanted = onlyOperand("resume", operands, "run");
    const takesOver = options["take-over"] ?? false;
    if (takesOver && isOfFiles(root)) throw new UsageError(NO_TAKE_OVER);
    return await withJunit(options, wanted, async (junit) => {
      await using runs = await openRoot(root);
      const runId = await findReadableRun({ root, runs }, wanted, (id) => mayBeOpen(runs.view(id)));
      const settings = {
        junit,
        ofFlows: OF_FLOWS.filter((name) => options[name] !== undefined),
        root,
        runs,
        takesOver,
        runId,
        json,
        flowPath: options.flow,
        accept: namesOption(options.accept) ?? [],
        rerun: namesOption(options.rerun) ?? [],
        failedOnly: options["failed-only"] ?? false,
        keepsGoing: options["keep-going"],
        byWorkers: workersOption(options, root),
        waits: options.wait ?? false,
        assumesEnded: options["assume-ended"] ?? false,
        ...runSettings(options),
      };
      return await resumeRun(settings);
    });
  },
};

/** What only flows know: a program says itself what of it runs again. */
const OF_FLOWS = [
  "flow",
  "accept",
  "rerun",
  "failed-only",
  "keep-going",
  "trace",
  "max-output",
  "mask",
] as const;

/** Whether a run has no end; one that cannot be read may have none. */
async function mayBeOpen(view: RunView): Promise<boolean> {
  return await stateOf(view).catch(() => undefined) !== "Completed";
}

async function stateOf(view: RunView): Promise<PipeState> {
  return (await readLogOf(view)).fold.state().state;
}

const NO_TAKE_OVER =
  "Cannot use --take-over: the runs of a directory are held by processes of this " +
  "machine, and free when these are gone; taffrail stop --kill ends one that does nothing";

interface ResumeOptions extends RunSettings, FlowChoice {
  /** What the root was named. */
  root: string;
  runs: RunsRoot;
  runId: string;
  /** Take the run from whoever holds it. */
  takesOver: boolean;
  json: boolean;
  /** Wait for what is left of the run to end by itself, instead of ending it. */
  waits: boolean;
  /** Assume that nothing is left where that cannot be found out. */
  assumesEnded: boolean;
  /** Options that were given and that only flows know. */
  ofFlows: readonly string[];
  /** The JUnit file that is asked for. */
  junit: JunitFile | undefined;
}

/** A run that is held, and what is to be done of it. */
interface Prepared {
  held: HeldRun;
  /** Gives the run up. */
  hold: AsyncDisposable;
  log: RunLog;
  past: Past;
  plan: ResumePlan;
  interrupts: Interrupts;
}

/**
 * Goes on with a run that has not completed. Nobody else works on it as long as this does.
 *
 * @returns The exit code.
 * @throws {ResumeError} If it cannot be resumed; its message says why, and what to do.
 */
async function resumeRun(options: ResumeOptions): Promise<number> {
  const { root, runs, runId } = options;
  refuseEnded(runId, await stateOf(runs.view(runId)));
  refuseOwnRun(runId);
  using interrupts = new Interrupts();
  await using hold = new AsyncDisposableStack();
  const held = hold.use(await holdAlone(runs, options));
  const log = await readLogOf(held.view);
  // It may have ended a moment ago.
  refuseEnded(runId, log.fold.state().state);
  await refuseNewer({ root, view: held.view });
  const past = await readPast({ root, view: held.view, fold: log.fold });
  const program = await programAbout(held.view);
  if (program?.command !== undefined) {
    const { resumeProgram } = await import("../engine/resume_program.ts");
    const { command } = program;
    return await resumeProgram(options, {
      program: { ...program, command },
      hold: hold.move(),
      interrupts,
    });
  }
  const planning = { ...options, view: held.view, digestKey: () => runs.digestKey() };
  const plan = await planResume(planning, past.history);
  const prepared = { held, hold: hold.move(), log, past, plan, interrupts };
  // Up to here nothing was to run, so whatever went wrong is a failure like that of any verb.
  return await passExitCode(plan.flow.madeBy, () => goOn(options, prepared), isRefusal);
}

/** Nothing was begun. */
function isRefusal(error: unknown): boolean {
  return error instanceof ResumeError || error instanceof CaptureJournalError;
}

/** Goes on with a run that may be gone on with; returns the exit code. */
async function goOn(options: ResumeOptions, prepared: Prepared): Promise<number> {
  const { root, runs, runId, json, junit } = options;
  const { held, log: { fold, lastSeq, damaged }, plan, interrupts } = prepared;
  const { history, lostLines } = prepared.past;
  const { flow, digests } = plan;
  // What is sent is sent when the run is over, and all of it is shown.
  await using behind = new AsyncDisposableStack();
  let display: RunDisplay;
  let end: RunFlowEnd | undefined;
  {
    await using _ = prepared.hold;
    // What has completed may have been run by something that is gone since.
    const programs = new Programs(flow).check(
      plan.open.filter((node) => !isForWorkers(node, options)),
    );
    const completed = flow.nodes.length - plan.open.length;
    display = behind.use(await displayOf(flow, { root, json, completed, junit }));
    interrupts.listenFor(display, options.graceMs);
    display.runStarted(held.view);
    const run = { ...options, root: runs.name, flow, digests, programs, held, display, fold };
    const { stop, kill } = interrupts;
    const note = (text: string) => display.note(text);
    for (const text of plan.notes) note(text);
    const past = history && {
      ...plan,
      damaged,
      endLeftovers: async (attempts: readonly NodeAttempt[]) => {
        // What a worker has is the worker's to end, also on this machine.
        await endLeftToWorkers(run, note);
        const processes = attempts.length === 0 ? [] : await processLinesOf(held.view);
        await endOrphans({ ...run, attempts, processes, stop, kill, note });
        stop.throwIfAborted();
        await keepFlow(held, plan);
      },
    };
    end = await runOfFlow(run, { interrupts, behind, past, lostLines }).catch((error) => {
      if (error !== stop.reason) throw error;
      return undefined;
    });
  }
  const view = runs.view(runId);
  // Interrupted before it was gone on with, the run is as it was.
  const report = end === undefined
    ? await readRunReport({ root, view })
    : await reportOfEnd({ root, view, lastSeq }, end);
  if (report.state !== "Completed") {
    display.note(`go on with it: ${commandHint("resume", { root, runId })}`);
  }
  await display.runEnded(report, view);
  return exitCodeOf(report, { flow, interrupts, display, end });
}

/** Ends what the holder before has left to workers, and waits until nothing of it runs, or its worker is lost. */
async function endLeftToWorkers(
  { runs, held }: { runs: RunsRoot; held: HeldRun },
  note: (text: string) => void,
): Promise<void> {
  await runs.queue?.(held).endLeft(({ nodeId, attempt, worker }) => {
    note(`ending what ${worker} makes of ${nodeId}, attempt ${attempt}`);
  });
}

/** Keeps the flow as it is now, where that is not how the run has it. */
async function keepFlow(held: HeldRun, { flow, digests }: ResumePlan): Promise<void> {
  const text = await flowRecordText(flow, digests);
  const kept = await held.view.document("flow.json");
  if (kept !== undefined && decodeUtf8(kept) === text) return;
  await held.putDocument("flow.json", encodeUtf8(text));
}

function refuseEnded(runId: string, state: PipeState): void {
  if (state !== "Completed") return;
  throw new ResumeError("ended", "it has completed; there is nothing left to do", { runId });
}

/** It would have to end itself first. */
function refuseOwnRun(runId: string): void {
  if (Deno.env.get("TAFFRAIL_RUN_ID") !== runId) return;
  const problem = "this is one of its own commands; resume it from outside";
  throw new ResumeError("own-command", problem, { runId });
}

/** Holds a run; nobody else works on it until it is given up. */
async function holdAlone(
  runs: RunsRoot,
  { root, runId, takesOver }: ResumeOptions,
): Promise<HeldRun> {
  try {
    return await runs.hold(runId, { timeoutMs: HOLD_TIMEOUT_MS, takeOver: takesOver });
  } catch (cause) {
    if (cause instanceof RunError && cause.kind === "io") {
      throw new RecordingError("run", { of: `run ${runId}`, cause, hasBegun: false });
    }
    if (!(cause instanceof RunError) || cause.kind !== "live") throw cause;
    const who = processText(await runs.view(runId).holder() ?? {});
    const how = isOfFiles(root) && await isSuspended(root, runId) ? ", which is suspended" : "";
    const problem = `it is still being worked on by ${who}${how}; ` +
      `${commandHint("follow", { root, runId })} shows it`;
    throw new ResumeError("live", problem, { runId, cause });
  }
}

/** What another process has left in the journal of a run. */
interface Past {
  /** What it has recorded; undefined where nothing was decided, and the run is begun as a new one is. */
  history?: JournalHistory;
  /** How many lines there are of which nobody was told, where it has recorded nothing. */
  lostLines: number;
}

async function readPast(
  { root, view, fold }: { root: string; view: RunView; fold: RunFold },
): Promise<Past> {
  const { runId } = view;
  const run = { root, runId };
  try {
    const recovered = await recoverCapture(view.raw("capture"));
    if (recovered.ended?.state === "Completed") {
      const problem = "its journal says that it has completed, and its log lacks the end; " +
        `${commandHint("repair", run)} writes it`;
      throw new ResumeError("ended", problem, { runId });
    }
    return { history: JournalHistory.of(recovered, fold), lostLines: 0 };
  } catch (cause) {
    if (!(cause instanceof CaptureJournalError) || cause.kind !== "no-session") throw cause;
    const { lines: lostLines = 0, lost } = cause.details;
    const isUnbegun = fold.state().nodes.every(({ status }) => status === "Pending");
    // That it has no flow tells more.
    const hasNoFlow = await view.document("flow.json") === undefined;
    if (hasNoFlow || (isUnbegun && lost)) return { lostLines };
    const what = lostLines === 0
      ? "its capture.jsonl is missing or empty"
      : `its capture journal is damaged: ${reasonOf(cause)}`;
    const remedy = await view.document("capture.json") === undefined
      ? "run its flow again"
      : `${commandHint("repair", run)} makes it again from its bundle, if that is whole`;
    const problem = `${what}, so nobody can tell what it had decided; ${remedy}`;
    throw new ResumeError("no-journal", problem, { runId, cause });
  }
}

/**
 * Refuses a run whose recording or trace a newer version has written, before anything is written beside
 * them. The log and the store do so by themselves when they are opened.
 */
async function refuseNewer({ root, view }: RunPlace): Promise<void> {
  const { runId } = view;
  const refuse = (explain: (cause: unknown) => string) => (cause: unknown) => {
    // Whatever else is wrong is reported by who uses the file.
    if (isNewer(cause)) throw new ResumeError("newer", explain(cause), { runId, cause });
  };
  await recoverCapture(view.journal).catch(refuse(newerText));
  const { bundle: path } = recordPlaces({ root, runId });
  const bundle = await view.document("capture.json").catch(() => undefined);
  if (bundle !== undefined) {
    await readCaptureBundle(bundle).catch(refuse((cause) => unusableBundle(path, cause)));
  }
  const trace = await view.document("trace.json").catch(() => undefined);
  if (trace === undefined) return;
  await Promise.try(() => parseTrace(trace)).catch(refuse(newerText));
}
