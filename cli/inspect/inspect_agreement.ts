/** What the records of one run say of each other: what must be there, and where they do not agree. */
import { runPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { lastRuntimeOf } from "../../capture/bundle/records.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { exists } from "../files.ts";
import { type FlowRecord, provenanceOfRecord, readFlowRecord } from "../flow/flow_record.ts";
import { flowOfCapture, isOfCommands } from "../flow/node_event.ts";
import { logProblem } from "../reading/find_run.ts";
import { hasLines, isOfFiles, recordPlaces } from "../reading/open_root.ts";
import type { RunLog } from "../../run/engine/run_log.ts";
import {
  canBeJournal,
  type InspectedCapture,
  MAKE_BUNDLE,
  MAKE_JOURNAL,
} from "./inspect_capture.ts";
import { inspectDifferences, inspectLost, inspectResults, journalOfRun } from "./inspect_log.ts";
import { inspectOutputs } from "./inspect_outputs.ts";
import { intactText, isOfNewerFormat } from "./inspect_run_file.ts";
import { inspectFollowing } from "./inspect_store.ts";
import { type InspectedRun, type Problem, problemMaker } from "./problem.ts";

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

/**
 * What a run lacks that its kind implies, and where its records do not agree. A run of the command has
 * all of them; what a program of the user's records beside its log is its own matter, but for what one of
 * two files says of the other. As long as a run has no end only what must be there already is missed.
 */
export async function inspectAgreement(
  run: InspectedRun,
  { log, capture, isSound }: ReadRecords,
): Promise<Problem[]> {
  const problem = problemMaker(run);
  if (log === undefined) {
    return hasLog(run) ? [] : [await missingLog(run, capture)];
  }
  const { recovered } = capture;
  const isOfCommand = await isOfTheCommand(run, { log, capture });
  const isOfEngine = isOfCommand || [recovered?.bundle, capture.bundle].some(isOfTheEngine);
  const { fold } = log;
  const hasBegun = Array.from(fold.nodes()).some(({ status }) => status !== "Pending");
  const found = missingCapture(run, { capture, isSound, isOfEngine, hasBegun });
  if (!isOfEngine) return found;
  if (!await run.view.has("run.json")) {
    found.push(problem("run", "missing", "it is gone", MAKE_RUN_FILE));
  }
  if (isOfCommand) found.push(...await inspectFlow(run, { hasBegun, capture, fold }));
  // Damage explains what is missing.
  const journal = isSound && recovered !== undefined ? journalOfRun(recovered, fold) : undefined;
  const ofLog = isSound && !run.live ? inspectLost(problem, { fold, journal }) : [];
  if (journal !== undefined) {
    ofLog.push(...inspectDifferences(problem, { fold, journal }));
    ofLog.push(...await inspectResults(problem, { ...run, journal }));
  }
  found.push(...ofLog);
  const [resumed, record] = [recovered?.resumed ?? [], await recordOf(run)];
  found.push(...await inspectOutputs(run, { fold, journal, resumed, record }));
  // What follows a log cannot be compared with one that is not right.
  if (ofLog.length > 0 || fold.run.run_id === "" || !isOfFiles(run.root)) return found;
  const isClean = fold.run.state === "Completed" || recovered?.ended !== null;
  return [...found, ...await inspectFollowing(run, { fold, isClean, lines: log.lastSeq })];
}

/** What is missing of the two files of a capture, of which each was made with the other. */
function missingCapture(
  run: InspectedRun,
  { capture: { has, recovered, bundle }, isSound, isOfEngine, hasBegun }: {
    capture: InspectedCapture;
    isSound: boolean;
    isOfEngine: boolean;
    hasBegun: boolean;
  },
): Problem[] {
  const problem = problemMaker(run);
  const makeJournal = bundle !== undefined && canBeJournal(bundle) ? MAKE_JOURNAL : null;
  if (has.bundle && !has.journal && (isOfEngine || bundle !== undefined)) {
    const message = "it is gone, and the bundle was made of it";
    return [problem("capture", "missing", message, makeJournal)];
  }
  if (!isOfEngine) return [];
  if (!has.journal) {
    const message = `it is gone, and so is the bundle: ${UNDECIDED}`;
    return hasBegun ? [problem("capture", "missing", message)] : [];
  }
  if (recovered === undefined) {
    const message = `it is empty: ${UNDECIDED}`;
    return hasBegun && isSound ? [problem("capture", "missing", message, makeJournal)] : [];
  }
  // Behind the end in the journal it is written before anything else.
  const isGone = !has.bundle && recovered.ended !== null && isSound && !run.live;
  return isGone ? [problem("bundle", "missing", "it is gone", MAKE_BUNDLE)] : [];
}

/** Whether the run engine wrote a recording: what it alone records tells it. */
function isOfTheEngine(bundle: CaptureBundle | undefined): boolean {
  const notes = bundle !== undefined && "inputs" in bundle ? bundle.notes ?? [] : [];
  return notes.some(({ type }) => type === "ended" || type === "resumed");
}

/** Whether the command made a run: any of what it alone records tells it, since all else may be gone. */
async function isOfTheCommand(
  { root, runId, view }: InspectedRun,
  { log, capture }: Pick<ReadRecords, "log" | "capture">,
): Promise<boolean> {
  const hasProcesses = isOfFiles(root)
    ? exists(runPaths(root, runId).processes)
    : await hasLines(view, "processes");
  if (hasProcesses || await view.has("flow.json")) return true;
  const kinds = [capture.recovered?.bundle, capture.bundle].map((bundle) => {
    return bundle && isOfCommands(bundle);
  });
  if (kinds.includes(true)) return true;
  // The results of a program's steps are kept there, too.
  if (kinds.includes(false)) return false;
  const hasPrinted = isOfFiles(root) && hasOutputs(runPaths(root, runId).nodes);
  return hasPrinted || (log !== undefined && hasErrorHash(log.fold));
}

/** Whether there is a log; a database has that of each of its runs. */
function hasLog({ root, runId }: InspectedRun): boolean {
  return !isOfFiles(root) || exists(runPaths(root, runId).events);
}

/** Whether anything was printed: the results of steps are kept in the same place. */
function hasOutputs(nodes: string): boolean {
  try {
    const files = Array.from(Deno.readDirSync(nodes), ({ name }) => name);
    return files.some((name) => !name.endsWith(".result"));
  } catch {
    // Whatever else stands there was put there.
    return exists(nodes);
  }
}

function hasErrorHash(fold: RunFold): boolean {
  return fold.state().nodes.some(({ id }) => {
    return fold.attemptsOf(id).some(({ error_hash: hash }) => hash !== undefined);
  });
}

async function missingLog(run: InspectedRun, capture: InspectedCapture): Promise<Problem> {
  const problem = problemMaker(run);
  const isMade = capture.recovered?.damage === null && !run.live &&
    (capture.recovered.ended !== null || await recordOf(run) !== undefined);
  if (isUnbegun(run)) {
    const message =
      "it is not there yet: whoever made the run is about to, or was killed before; " +
      "if nobody works on it, remove its folder";
    return problem("log", "unfinished", message);
  }
  const intact = await intactText(run);
  const message = intact === undefined
    ? logProblem(run.root, run.runId)!
    : `it has no log; ${intact}`;
  return problem("log", "missing", message, isMade ? MAKE_LOG : null);
}

/** Whether a run has been made, and nothing else: its files come right behind the first. */
function isUnbegun({ root, runId }: InspectedRun): boolean {
  const { run, journal, bundle, flow, nodes, processes } = runPaths(root, runId);
  return exists(run) && ![journal, bundle, flow, nodes, processes].some(exists);
}

/** The flow of a run; undefined when there is none that can be used. */
async function recordOf(run: InspectedRun): Promise<FlowRecord | undefined> {
  return await readFlowRecord(run).catch(() => undefined);
}

async function inspectFlow(
  run: InspectedRun,
  { hasBegun, capture: { recovered, bundle }, fold }: {
    hasBegun: boolean;
    capture: InspectedCapture;
    fold: RunFold;
  },
): Promise<Problem[]> {
  const problem = problemMaker(run);
  const source = recovered?.bundle ?? bundle;
  const canMake = source !== undefined && await flowOfCapture(source) !== undefined;
  const repair = canMake && !run.live ? MAKE_FLOW : null;
  let record: FlowRecord | undefined;
  try {
    record = await readFlowRecord(run);
  } catch (error) {
    const isMade = !isOfNewerFormat(recordPlaces(run).flow);
    return [problem("flow", "unreadable", reasonOf(error), isMade ? repair : null)];
  }
  if (record === undefined) {
    const message = fold.run.state === "Completed"
      ? "it is gone: nothing else has what its nodes needed"
      : "it is gone: without it the run cannot be resumed; run its flow again";
    return hasBegun ? [problem("flow", "missing", message, repair)] : [];
  }
  const digest = await provenanceOfRecord(record);
  if (digest !== record.provenance) {
    const message = "it was changed: its digest is not that of its nodes";
    return [problem("flow", "differs", message, repair)];
  }
  if (source === undefined || lastRuntimeOf(source) === digest) return [];
  const message = "it is another flow than that of the journal";
  // Who goes on with a run writes it before the journal says so, and may be killed in between.
  const isOpen = recovered?.ended?.state !== "Completed" && fold.run.state !== "Completed";
  return isOpen
    ? [problem("flow", "unfinished", `${message}; resuming says so there`)]
    : [problem("flow", "differs", message, repair)];
}
