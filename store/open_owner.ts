import { lookAtSync, makeDirectoriesSync, makeDirectorySync } from "../_internal/directories.ts";
import type { FilePort } from "../_internal/file_port.ts";
import { join } from "../_internal/path.ts";
import { quarantineSync } from "../_internal/tail.ts";
import { checkJournalFormatsSync } from "./journal_head.ts";
import {
  buildState,
  isFresh,
  isUnstarted,
  readRuntimeSnapshotSync,
  readStoredFiles,
  type StoredFiles,
  unstartedState,
} from "./load_store.ts";
import { RedoneLogs } from "./log_source.ts";
import { LogWriter } from "./log_writer.ts";
import { OwnerLock } from "./owner_lock.ts";
import type { RuntimeStoreError } from "./runtime_store_error.ts";
import { asStoreError, storeCorruptError, storeMissingError } from "./store_errors.ts";
import { type CheckpointOptions, StoreOwner, type StoreOwnerParts } from "./store_owner.ts";
import { isDirectorySync, journalNumbersSync, StorePaths } from "./store_paths.ts";
import { type RuntimeIdentity, StoreState } from "./store_state.ts";

/** What to open for changing. */
export interface OpenOwnerOptions {
  root: string;
  runtimeId: string;
  /** What to make when there is no such runtime; without it that is an error. */
  create?: RuntimeIdentity;
  checkpoints: CheckpointOptions;
}

/** Takes a runtime for one owner, brings it into order after a crash, and makes it if need be. */
export async function openOwner(port: FilePort, options: OpenOwnerOptions): Promise<StoreOwner> {
  const { root, runtimeId, create } = options;
  const paths = new StorePaths(root, runtimeId);
  try {
    prepareDirectories(port, paths, create !== undefined);
    // What cannot be read, a newer schema for one, is not written to, not even a lock.
    readRuntimeSnapshotSync(port, paths, runtimeId);
    checkJournalFormatsSync(port, paths);
    const lock = OwnerLock.takeSync(port, paths.ownerLock, runtimeId);
    let opened: Opened;
    try {
      opened = load(port, { paths, lock, options });
    } catch (error) {
      lock.release();
      throw error;
    }
    const owner = await StoreOwner.begin(opened.parts, opened);
    if (opened.isNew) await beginRuntime(owner);
    return owner;
  } catch (error) {
    throw asStoreError({ operation: "open runtime store", path: paths.directory }, error);
  }
}

interface Opened extends Pick<StoredFiles, "overlay"> {
  parts: StoreOwnerParts;
  incomplete: string[];
  isNew: boolean;
}

function prepareDirectories(port: FilePort, paths: StorePaths, create: boolean): void {
  const operation = "open runtime store";
  const runtimes = join(paths.root, paths.folders[0]!);
  isDirectorySync(port, runtimes, { operation, what: "runtimes" });
  if (isDirectorySync(port, paths.directory, { operation, what: "runtime" })) return;
  if (!create) throw storeMissingError({ operation, path: paths.directory });
  makeDirectoriesSync(port, paths.root, paths.folders);
}

function load(
  port: FilePort,
  { paths, lock, options }: { paths: StorePaths; lock: OwnerLock; options: OpenOwnerOptions },
): Opened {
  const { runtimeId, create, checkpoints } = options;
  const files = readStoredFiles(port, paths, runtimeId);
  const logs = new LogWriter(port, paths);
  const problems: RuntimeStoreError[] = [];
  const isNew = create !== undefined && isFresh(files);
  const sources = new RedoneLogs({ port, paths, overlay: files.overlay, problems }, logs);
  const isBegunAgain = isUnstarted(files);
  const state = isNew
    ? newState(create)
    : isBegunAgain
    ? unstartedState(files)
    : buildState(files, { paths, logs: sources, problems });
  if (!isNew && files.eventsSize === undefined) logs.touch(paths.events, state.eventsEnd);
  if (lookAtSync(port, paths.workers) === undefined) makeDirectorySync(port, paths.workers);
  keepUnplaced(port, { paths, files, state, problems });
  const incomplete = files.found.workers
    .filter(({ snapshot, transcriptSize }) => snapshot && transcriptSize === undefined)
    .map(({ workerId }) => workerId);
  const parts = { port, paths, lock, state, logs, problems, checkpoints };
  return { parts, overlay: files.overlay, incomplete, isNew: isNew || isBegunAgain };
}

function newState(identity: RuntimeIdentity): StoreState {
  return new StoreState(identity, {
    status: "running",
    next_worker_sequence: 1,
    next_event_id: 1,
    next_diagnostic_id: 1,
  });
}

/** The first event, and in its mutation the runtime itself (WRT-2). */
async function beginRuntime(owner: StoreOwner): Promise<void> {
  try {
    await owner.submit((draft) => {
      draft.createdRuntime = owner.state.snapshot();
      draft.addEvent("runtime_started", "runtime started");
    });
  } catch (error) {
    await owner.close().catch(() => {});
    throw error;
  }
}

/** The journal is all that is left of changes to a worker that cannot be read: it is kept. */
function keepUnplaced(
  port: FilePort,
  { paths, files: { overlay }, state, problems }: {
    paths: StorePaths;
    files: StoredFiles;
    state: StoreState;
    problems: RuntimeStoreError[];
  },
): void {
  const lost = [...overlay.changedWorkers.keys()].find((id) => state.worker(id) === undefined);
  if (lost === undefined) return;
  for (const number of journalNumbersSync(port, paths.directory)) {
    const path = paths.journal(number);
    const file = port.openSync(path, { read: true });
    try {
      const size = file.seekSync(0, Deno.SeekMode.End);
      const tornFile = quarantineSync(port, { path, file, tailStart: 0, size });
      problems.push(storeCorruptError({ operation: "open runtime store", path }, {
        problem:
          `it has changes of worker ${lost}, which cannot be read; it is kept in ${tornFile}`,
      }));
    } finally {
      file.close();
    }
  }
}
