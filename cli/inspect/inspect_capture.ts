/** The capture of a run: its journal, and the bundle that is made of it when the session ends. */
import { stringifyCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import { validateBundle } from "../../capture/bundle/validate_bundle.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { recoverCapture, type RecoveredCapture } from "../../capture/session/recover_capture.ts";
import type { CaptureBundle, TaffrailCaptureBundle } from "../../capture/types.ts";
import type { RunPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { isFromMissingFile } from "../files.ts";
import { hasLines, recordPlaces } from "../reading/open_root.ts";
import { readBundleOf } from "../reading/read_documents.ts";
import { fileProblem, type InspectedRun, isNote, type Problem, unreadable } from "./problem.ts";

/** What the two files of a capture say. */
export interface InspectedCapture {
  /** Everything that is wrong in them. */
  problems: Problem[];
  /** What the journal has, up to where it can be read; undefined when there is none or it has nothing. */
  recovered: RecoveredCapture | undefined;
  /** The bundle; undefined when there is none that can be used. */
  bundle: CaptureBundle | undefined;
  /** Whether the files are there at all, in whatever state. */
  has: { journal: boolean; bundle: boolean };
}

/** A file that was looked at. */
interface Looked<T> {
  isThere: boolean;
  content?: T;
  problem?: Problem;
}

const MEND = "complete the line, or move it to a file beside the journal";
const REWRITE = "keep it under another name, and make it again from the journal";
const REWRITE_JOURNAL = "keep it under another name, and make it again from the bundle";

/** What `repair` does about a bundle that is gone, and about a journal. */
export const MAKE_BUNDLE = "make it again from the journal";
export const MAKE_JOURNAL = "make it again from the bundle";

/**
 * Everything that is wrong in the capture of a run as far as its files are there; `fold`: what the log says.
 */
export async function inspectCapture(
  run: InspectedRun,
  fold: RunFold | undefined,
): Promise<InspectedCapture> {
  const { runId, live } = run;
  const paths = recordPlaces(run);
  const journal = await lookAtJournal(run, fold);
  const bundle = await lookAtBundle(run);
  // The bundle of a run at work is of a later moment than its journal was when it was read.
  const problems = live ? [...problemsOf(journal), ...problemsOf(bundle)] : [
    ...problemsOf(journal, repairOfJournal(journal, bundle)),
    ...problemsOf(bundle, isSound(journal) ? REWRITE : null),
    ...compareBoth({ runId, paths }, journal, bundle),
  ];
  return {
    problems,
    recovered: journal.content,
    bundle: bundle.content,
    has: { journal: journal.isThere, bundle: bundle.isThere },
  };
}

/** What is wrong in a file alone, with what else it can be made of; what a newer version wrote is left alone. */
function problemsOf({ problem }: Looked<unknown>, other: string | null = null): Problem[] {
  if (problem === undefined) return [];
  const repair = problem.kind === "newer" ? null : problem.repair ?? other;
  return [{ ...problem, repair }];
}

function repairOfJournal(
  { content }: Looked<RecoveredCapture>,
  bundle: Looked<CaptureBundle>,
): string | null {
  const isInBundle = bundle.content !== undefined && canBeJournal(bundle.content, content?.bundle);
  return isInBundle ? REWRITE_JOURNAL : null;
}

/** Where the two files do not agree, as far as both are whole. */
function compareBoth(
  { runId, paths }: { runId: string; paths: RunPaths },
  journal: Looked<RecoveredCapture>,
  bundle: Looked<CaptureBundle>,
): Problem[] {
  const recorded = journal.content?.bundle;
  if (bundle.content === undefined || recorded === undefined || !isSound(journal)) return [];
  if (stringifyCaptureBundle(recorded) === stringifyCaptureBundle(bundle.content)) return [];
  if (canBeJournal(bundle.content, recorded)) {
    const message = "it lacks what the bundle has, which was made of it";
    const place = { run_id: runId, part: "capture", path: paths.journal } as const;
    return [fileProblem(place, { kind: "lost-lines", message, repair: REWRITE_JOURNAL })];
  }
  const message = "it says something else than the journal, of which it was made";
  const place = { run_id: runId, part: "bundle", path: paths.bundle } as const;
  return [fileProblem(place, { kind: "differs", message, repair: REWRITE })];
}

/** Whether a journal says all that the session has recorded, as far as anybody was told. */
function isSound({ content, problem }: Looked<RecoveredCapture>): boolean {
  return content !== undefined && (problem === undefined || isNote(problem));
}

async function lookAtJournal(
  run: InspectedRun,
  fold: RunFold | undefined,
): Promise<Looked<RecoveredCapture>> {
  const { runId, view, live } = run;
  const place = { run_id: runId, part: "capture", path: recordPlaces(run).journal } as const;
  try {
    // A file without a line is there all the same.
    if (typeof view.journal !== "string" && !await hasLines(view, "capture")) {
      return { isThere: false };
    }
    const content = await recoverCapture(view.journal, { checkHashes: true });
    const { damage, ended } = content;
    if (damage === null || (live && damage.kind === "torn")) return { isThere: true, content };
    const isOpen = fold?.run.state !== "Completed" && ended?.state !== "Completed";
    if (damage.lost && isOpen) {
      const message =
        `${damage.kind}: ${damage.message}; nothing that was told depends on it, and ` +
        "resuming goes on before it";
      const problem = fileProblem(place, { ...damage, kind: "lost-tail", message });
      return { isThere: true, content, problem };
    }
    const repair = damage.kind === "torn" ? MEND : null;
    return { isThere: true, content, problem: fileProblem(place, { ...damage, repair }) };
  } catch (error) {
    // A program of the user's may log without a supervisor.
    if (isFromMissingFile(error)) return { isThere: false };
    const { lines, lost } = error instanceof CaptureJournalError ? error.details : {};
    // A session that was killed at once has not begun.
    if (lost && lines === 0) return { isThere: true };
    if (lost && !fold?.hasBegun) {
      const message = `${reasonOf(error)}; nothing that was told depends on it, and ` +
        "resuming begins behind it";
      return { isThere: true, problem: fileProblem(place, { kind: "lost-tail", message }) };
    }
    return { isThere: true, problem: unreadable(place, error) };
  }
}

async function lookAtBundle(run: InspectedRun): Promise<Looked<CaptureBundle>> {
  const { runId, view } = run;
  const place = { run_id: runId, part: "bundle", path: recordPlaces(run).bundle } as const;
  try {
    const content = await readBundleOf(view);
    if (content === undefined) return { isThere: false };
    validateBundle(content, { strict: false });
    return { isThere: true, content };
  } catch (error) {
    return { isThere: true, problem: unreadable(place, error) };
  }
}

/**
 * Whether the journal of a bundle can be made of it: it is of a concurrent session, which has one decision
 * for each input, and it has all that is left of the journal.
 */
export function canBeJournal(
  bundle: CaptureBundle,
  rest?: CaptureBundle,
): bundle is TaffrailCaptureBundle {
  if (!("inputs" in bundle) || bundle.mode !== "concurrent") return false;
  if (bundle.inputs.length !== bundle.decisions.length) return false;
  if (rest === undefined) return true;
  if (!("inputs" in rest)) return false;
  const { length } = rest.inputs;
  if (length > bundle.inputs.length) return false;
  const decisions = bundle.decisions.slice(0, length).map((decision, index) => {
    // Effects are recorded behind their decision.
    return rest.decisions[index]?.effects.length === 0 ? { ...decision, effects: [] } : decision;
  });
  const { notes: allNotes = [], ...header } = bundle;
  const notes = allNotes.slice(0, rest.notes?.length ?? 0);
  const inputs = bundle.inputs.slice(0, length);
  const begin = { ...header, inputs, decisions, ...(notes.length > 0 && { notes }) };
  return stringifyCaptureBundle(begin) === stringifyCaptureBundle(rest);
}
