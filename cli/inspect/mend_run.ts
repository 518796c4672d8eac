import { writeCaptureBundle } from "../../capture/bundle/write_capture_bundle.ts";
import { openCaptureJournal } from "../../capture/session/journal.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import { openEventLog } from "../../eventlog/open_event_log.ts";
import type { Recovery } from "../../eventlog/types.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { RunWorkers } from "../../run/run_workers.ts";
import { repairStore } from "../../store/check/repair_store.ts";
import { readFlowRecord } from "../flow/flow_record.ts";
import type { Part, Problem } from "./inspect_run.ts";

/** Something that was mended. */
export interface Repair {
  /** The run; null for what belongs to none. */
  run_id: string | null;
  /** In which of the records. */
  part: Part;
  /** The file. */
  path: string;
  /** What was done, for people. */
  action: string;
  /** Where what was there before is kept; null where nothing was taken away. */
  kept: string | null;
}

/** What was done to a file. */
type Done = Pick<Repair, "action" | "kept">;

const LOCK_TIMEOUT_MS = 500;

/**
 * Mends what can be mended safely in the records of a run that nobody works on. Whatever it takes
 * away it keeps under another name.
 */
export async function mendRun(
  { root, runId }: { root: string; runId: string },
  problems: readonly Problem[],
): Promise<Repair[]> {
  const parts = new Set(problems.filter(({ repair }) => repair !== null).map(({ part }) => part));
  if (parts.size === 0) return [];
  // Held to the end: nobody begins to work on the run meanwhile.
  const options = { root, runId, exclusive: true, lockTimeoutMs: LOCK_TIMEOUT_MS };
  await using log = await openEventLog(options);
  const repairs: Repair[] = [];
  const add = (part: Part, path: string, done: Done | undefined) => {
    if (done !== undefined) repairs.push({ run_id: runId, part, path, ...done });
  };
  add("log", log.path, tailRepair(log.recovery));
  const { journal, bundle, trace } = runPaths(root, runId);
  if (parts.has("capture")) {
    const opened = openCaptureJournal(journal);
    opened.close();
    add("capture", journal, tailRepair(opened.recovery));
  }
  if (parts.has("bundle")) {
    const kept = setAside(bundle);
    await writeCaptureBundle(bundle, (await recoverCapture(journal)).bundle);
    add("bundle", bundle, { action: "made again from the journal", kept });
  }
  if (parts.has("trace")) add("trace", trace, { action: "moved aside", kept: setAside(trace) });
  if (parts.has("store")) repairs.push(...await mendStore(root, runId));
  if (problems.some(({ kind }) => kind === "behind-log")) {
    const path = await catchUpStore(root, runId);
    add("store", path, { action: "brought up to the log", kept: null });
  }
  return repairs;
}

/** The log is written first, so the store can be made of it; returns its path. */
async function catchUpStore(root: string, runId: string): Promise<string> {
  const name = (await readFlowRecord(root, runId))?.name ?? runId;
  await using workers = await RunWorkers.open({ root, runId, name });
  await workers.catchUp();
  return workers.runtime.path;
}

/** Mends a runtime, whether a run belongs to it or not. */
export async function mendStore(root: string, runtimeId: string): Promise<Repair[]> {
  const { actions } = await repairStore(root, { runtimeId });
  return actions.map(({ runtime, path, message, evidence = null }) => {
    return { run_id: runtime, part: "store", path, action: message, kept: evidence };
  });
}

function tailRepair({ completed, tornFile }: Recovery): Done | undefined {
  if (completed) return { action: "its last line got its newline", kept: null };
  if (tornFile === undefined) return undefined;
  return { action: "its unterminated last line was moved aside", kept: tornFile };
}

/** Gives a file a name of its own beside its present one. */
function setAside(path: string): string {
  for (let number = 1;; number++) {
    const kept = `${path}.damaged-${number}`;
    try {
      // A link fails where a rename would replace what is there.
      Deno.linkSync(path, kept);
      Deno.removeSync(path);
      return kept;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}
