import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import { checkWorkerRef } from "../files/log_pages.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import { RuntimeStoreError } from "../runtime_store_error.ts";
import { asStoreError, storeIoError, storeMissingError } from "../store_errors.ts";
import type { RuntimeLimits, TranscriptProjection, TranscriptQuery, WorkerRef } from "../types.ts";
import { buildState, checkUsable } from "./build_state.ts";
import { loadRuntimeBeside, type RuntimeFiles } from "./load_runtime.ts";
import { checkLimits, folderOf, openOwner } from "./open_runtime.ts";
import { RecoveredLogs } from "./recover_logs.ts";
import { RuntimeReader, type RuntimeSource } from "./runtime_reader.ts";

/** Options of {@linkcode FsRuntimeStore.open}. */
export interface OpenStoreOptions {
  /** The directory that holds the runtimes. */
  root: string;
  /** The runtime. */
  runtimeId: string;
  /**
   * Change nothing, and read beside whoever owns the runtime: what is read is its state of now.
   * Otherwise the runtime is owned, so that nobody changes it, and brought into order after a crash.
   *
   * @default {false}
   */
  readOnly?: boolean;
  /**
   * The largest limits of reads from this opening; each one without is that of the runtime.
   *
   * @default {those of the runtime}
   */
  limits?: Partial<RuntimeLimits>;
}

/**
 * The files of a runtime, for reading. All writing goes through {@linkcode WorkerRuntime} (FRS-15).
 *
 * **Permissions**: `--allow-read` for the root; `--allow-write` too unless it is read-only.
 *
 * @example Usage
 * ```ts
 * import { FsRuntimeStore, WorkerRuntime } from "@taffrail/taffrail/store";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using _runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
 *
 * await using store = await FsRuntimeStore.open({ root, runtimeId: "rt-1", readOnly: true });
 * const { events } = await store.readEvents({ runtime_id: "rt-1", next_event_id: 1 }, 10);
 * assertEquals(events.map(({ message }) => message), ["runtime started"]);
 * ```
 */
export class FsRuntimeStore extends RuntimeReader {
  /** The directory that holds the runtimes. */
  readonly root: string;
  readonly #folder: RuntimeFolder;

  /** @internal */
  constructor(source: RuntimeSource, limits?: Partial<RuntimeLimits>) {
    super(source, limits);
    this.root = source.folder.root;
    this.#folder = source.folder;
  }

  /**
   * Opens a runtime for reading. One that is not there is not made.
   *
   * @param options What to open, and how.
   * @returns The store.
   * @throws {RuntimeStoreError} `store-missing` if there is no such runtime; else as
   * {@linkcode WorkerRuntime.open}, `owned` only if not read-only.
   * @throws {TypeError} If `root` or `runtimeId` is not a string.
   * @throws {RangeError} If a limit is not a whole number.
   */
  static open(options: OpenStoreOptions): Promise<FsRuntimeStore> {
    return openStoreOnPort(denoFilePort, options);
  }

  /**
   * As {@linkcode RuntimeReader.readTranscript}, but the runtime of the worker is looked at before the
   * limit, and of a worker that is not there the file is missing (FRS-10).
   *
   * @param ref The worker.
   * @param query The first position, from 0, and the most entries.
   * @returns The entries and where to go on.
   * @throws {RuntimeStoreError} `store-missing` if there is no such worker; else as there.
   */
  override async readTranscript(
    ref: WorkerRef,
    query: TranscriptQuery,
  ): Promise<TranscriptProjection> {
    checkWorkerRef(ref, this.runtimeId);
    try {
      return await super.readTranscript(ref, query);
    } catch (error) {
      const isUnknown = error instanceof RuntimeStoreError && error.kind === "worker-not-found";
      if (!isUnknown) throw error;
      const path = this.#folder.log(this.#folder.transcript(ref.worker_id));
      throw storeMissingError({ operation: "read transcript", path });
    }
  }
}

/** {@linkcode FsRuntimeStore.open} on a given file system. */
export async function openStoreOnPort(
  port: FilePort,
  options: OpenStoreOptions,
): Promise<FsRuntimeStore> {
  const folder = folderOf(port, options);
  const { readOnly = false } = options;
  const limits = checkLimits(options.limits);
  const source = readOnly ? await openView(folder) : await openOwner(folder);
  return new FsRuntimeStore(source, limits);
}

/** A runtime as it was when it was opened, beside whoever owns it. */
function viewOf(files: RuntimeFiles): RuntimeSource {
  const { folder } = files;
  const unapplied = checkUsable(files);
  const problems: RuntimeStoreError[] = [];
  const logs = new RecoveredLogs({ folder, unapplied, problems });
  const state = buildState(files, logs);
  return {
    folder,
    state,
    problems,
    read: (name, end) => logs.read(name, end),
    createdWorkers: unapplied.createdWorkers,
    close: () => Promise.resolve(),
  };
}

async function openView(folder: RuntimeFolder): Promise<RuntimeSource> {
  const operation = "open runtime store";
  const place = { operation, path: folder.directory } as const;
  try {
    if (!folder.isThere(operation)) throw storeMissingError(place);
    const files = await loadRuntimeBeside(folder, operation);
    if (files !== undefined) return viewOf(files);
  } catch (error) {
    throw asStoreError(place, error);
  }
  throw storeIoError(place, new Error("it changes faster than it can be read; try again"));
}
