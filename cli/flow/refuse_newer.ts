import { readCaptureBundle, recoverCapture } from "../../capture/mod.ts";
import { runPaths } from "../../run/mod.ts";
import { readTrace } from "../../trace/mod.ts";
import { isNewer, newerText } from "../newer.ts";
import { ResumeError } from "./resume_error.ts";

/**
 * Refuses a run whose recording or trace a newer version has written, before anything is written beside
 * them. The log and the store do so by themselves when they are opened.
 */
export async function refuseNewer(root: string, runId: string): Promise<void> {
  const { journal, bundle, trace } = runPaths(root, runId);
  const refuse = (cause: unknown) => {
    // Whatever else is wrong is told by who uses the file.
    if (isNewer(cause)) throw new ResumeError(runId, newerText(cause), { cause });
  };
  await recoverCapture(journal).catch(refuse);
  await readCaptureBundle(bundle).catch(refuse);
  await readTrace(trace).catch(refuse);
}
