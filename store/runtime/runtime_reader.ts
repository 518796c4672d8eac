import { defined } from "../../_internal/errors.ts";
import { compareUtf8 } from "../../_internal/text.ts";
import {
  configBundleAvailability,
  resolveConfigBundle,
  summarizeConfigBundle,
} from "../config_bundle.ts";
import type { LogBytes } from "../files/log_lines.ts";
import { eventLog, transcriptLog } from "../files/log_codecs.ts";
import {
  checkEventQuery,
  checkTranscriptQuery,
  readEventPage,
  readTranscriptPage,
} from "../files/log_pages.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import type { WorkerSnapshot } from "../files/snapshots.ts";
import type { RuntimeStoreError, StoreOperation } from "../runtime_store_error.ts";
import { findWorker, type StoreState, type WorkerEntry } from "../state/store_state.ts";
import { closedError, wrapIo } from "../store_errors.ts";
import type {
  ConfigBundleAvailability,
  ConfigBundleRef,
  ConfigBundleSummary,
  EventCursor,
  RuntimeDiagnostic,
  RuntimeEventBatch,
  RuntimeLimits,
  RuntimeSummary,
  TranscriptProjection,
  TranscriptQuery,
  WorkerDetail,
  WorkerRef,
  WorkerStatus,
  WorkerSummary,
} from "../types.ts";
import { readWorkerSnapshot } from "./load_runtime.ts";

/** Which workers to list. */
export interface ListWorkersOptions {
  /** The id behind which to begin, in the order of the ids' bytes; from the first by default. */
  after?: string;
  /**
   * The most workers to return.
   *
   * @default {256}
   */
  limit?: number;
}

const DEFAULT_LIST_LIMIT = 256;

/** What an open runtime is read from: by its owner, or beside one. */
export interface RuntimeSource {
  readonly folder: RuntimeFolder;
  readonly state: StoreState;
  readonly problems: readonly RuntimeStoreError[];
  /** Opens the log of a name, `end` bytes long. */
  read(name: string, end: number): LogBytes;
  /** The workers that have no `worker.json` yet. */
  readonly createdWorkers: ReadonlyMap<string, WorkerSnapshot>;
  close(): Promise<void>;
}

/**
 * What can be read of an open runtime, whether it was opened with {@linkcode WorkerRuntime.open} or
 * with {@linkcode FsRuntimeStore.open}; these open it.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @example Usage
 * ```ts
 * import { FsRuntimeStore, type RuntimeReader, WorkerRuntime } from "@taffrail/taffrail/store";
 * import { assertEquals } from "@std/assert";
 *
 * function countWorkers(reader: RuntimeReader): number {
 *   return reader.summary().worker_count;
 * }
 *
 * const root = await Deno.makeTempDir();
 * await using runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
 * await using store = await FsRuntimeStore.open({ root, runtimeId: "rt-1", readOnly: true });
 * assertEquals([countWorkers(runtime), countWorkers(store)], [0, 0]);
 * ```
 */
export abstract class RuntimeReader implements AsyncDisposable {
  /** The runtime's id. */
  readonly runtimeId: string;
  /** The runtime's directory. */
  readonly path: string;
  /** What was found to be wrong when the runtime was opened; nothing in it was repaired silently. */
  readonly problems: readonly RuntimeStoreError[];
  readonly #source: RuntimeSource;
  /** The largest limits of reads, where they are other ones than the runtime's. */
  readonly #limits: Partial<RuntimeLimits>;
  #isClosed = false;

  /** @internal */
  protected constructor(source: RuntimeSource, limits: Partial<RuntimeLimits> = {}) {
    this.runtimeId = source.folder.runtimeId;
    this.path = source.folder.directory;
    this.problems = source.problems;
    this.#source = source;
    this.#limits = limits;
  }

  /** The runtime at a glance. */
  summary(): RuntimeSummary {
    const state = this.#state();
    const { identity, counters, diagnostics } = state;
    const counts: Record<WorkerStatus, number> = { running: 0, stopped: 0, cancelled: 0 };
    for (const { status } of state.workers()) counts[status]++;
    return {
      runtime_id: identity.runtime_id,
      display_name: identity.display_name,
      backend: "fs_store",
      status: counters.status,
      worker_count: counts.running + counts.stopped + counts.cancelled,
      active_worker_count: counts.running,
      stopped_worker_count: counts.stopped,
      cancelled_worker_count: counts.cancelled,
      diagnostic_count: diagnostics.length,
      limits: { ...identity.limits },
    };
  }

  /**
   * The workers in the order of their ids, a page at a time: those behind `after`.
   *
   * @param options Where to begin, and how many.
   * @returns The workers; fewer than `limit` when there are no more.
   * @throws {RangeError} If `limit` is not a whole number.
   */
  listWorkers({ after, limit = DEFAULT_LIST_LIMIT }: ListWorkersOptions = {}): WorkerSummary[] {
    const state = this.#state();
    if (!Number.isSafeInteger(limit) || limit < 0) {
      throw new RangeError(`Cannot list ${limit} workers: limit must be a whole number from 0 on`);
    }
    return state.workersAfter(after, limit).map((entry) => ({
      ...headOf(entry),
      requested_capability_count: entry.requested_capability_count,
      has_config_bundle: entry.has_config_bundle,
      transcript_len: entry.transcript_len,
      last_event_id: entry.last_event_id,
    }));
  }

  /** The newest 1,000 diagnostics. */
  diagnostics(): RuntimeDiagnostic[] {
    return structuredClone(this.#state().diagnostics);
  }

  /** The config bundles at a glance, in the order of their ids. */
  listConfigBundles(): ConfigBundleSummary[] {
    const bundles = [...this.#state().bundles].sort(([a], [b]) => compareUtf8(a, b));
    return bundles.map(([, bundle]) => summarizeConfigBundle(bundle));
  }

  /**
   * Tells about a stored config bundle.
   *
   * @param reference The bundle, and which content of it.
   * @returns What it is.
   * @throws {RuntimeStoreError} `config-bundle-missing` or `config-bundle-digest-mismatch`.
   * @throws {TypeError} If the reference has no id or no digest.
   */
  configBundleAvailability(reference: ConfigBundleRef): ConfigBundleAvailability {
    const state = this.#state();
    return configBundleAvailability(resolveConfigBundle(reference, (id) => state.bundle(id)));
  }

  /**
   * Everything about a worker but its transcript.
   *
   * @param ref The worker.
   * @returns Its request and how it is.
   * @throws {RuntimeStoreError} `wrong-runtime`, `worker-not-found`, or what is wrong with its files.
   */
  // deno-lint-ignore require-await -- What reads files can become asynchronous.
  async workerDetail(ref: WorkerRef): Promise<WorkerDetail> {
    const entry = findWorker(this.#state(), ref);
    const { createdWorkers, folder } = this.#source;
    const { request } = createdWorkers.get(entry.worker_id) ??
      readWorkerSnapshot(folder, entry.worker_id);
    const { config_bundle, requested_capabilities, workspace_refs, mount_refs } = structuredClone(
      request,
    );
    return {
      ...headOf(entry),
      ...defined({ config_bundle, requested_capabilities, workspace_refs, mount_refs }),
      transcript_len: entry.transcript_len,
      last_event_id: entry.last_event_id,
    };
  }

  /**
   * The cursor of the first event.
   *
   * @returns What to give to {@linkcode RuntimeReader.readEvents}.
   */
  eventCursorFromStart(): EventCursor {
    return { runtime_id: this.#state().runtimeId, next_event_id: 1 };
  }

  /**
   * The cursor behind the last event that there is now.
   *
   * @returns What to give to {@linkcode RuntimeReader.readEvents}.
   */
  eventCursorNow(): EventCursor {
    const { runtimeId, counters } = this.#state();
    return { runtime_id: runtimeId, next_event_id: counters.next_event_id };
  }

  /**
   * Events from a cursor on, at the cost of the page (FRS-8). A limit of 0 gives an empty page that
   * says that there is no more.
   *
   * @param cursor Where to begin; `{ runtime_id, next_event_id: 1 }` for all.
   * @param limit The most events.
   * @returns The events and where to go on.
   * @throws {RuntimeStoreError} `wrong-runtime-cursor`, `limit-too-large`, or what is wrong with the
   * log.
   */
  // deno-lint-ignore require-await -- What reads files can become asynchronous.
  async readEvents(cursor: EventCursor, limit: number): Promise<RuntimeEventBatch> {
    const { runtimeId, identity, eventsEnd } = this.#state();
    const { max_event_batch_items: max } = { ...identity.limits, ...this.#limits };
    checkEventQuery(cursor, { runtimeId, limit, max });
    const log = this.#openLog(eventLog, { name: this.#source.folder.events, end: eventsEnd });
    return log.use(() => readEventPage(log, { cursor, limit }));
  }

  /**
   * Entries of a worker's transcript by their position (FRS-10).
   *
   * @param ref The worker.
   * @param query The first position, from 0, and the most entries.
   * @returns The entries and where to go on.
   * @throws {RuntimeStoreError} `limit-too-large`, `wrong-runtime`, `worker-not-found`, or what is
   * wrong with its files.
   */
  // deno-lint-ignore require-await -- What reads files can become asynchronous.
  async readTranscript(ref: WorkerRef, query: TranscriptQuery): Promise<TranscriptProjection> {
    const state = this.#state();
    const { max_transcript_projection_items: max } = { ...state.identity.limits, ...this.#limits };
    checkTranscriptQuery(ref, { runtimeId: state.runtimeId, query, max });
    const { worker_id, transcriptEnd: end, transcript_len: total } = findWorker(state, ref);
    const name = this.#source.folder.transcript(worker_id);
    const log = this.#openLog(transcriptLog, { name, end });
    return log.use(() => readTranscriptPage(log, { ref, query, total }));
  }

  /**
   * Gives the runtime up. {@linkcode WorkerRuntime} first waits for the mutations under way and brings
   * everything into the files that other programs read. Done again, it does nothing.
   *
   * @throws {RuntimeStoreError} `store-io` if that failed: nothing that was acknowledged is lost, and
   * the next opening does it.
   */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#source.close();
  }

  /** Same as {@linkcode RuntimeReader.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #state(): StoreState {
    if (this.#isClosed) throw closedError(this.runtimeId);
    return this.#source.state;
  }

  #openLog(
    { operation }: { operation: StoreOperation },
    { name, end }: { name: string; end: number },
  ): LogBytes {
    const path = this.#source.folder.log(name);
    return wrapIo({ operation, path }, () => this.#source.read(name, end));
  }
}

function headOf({ worker_ref, runtime_id, worker_id, status, intent, profile }: WorkerEntry) {
  return {
    worker_ref: { ...worker_ref },
    runtime_id,
    worker_id,
    status,
    intent: { ...intent },
    profile: { ...profile },
  };
}
