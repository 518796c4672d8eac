/** What the records of one run say of each other: what must be there, and where they do not agree. */
import { checkRegular, denoFilePort, lookAtSync } from "../../_internal/file_port.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { RecoveredCapture } from "../../capture/session/recover_capture.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { AttemptInfo } from "../../eventlog/run_state.ts";
import { errorKindOf } from "../../run/attempt_key.ts";
import { Asks } from "../../run/engine/asks.ts";
import { JournalHistory, loggedAttempt } from "../../run/engine/journal_history.ts";
import type { RunTermination } from "../../supervisor/types.ts";
import { exists } from "../files.ts";
import { flowOfRecord, type FlowRecord, readFlowRecord } from "../flow/flow_record.ts";
import { flowOfCapture, flowProvenance, isOfCommands } from "../flow/node_event.ts";
import { logProblem } from "../reading/find_run.ts";
import type { RunLog } from "../reading/run_log.ts";
import { listed } from "../text/printable.ts";
import {
  canBeJournal,
  type InspectedCapture,
  MAKE_BUNDLE,
  MAKE_JOURNAL,
} from "./inspect_capture.ts";
import { inspectOutputs } from "./inspect_outputs.ts";
import { intactText, isOfNewerFormat } from "./inspect_run_file.ts";
import { inspectFollowing } from "./inspect_store.ts";
import { fileProblem, type InspectedRun, type Part, type Problem } from "./problem.ts";

/** What was read of a run. */
interface ReadRecords {
  /** Its log; undefined when there is none that can be read. */
  log: RunLog | undefined;
  capture: InspectedCapture;
  /** Whether nothing is wrong in either of them. */
  isSound: boolean;
}

const MAKE_LOG = "make it again from the journal";
const MAKE_RUN_FILE = "make it again from what else the run has";
const MAKE_FLOW = "make it again from the journal, and keep what was there under another name";
const UNDECIDED = "without it the run can be neither replayed nor resumed; run its flow again";
const COMPLETE_LOG = "write what is missing behind its last line, from the journal";

/**
 * What a run lacks that its kind implies, and where its records do not agree. A run of the command has
 * all of them; what a program of the user's records beside its log is its own matter, but for what one of
 * two files says of the other. As long as a run has no end only what must be there already is missed.
 */
export async function inspectAgreement(
  run: InspectedRun,
  { log, capture, isSound }: ReadRecords,
): Promise<Problem[]> {
  const isOfCommand = isOfTheCommand(run, { log, capture });
  if (log === undefined) {
    return exists(runPaths(run.root, run.runId).events) ? [] : [await missingLog(run, capture)];
  }
  const { fold } = log;
  const hasBegun = fold.state().nodes.some(({ status }) => status !== "Pending");
  const found = missingCapture(run, { fold, capture, isSound, isOfCommand, hasBegun });
  if (!isOfCommand) return found;
  if (!exists(runPaths(run.root, run.runId).run)) {
    found.push(problemMaker(run)("run", "missing", "it is gone", MAKE_RUN_FILE));
  }
  found.push(...inspectProcesses(run), ...await inspectFlow(run, { hasBegun, capture }));
  return [...found, ...await inspectFromJournalOn(run, { fold, capture, isSound })];
}

/** What is missing of the two files of a capture, of which each was made with the other. */
function missingCapture(
  run: InspectedRun,
  { fold, capture: { has, recovered, bundle }, isSound, isOfCommand, hasBegun }: {
    fold: RunFold;
    capture: InspectedCapture;
    isSound: boolean;
    isOfCommand: boolean;
    hasBegun: boolean;
  },
): Problem[] {
  const problem = problemMaker(run);
  const makeJournal = bundle !== undefined && canBeJournal(bundle) ? MAKE_JOURNAL : null;
  if (has.bundle && !has.journal && (isOfCommand || bundle !== undefined)) {
    const message = "it is gone, and the bundle was made of it";
    return [problem("capture", "missing", message, makeJournal)];
  }
  if (!isOfCommand) return [];
  if (!has.journal) {
    const message = `it is gone, and so is the bundle: ${UNDECIDED}`;
    return hasBegun ? [problem("capture", "missing", message)] : [];
  }
  const found: Problem[] = [];
  if (hasBegun && recovered === undefined && isSound) {
    found.push(problem("capture", "missing", `it is empty: ${UNDECIDED}`, makeJournal));
  }
  if (!has.bundle && endsWithBundle(fold) && isSound) {
    const repair = recovered === undefined ? null : MAKE_BUNDLE;
    found.push(problem("bundle", "missing", "it is gone", repair));
  }
  return found;
}

/** What is written behind the journal, in this order: the log, outputs beside it, and the store. */
async function inspectFromJournalOn(
  run: InspectedRun,
  { fold, capture: { has, recovered }, isSound }: {
    fold: RunFold;
    capture: InspectedCapture;
    isSound: boolean;
  },
): Promise<Problem[]> {
  // Damage explains what is missing.
  const lost = isSound && recovered !== undefined
    ? [
      ...lostEvents(run, { fold, recovered, hasBundle: has.bundle }),
      ...otherEnds(run, { fold, recovered }),
    ]
    : [];
  if (lost.length > 0) {
    // A damaged name is told once.
    return [...lost, ...await inspectOutputs(run, fold, nodesOf(recovered!))];
  }
  const found = isSound ? lostBegins(run, { fold, recovered, hasBundle: has.bundle }) : [];
  found.push(...await inspectOutputs(run, fold));
  if (fold.state().run_id !== "") {
    found.push(...await inspectFollowing(run, { fold, isClean: endsWithBundle(fold) }));
  }
  return found;
}

type MakeProblem = (part: Part, kind: string, message: string, repair?: string | null) => Problem;

function problemMaker({ root, runId }: InspectedRun): MakeProblem {
  const paths = runPaths(root, runId);
  const files: Partial<Record<Part, string>> = {
    run: paths.run,
    log: paths.events,
    flow: paths.flow,
    capture: paths.journal,
    bundle: paths.bundle,
    processes: paths.processes,
  };
  return (part, kind, message, repair = null) => {
    const place = { run_id: runId, part, path: files[part] ?? paths.directory };
    return fileProblem(place, { kind, message, repair });
  };
}

/** Whether the command made a run: any of what it alone records tells it, since all else may be gone. */
function isOfTheCommand(
  { root, runId }: InspectedRun,
  { log, capture }: Pick<ReadRecords, "log" | "capture">,
): boolean {
  const { flow, nodes, processes } = runPaths(root, runId);
  if ([flow, nodes, processes].some(exists)) return true;
  const hasCommand = [capture.recovered?.bundle, capture.bundle].some((bundle) => {
    return bundle !== undefined && isOfCommands(bundle) === true;
  });
  return hasCommand || (log !== undefined && hasErrorHash(log.fold));
}

function hasErrorHash(fold: RunFold): boolean {
  return fold.state().nodes.some(({ id }) => {
    return fold.attemptsOf(id).some(({ error_hash: hash }) => hash !== undefined);
  });
}

function attemptsOf(recovered: RecoveredCapture) {
  return new JournalHistory(recovered, new Asks()).attempts();
}

function nodesOf(recovered: RecoveredCapture): Set<string> {
  return new Set(attemptsOf(recovered).map(({ nodeId }) => nodeId));
}

/** Whether the end of a run stands behind its bundle: not where the records themselves failed. */
function endsWithBundle(fold: RunFold): boolean {
  const { state } = fold.state();
  if (typeof state === "string") return state === "Completed";
  return /^(?:node .* failed: |cancelled)/.test(state.Aborted.reason);
}

async function missingLog(run: InspectedRun, capture: InspectedCapture): Promise<Problem> {
  const problem = problemMaker(run);
  const isMade = capture.recovered?.damage === null && !run.live &&
    await recordOf(run) !== undefined;
  const intact = await intactText(run.root, run.runId);
  const message = intact === undefined
    ? logProblem(run.root, run.runId)!
    : `it has no log; ${intact}`;
  return problem("log", "missing", message, isMade ? MAKE_LOG : null);
}

/** The flow of a run; undefined when there is none that can be used. */
async function recordOf({ root, runId }: InspectedRun): Promise<FlowRecord | undefined> {
  return await readFlowRecord(root, runId).catch(() => undefined);
}

/** What was running when the process died is looked for with it; its lines are not synced, and may be cut. */
function inspectProcesses(run: InspectedRun): Problem[] {
  const { processes: path } = runPaths(run.root, run.runId);
  try {
    const info = lookAtSync(denoFilePort, path);
    if (info !== undefined) checkRegular(path, info);
    return [];
  } catch (error) {
    return [problemMaker(run)("processes", "unreadable", reasonOf(error))];
  }
}

async function inspectFlow(
  run: InspectedRun,
  { hasBegun, capture }: { hasBegun: boolean; capture: InspectedCapture },
): Promise<Problem[]> {
  const problem = problemMaker(run);
  const source = capture.recovered?.bundle ?? capture.bundle;
  const canMake = source !== undefined && await flowOfCapture(source) !== undefined;
  const repair = canMake && !run.live ? MAKE_FLOW : null;
  let record: FlowRecord | undefined;
  try {
    record = await readFlowRecord(run.root, run.runId);
  } catch (error) {
    const isMade = !isOfNewerFormat(runPaths(run.root, run.runId).flow);
    return [problem("flow", "unreadable", reasonOf(error), isMade ? repair : null)];
  }
  if (record === undefined) {
    const message = "it is gone: without it the run cannot be resumed; run its flow again";
    return hasBegun ? [problem("flow", "missing", message, repair)] : [];
  }
  const recorded = source?.runtime_provenance;
  const digest = await provenanceOf(record);
  if (digest === record.provenance && (recorded === undefined || recorded === digest)) return [];
  const message = digest === record.provenance
    ? "it is another flow than that of the journal"
    : "it was changed: its digest is not that of its nodes";
  return [problem("flow", "differs", message, repair)];
}

/** The names of variables count, which a flow of a record does not have. */
async function provenanceOf(record: FlowRecord): Promise<string> {
  const flow = flowOfRecord(record);
  const nodes = flow.nodes.map((node, index) => {
    const names = record.nodes[index]!.env;
    return { ...node, env: Object.fromEntries(names.map((name) => [name, ""])) };
  });
  return await flowProvenance({ ...flow, nodes });
}

/**
 * What the log lacks of what the capture journal has. A line that is missing from a log cannot be seen in
 * the log alone. The journal is written first, so a run that was killed may lack its last end.
 */
function lostEvents(
  run: InspectedRun,
  { fold, recovered, hasBundle }: {
    fold: RunFold;
    recovered: RecoveredCapture;
    hasBundle: boolean;
  },
): Problem[] {
  const problem = problemMaker(run);
  const missing = attemptsOf(recovered)
    .filter(({ termination }) => termination !== null)
    .filter((attempt) => {
      const logged = loggedAttempt(fold, attempt);
      return logged === undefined || logged.status === "Running";
    });
  if (missing.length === 0 || run.live) return [];
  const names = missing.map(({ nodeId, attempt }) => `${nodeId} (attempt ${attempt})`);
  const message = `it lacks ends that the capture journal has: ${names.slice(0, 5).join(", ")}` +
    (names.length > 5 ? ` and ${names.length - 5} more` : "");
  const hasEnd = fold.state().state !== "Running";
  // Nothing begins before its begin is in the log, so that only an end can be missing of a killed run.
  const hasBegins = fold.hasBegun && missing.every((attempt) => loggedAttempt(fold, attempt));
  if (!hasEnd && !hasBundle && hasBegins) {
    return [problem("log", "unfinished", `${message}; resuming writes them`)];
  }
  // Behind its end nothing more counts.
  return [problem("log", "lost-events", message, hasEnd ? null : COMPLETE_LOG)];
}

/** What the log itself shows that it lacks: begins of what has an end, and the end of what is sealed. */
function lostBegins(
  run: InspectedRun,
  { fold, recovered, hasBundle }: {
    fold: RunFold;
    recovered: RecoveredCapture | undefined;
    hasBundle: boolean;
  },
): Problem[] {
  const problem = problemMaker(run);
  const { nodes, state, run_id: logged } = fold.state();
  // A session begins behind the begin of its run.
  if ((logged === "" && recovered === undefined) || run.live) return [];
  const missing = nodes.flatMap(({ id }) => {
    return fold.attemptsOf(id).filter(({ started_ts: ts }) => ts === undefined)
      .map(({ attempt }) => `that of ${id} (attempt ${attempt})`);
  });
  if (!fold.hasBegun) missing.unshift("that of the run");
  const found = missing.length === 0 ? [] : [
    problem(
      "log",
      "lost-events",
      `it lacks begins: ${listed(missing)}`,
      logged === "" ? COMPLETE_LOG : null,
    ),
  ];
  if (state !== "Running" || !hasBundle) return found;
  const message = "it lacks the end of the run, whose recording is sealed; resuming writes it";
  return [...found, problem("log", "unfinished", message)];
}

/** Where the log says of an attempt something else than the journal, which was written first. */
function otherEnds(
  run: InspectedRun,
  { fold, recovered }: { fold: RunFold; recovered: RecoveredCapture },
): Problem[] {
  const problem = problemMaker(run);
  return attemptsOf(recovered).flatMap(({ nodeId, attempt: number, termination, end: ended }) => {
    const logged = loggedAttempt(fold, { nodeId, attempt: number });
    if (termination === null || logged === undefined || logged.status === "Running") return [];
    const [end, recordedEnd] = [endText(logged.status), journalEndText(termination)];
    const what = `node ${nodeId} (attempt ${number})`;
    if (end !== recordedEnd) {
      const message = `it says of ${what}: ${end}, and the capture journal says: ${recordedEnd}`;
      return [problem("log", "differs", message)];
    }
    const { output_hash: recorded } = ended ?? {};
    const { output_hash: hash } = logged;
    if (recorded === undefined || hash === undefined || hash === recorded) return [];
    const message = `its digest of what ${what} printed is ${hash}, and the capture journal ` +
      `has ${recorded}`;
    return [problem("log", "differs", message)];
  });
}

function endText(status: AttemptInfo["status"]): string {
  if (typeof status === "string") return status === "Completed" ? "completed" : "running";
  return status.Failed.kind;
}

function journalEndText(termination: RunTermination): string {
  return termination === "Completed" ? "completed" : errorKindOf(termination);
}
