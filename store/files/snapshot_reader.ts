import { type FilePort, readRangeSync } from "../../_internal/file_port.ts";
import { join } from "../../_internal/path.ts";
import {
  directoryOfId,
  fileSizeSync,
  idOfDirectory,
  isDirectorySync,
  type StorePaths,
} from "../layout.ts";
import { RuntimeStoreError } from "../runtime_store_error.ts";
import {
  asStoreError,
  REPAIR,
  storeCorruptError,
  storeMissingError,
  type StorePlace,
  symlinkError,
} from "../store_errors.ts";
import { parseWorkerSnapshot, type WorkerSnapshot } from "./snapshots.ts";

/** How often the progress of reading workers is told. */
const PROGRESS_WORKERS = 16;

/** What stands in one directory of `workers/`. */
export interface WorkerFiles {
  workerId: string;
  /** Undefined when it cannot be read; `error` says why. */
  snapshot: WorkerSnapshot | undefined;
  error?: RuntimeStoreError;
  /** How big its transcript is; undefined when there is none. */
  transcriptSize: number | undefined;
}

/** What stands in `workers/`. */
export interface WorkersFound {
  workers: WorkerFiles[];
  /** What is no worker. */
  strays: RuntimeStoreError[];
}

/** Reads the whole of a file in one call. */
export function readSmallFileSync(port: FilePort, { operation, path }: StorePlace): Uint8Array {
  try {
    if (fileSizeSync(port, path, operation) === undefined) {
      throw storeMissingError({ operation, path }, { remedy: REPAIR });
    }
    const file = port.openSync(path, { read: true });
    try {
      return readRangeSync(file, 0, file.seekSync(0, Deno.SeekMode.End));
    } finally {
      file.close();
    }
  } catch (error) {
    throw asStoreError({ operation, path }, error);
  }
}

/** Reads a worker's snapshot and checks whose it is (FRS-4). */
export function readWorkerSnapshotSync(
  port: FilePort,
  paths: StorePaths,
  { runtimeId, workerId }: { runtimeId: string; workerId: string },
): WorkerSnapshot {
  const path = paths.workerSnapshot(workerId);
  const place: StorePlace = { operation: "read worker snapshot", path };
  const snapshot = parseWorkerSnapshot(readSmallFileSync(port, place), path);
  const { worker_ref, worker_id } = snapshot;
  const problem = worker_ref.runtime_id !== runtimeId
    ? `worker belongs to runtime ${worker_ref.runtime_id}, expected ${runtimeId}`
    : worker_ref.worker_id !== worker_id
    ? `worker_ref id ${worker_ref.worker_id} does not match worker_id ${worker_id}`
    : undefined;
  if (problem !== undefined) throw storeCorruptError(place, { problem });
  if (worker_id !== workerId) {
    throw storeCorruptError(place, {
      problem: `worker ${worker_id} does not belong into the directory of worker ${workerId}`,
      remedy: `rename the directory to ${directoryOfId(worker_id)} if there is none of that name`,
    });
  }
  return snapshot;
}

/** Reads every worker; what is wrong with one does not stand in the way of the others (W-FRS-12). */
export function readWorkersSync(
  port: FilePort,
  paths: StorePaths,
  { runtimeId, onProgress }: { runtimeId: string; onProgress?: (() => void) | undefined },
): WorkersFound {
  const operation = "read workers";
  const found: WorkersFound = { workers: [], strays: [] };
  if (!isDirectorySync(port, paths.workers, { operation, what: "workers" })) return found;
  const entries = [...port.readDirSync(paths.workers)].sort((a, b) => a.name < b.name ? -1 : 1);
  for (const [index, { name, isDirectory, isSymlink }] of entries.entries()) {
    if (index % PROGRESS_WORKERS === 0) onProgress?.();
    const path = join(paths.workers, name);
    const workerId = idOfDirectory(name);
    if (isSymlink) {
      const error = symlinkError({ operation: "read worker", path });
      if (workerId === undefined) found.strays.push(error);
      else found.workers.push({ workerId, snapshot: undefined, error, transcriptSize: undefined });
    } else if (!isDirectory || workerId === undefined) {
      found.strays.push(strayError(path, isDirectory));
    } else {
      found.workers.push(readWorkerFiles(port, paths, { runtimeId, workerId }));
    }
  }
  return found;
}

function strayError(path: string, isDirectory: boolean): RuntimeStoreError {
  return storeCorruptError({ operation: "read workers", path }, {
    problem: isDirectory
      ? "the directory's name is not that of a worker"
      : "worker path exists but is not a directory",
    remedy: "it is left alone; move it away",
  });
}

function readWorkerFiles(
  port: FilePort,
  paths: StorePaths,
  { runtimeId, workerId }: { runtimeId: string; workerId: string },
): WorkerFiles {
  const files: WorkerFiles = { workerId, snapshot: undefined, transcriptSize: undefined };
  try {
    const transcript = paths.log(paths.transcript(workerId));
    // Before the journal is looked at, and so before lines that are not known of yet.
    files.transcriptSize = fileSizeSync(port, transcript, "read transcript");
    files.snapshot = readWorkerSnapshotSync(port, paths, { runtimeId, workerId });
  } catch (error) {
    const place: StorePlace = { operation: "read worker", path: paths.workerDirectory(workerId) };
    const known = asStoreError(place, error);
    // What the file system refuses now it may not refuse later: that is no damage.
    if (!(known instanceof RuntimeStoreError) || known.kind === "store-io") throw known;
    files.error = known;
  }
  return files;
}
