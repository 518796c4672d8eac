import {
  atomicReplace,
  removeTempsSync,
  type ReplaceFailure,
} from "../../_internal/atomic_replace.ts";
import { lookAtSync, syncDirectorySync } from "../../_internal/directories.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import type { LogWriter } from "../files/log_writer.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import {
  printRuntimeSnapshot,
  printWorkerSnapshot,
  type WorkerSnapshot,
} from "../files/snapshots.ts";
import type { UnappliedMutations } from "../journal/unapplied_mutations.ts";
import type { Mutation } from "../state/mutation.ts";
import { type StoreState, type WorkerEntry, workerSnapshotOf } from "../state/store_state.ts";
import { storeIoError, type StorePlace, wrapIo } from "../store_errors.ts";
import type { CreateWorkerRequest } from "../types.ts";
import { readWorkerSnapshot } from "./load_runtime.ts";

/** Knows which snapshots on disk are older than the state, and replaces them in a checkpoint. */
export class SnapshotWriter {
  readonly #folder: RuntimeFolder;
  readonly #state: StoreState;
  #isRuntimeDirty = false;
  readonly #dirtyWorkers = new Set<string>();
  /** What workers were made from that have no `worker.json` yet. */
  readonly #created = new Map<string, CreateWorkerRequest>();
  /** Workers that have no transcript yet, and perhaps no folder. */
  readonly #incomplete = new Set<string>();

  constructor(folder: RuntimeFolder, state: StoreState) {
    this.#folder = folder;
    this.#state = state;
  }

  /** What a worker was made from; the caller may keep it. */
  requestOf(workerId: string): CreateWorkerRequest {
    const created = this.#created.get(workerId);
    if (created !== undefined) return structuredClone(created);
    return readWorkerSnapshot(this.#folder, workerId).request;
  }

  /** A mutation that became part of the state. */
  add({ changedWorkers, createdWorkers }: Mutation): void {
    this.#add(changedWorkers.keys(), createdWorkers);
  }

  /** What a journal that was left behind holds; its checkpoint may have left temps. */
  addUnapplied({ isEmpty, changedWorkers, createdWorkers }: UnappliedMutations): void {
    if (isEmpty) return;
    const requests = Array.from(createdWorkers, ([id, { request }]) => [id, request] as const);
    this.#add(changedWorkers.keys(), requests);
  }

  /** A worker whose transcript is to be made. */
  addIncomplete(workerId: string): void {
    this.#dirtyWorkers.add(workerId);
    this.#incomplete.add(workerId);
  }

  #add(
    changed: Iterable<string>,
    created: Iterable<readonly [id: string, request: CreateWorkerRequest]>,
  ): void {
    this.#isRuntimeDirty = true;
    for (const id of changed) this.#dirtyWorkers.add(id);
    for (const [id, request] of created) {
      this.addIncomplete(id);
      this.#created.set(id, request);
    }
  }

  /** Makes the folders of new workers, and their empty transcripts where they have no lines. */
  createFiles(logs: LogWriter): void {
    for (const id of this.#incomplete) {
      const entry = this.#state.worker(id);
      if (entry !== undefined) logs.touch(this.#folder.transcript(id), entry.transcriptEnd);
    }
  }

  /**
   * Replaces the snapshots that have changed. The logs are synced already: a snapshot never knows of
   * a line that may be lost.
   */
  async write(): Promise<void> {
    const { port, workers, snapshot } = this.#folder;
    for (const id of this.#dirtyWorkers) {
      const entry = this.#state.worker(id);
      // A worker that is broken keeps what it has.
      if (entry === undefined) continue;
      const path = this.#folder.snapshotIn(this.#folder.workerDirectory(id));
      const text = printWorkerSnapshot(this.#snapshotOf(entry));
      await this.#replace({ operation: "write worker snapshot", path }, text);
    }
    if (this.#created.size > 0) {
      const place: StorePlace = { operation: "create worker store", path: workers };
      wrapIo(place, () => syncDirectorySync(port, workers));
    }
    if (!this.#isRuntimeDirty) return;
    const text = printRuntimeSnapshot(this.#state.snapshot());
    await this.#replace({ operation: "write runtime snapshot", path: snapshot }, text);
  }

  #snapshotOf(entry: WorkerEntry): WorkerSnapshot {
    const { worker_id, status, next_transcript_sequence, last_event_id } = entry;
    const request = this.#created.get(worker_id);
    if (request !== undefined) {
      return workerSnapshotOf(entry, { runtimeId: this.#state.runtimeId, request });
    }
    // What a file has that this program does not know is kept.
    const stored = readWorkerSnapshot(this.#folder, worker_id);
    return { ...stored, status, next_transcript_sequence, last_event_id };
  }

  async #replace(place: StorePlace, text: string): Promise<void> {
    const toError = ({ cause }: ReplaceFailure) => storeIoError(place, cause);
    await atomicReplace(this.#folder.port, { path: place.path, bytes: encodeUtf8(text), toError });
  }

  /** Removes what a checkpoint of these snapshots left when it was killed. */
  removeTemps(): void {
    if (!this.#isRuntimeDirty) return;
    const { port, directory } = this.#folder;
    const workers = [...this.#dirtyWorkers].map((id) => this.#folder.workerDirectory(id));
    for (const at of [directory, ...workers]) {
      if (lookAtSync(port, at) !== undefined) removeTempsSync(port, at);
    }
  }

  /** All is written. */
  forget(): void {
    this.#isRuntimeDirty = false;
    this.#dirtyWorkers.clear();
    this.#created.clear();
    this.#incomplete.clear();
  }
}
