import type { FilePort } from "../../_internal/file_port.ts";
import { compareUtf8 } from "../../_internal/wire_json/print_json.ts";
import { eventLog, type LogCodec, transcriptLog } from "../files/log_codecs.ts";
import { type LogEnd, logLines, parseLine, readLogEnd } from "../files/log_lines.ts";
import { readSmallFileSync, readWorkersSync, type WorkersFound } from "../files/snapshot_reader.ts";
import {
  parseRuntimeSnapshot,
  type RuntimeSnapshot,
  type WorkerSnapshot,
} from "../files/snapshots.ts";
import { JournalFollower, type Oddities } from "../journal/journal_follower.ts";
import type { LogSource } from "../journal/log_source.ts";
import {
  checkTornEndSync,
  type JournalOverlay,
  readOverlaySync,
} from "../journal/unapplied_mutations.ts";
import {
  fileSizeSync,
  isDirectorySync,
  type StorePaths,
  workerIdOf,
  workerNumberOf,
} from "../layout.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { entryOf, KEPT_DIAGNOSTICS, StoreState } from "../state/store_state.ts";
import {
  asStoreError,
  REPAIR,
  storeCorruptError,
  storeMissingError,
  type StorePlace,
} from "../store_errors.ts";

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

const SCAN_BLOCK_BYTES = 256 * 1024;
/** How many missing workers are named. */
const NAMED_MISSING = 100;

/** What the ends of the logs are compared with. */
export interface CheckLogsOptions {
  paths: StorePaths;
  logs: LogSource;
  /** Gets what does not fit. */
  problems: RuntimeStoreError[];
  workers: readonly WorkerSnapshot[];
  eventsSize: number | undefined;
  transcriptSizes: ReadonlyMap<string, number>;
}

/**
 * Compares the counters with the last line of each log, and gives the workers to the state. Where a
 * log is ahead, the counter follows it, so that no number is given out twice; where it is behind,
 * lines are missing, which is told.
 */
export function checkLogs(state: StoreState, options: CheckLogsOptions): void {
  checkEvents(state, options);
  for (const worker of options.workers) checkWorker(state, worker, options);
  checkWorkerNumbers(state, options);
}

/** What was found in one log. */
interface Looked {
  /** Where the next line begins. */
  end: number;
  lastNumber: number | undefined;
}

function look<T>(
  name: string,
  { codec, fileSize, options }: {
    codec: LogCodec<T>;
    fileSize: number;
    options: CheckLogsOptions;
  },
): Looked {
  const { logs, paths, problems } = options;
  const size = logs.sizeOf(name, fileSize);
  if (size === 0) return { end: 0, lastNumber: 0 };
  let found: LogEnd;
  try {
    const log = logs.read(name, size);
    try {
      found = readLogEnd(log, codec);
    } finally {
      log.close();
    }
  } catch (error) {
    throw asStoreError({ operation: codec.operation, path: paths.log(name) }, error);
  }
  if (found.problem !== undefined) problems.push(found.problem);
  const end = found.tail === "none" ? size : logs.mendTail(name, size, found);
  return { end, lastNumber: found.lastNumber };
}

function checkEvents(state: StoreState, options: CheckLogsOptions): void {
  const { paths, problems, eventsSize } = options;
  const { end, lastNumber } = look(paths.events, {
    codec: eventLog,
    fileSize: eventsSize ?? 0,
    options,
  });
  state.eventsEnd = end;
  const { next_event_id: next } = state.counters;
  if (lastNumber === undefined || lastNumber === next - 1) return;
  const place = { operation: eventLog.operation, path: paths.log(paths.events) };
  if (lastNumber < next) {
    problems.push(storeCorruptError(place, {
      problem: eventsSize === undefined
        ? `there is no such file, and events up to ${next - 1} were recorded`
        : `the last event is ${lastNumber}, and events up to ${next - 1} were recorded`,
      remedy: "new events go on behind the gap",
    }));
  } else {
    problems.push(storeCorruptError(place, {
      problem: `the last event is ${lastNumber}, and runtime.json knows of ${next - 1}`,
      remedy: "new events go on behind the last one",
    }));
    state.counters = { ...state.counters, next_event_id: lastNumber + 1 };
  }
}

function checkWorker(
  state: StoreState,
  worker: WorkerSnapshot,
  options: CheckLogsOptions,
): void {
  const { worker_id: id, next_transcript_sequence: next } = worker;
  const { paths, problems, logs } = options;
  const name = paths.transcript(id);
  const fileSize = options.transcriptSizes.get(id) ?? 0;
  const { end, lastNumber = next - 1 } = look(name, { codec: transcriptLog, fileSize, options });
  if (lastNumber === next - 1) {
    return state.setWorker(entryOf(worker, { length: next - 1, end }));
  }
  problems.push(storeCorruptError({
    operation: transcriptLog.operation,
    path: paths.log(name),
  }, {
    problem: `the last entry is ${lastNumber}, and worker.json knows of ${next - 1}`,
    remedy: lastNumber < next ? "new entries go on behind the gap" : "new entries go on behind it",
  }));
  const length = countEntries(logs, name, end);
  const sequence = Math.max(next, lastNumber + 1);
  state.setWorker(entryOf({ ...worker, next_transcript_sequence: sequence }, { length, end }));
}

/** Counts what the numbers do not tell. */
function countEntries(logs: LogSource, name: string, end: number): number {
  const log = logs.read(name, end);
  try {
    let count = 0;
    const { operation } = transcriptLog;
    for (const line of logLines(log, { start: 0, blockBytes: SCAN_BLOCK_BYTES, operation })) {
      if ("record" in parseLine(line, transcriptLog)) count++;
    }
    return count;
  } finally {
    log.close();
  }
}

/** Every number below the counter has been given to a worker, and none from the counter on. */
function checkWorkerNumbers(state: StoreState, { paths, problems }: CheckLogsOptions): void {
  const numbers = new Set<number>();
  for (const { worker_id } of state.workers()) numbers.add(workerNumberOf(worker_id));
  for (const id of state.broken.keys()) numbers.add(workerNumberOf(id));
  let last = 0;
  for (const number of numbers) last = Math.max(last, number);
  const place = { operation: "read workers" as const, path: paths.workers };
  const { next_worker_sequence: next } = state.counters;
  if (last >= next) {
    problems.push(storeCorruptError(place, {
      problem: `there is ${workerIdOf(last)}, and runtime.json knows of ${next - 1} workers`,
      remedy: "new workers are numbered behind it",
    }));
    state.counters = { ...state.counters, next_worker_sequence: last + 1 };
  }
  let missing = 0;
  for (let number = 1; number < next && numbers.size < next - 1; number++) {
    if (numbers.has(number)) continue;
    if (++missing > NAMED_MISSING) break;
    problems.push(storeCorruptError(place, {
      problem: `there is no directory of ${workerIdOf(number)}, which was created`,
      remedy: "its number is not given out again",
    }));
  }
}
