import { type CaptureBundle, readCaptureBundle, recoverCapture } from "../capture/mod.ts";
import { findRun } from "./find_run.ts";
import { capturePaths } from "./flow/capture_paths.ts";

/** A recording, and what a killed session left beside it. */
export interface OpenedCapture {
  /** What messages call it. */
  name: string;
  /** The recording. */
  bundle: CaptureBundle;
  /** Events that were never decided on. */
  undecided: string[];
  /** Attempts without an end. */
  interrupted: string[];
  /** From where on the journal cannot be read. */
  damage: string | null;
}

/**
 * Opens the capture of a run, or a capture file. The journal of a run is the truth, whether the run
 * ended or was killed.
 */
export async function openCapture(root: string, operand: string): Promise<OpenedCapture> {
  if (/[/\\]|\.json$/.test(operand)) {
    const bundle = await readCaptureBundle(operand);
    return { name: operand, bundle, undecided: [], interrupted: [], damage: null };
  }
  const runId = await findRun(root, operand);
  const { bundle, undecided, interrupted, damage } = await recoverCapture(
    capturePaths(root, runId).journal,
  );
  return {
    name: runId,
    bundle,
    undecided: undecided.map(({ event_id: id }) => id),
    interrupted: interrupted.map(({ event_id: id, attempt }) => `${id} (attempt ${attempt})`),
    damage: damage === null ? null : `line ${damage.line}: ${damage.kind}: ${damage.message}`,
  };
}
