/** Mends the records of runs: each file from what another one has. */
import { readCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import { writeCaptureBundle } from "../../capture/bundle/write_capture_bundle.ts";
import { openCaptureJournal } from "../../capture/session/journal.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import type { FileEventLog } from "../../eventlog/file_event_log.ts";
import { openEventLog } from "../../eventlog/open_event_log.ts";
import type { RunEvent } from "../../eventlog/run_event.ts";
import type { Recovery } from "../../eventlog/types.ts";
import { basename, dirname, join } from "../../_internal/path.ts";
import { runPaths, runtimeDirectory } from "../../_internal/root_layout.ts";
import { JournalHistory } from "../../run/engine/journal_history.ts";
import { eventsOf } from "../../run/engine/lifecycle.ts";
import { restoreRunWorkers } from "../../run/restore_workers.ts";
import { repairStore } from "../../store/check/repair_store.ts";
import { readFlowRecord, writeFlowRecord } from "../flow/flow_record.ts";
import { describeNode, flowOfCapture } from "../flow/node_event.ts";
import { openFileRoot } from "../../run/file_root/file_root.ts";
import type { RunPlace } from "../reading/open_root.ts";
import { readRunLog } from "../../run/engine/run_log.ts";
import { counted } from "../text/printable.ts";
import { canBeJournal } from "./inspect_capture.ts";
import { REMAKE_STORE } from "./inspect_store.ts";
import type { Part, Problem } from "./problem.ts";
import {
  keepAsideIfThere,
  LOCK_TIMEOUT_MS,
  restoreJournal,
  restoreRunFile,
  setAsideIfThere,
} from "./restore_files.ts";

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

/**
 * Mends what can be mended safely in the records of a run that nobody works on. Whatever it takes
 * away it keeps under another name; what is intact it does not touch.
 */
export async function mendRun(
  run: { root: string; runId: string },
  problems: readonly Problem[],
): Promise<Repair[]> {
  const { root, runId } = run;
  const mendable = problems.filter(({ repair }) => repair !== null);
  const isLogLost = problems.some(({ part, kind, repair }) => {
    return part === "log" && kind === "missing" && repair === null;
  });
  // Opening the run would make an empty log, which says that nothing was recorded.
  if (mendable.length === 0 || isLogLost) return [];
  const repairs: Repair[] = [];
  const add = (part: Part, path: string, done: Done | undefined) => {
    if (done !== undefined) repairs.push({ run_id: runId, part, path, ...done });
  };
  const own = mendable.find(({ part }) => part === "run");
  // A run is not opened beside one that cannot be read, and is one of format 1 without.
  const kept = own === undefined ? null : setAsideIfThere(own.path);
  // Held to the end: nobody begins to work on the run meanwhile.
  const options = { root, runId, exclusive: true, lockTimeoutMs: LOCK_TIMEOUT_MS };
  await using log = await openEventLog(options).catch((error) => {
    if (own !== undefined && kept !== null) Deno.renameSync(kept, own.path);
    throw error;
  });
  if (own !== undefined) {
    const record = await readFlowRecord(placeOf(run)).catch(() => undefined);
    const recovered = await recoverCapture(runPaths(root, runId).journal).catch(() => undefined);
    const isRedacted = recovered !== undefined && "redacted" in recovered.bundle &&
      recovered.bundle.redacted;
    restoreRunFile(run, { fold: readRunLog(root, runId).fold, record, isRedacted });
    add("run", own.path, { action: "made again from what else the run has", kept });
  }
  const { events } = runPaths(root, runId);
  add("log", events, tailRepair(events, log.recovery));
  const remade = mendable.find(({ part, repair }) => part === "store" && repair === REMAKE_STORE);
  for (const problem of mendable) {
    // What is made again need not be mended, and is made again once.
    const isRemade = problem.part === "store" && remade !== undefined && problem !== remade;
    if (!isRemade) await mendFile(run, { problem, log, add });
  }
  return repairs;
}

/** Mends one file of a run that is held. */
async function mendFile(
  { root, runId }: { root: string; runId: string },
  { problem, log, add }: {
    problem: Problem;
    log: FileEventLog<RunEvent>;
    add: (part: Part, path: string, done: Done | undefined) => void;
  },
): Promise<void> {
  const { part, kind, path } = problem;
  const { journal, bundle } = runPaths(root, runId);
  if (part === "capture" && kind === "torn") {
    const opened = openCaptureJournal(journal, { lockTimeoutMs: LOCK_TIMEOUT_MS });
    opened.close();
    add(part, path, tailRepair(path, opened.recovery));
  } else if (part === "capture") {
    const source = await readCaptureBundle(bundle);
    if (!canBeJournal(source)) return;
    const kept = keepAsideIfThere(path);
    restoreJournal(path, source);
    add(part, path, { action: "made again from the bundle", kept });
  } else if (part === "bundle") {
    const source = (await recoverCapture(journal)).bundle;
    const kept = keepAsideIfThere(path);
    await writeCaptureBundle(path, source);
    add(part, path, { action: "made again from the journal", kept });
  } else if (part === "log" && kind !== "torn") {
    add(part, path, await restoreLog({ root, runId }, log));
  } else if (part === "flow") {
    const flow = await flowOfCapture((await recoverCapture(journal)).bundle);
    if (flow === undefined) return;
    const kept = keepAsideIfThere(path);
    await writeFlowRecord({ root, runId }, flow);
    add(part, path, { action: "made again from the journal", kept });
  } else if (part === "trace") {
    add(part, path, { action: "moved aside", kept: setAsideIfThere(path) });
  } else if (part === "store" && (kind === "behind-log" || problem.repair === REMAKE_STORE)) {
    const { at, ...done } = await restoreStore({ root, runId }, problem);
    add(part, at, done);
  } else if (part === "store") {
    for (const done of await mendStore(root, runId)) add(part, done.path, done);
  }
}

function placeOf({ root, runId }: { root: string; runId: string }): RunPlace {
  return { root, view: openFileRoot(root).view(runId) };
}

/** Appends what the log lacks of what the journal has. */
async function restoreLog(
  run: { root: string; runId: string },
  log: FileEventLog<RunEvent>,
): Promise<Done | undefined> {
  const { root, runId } = run;
  const record = await readFlowRecord(placeOf(run));
  const recovered = await recoverCapture(runPaths(root, runId).journal);
  if (recovered.damage !== null) return undefined;
  const { fold } = readRunLog(root, runId);
  const bodies = JournalHistory.of(recovered, fold).missingEvents({
    name: record?.name ?? recovered.bundle.graph_id,
    nodes: record?.nodes.map(({ id }) => id) ?? [],
    describe: describeNode,
  });
  if (bodies.length === 0) return undefined;
  const events = eventsOf(bodies, { runId, after: fold.lastEventId });
  await log.appendAll(events, { durability: "disk" });
  return { action: `${counted(events.length, "event")} written from the journal`, kept: null };
}

/** The log is written first, so the store can be brought up to it or made of it; `at` is its path. */
async function restoreStore(
  run: { root: string; runId: string },
  { repair }: Problem,
): Promise<Done & { at: string }> {
  const { root, runId } = run;
  const name = (await readFlowRecord(placeOf(run)))?.name ?? runId;
  const anew = repair === REMAKE_STORE;
  const { workers, kept = null } = await restoreRunWorkers({ root, runId, name }, { anew });
  await workers.close();
  const at = runtimeDirectory(root, runId);
  const isRemade = anew || kept !== null;
  const action = isRemade ? "made again from the log" : "brought up to the log";
  return { at, action, kept: kept && `${at}/${basename(kept)}` };
}

/** Mends a runtime, whether a run belongs to it or not. */
export async function mendStore(root: string, runtimeId: string): Promise<Repair[]> {
  const { actions } = await repairStore(root, { runtimeId });
  return actions.map(({ runtime, path, message, evidence = null }) => {
    return { run_id: runtime, part: "store", path, action: message, kept: evidence };
  });
}

/** A log names its files from the root of the file system on, and people read them as they named the root. */
function tailRepair(path: string, { completed, tornFile }: Recovery): Done | undefined {
  if (completed) return { action: "its last line got its newline", kept: null };
  if (tornFile === undefined) return undefined;
  const kept = join(dirname(path), basename(tornFile));
  return { action: "its unterminated last line was moved aside", kept };
}
