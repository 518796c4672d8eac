import { pause } from "../../_internal/lock.ts";
import { directoryOfId, idOfDirectory, isSystemFile } from "../../_internal/root_layout.ts";
import { type DirectoryEntry, listDirectory, type RuntimeFolder } from "../files/runtime_folder.ts";
import {
  parseRuntimeSnapshot,
  parseWorkerSnapshot,
  runtimeIdentityProblems,
  type RuntimeSnapshot,
  workerIdentityProblem,
  type WorkerSnapshot,
} from "../files/snapshots.ts";
import { checkJournal } from "../journal/check_journal.ts";
import {
  JournalFollower,
  readUnapplied,
  Suspicions,
  type UnappliedMutations,
} from "../journal/unapplied_mutations.ts";
import { RuntimeStoreError, type StoreOperation } from "../runtime_store_error.ts";
import {
  asStoreError,
  REPAIR,
  storeCorruptError,
  storeMissingError,
  type StorePlace,
} from "../store_errors.ts";

/**
 * Reads what is on disk of one runtime, for whoever wants it: opening it for changing, opening it for
 * reading beside its owner, verifying and repairing. All of them get the same, and what is wrong is a
 * value beside what is right: opening throws it or lists it in `problems`, verifying makes findings
 * of it and goes on.
 */

/** What was read, or why nothing was; neither when there is nothing to read. */
export interface Read<T> {
  found?: T;
  error?: RuntimeStoreError;
}

/** One directory of `workers/` that can be a worker's. */
export interface WorkerFiles {
  directory: string;
  /** What the directory's name says. */
  directoryId: string;
  snapshot: Read<WorkerSnapshot>;
  /** How big its transcript is. */
  transcript: Read<number>;
}

/** The files of one runtime. */
export interface RuntimeFiles {
  folder: RuntimeFolder;
  runtime: Read<RuntimeSnapshot>;
  /** How big `events.jsonl` is. */
  events: Read<number>;
  workers: WorkerFiles[];
  /** What stands in `workers/` and can be no worker. */
  strays: DirectoryEntry[];
  /** Why `workers/` cannot be looked at. */
  workersError?: RuntimeStoreError | undefined;
  /** What the journal has on top of all that. */
  unapplied: Read<UnappliedMutations>;
}

const ATTEMPTS = 200;
const PAUSE_MS = 2;
/** How many workers are read before the journals are looked after. */
const PROGRESS_WORKERS = 16;

/** Reads a runtime that nobody else can change, for its owner. */
export function loadRuntime(folder: RuntimeFolder): RuntimeFiles {
  const files = loadUnchecked(folder);
  const { found } = files.unapplied;
  if (found === undefined) return files;
  return { ...files, unapplied: attempt(placeOf(folder), () => checked(files, found)) };
}

/** The same of a runtime whose journal may lack what the logs have. */
export function loadUnchecked(folder: RuntimeFolder): RuntimeFiles {
  const files = readFiles(folder);
  return { ...files, unapplied: attempt(placeOf(folder), () => readUnapplied(folder)) };
}

function placeOf({ directory }: RuntimeFolder): StorePlace {
  return { operation: "open runtime store", path: directory };
}

/**
 * Reads a runtime beside somebody who may be changing it: the files and then the journals, which in
 * this order have everything that checkpoints may meanwhile have put into some of the files. Damage to
 * runtime.json or a journal counts only when it is seen again and again. Undefined when it changed too
 * much meanwhile at every attempt.
 */
export async function loadRuntimeBeside(
  folder: RuntimeFolder,
  operation: StoreOperation,
): Promise<RuntimeFiles | undefined> {
  const suspicions = new Suspicions();
  for (let count = 0; count < ATTEMPTS; count++) {
    const follower = new JournalFollower(folder);
    try {
      follower.catchUp();
      const files = readFiles(folder, () => follower.catchUp());
      const unapplied = attempt({ operation, path: folder.directory }, () => {
        const mutations = follower.finish(suspicions);
        return mutations && checked(files, mutations);
      });
      const errors = [files.runtime.error, unapplied.error].filter((error) => error !== undefined);
      const doubtful = errors.filter((error) => !suspicions.isError(error));
      const wasMissed = unapplied.found === undefined && unapplied.error === undefined;
      if (doubtful.length === 0 && !wasMissed) return { ...files, unapplied };
    } finally {
      follower.close();
    }
    await pause(PAUSE_MS);
  }
  return undefined;
}

function readFiles(
  folder: RuntimeFolder,
  onProgress = () => {},
): Omit<RuntimeFiles, "unapplied"> {
  const runtime = readRuntimeSnapshot(folder);
  const events = sizeIn(folder, folder.log(folder.events), "read events");
  const place: StorePlace = { operation: "read workers", path: folder.workers };
  const { found: entries = [], error: workersError } = look(place, () => {
    const isThere = folder.isDirectory(folder.workers, { ...place, what: "workers" });
    return isThere ? listDirectory(folder.port, folder.workers) : undefined;
  });
  const workers: WorkerFiles[] = [];
  const strays: DirectoryEntry[] = [];
  for (const entry of entries) {
    if (isSystemFile(entry.name)) continue;
    const directoryId = idOfDirectory(entry.name);
    if (!entry.isDirectory || entry.isSymlink || directoryId === undefined) {
      strays.push(entry);
      continue;
    }
    if (workers.length % PROGRESS_WORKERS === 0) onProgress();
    workers.push(readWorker(folder, directoryId, entry.path));
  }
  return { folder, runtime, events, workers, strays, workersError };
}

/** Reads `runtime.json`, whosever it is. */
export function readRuntimeSnapshot(folder: RuntimeFolder): Read<RuntimeSnapshot> {
  const place: StorePlace = { operation: "read runtime snapshot", path: folder.snapshot };
  return readSnapshot(folder, { place, parse: parseRuntimeSnapshot });
}

function readWorker(folder: RuntimeFolder, directoryId: string, directory: string): WorkerFiles {
  const path = folder.snapshotIn(directory);
  const place: StorePlace = { operation: "read worker snapshot", path };
  return {
    directory,
    directoryId,
    // Before the journal is looked at, and so before lines that are not known of yet.
    transcript: sizeIn(folder, folder.transcriptIn(directory), "read transcript"),
    snapshot: readSnapshot(folder, { place, parse: parseWorkerSnapshot }),
  };
}

function readSnapshot<T>(
  folder: RuntimeFolder,
  { place, parse }: { place: StorePlace; parse: (bytes: Uint8Array, path: string) => T },
): Read<T> {
  return attempt(place, () => {
    const bytes = folder.readIfThere(place);
    return bytes && parse(bytes, place.path);
  });
}

function sizeIn(folder: RuntimeFolder, path: string, operation: StoreOperation): Read<number> {
  return look({ operation, path }, () => folder.fileSize(path, operation));
}

/** What stands at a path, or what stands there in its place; what the file system refuses is thrown. */
function look<T>(place: StorePlace, read: () => T | undefined): Read<T> {
  const result = attempt(place, read);
  const kind = result.error?.kind;
  if (kind !== undefined && kind !== "symlink" && kind !== "store-corrupt") throw result.error;
  return result;
}

function attempt<T>(place: StorePlace, read: () => T | undefined): Read<T> {
  try {
    const found = read();
    return found === undefined ? {} : { found };
  } catch (cause) {
    const error = asStoreError(place, cause);
    if (error instanceof RuntimeStoreError) return { error };
    throw error;
  }
}

/** Refuses a journal that has lost what logs or snapshots tell of. */
function checked(
  { folder, runtime, events, workers }: Omit<RuntimeFiles, "unapplied">,
  unapplied: UnappliedMutations,
): UnappliedMutations {
  // Without a runtime.json that can be read, nobody knows how many events it counted.
  if (unapplied.isEmpty && runtime.error !== undefined) return unapplied;
  const sizes = new Map(workers.map(({ directoryId, transcript }) => {
    return [folder.transcript(directoryId), transcript.found];
  }));
  checkJournal(folder, unapplied, {
    recorded: runtime.found,
    sizeOf: (name) => name === folder.events ? events.found : sizes.get(name),
  });
  return unapplied;
}

/** Whether nothing has been recorded yet: a runtime whose making was interrupted is made anew. */
export function isFresh({ runtime, events, workers, strays, unapplied }: RuntimeFiles): boolean {
  return isAbsent(runtime) && events.error === undefined && (events.found ?? 0) === 0 &&
    workers.length === 0 && strays.length === 0 &&
    unapplied.error === undefined && (unapplied.found?.isEmpty ?? true);
}

function isAbsent({ found, error }: Read<unknown>): boolean {
  return found === undefined && error === undefined;
}

/** The `runtime.json` of a runtime that can be opened (FRS-3); undefined without one. */
export function usableRuntimeSnapshot(
  { found, error }: Read<RuntimeSnapshot>,
  { snapshot: path, runtimeId }: RuntimeFolder,
): RuntimeSnapshot | undefined {
  if (error !== undefined) throw error;
  const [wrong] = found === undefined ? [] : runtimeIdentityProblems(found, runtimeId);
  if (wrong === undefined) return found;
  const { problem, remedy } = wrong;
  const place: StorePlace = { operation: "read runtime snapshot", path };
  throw storeCorruptError(place, { problem, remedy });
}

/** Why the worker that a directory is named after cannot be used (FRS-4, W-FRS-12). */
export function workerProblem(
  { directory, directoryId, snapshot: { found, error } }: WorkerFiles,
  folder: RuntimeFolder,
): RuntimeStoreError | undefined {
  if (error !== undefined) return error;
  const problem = found && workerIdentityProblem(found, folder.runtimeId);
  if (found?.worker_id === directoryId && problem === undefined) return undefined;
  const path = folder.snapshotIn(directory);
  const place: StorePlace = { operation: "read worker snapshot", path };
  if (found === undefined) return storeMissingError(place, { remedy: REPAIR });
  if (problem !== undefined) return storeCorruptError(place, { problem });
  const { worker_id } = found;
  return storeCorruptError(place, {
    problem: `worker ${worker_id} does not belong into the directory of worker ${directoryId}`,
    remedy: `rename the directory to ${directoryOfId(worker_id)} if there is none of that name`,
  });
}

/** Reads the `worker.json` of a worker that must be there and usable. */
export function readWorkerSnapshot(folder: RuntimeFolder, workerId: string): WorkerSnapshot {
  const files = readWorker(folder, workerId, folder.workerDirectory(workerId));
  const problem = workerProblem(files, folder);
  if (problem !== undefined) throw problem;
  return files.snapshot.found!;
}
