/** Everything that is wrong in the records of one run, each compared with the others. */
import type { Gap } from "../../eventlog/types.ts";
import { verifyLog, verifyRun } from "../../eventlog/verify_run.ts";
import { join } from "../../_internal/path.ts";
import { lostPath, runPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { RunView } from "../../run/types.ts";
import { readTrace } from "../../trace/read_trace.ts";
import type { TraceEnvelope } from "../../trace/types.ts";
import { exists, isFromMissingFile } from "../files.ts";
import { findRun, logProblem } from "../reading/find_run.ts";
import {
  isOfFiles,
  isRedacted,
  listRunIds,
  type OpenedRoot,
  recordPlaces,
} from "../reading/open_root.ts";
import { readTraceOf } from "../reading/read_documents.ts";
import { linePagesOf, readLogOf, type RunLog } from "../../run/engine/run_log.ts";
import { Screen } from "../text/screen.ts";
import { inspectAgreement } from "./inspect_agreement.ts";
import { inspectCapture } from "./inspect_capture.ts";
import { inspectRunFile } from "./inspect_run_file.ts";
import { inspectStoreOfRun } from "./inspect_store.ts";
import {
  fileProblem,
  type InspectedRun,
  isNote,
  type Problem,
  problemMaker,
  unreadable,
} from "./problem.ts";

/** The runs that are meant: those that are named, or all. */
export async function chosenRuns(
  opened: OpenedRoot,
  operands: readonly string[],
): Promise<string[]> {
  if (operands.length === 0) return await listRunIds(opened.runs);
  const found = await Promise.all(operands.map((operand) => findRun(opened, operand)));
  return [...new Set(found)];
}

/** Goes through runs, one after the other; on a terminal it shows how far it is. */
export function* withProgress(doing: string, runIds: readonly string[]): Generator<string> {
  const progress = new Screen(Deno.stderr);
  try {
    for (const [index, runId] of runIds.entries()) {
      progress.status(`${doing} ${index + 1}/${runIds.length} ${runId}`);
      yield runId;
    }
  } finally {
    progress.status();
  }
}

/** Everything that is wrong in the records of a run. Nothing is changed, and it may be at work. */
export async function inspectRun({ root, runs }: OpenedRoot, runId: string): Promise<Problem[]> {
  try {
    const view = runs.view(runId);
    const run = { root, runId, view, live: await view.holder() !== undefined };
    // Without it nothing else is opened.
    const own = await inspectRunFile(run);
    const found = own.length > 0 ? own : await inspectRecords(run);
    // Nothing but files is mended.
    return isOfFiles(root) ? found : found.map((one) => ({ ...one, repair: null }));
  } catch (error) {
    const { directory: path } = recordPlaces({ root, runId });
    const place = { run_id: runId, part: "log", path } as const;
    return [fileProblem(place, { kind: "unreadable", message: reasonOf(error) })];
  }
}

async function inspectRecords(run: InspectedRun): Promise<Problem[]> {
  const log = await inspectLog(run);
  const capture = await inspectCapture(run, log.read?.fold);
  const damage = [...log.problems, ...capture.problems];
  // Damage explains what is missing.
  const isSound = damage.every(isNote);
  return [
    ...damage,
    ...log.notes ?? [],
    ...await noteOfRedaction(run),
    ...isOfFiles(run.root) ? keptLines(run) : [],
    ...log.read === undefined ? [] : await inspectStreams(run),
    ...await inspectAgreement(run, { log: log.read, capture, isSound }),
    ...await inspectTraces(run),
    ...isOfFiles(run.root)
      ? await inspectStoreOfRun(run, { isLogSound: log.problems.length === 0 })
      : [],
  ];
}

/** Of what was left out nothing can be compared. */
async function noteOfRedaction(run: InspectedRun): Promise<Problem[]> {
  if (!await isRedacted(run.view)) return [];
  const message =
    "it was exported without what may be private: outputs and results are not there, " +
    "and were not compared";
  return [problemMaker(run)("run", "redacted", message)];
}

const MEND_LOG = "complete the line, or move it to a file beside the log";

/** Everything that is wrong in the event log of a run; what it says, where there is one. */
async function inspectLog(
  run: InspectedRun,
): Promise<{ problems: Problem[]; notes?: Problem[]; read?: RunLog }> {
  const { root, runId, view, live } = run;
  const path = recordPlaces(run).events;
  const place = { run_id: runId, part: "log", path } as const;
  const hasFile = isOfFiles(root);
  // What it should be made of again is found by comparing it.
  if (hasFile && !exists(path)) return { problems: [] };
  const unusable = (message: string) => {
    return { problems: [fileProblem(place, { kind: "unreadable", message })] };
  };
  const problem = logProblem(root, runId);
  if (problem !== undefined) return unusable(problem);
  try {
    // Of a file it is also told where in it a line is.
    const verdict = await (hasFile ? verifyRun(root, runId) : verifyLog(runId, view.events));
    const { problems, notes } = verdict;
    const found = problems
      // A writer is just writing that line.
      .filter(({ kind }) => !(live && kind === "torn"))
      // A whole line is never changed: others may have its number.
      .map((problem) => {
        return fileProblem(place, {
          ...problem,
          repair: problem.kind === "torn" ? MEND_LOG : null,
        });
      });
    const known = notes.map(({ kind, message, ...where }) => {
      const what = `${kind}: ${message}; it was so when the run was gone on with`;
      return fileProblem(place, { ...where, kind: "known-damage", message: what });
    });
    return { problems: found, notes: known, read: await readLogOf(view) };
  } catch (error) {
    return unusable(reasonOf(error));
  }
}

/** Lines that were acknowledged, and kept beside a log that something else has replaced or cut. */
function keptLines({ root, runId }: InspectedRun): Problem[] {
  const { events, journal } = runPaths(root, runId);
  const found: Problem[] = [];
  for (const [part, path] of [["log", events], ["capture", journal]] as const) {
    for (let number = 1; exists(lostPath(path, number)); number++) {
      const place = { run_id: runId, part, path: lostPath(path, number) };
      const message =
        `it has lines that ${path} lacks since something else replaced that; remove ` +
        "it when nobody needs them";
      found.push(fileProblem(place, { kind: "kept-lines", message }));
    }
  }
  return found;
}

const SET_ASIDE = "keep it under another name";

/** What is wrong with the traces of a run. Each is replaced as a whole, so it may be read at any time. */
async function inspectTraces(run: InspectedRun): Promise<Problem[]> {
  const { directory, trace } = recordPlaces(run);
  const own = await inspectTrace(run, trace, () => readTraceOf(run));
  if (!isOfFiles(run.root)) return own;
  const kept: string[] = [];
  for await (const { name } of Deno.readDir(directory)) {
    if (/^trace\.\d+\.json$/.test(name)) kept.push(join(directory, name));
  }
  const found = await Promise.all(
    kept.sort().map((path) => {
      return inspectTrace(run, path, () => readTrace(path));
    }),
  );
  return [...own, ...found.flat()];
}

async function inspectTrace(
  { runId }: InspectedRun,
  path: string,
  read: () => Promise<TraceEnvelope | undefined>,
): Promise<Problem[]> {
  const place = { run_id: runId, part: "trace", path } as const;
  try {
    const tracedRun = (await read())?.run_id;
    if (tracedRun === undefined || tracedRun === runId) return [];
    const message = `it is of the run ${tracedRun}`;
    return [fileProblem(place, { kind: "foreign-run", message, repair: SET_ASIDE })];
  } catch (error) {
    // Only a run in which something failed has one.
    if (isFromMissingFile(error)) return [];
    return [unreadable(place, error, { repair: SET_ASIDE })];
  }
}

/**
 * What is wrong in the lines that a run keeps beside its log and its journal, as far as it has them. Those
 * of its processes are never synced, as a power cut leaves no process: what is damaged of them tells of
 * none. A message in its inbox was on disk when its sender was answered.
 */
async function inspectStreams(run: InspectedRun): Promise<Problem[]> {
  const { processes, inbox } = recordPlaces(run);
  return [
    ...await inspectStream(run, { part: "processes", path: processes }),
    ...await inspectStream(run, { part: "inbox", path: inbox }),
  ];
}

async function inspectStream(
  { runId, view }: InspectedRun,
  { part, path }: { part: "processes" | "inbox"; path: string },
): Promise<Problem[]> {
  const place = { run_id: runId, part, path } as const;
  try {
    const gaps = await gapsIn(view, part);
    return gaps.map(({ seq: line, byteOffset, reason, message }) => {
      // Whoever wrote it was killed meanwhile, or is just writing it.
      const isLost = part === "processes" || reason === "torn";
      const kind = isLost ? "lost-tail" : reason;
      return fileProblem(place, { kind, line, byteOffset, message: `${reason}: ${message}` });
    });
  } catch (error) {
    return [fileProblem(place, { kind: "unreadable", message: reasonOf(error) })];
  }
}

async function gapsIn(view: RunView, stream: "processes" | "inbox"): Promise<Gap[]> {
  const found: Gap[] = [];
  for await (const { gaps } of linePagesOf(view, stream)) found.push(...gaps);
  return found;
}
