import { readCaptureBundle, stringifyCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import { validateBundle } from "../../capture/bundle/validate_bundle.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { recoverCapture, type RecoveredCapture } from "../../capture/session/recover_capture.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import { isLive } from "../../eventlog/run_folder.ts";
import { listRuns } from "../../eventlog/runs_directory.ts";
import { verifyRun } from "../../eventlog/verify_run.ts";
import { runPaths, runtimeDirectory } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { StoreProblem } from "../../store/check/store_problem.ts";
import { verifyStore } from "../../store/check/verify_store.ts";
import { FsRuntimeStore } from "../../store/runtime/fs_runtime_store.ts";
import { RuntimeStoreError } from "../../store/runtime_store_error.ts";
import { readTrace } from "../../trace/read_trace.ts";
import { journalAttempts } from "../engine/past_attempts.ts";
import { readFlowRecord } from "../flow/flow_record.ts";
import { exists, isFromMissingFile } from "../files.ts";
import { findRun } from "../reading/find_run.ts";
import { logProblem, readRunLog } from "../reading/run_log.ts";
import { isNewer, newerText } from "../reading/open_capture.ts";
import { printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";

/** The records that a run consists of. */
export type Part = "log" | "capture" | "bundle" | "trace" | "store";

/** One thing that is wrong in the records. */
export interface Problem {
  /** The run; null for what belongs to none. */
  run_id: string | null;
  /** In which of the records. */
  part: Part;
  /** What is wrong, in a word. */
  kind: string;
  /** The file. */
  path: string;
  /** The 1-based line, where there is one. */
  line: number | null;
  /** Where it begins in the file, where that is known. */
  byte_offset: number | null;
  /** What is wrong, for people. */
  message: string;
  /** What `taffrail repair` does about it; null when nothing safe can be done. */
  repair: string | null;
}

/** A problem of a file: of one of its lines, or where none is given of the file as a whole. */
function fileProblem(
  place: Pick<Problem, "run_id" | "part" | "path">,
  what: Pick<Problem, "kind" | "message"> & Partial<Pick<Problem, "line" | "repair">> & {
    byteOffset?: number;
  },
): Problem {
  const { kind, line = null, byteOffset = null, message, repair = null } = what;
  return { ...place, kind, line, byte_offset: byteOffset, message, repair };
}

/** A file that cannot be read, with what mends it; what a newer version wrote is left alone. */
function unreadable(
  place: Pick<Problem, "run_id" | "part" | "path">,
  error: unknown,
  repair: { repair?: string } = {},
): Problem {
  if (isNewer(error)) return fileProblem(place, { kind: "newer", message: newerText(error) });
  return fileProblem(place, { kind: "unreadable", message: reasonOf(error), ...repair });
}

/** Prints each problem with its place, in the form that editors make a link of. */
export function printProblems(screen: Screen, problems: readonly Problem[]): void {
  for (const { path, line, kind, message, repair } of problems) {
    const place = line === null ? path : `${path}:${line}`;
    screen.line(`${screen.mark(false)} ${printableLine(`${place}: ${kind}: ${message}`)}`);
    if (repair !== null) screen.line(screen.paint(`  taffrail repair would ${repair}`, "dim"));
  }
}

/** The runs that are meant: those that are named, or all. */
export async function chosenRuns(root: string, operands: readonly string[]): Promise<string[]> {
  if (operands.length === 0) return await listRuns(root);
  const found = await Promise.all(operands.map((operand) => findRun(root, operand)));
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
export async function inspectRun(root: string, runId: string): Promise<Problem[]> {
  try {
    const run = { root, runId, live: await isLive(root, runId) };
    const [log, capture] = [await inspectLog(run), await inspectCapture(run)];
    // Damage explains what is missing.
    const isSound = log.length + capture.length === 0;
    return [
      ...log,
      ...capture,
      ...isSound ? await inspectAgreement(run) : [],
      ...await inspectTrace(run),
      ...await inspectStore(root, { runtimeId: runId }),
    ];
  } catch (error) {
    const place = { run_id: runId, part: "log", path: runPaths(root, runId).directory } as const;
    return [fileProblem(place, { kind: "unreadable", message: reasonOf(error) })];
  }
}

/**
 * What the log of an ended run lacks of what the capture journal has. A line that is missing from a log
 * cannot be seen in the log alone; the bundle is sealed when the log has every end.
 */
async function inspectAgreement(
  { root, runId, live }: { root: string; runId: string; live: boolean },
): Promise<Problem[]> {
  const { journal, bundle } = runPaths(root, runId);
  // A program of the user's names its work as it likes.
  if (live || !exists(bundle) || await readFlowRecord(root, runId) === undefined) return [];
  const { fold } = readRunLog(root, runId);
  const missing = journalAttempts(await recoverCapture(journal))
    // One that was aborted may never have begun.
    .filter(({ termination }) => termination !== null && termination !== "Aborted")
    .filter(({ nodeId, attempt: number }) => {
      const logged = fold.attemptsOf(nodeId).findLast(({ attempt }) => attempt === number);
      return logged === undefined || logged.status === "Running";
    });
  if (missing.length === 0) {
    return fold.state().state === "Running" ? [] : await inspectEnd(root, runId);
  }
  const names = missing.map(({ nodeId, attempt }) => `${nodeId} (attempt ${attempt})`);
  const place = { run_id: runId, part: "log", path: runPaths(root, runId).events } as const;
  const message = `it lacks ends that the capture journal has: ${names.slice(0, 5).join(", ")}` +
    (names.length > 5 ? ` and ${names.length - 5} more` : "");
  return [fileProblem(place, { kind: "lost-events", message })];
}

/** The store of a run that has ended is stopped, unless the run was killed in between. */
async function inspectEnd(root: string, runId: string): Promise<Problem[]> {
  const path = runtimeDirectory(root, runId);
  if (exists(path) && await isStopped(root, runId)) return [];
  const message = "it does not have the end of the run, which the log has";
  const repair = "bring it up to the log";
  return [
    fileProblem({ run_id: runId, part: "store", path }, { kind: "behind-log", message, repair }),
  ];
}

/** What cannot be opened is reported when the store is inspected. */
async function isStopped(root: string, runId: string): Promise<boolean> {
  try {
    await using store = await FsRuntimeStore.open({ root, runtimeId: runId, readOnly: true });
    return store.summary().status === "stopped";
  } catch (error) {
    if (error instanceof RuntimeStoreError) return true;
    throw error;
  }
}

const MEND = "complete the line, or move it to a file beside the journal";
const REWRITE = "keep it under another name, and make it again from the journal";

/** Everything that is wrong in the capture of a run: its journal, and the bundle made of it. */
async function inspectCapture(
  { root, runId, live }: { root: string; runId: string; live: boolean },
): Promise<Problem[]> {
  const { journal, bundle } = runPaths(root, runId);
  const { problems, recovered } = await inspectJournal({ runId, path: journal, live });
  // The bundle of a run at work is of a later moment than its journal was when it was read.
  const source = live ? undefined : recovered;
  return [...problems, ...await inspectBundle({ runId, path: bundle, source })];
}

async function inspectJournal(
  { runId, path, live }: { runId: string; path: string; live: boolean },
): Promise<{ problems: Problem[]; recovered?: RecoveredCapture }> {
  const place = { run_id: runId, part: "capture", path } as const;
  try {
    const recovered = await recoverCapture(path);
    const { damage } = recovered;
    if (damage === null || (live && damage.kind === "torn")) return { problems: [], recovered };
    const repair = damage.kind === "torn" ? MEND : null;
    return { problems: [fileProblem(place, { ...damage, repair })], recovered };
  } catch (error) {
    // A program of the user's may log without a supervisor.
    if (isFromMissingFile(error)) return { problems: [] };
    if (live && error instanceof CaptureJournalError && error.kind === "no-session") {
      return { problems: [] };
    }
    return { problems: [unreadable(place, error)] };
  }
}

async function inspectBundle(
  { runId, path, source }: { runId: string; path: string; source: RecoveredCapture | undefined },
): Promise<Problem[]> {
  const place = { run_id: runId, part: "bundle", path } as const;
  const repair = isComplete(source) ? { repair: REWRITE } : {};
  let bundle: CaptureBundle;
  try {
    bundle = await readCaptureBundle(path);
    validateBundle(bundle, { strict: false });
  } catch (error) {
    if (isFromMissingFile(error)) return [];
    return [unreadable(place, error, repair)];
  }
  if (!isComplete(source)) return [];
  if (stringifyCaptureBundle(bundle) === stringifyCaptureBundle(source.bundle)) return [];
  const message = "it says something else than the journal, of which it was made";
  return [fileProblem(place, { kind: "differs", message, ...repair })];
}

/** Whether the journal says all that the bundle of an ended session does. */
function isComplete(source: RecoveredCapture | undefined): source is RecoveredCapture {
  return source !== undefined && source.damage === null;
}

const MEND_LOG = "complete the line, or move it to a file beside the log";

/** Everything that is wrong in the event log of a run. */
async function inspectLog(
  { root, runId, live }: { root: string; runId: string; live: boolean },
): Promise<Problem[]> {
  const path = runPaths(root, runId).events;
  const place = { run_id: runId, part: "log", path } as const;
  try {
    const { problems } = await verifyRun(root, runId);
    return problems
      // A writer is just writing that line.
      .filter(({ kind }) => !(live && kind === "torn"))
      // A whole line is never changed: others may have its number.
      .map((problem) => {
        return fileProblem(place, {
          ...problem,
          repair: problem.kind === "torn" ? MEND_LOG : null,
        });
      });
  } catch (error) {
    const message = logProblem(root, runId) ?? reasonOf(error);
    return [fileProblem(place, { kind: "unreadable", message })];
  }
}

const SET_ASIDE = "keep it under another name";

/** What is wrong with the trace of a run. It is replaced as a whole, so it may be read at any time. */
async function inspectTrace(
  { root, runId }: { root: string; runId: string },
): Promise<Problem[]> {
  const { trace: path } = runPaths(root, runId);
  const place = { run_id: runId, part: "trace", path } as const;
  try {
    const { run_id: tracedRun } = await readTrace(path);
    if (tracedRun === undefined || tracedRun === runId) return [];
    const message = `it is of the run ${tracedRun}`;
    return [fileProblem(place, { kind: "foreign-run", message, repair: SET_ASIDE })];
  } catch (error) {
    // Only a run in which something failed has one.
    if (isFromMissingFile(error)) return [];
    return [unreadable(place, error, { repair: SET_ASIDE })];
  }
}

/** What is wrong in one runtime; or in all but those of some runs, and beside all of them. */
export async function inspectStore(
  root: string,
  which: { runtimeId: string } | { except: ReadonlySet<string> },
): Promise<Problem[]> {
  const { problems } = await verifyStore(root, which);
  return problems.map(asProblem);
}

function asProblem(problem: StoreProblem): Problem {
  const { runtime, kind, path, line, byteOffset, message, repairable } = problem;
  return {
    run_id: runtime === "" ? null : runtime,
    part: "store",
    kind,
    path,
    line: line ?? null,
    byte_offset: byteOffset ?? null,
    message,
    repair: repairable ? "mend it, and keep what it takes away" : null,
  };
}
