import { readCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { ReplayError } from "../../capture/replay/replay_error.ts";
import type { JournalDamage } from "../../capture/session/read_capture_lines.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { RunView } from "../../run/types.ts";
import { TraceFileError } from "../../trace/trace_file_error.ts";
import { exists } from "../files.ts";
import { findReadableRun } from "./find_run.ts";
import { hasLines, openRoot } from "./open_root.ts";

/** A recording, and what a killed session left beside it. */
export interface OpenedCapture {
  /** What messages call it. */
  name: string;
  /** The run that it is of, where it was named by one. */
  runId?: string;
  /** The recording. */
  bundle: CaptureBundle;
  /** Events that were never decided on. */
  undecided: string[];
  /** Attempts without an end. */
  interrupted: string[];
  /** From where on the journal cannot be read. */
  damage: JournalDamage | null;
}

/**
 * Opens the capture of a run, a capture file, or a journal. The journal of a run is the truth,
 * whether the run ended or was killed.
 */
export async function openCapture(root: string, operand: string): Promise<OpenedCapture> {
  if (operand.endsWith(".jsonl")) return await openJournal(operand, operand);
  if (/[/\\]|\.json$/.test(operand)) return await openBundle(operand);
  // Files need no root, which may be a database.
  await using runs = await openRoot(root);
  const runId = await findReadableRun({ root, runs }, operand);
  const view = runs.view(runId);
  const { journal } = view;
  const hasNone = typeof journal === "string" ? !exists(journal) : !await hasLines(view, "capture");
  if (hasNone) {
    const what = typeof journal === "string" ? `there is no ${journal}` : "it has no journal";
    throw new Error(
      `Cannot read the decisions of run ${runId}: ${what}; ` +
        "only what taffrail run and taffrail exec record has one",
    );
  }
  return { ...await openJournal(runId, journal), runId };
}

async function openBundle(path: string): Promise<OpenedCapture> {
  const bundle = await readCaptureBundle(path).catch((cause) => {
    throw new Error(unusableBundle(path, cause), { cause });
  });
  return { name: path, bundle, undecided: [], interrupted: [], damage: null };
}

async function openJournal(name: string, source: RunView["journal"]): Promise<OpenedCapture> {
  const { bundle, undecided, interrupted, damage } = await recoverCapture(source).catch((cause) => {
    throw isNewer(cause) ? new Error(newerText(cause), { cause }) : cause;
  });
  return {
    name,
    bundle,
    undecided: undecided.map(({ event_id: id }) => id),
    interrupted: interrupted.map(({ event_id: id, attempt }) => `${id} (attempt ${attempt})`),
    damage,
  };
}

/** Why a capture file cannot be used, in words. */
export function unusableBundle(path: string, cause: unknown): string {
  const reason = isNewer(cause) ? newerText(cause) : reasonOf(cause);
  return `Cannot use ${path} as a capture file: ${reason}`;
}

/** How many inputs a recording has. */
export function inputCount(bundle: CaptureBundle): number {
  return ("inputs" in bundle ? bundle.inputs : bundle.events).length;
}

/** Whether all was read that was recorded: a line that a kill tore was never acknowledged. */
export function isWhole({ damage }: OpenedCapture): boolean {
  return damage === null || damage.kind === "torn";
}

/** Where a journal stops making sense, in words. */
export function damageText({ line, kind, message }: JournalDamage): string {
  return `line ${line}: ${kind}: ${message}`;
}

/** Whether a newer version wrote what could not be read: then it is neither used nor written to. */
export function isNewer(error: unknown): boolean {
  if (error instanceof CaptureJournalError) return error.kind === "version";
  if (error instanceof ReplayError) return error.kind === "unsupported-version";
  return error instanceof TraceFileError &&
    (error.kind === "version" || error.kind === "algorithm");
}

/** What the error says, for people, and what to do about it. */
export function newerText(error: unknown): string {
  return `${reasonOf(error)}; use a newer taffrail`;
}
