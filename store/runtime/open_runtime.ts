import { makeDirectoriesSync, makeDirectorySync } from "../../_internal/directories.ts";
import { checkString } from "../../_internal/errors.ts";
import { type FilePort, lookAtSync, sizeOf, withoutSyncs } from "../../_internal/file_port.ts";
import { absoluteRoot, createUlid } from "../../_internal/root_layout.ts";
import { quarantineSync } from "../../_internal/line_file.ts";
import { LogWriter } from "../files/log_writer.ts";
import { checkId, RuntimeFolder, takeOwnerLock } from "../files/runtime_folder.ts";
import { checkJournalFormats } from "../journal/mutation_record.ts";
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
import { buildState, checkUsable, isUnstarted } from "./build_state.ts";
import type { CheckpointOptions } from "./checkpoint.ts";
import {
  isFresh,
  loadRuntime,
  readRuntimeSnapshot,
  usableRuntimeSnapshot,
} from "./load_runtime.ts";
import { RecoveredLogs } from "./recover_logs.ts";
import { StoreOwner, type StoreOwnerParts } from "./store_owner.ts";

/** Options of {@linkcode WorkerRuntime.open}. */
export interface OpenRuntimeOptions {
  /** The directory that holds the runtimes; it is created when it is missing. */
  root: string;
  /**
   * Any text of 1 to 126 bytes that is not blank.
   *
   * @default {a new one: `runtime-` and a ULID, which no other process makes}
   */
  runtimeId?: string;
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
  /**
   * What a mutation survives that was acknowledged: `"disk"` a power cut, `"os"` the death of the process.
   * With `"os"` nothing is ever synced, so that a power cut may leave files of which nothing can be read:
   * it is for a runtime that can be made again from something else. Its mutations reach the journal alone
   * until a checkpoint, the last one when it is closed; only then do its workers get files.
   *
   * @default {"disk"}
   */
  durability?: "os" | "disk";
}

/**
 * The largest limits that readers may ask for in a runtime that was made without `limits`: those of the
 * original program.
 */
export const DEFAULT_RUNTIME_LIMITS: Readonly<RuntimeLimits> = {
  max_transcript_projection_items: 256,
  max_event_batch_items: 256,
};

const DEFAULT_CONTENT_BYTES = 1024 * 1024;
/** What fits into a line of a log however its characters have to be escaped. */
const MOST_CONTENT_BYTES = 2 * 1024 * 1024;

/** The folder that options name. */
export function folderOf(
  port: FilePort,
  options: { root: string; runtimeId: string },
): RuntimeFolder {
  // JavaScript may give no options at all.
  const { root, runtimeId } = options ?? {};
  checkString(root, "root");
  checkString(runtimeId, "runtimeId");
  checkId(runtimeId, "runtime id");
  return new RuntimeFolder(port, { root: absoluteRoot(root), runtimeId });
}

/** What options say, checked. */
interface CheckedOptions {
  folder: RuntimeFolder;
  /** What to make when there is no such runtime. */
  create: RuntimeIdentity;
  maxContentBytes: number;
  durability: "os" | "disk";
}

/** Refuses options that cannot be obeyed, before anything is looked at. */
export function checkOpenOptions(port: FilePort, options: OpenRuntimeOptions): CheckedOptions {
  const { runtimeId = `runtime-${createUlid(Date.now())}` } = options ?? {};
  const { maxContentBytes = DEFAULT_CONTENT_BYTES, durability = "disk" } = options ?? {};
  if (durability !== "disk" && durability !== "os") {
    throw new TypeError(
      `Cannot open a runtime with durability ${JSON.stringify(durability)}: it is "os" or "disk"`,
    );
  }
  const folder = folderOf(durability === "os" ? withoutSyncs(port) : port, {
    ...options,
    runtimeId,
  });
  const displayName = options.displayName ?? null;
  checkCount(maxContentBytes, { name: "maxContentBytes", max: MOST_CONTENT_BYTES });
  if (displayName !== null && typeof displayName !== "string") {
    throw new TypeError("Cannot open a runtime whose displayName is not a string");
  }
  if (displayName?.isWellFormed() === false) {
    throw invalidRequestError("display name has a lone surrogate");
  }
  checkSize(displayName ?? "", "a display name", maxContentBytes);
  const limits = { ...DEFAULT_RUNTIME_LIMITS, ...checkLimits(options.limits) };
  const create = { runtime_id: folder.runtimeId, display_name: displayName, limits };
  return { folder, create, maxContentBytes, durability };
}

/** Refuses limits that nobody knows, or that are no numbers of items. */
export function checkLimits(limits: Partial<RuntimeLimits> = {}): Partial<RuntimeLimits> {
  for (const [name, limit] of Object.entries(limits)) {
    if (!Object.hasOwn(DEFAULT_RUNTIME_LIMITS, name)) {
      throw new TypeError(
        `Cannot open a runtime with a limit ${name}: there are only ` +
          Object.keys(DEFAULT_RUNTIME_LIMITS).join(" and "),
      );
    }
    checkCount(limit, { name, max: Number.MAX_SAFE_INTEGER });
  }
  return limits;
}

function checkCount(count: number, { name, max }: { name: string; max: number }): void {
  if (Number.isSafeInteger(count) && count >= 0 && count <= max) return;
  throw new RangeError(
    `Cannot open a runtime with ${name} ${count}: it must be a whole number up to ${max}`,
  );
}

/** Takes a runtime for one owner, brings it into order after a crash, and makes it if need be. */
export async function openOwner(
  folder: RuntimeFolder,
  { create, checkpoints = {}, durability = "disk" }: {
    /** What to make when there is no such runtime; without it that is an error. */
    create?: RuntimeIdentity;
    checkpoints?: CheckpointOptions;
    durability?: "os" | "disk";
  } = {},
): Promise<StoreOwner> {
  try {
    prepareDirectories(folder, create !== undefined);
    checkWritable(folder);
    const lock = takeOwnerLock(folder);
    let recovered: Recovered;
    try {
      recovered = recover(folder, create);
    } catch (error) {
      lock.release();
      throw error;
    }
    const owner = await StoreOwner.begin({ ...recovered, lock, checkpoints, durability });
    if (recovered.isNew) await beginRuntime(owner);
    return owner;
  } catch (error) {
    throw asStoreError({ operation: "open runtime store", path: folder.directory }, error);
  }
}

function prepareDirectories(folder: RuntimeFolder, create: boolean): void {
  const operation = "open runtime store";
  const { port, root, folders, directory: path } = folder;
  if (folder.isThere(operation)) return;
  if (!create) throw storeMissingError({ operation, path });
  makeDirectoriesSync(port, root, folders);
}

/** What cannot be read, a newer schema for one, is not written to, not even a lock. */
export function checkWritable(folder: RuntimeFolder): void {
  usableRuntimeSnapshot(readRuntimeSnapshot(folder), folder);
  checkJournalFormats(folder);
}

interface Recovered extends Omit<StoreOwnerParts, "lock" | "checkpoints" | "durability"> {
  /** Whether its first event is still to be recorded. */
  isNew: boolean;
}

/** Reads what is there, and brings the logs into the order that the journal and whole lines give. */
function recover(folder: RuntimeFolder, create: RuntimeIdentity | undefined): Recovered {
  const files = loadRuntime(folder);
  const unapplied = checkUsable(files);
  const logs = new LogWriter(folder);
  const problems: RuntimeStoreError[] = [];
  const isMade = create !== undefined && isFresh(files);
  const isBegunAgain = isUnstarted(files);
  let state: StoreState;
  if (isMade) {
    state = new StoreState(create);
  } else if (isBegunAgain) {
    state = StoreState.of({ ...files.runtime.found!, next_event_id: 1 }, unapplied);
  } else {
    state = buildState(files, new RecoveredLogs({ folder, unapplied, problems, writer: logs }));
  }
  if (!isMade && files.events.found === undefined) logs.touch(folder.events, state.eventsEnd);
  if (lookAtSync(folder.port, folder.workers) === undefined) {
    makeDirectorySync(folder.port, folder.workers);
  }
  const incomplete = files.workers
    .filter(({ snapshot, transcript }) => snapshot.found && transcript.found === undefined)
    .map(({ directoryId }) => directoryId);
  const isNew = isMade || isBegunAgain;
  const recovered = { folder, state, logs, problems, unapplied, incomplete, isNew };
  keepUnplaced(recovered);
  return recovered;
}

/** The first event, and in its mutation the runtime itself (WRT-2). */
async function beginRuntime(owner: StoreOwner): Promise<void> {
  try {
    await owner.submit((mutation) => {
      mutation.createdRuntime = owner.state.snapshot();
      mutation.addEvent("runtime_started", "runtime started");
    });
  } catch (error) {
    await owner.close().catch(() => {});
    throw error;
  }
}

/** The journal is all that is left of changes to a worker that cannot be read: it is kept. */
function keepUnplaced({ folder, unapplied, state, problems }: Recovered): void {
  const lost = [...unapplied.changedWorkers.keys()].find((id) => state.worker(id) === undefined);
  if (lost === undefined) return;
  for (const number of folder.journalNumbers()) {
    const path = folder.journal(number);
    const tornFile = folder.use({ operation: "open runtime store", path }, (file) => {
      return quarantineSync(folder.port, { path, file, tailStart: 0, size: sizeOf(file) });
    });
    problems.push(storeCorruptError({ operation: "open runtime store", path }, {
      problem: `it has changes of worker ${lost}, which cannot be read; it is kept in ${tornFile}`,
    }));
  }
}
