import { compareUtf8 } from "../../_internal/text.ts";
import { checkWorkerRef } from "../files/log_pages.ts";
import type {
  RuntimeCounters,
  RuntimeSnapshot,
  WorkerChange,
  WorkerSnapshot,
} from "../files/snapshots.ts";
import type { UnappliedMutations } from "../journal/unapplied_mutations.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { workerNotFoundError } from "../store_errors.ts";
import type { ConfigBundle, RuntimeDiagnostic, WorkerRef, WorkerSummary } from "../types.ts";

/** How many diagnostics a runtime keeps: the newest ones. */
export const KEPT_DIAGNOSTICS = 1000;

/** What is kept in memory of a worker; a change makes a new one. */
export interface WorkerEntry extends Readonly<WorkerSummary> {
  readonly next_transcript_sequence: number;
  /** Where the next line of its transcript begins. */
  readonly transcriptEnd: number;
}

/** What a mutation can ask of the state that it is to change. */
export interface StateView {
  readonly runtimeId: string;
  readonly counters: RuntimeCounters;
  /** Where the next line of `events.jsonl` begins. */
  readonly eventsEnd: number;
  worker(workerId: string): WorkerEntry | undefined;
  bundle(bundleId: string): ConfigBundle | undefined;
  workers(): Iterable<WorkerEntry>;
  /** Why a worker cannot be used, if it cannot. */
  brokenWorker(workerId: string): RuntimeStoreError | undefined;
}

/** What does not change while a runtime is open. */
export type RuntimeIdentity = Pick<RuntimeSnapshot, "runtime_id" | "display_name" | "limits">;

/** The state of a runtime: what its journal and snapshots say together. */
export class StoreState implements StateView {
  readonly identity: RuntimeIdentity;
  readonly runtimeId: string;
  counters: RuntimeCounters;
  eventsEnd = 0;
  diagnostics: RuntimeDiagnostic[] = [];
  readonly bundles: Map<string, ConfigBundle> = new Map();
  /** Workers that cannot be used, and why; they do not stand in the way of the others. */
  readonly broken: Map<string, RuntimeStoreError> = new Map();
  readonly #workers = new Map<string, WorkerEntry>();
  /** The ids in their order. */
  #ids: string[] = [];

  /** The state of a runtime of which nothing has been recorded. */
  constructor({ runtime_id, display_name, limits }: RuntimeIdentity) {
    this.identity = { runtime_id, display_name, limits };
    this.runtimeId = runtime_id;
    this.counters = {
      status: "running",
      next_worker_sequence: 1,
      next_event_id: 1,
      next_diagnostic_id: 1,
    };
  }

  /** The state of a runtime without its workers, as its snapshot and its journal have it. */
  static of(snapshot: RuntimeSnapshot, unapplied: UnappliedMutations): StoreState {
    const { config_bundles, diagnostics } = snapshot;
    const { status, next_worker_sequence, next_event_id, next_diagnostic_id } = snapshot;
    const state = new StoreState(snapshot);
    state.counters = unapplied.counters ??
      { status, next_worker_sequence, next_event_id, next_diagnostic_id };
    for (const [id, bundle] of Object.entries(config_bundles)) state.bundles.set(id, bundle);
    for (const bundle of unapplied.bundles) state.bundles.set(bundle.metadata.id, bundle);
    state.diagnostics = diagnostics.slice(-KEPT_DIAGNOSTICS);
    // A checkpoint that was interrupted may have put them into the snapshot already.
    state.addDiagnostics(unapplied.diagnostics.filter(({ id }) => id >= next_diagnostic_id));
    return state;
  }

  worker(workerId: string): WorkerEntry | undefined {
    return this.#workers.get(workerId);
  }

  bundle(bundleId: string): ConfigBundle | undefined {
    return this.bundles.get(bundleId);
  }

  brokenWorker(workerId: string): RuntimeStoreError | undefined {
    return this.broken.get(workerId);
  }

  *workers(): Iterable<WorkerEntry> {
    for (const id of this.#ids) yield this.#workers.get(id)!;
  }

  /** The workers behind an id in their order, from the first one without it. */
  workersAfter(after: string | undefined, limit: number): WorkerEntry[] {
    const start = after === undefined ? 0 : firstBehind(this.#ids, after);
    return this.#ids.slice(start, start + limit).map((id) => this.#workers.get(id)!);
  }

  setWorker(entry: WorkerEntry): void {
    const { worker_id: id } = entry;
    if (!this.#workers.has(id)) {
      const at = firstBehind(this.#ids, id);
      if (at === this.#ids.length) this.#ids.push(id);
      else this.#ids.splice(at, 0, id);
    }
    this.#workers.set(id, entry);
  }

  /** What `runtime.json` is to hold. */
  snapshot(): RuntimeSnapshot {
    const { limits, ...names } = this.identity;
    const { status, ...next } = this.counters;
    // In the order of the file, as what is in order is printed fastest.
    return {
      schema_version: 1,
      ...names,
      backend: "fs_store",
      status,
      limits,
      ...next,
      config_bundles: Object.fromEntries(this.bundles),
      diagnostics: this.diagnostics,
    };
  }

  addDiagnostics(added: readonly RuntimeDiagnostic[]): void {
    if (added.length === 0) return;
    this.diagnostics = [...this.diagnostics, ...added].slice(-KEPT_DIAGNOSTICS);
  }
}

/** The index of the first id that stands behind `id`. */
function firstBehind(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareUtf8(ids[middle]!, id) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The worker of a reference; refused when it is another runtime's, unknown, or cannot be read. */
export function findWorker(view: StateView, ref: WorkerRef): WorkerEntry {
  const { runtimeId } = view;
  checkWorkerRef(ref, runtimeId);
  const { worker_id } = ref;
  const entry = view.worker(worker_id);
  if (entry !== undefined) return entry;
  throw view.brokenWorker(worker_id) ?? workerNotFoundError(runtimeId, worker_id);
}

/** What is kept in memory of a worker. */
export function entryOf(
  worker: WorkerSnapshot,
  transcript: { length: number; end: number },
): WorkerEntry {
  const { worker_ref, worker_id, status, request, last_event_id } = worker;
  return {
    worker_ref,
    runtime_id: worker_ref.runtime_id,
    worker_id,
    status,
    intent: request.intent,
    profile: request.profile,
    requested_capability_count: request.requested_capabilities?.length ?? 0,
    has_config_bundle: request.config_bundle !== undefined,
    transcript_len: transcript.length,
    last_event_id,
    next_transcript_sequence: worker.next_transcript_sequence,
    transcriptEnd: transcript.end,
  };
}

/** What of a worker can change. */
export function changeOf(
  { worker_id, status, next_transcript_sequence, last_event_id }: WorkerChange,
): WorkerChange {
  return { worker_id, status, next_transcript_sequence, last_event_id };
}

/** The id of the n-th worker. */
export function workerIdOf(number: number): string {
  return `worker-${number.toString(16).padStart(8, "0")}`;
}

/** The number in an id that a runtime gave out; 0 for others. */
export function workerNumberOf(workerId: string): number {
  const digits = /^worker-([0-9a-f]{8,13})$/.exec(workerId)?.[1];
  return digits === undefined ? 0 : Number.parseInt(digits, 16);
}
