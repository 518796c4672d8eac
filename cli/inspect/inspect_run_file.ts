/** What stands at the head of a run's folder, and what else of the run can still be used. */
import { readCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import { checkRegular, denoFilePort, lookAtSync, readFileSync } from "../../_internal/file_port.ts";
import { basename } from "../../_internal/path.ts";
import { MAX_RUN_FILE_BYTES, runPaths } from "../../_internal/root_layout.ts";
import { parseRunFile } from "../../_internal/run_folder.ts";
import { decodeUtf8, reasonOf } from "../../_internal/text.ts";
import { exists } from "../files.ts";
import { readFlowRecord } from "../flow/flow_record.ts";
import { isOfFiles, recordPlaces } from "../reading/open_root.ts";
import { fileProblem, type InspectedRun, type Problem } from "./problem.ts";

const REWRITE = "keep it under another name, and make it again from what else the run has";

/** What is wrong with a `run.json` that is there. One of a newer format is whole. */
export async function inspectRunFile(run: InspectedRun): Promise<Problem[]> {
  const { root, runId, view } = run;
  const { run: path } = recordPlaces(run);
  const place = { run_id: runId, part: "run", path } as const;
  try {
    const bytes = await view.document("run.json");
    if (bytes !== undefined) parseRunFile(bytes);
    return [];
  } catch (error) {
    if (!isOfFiles(root)) {
      return [fileProblem(place, { kind: "unreadable", message: reasonOf(error) })];
    }
    const info = lookAtSync(denoFilePort, path);
    const intact = await intactText(run) ?? "nothing else of the run is intact";
    const message = `${reasonOf(error)}; ${intact}`;
    // What a newer version wrote is not made again by this one.
    const isMendable = info?.isFile && hasSource(root, runId) && !isOfNewerFormat(path);
    return [
      fileProblem(place, { kind: "unreadable", message, repair: isMendable ? REWRITE : null }),
    ];
  }
}

/** Whether a newer version may have written a file: then it is not made again by this one. */
export function isOfNewerFormat(path: string): boolean {
  try {
    const bytes = readFileSync(denoFilePort, path, MAX_RUN_FILE_BYTES);
    const text = new TextDecoder().decode(bytes);
    return /"format"\s*:\s*(?:[2-9]|\d\d)/.test(text);
  } catch {
    return false;
  }
}

/** Whether the run has what its log is or can be made of. */
function hasSource(root: string, runId: string): boolean {
  const { events, journal } = runPaths(root, runId);
  return exists(events) || exists(journal);
}

/** Names the files of a run that are whole; undefined when there are none. */
export async function intactText(run: InspectedRun): Promise<string | undefined> {
  const { root, runId } = run;
  const paths = runPaths(root, runId);
  const parts = await Promise.all([
    ifWhole(paths.events, () => checkLines(paths.events)),
    ifWhole(paths.journal, async () => {
      if ((await recoverCapture(paths.journal)).damage !== null) throw new Error("damaged");
    }),
    ifWhole(paths.bundle, () => readCaptureBundle(paths.bundle)),
    ifWhole(paths.flow, () => readFlowRecord(run)),
  ]);
  const names = parts.filter((name) => name !== undefined);
  return names.length === 0 ? undefined : `intact in ${paths.directory}: ${names.join(", ")}`;
}

async function ifWhole(path: string, read: () => unknown): Promise<string | undefined> {
  try {
    checkRegular(path, denoFilePort.lstatSync(path));
    await read();
    return basename(path);
  } catch {
    return undefined;
  }
}

/** Every line of a log is whole JSON. */
function checkLines(path: string): void {
  const text = decodeUtf8(readFileSync(denoFilePort, path));
  if (text === "" || !text.endsWith("\n")) throw new Error("it ends within a line");
  for (const line of text.slice(0, -1).split("\n")) JSON.parse(line);
}
