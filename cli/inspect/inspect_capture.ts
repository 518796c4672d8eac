import {
  type CaptureBundle,
  CaptureJournalError,
  readCaptureBundle,
  recoverCapture,
  type RecoveredCapture,
  stringifyCaptureBundle,
  validateBundle,
} from "../../capture/mod.ts";
import { runPaths } from "../../run/mod.ts";
import { fileProblem, type Problem, unreadable } from "./problem.ts";

const MEND = "complete the line, or move it to a file beside the journal";
const REWRITE = "keep it under another name, and make it again from the journal";

/** Everything that is wrong in the capture of a run: its journal, and the bundle made of it. */
export async function inspectCapture(
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
    const { kind, line, byteOffset, message } = damage;
    const repair = kind === "torn" ? MEND : null;
    const problem = { ...place, kind, line, byte_offset: byteOffset, message, repair };
    return { problems: [problem], recovered };
  } catch (error) {
    // A program of the user's may log without a supervisor.
    if (isMissing(error)) return { problems: [] };
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
    if (isMissing(error)) return [];
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

function isMissing(error: unknown): boolean {
  if (error instanceof Deno.errors.NotFound) return true;
  return error instanceof CaptureJournalError && error.cause instanceof Deno.errors.NotFound;
}
