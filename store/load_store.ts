import { compareUtf8 } from "../_internal/wire_json/compare_utf8.ts";
import type { FilePort } from "../_internal/file_port.ts";
import { checkTornEndSync } from "./journal_damage.ts";
import { JournalFollower, type Oddities } from "./journal_follower.ts";
import { type JournalOverlay, readOverlaySync } from "./journal_overlay.ts";
import { checkLogs } from "./check_logs.ts";
import type { LogSource } from "./log_source.ts";
import type { RuntimeStoreError } from "./runtime_store_error.ts";
import { parseRuntimeSnapshot } from "./snapshot_codecs.ts";
import type { RuntimeSnapshot, WorkerSnapshot } from "./snapshot_types.ts";
import { REPAIR, storeCorruptError, storeMissingError, type StorePlace } from "./store_errors.ts";
import { fileSizeSync, isDirectorySync, type StorePaths } from "./store_paths.ts";
import { KEPT_DIAGNOSTICS, StoreState } from "./store_state.ts";
import { readSmallFileSync, readWorkersSync, type WorkersFound } from "./worker_files.ts";

/** What is on disk of a runtime: its snapshots, and what the journal says on top of them. */
export interface StoredFiles {
  /** Undefined when there is none yet. */
  runtime: RuntimeSnapshot | undefined;
  /** How big `events.jsonl` is; undefined when there is none. */
  eventsSize: number | undefined;
  found: WorkersFound;
  overlay: JournalOverlay;
}

/** Reads all there is, for an owner. */
export function readStoredFiles(
  port: FilePort,
  paths: StorePaths,
  runtimeId: string,
): StoredFiles {
  const snapshots = readSnapshots(port, paths, { runtimeId });
  return checked(port, paths, { ...snapshots, overlay: readOverlaySync(port, paths) });
}

/**
 * Reads all there is beside somebody who may be changing it: the snapshots and then the journals. In
 * this order these have everything that checkpoints may meanwhile have put into some of the
 * snapshots. Undefined, or an error that is
 * only an oddity, when it has to be tried again.
 */
export function readFollowedFiles(
  port: FilePort,
  paths: StorePaths,
  { runtimeId, oddities }: { runtimeId: string; oddities: Oddities },
): StoredFiles | undefined {
  const follower = new JournalFollower(port, paths);
  try {
    follower.catchUp();
    const onProgress = () => follower.catchUp();
    const snapshots = readSnapshots(port, paths, { runtimeId, onProgress });
    const overlay = follower.finish(oddities);
    return overlay === undefined ? undefined : checked(port, paths, { ...snapshots, overlay });
  } finally {
    follower.close();
  }
}

function checked(port: FilePort, paths: StorePaths, files: StoredFiles): StoredFiles {
  checkTornEndSync(port, paths, files);
  return files;
}

function readSnapshots(
  port: FilePort,
  paths: StorePaths,
  { runtimeId, onProgress }: { runtimeId: string; onProgress?: () => void },
): Omit<StoredFiles, "overlay"> {
  isDirectorySync(port, paths.directory, { operation: "open runtime store", what: "runtime" });
  const runtime = readRuntimeSnapshotSync(port, paths, runtimeId);
  const eventsSize = fileSizeSync(port, paths.log(paths.events), "read events");
  const found = readWorkersSync(port, paths, { runtimeId, onProgress });
  return { runtime, eventsSize, found };
}

/** Reads `runtime.json` and checks whose it is (FRS-3); undefined without one. */
export function readRuntimeSnapshotSync(
  port: FilePort,
  paths: StorePaths,
  runtimeId: string,
): RuntimeSnapshot | undefined {
  const path = paths.snapshot;
  const place: StorePlace = { operation: "read runtime snapshot", path };
  if (fileSizeSync(port, path, place.operation) === undefined) return undefined;
  const snapshot = parseRuntimeSnapshot(readSmallFileSync(port, place), path);
  const { runtime_id, backend } = snapshot;
  if (runtime_id !== runtimeId) {
    const problem =
      `runtime snapshot id ${runtime_id} does not match requested runtime ${runtimeId}`;
    throw storeCorruptError(place, { problem });
  }
  if (backend !== "fs_store") {
    throw storeCorruptError(place, {
      problem: "runtime snapshot backend is Memory",
      remedy: "it is not a runtime of this store",
    });
  }
  return snapshot;
}

/** Whether nothing has been recorded yet: a runtime whose making was interrupted is made anew. */
export function isFresh({ runtime, eventsSize = 0, found, overlay }: StoredFiles): boolean {
  return runtime === undefined && overlay.isEmpty && eventsSize === 0 &&
    found.workers.length === 0 && found.strays.length === 0;
}

/**
 * Whether all that is missing is the very first event: the seed's program was interrupted behind its
 * first snapshot, or nobody did anything but store config bundles.
 */
export function isUnstarted({ runtime, eventsSize = 0, found, overlay }: StoredFiles): boolean {
  return runtime?.next_event_id === 2 && runtime.next_worker_sequence === 1 &&
    overlay.isEmpty && eventsSize === 0 && found.workers.length === 0;
}

/** The state before the first event, with which the runtime can be begun once more. */
export function unstartedState({ runtime, overlay }: StoredFiles): StoreState {
  return createState({ ...runtime!, next_event_id: 1 }, overlay);
}

/** Makes the state that the files tell, and adds what is wrong with them to `problems`. */
export function buildState(
  files: StoredFiles,
  { paths, logs, problems }: {
    paths: StorePaths;
    logs: LogSource;
    problems: RuntimeStoreError[];
  },
): StoreState {
  const { overlay, found } = files;
  const base = files.runtime ?? overlay.createdRuntime;
  if (base === undefined) {
    const place: StorePlace = { operation: "read runtime snapshot", path: paths.snapshot };
    throw storeMissingError(place, { remedy: REPAIR });
  }
  const state = createState(base, overlay);
  problems.push(...found.strays);
  const workers = new Map<string, WorkerSnapshot>(overlay.createdWorkers);
  const sizes = new Map<string, number>();
  for (const { workerId, snapshot, error, transcriptSize } of found.workers) {
    if (transcriptSize !== undefined) sizes.set(workerId, transcriptSize);
    if (snapshot !== undefined) workers.set(workerId, snapshot);
    else if (!workers.has(workerId) && error !== undefined) state.broken.set(workerId, error);
  }
  problems.push(...state.broken.values());
  const current = Array.from(workers.values(), (worker) => {
    return { ...worker, ...overlay.changedWorkers.get(worker.worker_id) };
  });
  current.sort((a, b) => compareUtf8(a.worker_id, b.worker_id));
  checkLogs(state, {
    paths,
    logs,
    problems,
    workers: current,
    eventsSize: files.eventsSize,
    transcriptSizes: sizes,
  });
  return state;
}

function createState(base: RuntimeSnapshot, overlay: JournalOverlay): StoreState {
  const { runtime_id, display_name, limits, config_bundles, diagnostics } = base;
  const identity = { runtimeId: runtime_id, displayName: display_name, limits };
  const { status, next_worker_sequence, next_event_id, next_diagnostic_id } = base;
  const counters = { status, next_worker_sequence, next_event_id, next_diagnostic_id };
  const state = new StoreState(identity, overlay.counters ?? counters);
  for (const [id, bundle] of Object.entries(config_bundles)) state.bundles.set(id, bundle);
  for (const bundle of overlay.bundles) state.bundles.set(bundle.metadata.id, bundle);
  state.diagnostics = diagnostics.slice(-KEPT_DIAGNOSTICS);
  // A checkpoint that was interrupted may have put them into the snapshot already.
  state.addDiagnostics(overlay.diagnostics.filter(({ id }) => id >= next_diagnostic_id));
  return state;
}
