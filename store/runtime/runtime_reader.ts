import { compareUtf8 } from "../../_internal/wire_json/print_json.ts";
import {
  configBundleAvailability,
  resolveConfigBundle,
  summarizeConfigBundle,
} from "../config_bundle.ts";
import type { LogBytes } from "../files/log_bytes.ts";
import {
  checkEventQuery,
  checkTranscriptQuery,
  readEventPage,
  readTranscriptPage,
} from "../files/log_pages.ts";
import type { LogReader } from "../journal/log_source.ts";
import type { StorePaths } from "../layout.ts";
import type { StoreOperation } from "../runtime_store_error.ts";
import type { StateView, StoreState, WorkerEntry } from "../state/store_state.ts";
import { workerNotFoundError, wrapIo, wrongRuntimeError } from "../store_errors.ts";
import type {
  ConfigBundleAvailability,
  ConfigBundleRef,
  ConfigBundleSummary,
  CreateWorkerRequest,
  EventCursor,
  EventSubscription,
  RuntimeDiagnostic,
  RuntimeEventBatch,
  RuntimeSummary,
  TranscriptProjection,
  TranscriptQuery,
  WorkerDetail,
  WorkerRef,
  WorkerStatus,
  WorkerSummary,
} from "../types.ts";

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

/** What a reader reads from. */
export interface RuntimeReaderParts {
  state: StoreState;
  paths: StorePaths;
  logs: LogReader;
  /** What a worker was made from; the caller may keep it. */
  requestOf: (workerId: string) => CreateWorkerRequest;
}

/** The worker of a reference; refused when it is another runtime's, unknown, or cannot be read. */
export function findWorker(view: StateView, { runtime_id, worker_id }: WorkerRef): WorkerEntry {
  const { runtimeId } = view;
  if (runtime_id !== runtimeId) {
    throw wrongRuntimeError(worker_id, { expected: runtimeId, actual: runtime_id });
  }
  const entry = view.worker(worker_id);
  if (entry !== undefined) return entry;
  throw view.brokenWorker(worker_id) ?? workerNotFoundError(runtimeId, worker_id);
}

/** What can be read of a runtime, by whoever has it open. */
export class RuntimeReader {
  readonly #parts: RuntimeReaderParts;

  constructor(parts: RuntimeReaderParts) {
    this.#parts = parts;
  }

  summary(): RuntimeSummary {
    const { identity, counters, diagnostics } = this.#parts.state;
    const counts: Record<WorkerStatus, number> = { running: 0, stopped: 0, cancelled: 0 };
    for (const { status } of this.#parts.state.workers()) counts[status]++;
    return {
      runtime_id: identity.runtimeId,
      display_name: identity.displayName,
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

  listWorkers({ after, limit = DEFAULT_LIST_LIMIT }: ListWorkersOptions = {}): WorkerSummary[] {
    if (!Number.isSafeInteger(limit) || limit < 0) {
      throw new RangeError(`Cannot list ${limit} workers: limit must be a whole number from 0 on`);
    }
    const { state } = this.#parts;
    return state.workersAfter(after, limit).map((entry) => ({
      ...this.#headOf(entry),
      requested_capability_count: entry.requested_capability_count,
      has_config_bundle: entry.has_config_bundle,
      transcript_len: entry.transcript_len,
      last_event_id: entry.last_event_id,
    }));
  }

  workerDetail(ref: WorkerRef): WorkerDetail {
    const entry = findWorker(this.#parts.state, ref);
    const { config_bundle, requested_capabilities, workspace_refs, mount_refs } = this.#parts
      .requestOf(entry.worker_id);
    return {
      ...this.#headOf(entry),
      ...(config_bundle !== undefined && { config_bundle }),
      ...(requested_capabilities !== undefined && { requested_capabilities }),
      ...(workspace_refs !== undefined && { workspace_refs }),
      ...(mount_refs !== undefined && { mount_refs }),
      transcript_len: entry.transcript_len,
      last_event_id: entry.last_event_id,
    };
  }

  readEvents(cursor: EventCursor, limit: number): RuntimeEventBatch {
    const { state, paths } = this.#parts;
    const max = state.identity.limits.max_event_batch_items;
    checkEventQuery(cursor, { runtimeId: state.runtimeId, limit, max });
    return this.#withLog(
      paths.events,
      { end: state.eventsEnd, operation: "read events" },
      (log) => readEventPage(log, { cursor, limit }),
    );
  }

  subscribeEvents(
    { runtime_id, next_event_id }: EventCursor = {
      runtime_id: this.#parts.state.runtimeId,
      next_event_id: 1,
    },
  ): EventSubscription {
    const { runtimeId } = this.#parts.state;
    checkEventQuery({ runtime_id, next_event_id }, { runtimeId, limit: 0, max: 0 });
    return { runtime_id, cursor: { runtime_id, next_event_id }, mode: "poll_only" };
  }

  readTranscript(ref: WorkerRef, query: TranscriptQuery): TranscriptProjection {
    const { state, paths } = this.#parts;
    const max = state.identity.limits.max_transcript_projection_items;
    checkTranscriptQuery(ref, { runtimeId: state.runtimeId, query, max });
    const { worker_id, transcriptEnd, transcript_len } = findWorker(state, ref);
    const name = paths.transcript(worker_id);
    const options = { end: transcriptEnd, operation: "read transcript" } as const;
    return this.#withLog(
      name,
      options,
      (log) => readTranscriptPage(log, { ref, query, total: transcript_len }),
    );
  }

  diagnostics(): RuntimeDiagnostic[] {
    return this.#parts.state.diagnostics.map((diagnostic) => ({ ...diagnostic }));
  }

  listConfigBundles(): ConfigBundleSummary[] {
    const bundles = [...this.#parts.state.bundles].sort(([a], [b]) => compareUtf8(a, b));
    return bundles.map(([, bundle]) => copySummary(summarizeConfigBundle(bundle)));
  }

  configBundleAvailability(reference: ConfigBundleRef): ConfigBundleAvailability {
    const bundle = resolveConfigBundle(reference, (id) => this.#parts.state.bundle(id));
    const { reference: stored, summary } = configBundleAvailability(bundle);
    return { reference: stored, summary: copySummary(summary) };
  }

  #withLog<T>(
    name: string,
    { end, operation }: { end: number; operation: StoreOperation },
    use: (log: LogBytes) => T,
  ): T {
    const { paths, logs } = this.#parts;
    const log = wrapIo({ operation, path: paths.log(name) }, () => logs.read(name, end));
    try {
      return use(log);
    } finally {
      log.close();
    }
  }

  #headOf({ worker_id, status, intent, profile }: WorkerEntry) {
    const { runtimeId } = this.#parts.state;
    return {
      worker_ref: { runtime_id: runtimeId, worker_id },
      runtime_id: runtimeId,
      worker_id,
      status,
      intent: { ...intent },
      profile: { ...profile },
    };
  }
}

function copySummary(summary: ConfigBundleSummary): ConfigBundleSummary {
  return { ...summary, provenance: { ...summary.provenance } };
}
