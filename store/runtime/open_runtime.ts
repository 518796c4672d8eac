import { lookAtSync, makeDirectoriesSync, makeDirectorySync } from "../../_internal/directories.ts";
import type { FilePort } from "../../_internal/file_port.ts";
import { quarantineSync } from "../../_internal/line_file.ts";
import { join } from "../../_internal/path.ts";
import { LogWriter } from "../files/log_writer.ts";
import { OwnerLock } from "../files/owner_lock.ts";
import { checkJournalFormatsSync } from "../journal/journal_lines.ts";
import { RedoneLogs } from "../journal/log_source.ts";
import { checkId, isDirectorySync, journalNumbersSync, StorePaths } from "../layout.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { checkSize } from "../state/rules.ts";
import { type RuntimeIdentity, StoreState } from "../state/store_state.ts";
import {
  asStoreError,
  invalidRequestError,
  storeCorruptError,
  storeMissingError,
} from "../store_errors.ts";
import type { RuntimeLimits } from "../types.ts";
import {
  buildState,
  isFresh,
  isUnstarted,
  readRuntimeSnapshotSync,
  readStoredFiles,
  type StoredFiles,
  unstartedState,
} from "./load_store.ts";
import { type CheckpointOptions, StoreOwner, type StoreOwnerParts } from "./store_owner.ts";
import { WorkerRuntime } from "./worker_runtime.ts";

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

/** Options of {@linkcode WorkerRuntime.open}. */
export interface OpenRuntimeOptions {
  /** The directory that holds the runtimes; it is created when it is missing. */
  root: string;
  /** Any text of 1 to 126 bytes that is not blank. */
  runtimeId: string;
  /**
   * The runtime's name for people, or null for none, when it is made; later the recorded one counts
   * (WRT-3).
   */
  displayName?: string | null;
  /**
   * The largest limits that readers may ask for, when the runtime is made; later the recorded ones
   * count.
   *
   * @default {256 entries of a transcript, 256 events}
   */
  limits?: Partial<RuntimeLimits>;
  /**
   * The most bytes of an input, a reason, a request, a config bundle or a display name.
   *
   * @default {1048576}
   */
  maxContentBytes?: number;
}

const DEFAULT_LIMITS: RuntimeLimits = {
  max_transcript_projection_items: 256,
  max_event_batch_items: 256,
};
const DEFAULT_CONTENT_BYTES = 1024 * 1024;
/** What fits into a line of a log however its characters have to be escaped. */
const MOST_CONTENT_BYTES = 2 * 1024 * 1024;

/** {@linkcode WorkerRuntime.open} on a given file system. */
export async function openRuntimeOnPort(
  port: FilePort,
  options: OpenRuntimeOptions,
  checkpoints: CheckpointOptions = {},
): Promise<WorkerRuntime> {
  const { root, runtimeId, maxContentBytes = DEFAULT_CONTENT_BYTES } = options;
  const displayName = options.displayName ?? null;
  checkId(runtimeId, "runtime id");
  checkCount(maxContentBytes, { name: "maxContentBytes", max: MOST_CONTENT_BYTES });
  if (displayName !== null && typeof displayName !== "string") {
    throw new TypeError("Cannot open a runtime whose displayName is not a string");
  }
  if (displayName?.isWellFormed() === false) {
    throw invalidRequestError("display name has a lone surrogate");
  }
  checkSize(displayName ?? "", "a display name", maxContentBytes);
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  for (const [name, limit] of Object.entries(limits)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      throw new TypeError(
        `Cannot open a runtime with a limit ${name}: there are only ` +
          Object.keys(DEFAULT_LIMITS).join(" and "),
      );
    }
    checkCount(limit, { name, max: Number.MAX_SAFE_INTEGER });
  }
  const create = { runtimeId, displayName, limits };
  const owner = await openOwner(port, { root, runtimeId, create, checkpoints });
  return new WorkerRuntime({ owner, paths: new StorePaths(root, runtimeId), maxContentBytes });
}

function checkCount(count: number, { name, max }: { name: string; max: number }): void {
  if (Number.isSafeInteger(count) && count >= 0 && count <= max) return;
  throw new RangeError(
    `Cannot open a runtime with ${name} ${count}: it must be a whole number up to ${max}`,
  );
}
