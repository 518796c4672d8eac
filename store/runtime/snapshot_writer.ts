import {
  atomicReplace,
  removeTempsSync,
  type ReplaceFailure,
} from "../../_internal/atomic_replace.ts";
import { lookAtSync, syncDirectorySync } from "../../_internal/directories.ts";
import type { FilePort } from "../../_internal/file_port.ts";
import type { LogWriter } from "../files/log_writer.ts";
import { readWorkerSnapshotSync } from "../files/snapshot_reader.ts";
import {
  printRuntimeSnapshot,
  printWorkerSnapshot,
  SCHEMA_VERSION,
  type WorkerSnapshot,
} from "../files/snapshots.ts";
import type { JournalOverlay } from "../journal/unapplied_mutations.ts";
import type { StorePaths } from "../layout.ts";
import type { Draft } from "../state/mutation.ts";
import type { StoreState, WorkerEntry } from "../state/store_state.ts";
import { storeIoError, type StorePlace, wrapIo } from "../store_errors.ts";
import type { CreateWorkerRequest } from "../types.ts";
import { encodeUtf8 } from "../../_internal/text.ts";

/** What a checkpoint brings to disk, and where to. */
export interface CheckpointParts {
  state: StoreState;
  paths: StorePaths;
}

/** What the snapshots on disk do not have yet. */
export class DirtySnapshots {
  #runtime = false;
  readonly #workers = new Set<string>();
  /** What workers were made from that have no `worker.json` yet. */
  readonly #created = new Map<string, CreateWorkerRequest>();
  /** Workers that have no transcript yet, and perhaps no folder. */
  readonly #incomplete = new Set<string>();

  /** What a worker was made from, if its `worker.json` may not have been written yet. */
  requestOf(workerId: string): CreateWorkerRequest | undefined {
    return this.#created.get(workerId);
  }

  addDraft(draft: Draft): void {
    this.#runtime = true;
    for (const id of draft.changedWorkers.keys()) this.#workers.add(id);
    for (const [id, request] of draft.createdWorkers) this.#addCreated(id, request);
  }

  /** What a journal that was left behind holds; its checkpoint may have left temps. */
  addOverlay(overlay: JournalOverlay): void {
    if (overlay.isEmpty) return;
    this.#runtime = true;
    for (const id of overlay.changedWorkers.keys()) this.#workers.add(id);
    for (const [id, { request }] of overlay.createdWorkers) {
      this.#addCreated(id, request);
    }
  }

  /** A worker whose transcript is to be made. */
  addIncomplete(workerId: string): void {
    this.#workers.add(workerId);
    this.#incomplete.add(workerId);
  }

  #addCreated(workerId: string, request: CreateWorkerRequest): void {
    this.addIncomplete(workerId);
    this.#created.set(workerId, request);
  }

  /**
   * Replaces the snapshots that have changed. The logs are synced already: a snapshot never knows of
   * a line that may be lost.
   */
  async write(port: FilePort, { state, paths }: CheckpointParts): Promise<void> {
    for (const id of this.#workers) {
      const entry = state.worker(id);
      // A worker that is broken keeps what it has.
      if (entry === undefined) continue;
      const text = printWorkerSnapshot(this.#snapshotOf(port, { state, paths, entry }));
      const path = paths.workerSnapshot(id);
      await replace(port, { operation: "write worker snapshot", path }, text);
    }
    if (this.#created.size > 0) {
      const place: StorePlace = { operation: "create worker store", path: paths.workers };
      wrapIo(place, () => syncDirectorySync(port, paths.workers));
    }
    if (!this.#runtime) return;
    const text = printRuntimeSnapshot(state.snapshot());
    await replace(port, { operation: "write runtime snapshot", path: paths.snapshot }, text);
  }

  /** Makes the folders of new workers, and their empty transcripts where they have no lines. */
  createFiles({ state, paths }: CheckpointParts, logs: LogWriter): void {
    for (const id of this.#incomplete) {
      const entry = state.worker(id);
      if (entry !== undefined) logs.touch(paths.transcript(id), entry.transcriptEnd);
    }
  }

  #snapshotOf(
    port: FilePort,
    { state, paths, entry }: CheckpointParts & { entry: WorkerEntry },
  ): WorkerSnapshot {
    const { worker_id, status, next_transcript_sequence, last_event_id } = entry;
    const { runtimeId } = state;
    const created = this.#created.get(worker_id);
    const { worker_ref, request } = created === undefined
      ? readWorkerSnapshotSync(port, paths, { runtimeId, workerId: worker_id })
      : { worker_ref: { runtime_id: runtimeId, worker_id }, request: created };
    return {
      schema_version: SCHEMA_VERSION,
      worker_ref,
      worker_id,
      status,
      request,
      next_transcript_sequence,
      last_event_id,
    };
  }

  /** Removes what a checkpoint of these snapshots left when it was killed. */
  removeTemps(port: FilePort, paths: StorePaths): void {
    if (!this.#runtime) return;
    const directories = [...this.#workers].map((id) => paths.workerDirectory(id));
    for (const directory of [paths.directory, ...directories]) {
      if (lookAtSync(port, directory) !== undefined) removeTempsSync(port, directory);
    }
  }

  forget(): void {
    this.#runtime = false;
    this.#workers.clear();
    this.#created.clear();
    this.#incomplete.clear();
  }
}

async function replace(port: FilePort, place: StorePlace, text: string): Promise<void> {
  const toError = ({ cause }: ReplaceFailure) => storeIoError(place, cause);
  await atomicReplace(port, { path: place.path, bytes: encodeUtf8(text), toError });
}
