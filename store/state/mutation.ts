import type { RuntimePaths } from "../../_internal/root_layout.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { eventLog, transcriptLog } from "../files/log_codecs.ts";
import type { RuntimeCounters, RuntimeSnapshot, WorkerSnapshot } from "../files/snapshots.ts";
import { encodeMutation, type LogLines } from "../journal/mutation_record.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import type {
  ConfigBundle,
  CreateWorkerRequest,
  RuntimeDiagnostic,
  RuntimeEventKind,
  WorkerInput,
  WorkerRef,
} from "../types.ts";
import {
  changeOf,
  entryOf,
  type StateView,
  type StoreState,
  type WorkerEntry,
} from "./store_state.ts";

/** Lines for one log, printed and as bytes. */
interface AddedLines extends LogLines<string> {
  lines: string[];
  bytes: Uint8Array[];
}

/** Makes a mutation, or throws why not; then nothing of it counts. */
export type Rule<T> = (mutation: Mutation) => T;

/**
 * What a mutation changes, not yet made part of the state that it stands on. It can stand on another
 * mutation: those of a group are each made on what those before them left.
 */
export class Mutation implements StateView {
  readonly #base: StateView;
  readonly #paths: RuntimePaths;
  readonly runtimeId: string;
  counters: RuntimeCounters;
  eventsEnd: number;
  /** The runtime, in the mutation that begins it. */
  createdRuntime: RuntimeSnapshot | undefined;
  readonly changedWorkers: Map<string, WorkerEntry> = new Map();
  /** New workers as they began; what they are now is among the changed ones. */
  readonly createdWorkers: Map<string, WorkerSnapshot> = new Map();
  readonly bundles: Map<string, ConfigBundle> = new Map();
  readonly diagnostics: RuntimeDiagnostic[] = [];
  readonly logs: Map<string, AddedLines> = new Map();

  constructor(base: StateView, paths: RuntimePaths) {
    this.#base = base;
    this.#paths = paths;
    this.runtimeId = base.runtimeId;
    this.counters = base.counters;
    this.eventsEnd = base.eventsEnd;
  }

  /** Whether there is nothing to write. */
  get isEmpty(): boolean {
    return this.counters === this.#base.counters && this.changedWorkers.size === 0 &&
      this.bundles.size === 0 && this.createdRuntime === undefined;
  }

  worker(workerId: string): WorkerEntry | undefined {
    return this.changedWorkers.get(workerId) ?? this.#base.worker(workerId);
  }

  bundle(bundleId: string): ConfigBundle | undefined {
    return this.bundles.get(bundleId) ?? this.#base.bundle(bundleId);
  }

  brokenWorker(workerId: string): RuntimeStoreError | undefined {
    return this.#base.brokenWorker(workerId);
  }

  *workers(): Iterable<WorkerEntry> {
    for (const entry of this.#base.workers()) {
      yield this.changedWorkers.get(entry.worker_id) ?? entry;
    }
    for (const id of this.createdWorkers.keys()) yield this.changedWorkers.get(id)!;
  }

  refOf(workerId: string): WorkerRef {
    return { runtime_id: this.runtimeId, worker_id: workerId };
  }

  /** Tells what happened, and returns the event's id. */
  addEvent(kind: RuntimeEventKind["kind"], message: string, workerId?: string): number {
    const id = this.counters.next_event_id;
    const ref = workerId === undefined ? {} : { worker_ref: this.refOf(workerId) };
    const text = eventLog.print({ id, ...ref, kind: { kind }, message });
    this.eventsEnd += this.#addLine(this.#paths.events, this.eventsEnd, text);
    this.counters = { ...this.counters, next_event_id: nextOf(id, "event") };
    return id;
  }

  addDiagnostic(diagnostic: Omit<RuntimeDiagnostic, "id">): void {
    const id = this.counters.next_diagnostic_id;
    this.diagnostics.push({ id, ...diagnostic });
    this.counters = { ...this.counters, next_diagnostic_id: nextOf(id, "diagnostic") };
  }

  createWorker(workerId: string, request: CreateWorkerRequest, eventId: number): void {
    const sequence = nextOf(this.counters.next_worker_sequence, "worker");
    this.counters = { ...this.counters, next_worker_sequence: sequence };
    const worker: WorkerSnapshot = {
      schema_version: 1,
      worker_ref: this.refOf(workerId),
      worker_id: workerId,
      status: "running",
      request,
      next_transcript_sequence: 1,
      last_event_id: eventId,
    };
    this.createdWorkers.set(workerId, worker);
    this.changedWorkers.set(workerId, entryOf(worker, { length: 0, end: 0 }));
  }

  changeWorker(entry: WorkerEntry, changes: Partial<WorkerEntry>): void {
    this.changedWorkers.set(entry.worker_id, { ...entry, ...changes });
  }

  /** Adds an entry to a worker's transcript, and returns its number. */
  addEntry(entry: WorkerEntry, input: WorkerInput, eventId: number): number {
    const { worker_id, next_transcript_sequence: sequence, transcriptEnd } = entry;
    const text = transcriptLog.print({
      sequence,
      worker_ref: this.refOf(worker_id),
      role: input.kind,
      content: input.content,
      event_id: eventId,
    });
    const added = this.#addLine(this.#paths.transcript(worker_id), transcriptEnd, text);
    this.changeWorker(entry, {
      next_transcript_sequence: nextOf(sequence, "transcript entry"),
      last_event_id: eventId,
      transcript_len: entry.transcript_len + 1,
      transcriptEnd: transcriptEnd + added,
    });
    return sequence;
  }

  /**
   * Does what a rule says on top of this mutation, as a part of it. A rule that throws leaves nothing,
   * even if the mutation goes on.
   */
  perform<T>(rule: Rule<T>): T {
    const part = new Mutation(this, this.#paths);
    const answer = rule(part);
    this.merge(part);
    return answer;
  }

  /** Takes over what a mutation that stands on this one changed. */
  merge(part: Mutation): void {
    this.counters = part.counters;
    this.eventsEnd = part.eventsEnd;
    this.createdRuntime ??= part.createdRuntime;
    for (const [id, entry] of part.changedWorkers) this.changedWorkers.set(id, entry);
    for (const [id, worker] of part.createdWorkers) this.createdWorkers.set(id, worker);
    for (const [id, bundle] of part.bundles) this.bundles.set(id, bundle);
    // One by one: a call takes only so many arguments, and a transaction may have more lines.
    for (const diagnostic of part.diagnostics) this.diagnostics.push(diagnostic);
    for (const [file, { offset, lines, bytes }] of part.logs) {
      const log = this.#log(file, offset);
      for (const line of lines) log.lines.push(line);
      for (const chunk of bytes) log.bytes.push(chunk);
    }
  }

  /** Makes it part of the state that it stands on: its line of the journal is on disk. */
  applyTo(state: StoreState): void {
    state.counters = this.counters;
    state.eventsEnd = this.eventsEnd;
    for (const entry of this.changedWorkers.values()) state.setWorker(entry);
    for (const [id, bundle] of this.bundles) state.bundles.set(id, bundle);
    state.addDiagnostics(this.diagnostics);
  }

  /** The line of the journal. */
  encode(place: { sequence: number; synced: number }): Uint8Array {
    const created = Array.from(this.createdWorkers, ([id, worker]) => {
      return { ...worker, ...changeOf(this.changedWorkers.get(id)!) };
    });
    const changed = [...this.changedWorkers.values()]
      .filter(({ worker_id }) => !this.createdWorkers.has(worker_id))
      .map(changeOf);
    return encodeMutation({
      ...place,
      ...(this.createdRuntime && { created_runtime: this.createdRuntime }),
      runtime: this.counters,
      ...(this.diagnostics.length > 0 && { diagnostics: this.diagnostics }),
      ...(this.bundles.size > 0 && { config_bundles: [...this.bundles.values()] }),
      ...(created.length > 0 && { created_workers: created }),
      ...(changed.length > 0 && { workers: changed }),
    }, [...this.logs.values()]);
  }

  #addLine(file: string, offset: number, text: string): number {
    const bytes = encodeUtf8(`${text}\n`);
    const log = this.#log(file, offset);
    log.lines.push(text);
    log.bytes.push(bytes);
    return bytes.length;
  }

  #log(file: string, offset: number): AddedLines {
    let log = this.logs.get(file);
    if (log === undefined) this.logs.set(file, log = { file, offset, lines: [], bytes: [] });
    return log;
  }
}

/** The number behind `count`, as long as documents can hold it. */
function nextOf(count: number, what: string): number {
  if (count < Number.MAX_SAFE_INTEGER) return count + 1;
  throw new RangeError(`Cannot number another ${what}: ${count} is the last number there is`);
}
