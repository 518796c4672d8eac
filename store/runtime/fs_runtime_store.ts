import { denoFilePort, type FilePort } from "../../_internal/file_port.ts";
import { pause } from "../../_internal/lock.ts";
import { readWorkerSnapshotSync } from "../files/snapshot_reader.ts";
import { Oddities } from "../journal/journal_follower.ts";
import { JournaledLogs } from "../journal/log_source.ts";
import { checkId, isDirectorySync, StorePaths } from "../layout.ts";
import { RuntimeStoreError } from "../runtime_store_error.ts";
import { asStoreError, closedError, storeIoError, storeMissingError } from "../store_errors.ts";
import type {
  ConfigBundleAvailability,
  ConfigBundleRef,
  ConfigBundleSummary,
  EventCursor,
  RuntimeDiagnostic,
  RuntimeEventBatch,
  RuntimeSummary,
  TranscriptProjection,
  TranscriptQuery,
  WorkerDetail,
  WorkerRef,
  WorkerSummary,
} from "../types.ts";
import { buildState, readFollowedFiles, type StoredFiles } from "./load_store.ts";
import { openOwner } from "./open_runtime.ts";
import { type ListWorkersOptions, RuntimeReader } from "./runtime_reader.ts";

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
}

const READ_ATTEMPTS = 100;
const PAUSE_MS = 1;

interface Parts {
  paths: StorePaths;
  reader: RuntimeReader;
  problems: readonly RuntimeStoreError[];
  close: () => Promise<void>;
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
export class FsRuntimeStore implements AsyncDisposable {
  /** The directory that holds the runtimes. */
  readonly root: string;
  /** The runtime's id. */
  readonly runtimeId: string;
  /** The runtime's directory. */
  readonly path: string;
  readonly #parts: Parts;
  #isClosed = false;

  /** @internal */
  constructor(parts: Parts, { root, runtimeId }: { root: string; runtimeId: string }) {
    this.root = root;
    this.runtimeId = runtimeId;
    this.path = parts.paths.directory;
    this.#parts = parts;
  }

  /**
   * Opens a runtime for reading. One that is not there is not made.
   *
   * @param options What to open, and how.
   * @returns The store.
   * @throws {RuntimeStoreError} `store-missing` if there is no such runtime; else as
   * {@linkcode WorkerRuntime.open}, `owned` only if not read-only.
   */
  static open(options: OpenStoreOptions): Promise<FsRuntimeStore> {
    return openStoreOnPort(denoFilePort, options);
  }

  /** What was found to be wrong when the runtime was opened. */
  get problems(): readonly RuntimeStoreError[] {
    return this.#parts.problems;
  }

  /** The runtime at a glance. */
  summary(): RuntimeSummary {
    return this.#open().summary();
  }

  /** As {@linkcode WorkerRuntime.listWorkers}. */
  listWorkers(options: ListWorkersOptions = {}): WorkerSummary[] {
    return this.#open().listWorkers(options);
  }

  /** The newest 1,000 diagnostics. */
  diagnostics(): RuntimeDiagnostic[] {
    return this.#open().diagnostics();
  }

  /** As {@linkcode WorkerRuntime.listConfigBundles}. */
  listConfigBundles(): ConfigBundleSummary[] {
    return this.#open().listConfigBundles();
  }

  /** As {@linkcode WorkerRuntime.configBundleAvailability}. */
  configBundleAvailability(reference: ConfigBundleRef): ConfigBundleAvailability {
    return this.#open().configBundleAvailability(reference);
  }

  /** As {@linkcode WorkerRuntime.workerDetail}. */
  // deno-lint-ignore require-await -- What reads files can become asynchronous.
  async workerDetail(ref: WorkerRef): Promise<WorkerDetail> {
    return this.#open().workerDetail(ref);
  }

  /** As {@linkcode WorkerRuntime.readEvents}. */
  // deno-lint-ignore require-await -- What reads files can become asynchronous.
  async readEvents(cursor: EventCursor, limit: number): Promise<RuntimeEventBatch> {
    return this.#open().readEvents(cursor, limit);
  }

  /**
   * As {@linkcode WorkerRuntime.readTranscript}, but of a worker that is not there the file is missing
   * (FRS-10).
   *
   * @throws {RuntimeStoreError} `store-missing` if there is no such worker.
   */
  // deno-lint-ignore require-await -- What reads files can become asynchronous.
  async readTranscript(ref: WorkerRef, query: TranscriptQuery): Promise<TranscriptProjection> {
    try {
      return this.#open().readTranscript(ref, query);
    } catch (error) {
      const isUnknown = error instanceof RuntimeStoreError && error.kind === "worker-not-found";
      if (!isUnknown) throw error;
      const { paths } = this.#parts;
      const path = paths.log(paths.transcript(ref.worker_id));
      throw storeMissingError({ operation: "read transcript", path });
    }
  }

  /** Gives the runtime up. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#parts.close();
  }

  /** Same as {@linkcode FsRuntimeStore.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): RuntimeReader {
    if (this.#isClosed) throw closedError(this.runtimeId);
    return this.#parts.reader;
  }
}

/** {@linkcode FsRuntimeStore.open} on a given file system. */
export async function openStoreOnPort(
  port: FilePort,
  options: OpenStoreOptions,
): Promise<FsRuntimeStore> {
  const { root, runtimeId, readOnly = false } = options;
  checkId(runtimeId, "runtime id");
  const paths = new StorePaths(root, runtimeId);
  if (readOnly) return new FsRuntimeStore(await readParts(port, paths, runtimeId), options);
  const owner = await openOwner(port, { root, runtimeId, checkpoints: {} });
  const { state, problems } = owner;
  const requestOf = (workerId: string) => owner.requestOf(workerId);
  const reader = new RuntimeReader({ state, paths, logs: owner, requestOf });
  return new FsRuntimeStore({ paths, reader, problems, close: () => owner.close() }, options);
}

async function readParts(port: FilePort, paths: StorePaths, runtimeId: string): Promise<Parts> {
  const problems: RuntimeStoreError[] = [];
  const files = await readConsistently(port, paths, runtimeId);
  const { overlay } = files;
  const logs = new JournaledLogs({ port, paths, overlay, problems });
  const state = buildState(files, { paths, logs, problems });
  const requestOf = (workerId: string) => {
    const created = overlay.createdWorkers.get(workerId);
    if (created !== undefined) return structuredClone(created.request);
    return readWorkerSnapshotSync(port, paths, { runtimeId, workerId }).request;
  };
  const reader = new RuntimeReader({ state, paths, logs, requestOf });
  return { paths, reader, problems, close: () => Promise.resolve() };
}

/** Reads until nobody has changed too much meanwhile, which happens only to large runtimes. */
async function readConsistently(
  port: FilePort,
  paths: StorePaths,
  runtimeId: string,
): Promise<StoredFiles> {
  const operation = "open runtime store";
  const place = { operation, path: paths.directory } as const;
  try {
    if (!isDirectorySync(port, paths.directory, { operation, what: "runtime" })) {
      throw storeMissingError(place);
    }
    const oddities = new Oddities();
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      try {
        const files = readFollowedFiles(port, paths, { runtimeId, oddities });
        if (files !== undefined) return files;
      } catch (error) {
        if (oddities.isError(error)) throw error;
      }
      await pause(PAUSE_MS);
    }
  } catch (error) {
    throw asStoreError(place, error);
  }
  throw storeIoError(place, new Error("it changes faster than it can be read; try again"));
}
