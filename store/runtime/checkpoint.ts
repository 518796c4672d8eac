import {
  atomicReplace,
  putWholeSync,
  type ReplaceFailure,
  sweepTempsSync,
} from "../../_internal/atomic_replace.ts";
import { turn } from "../../_internal/barrier.ts";
import { syncDirectorySync } from "../../_internal/directories.ts";
import { lookAtSync } from "../../_internal/file_port.ts";
import { isWindows } from "../../_internal/path.ts";
import { isReplacedStoreFile } from "../../_internal/root_layout.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import type { LogWriter } from "../files/log_writer.ts";
import type { OwnerLock, RuntimeFolder } from "../files/runtime_folder.ts";
import {
  printRuntimeSnapshot,
  printWorkerSnapshot,
  type WorkerSnapshot,
} from "../files/snapshots.ts";
import { JournalFile } from "../journal/journal_file.ts";
import type { UnappliedMutations } from "../journal/unapplied_mutations.ts";
import type { Mutation } from "../state/mutation.ts";
import { changeOf, type StoreState, type WorkerEntry } from "../state/store_state.ts";
import { asStoreError, storeIoError, type StorePlace, wrapIo } from "../store_errors.ts";
import { readWorkerSnapshot } from "./load_runtime.ts";

/** When a checkpoint is due. */
export interface CheckpointOptions {
  /**
   * After so many mutations.
   *
   * @default {1000; never with durability "os"}
   */
  checkpointMutations?: number;
  /**
   * After so many bytes of journal.
   *
   * @default {4194304}
   */
  checkpointBytes?: number;
}

/** What a checkpoint is made of. */
export interface CheckpointParts {
  folder: RuntimeFolder;
  state: StoreState;
  logs: LogWriter;
  checkpoints: CheckpointOptions;
  /** Whether an answer waits for the disk; with "os" the folder's file system syncs nothing. */
  durability: "os" | "disk";
  lock: OwnerLock;
}

/** So many files are written in a row; then the event loop gets its turn, also where nothing is synced. */
const PIECE = 16;

/** How much longer than it should be a journal may get while checkpoints fail. */
const PATIENCE = 4;

/**
 * Holds the journal, tells when it has become long enough for a checkpoint, and makes it: everything
 * that the journal says is brought to disk elsewhere, so that it is not needed any more.
 */
export class Checkpointer {
  readonly snapshots: SnapshotWriter;
  readonly #parts: CheckpointParts;
  readonly #syncFailed: (cause: unknown) => Error;
  #journal: JournalFile | undefined;

  /**
   * `syncFailed` makes the error for a log that could not be synced: nobody can tell what of it is on
   * disk.
   */
  constructor(parts: CheckpointParts, syncFailed: (cause: unknown) => Error) {
    this.snapshots = new SnapshotWriter(parts.folder, parts.state);
    this.#parts = parts;
    this.#syncFailed = syncFailed;
  }

  /** The journal that mutations are written to; there is one from the first checkpoint on. */
  get journal(): JournalFile {
    return this.#journal!;
  }

  /**
   * Whether the journal is long enough. One that could not be written to may have filled the disk, or
   * be as long as a file may be.
   */
  get isDue(): boolean {
    return this.#isFull(1) || this.journal.hasRefused;
  }

  /** Whether checkpoints have failed for so long that the journal may not become longer. */
  get isOverdue(): boolean {
    return this.#isFull(PATIENCE);
  }

  #isFull(times: number): boolean {
    const { durability, checkpoints } = this.#parts;
    // With "os" all of it is to stay in the journal until the end, unless that takes much memory.
    const most = durability === "os" ? Infinity : 1000;
    const { checkpointMutations = most, checkpointBytes = 4 * 1024 * 1024 } = checkpoints;
    const { written, size } = this.journal;
    return written >= checkpointMutations * times || size >= checkpointBytes * times;
  }

  /**
   * Makes a checkpoint: "go on" begins a new journal before the old one is removed, "end" leaves none.
   * What fails can be tried again, but for a sync.
   */
  async make(then: "go on" | "end"): Promise<void> {
    const { snapshots } = this;
    const { folder, logs, durability } = this.#parts;
    const isSynced = durability === "disk";
    try {
      this.check();
      snapshots.createFiles(logs);
      while (logs.flush({ most: PIECE, isSynced })) await turn();
      await logs.sync().catch((cause) => {
        throw this.#syncFailed(cause);
      });
      await snapshots.write({ isSynced });
      this.#changeJournal(then);
      logs.forget();
      snapshots.forget();
    } catch (error) {
      throw asStoreError({ operation: "write journal", path: folder.directory }, error);
    }
  }

  /** Refuses to go on when somebody has removed or replaced what an owner holds. */
  check(): void {
    this.#parts.lock.check();
    this.#journal?.check();
  }

  /** {@linkcode Checkpointer.check} before a write, which looks at as little as can be. */
  checkBeforeWrite(): void {
    this.#parts.lock.checkNowAndThen();
    this.journal.checkSize();
  }

  #changeJournal(then: "go on" | "end"): void {
    const { folder, logs } = this.#parts;
    this.check();
    logs.check();
    const old = folder.journalNumbers();
    if (then === "go on") {
      const journal = JournalFile.create(folder, (old[0] ?? 0) + 1);
      try {
        syncDirectorySync(folder.port, folder.directory);
      } catch (error) {
        journal.close();
        throw error;
      }
      this.closeJournal();
      this.#journal = journal;
    } else {
      this.closeJournal();
    }
    this.#removeJournals(old, then);
  }

  /**
   * Removes journals so that, whatever a power cut brings back, the newest one is among it: an older
   * one alone would set the runtime back.
   */
  #removeJournals(numbers: readonly number[], then: "go on" | "end"): void {
    const { folder } = this.#parts;
    for (const [index, number] of numbers.toReversed().entries()) {
      if (index > 0) syncDirectorySync(folder.port, folder.directory);
      folder.port.removeSync(folder.journal(number));
    }
    if (then === "end") syncDirectorySync(folder.port, folder.directory);
  }

  closeJournal(): void {
    this.#journal?.close();
    this.#journal = undefined;
  }
}

/** Knows which snapshots on disk are older than the state, and replaces them in a checkpoint. */
export class SnapshotWriter {
  readonly #folder: RuntimeFolder;
  readonly #state: StoreState;
  #isRuntimeDirty = false;
  readonly #dirtyWorkers = new Set<string>();
  /** The workers that have no `worker.json` yet, as they began. */
  readonly created: Map<string, WorkerSnapshot> = new Map();
  /** Workers that have no transcript yet, and perhaps no folder. */
  readonly #incomplete = new Set<string>();

  constructor(folder: RuntimeFolder, state: StoreState) {
    this.#folder = folder;
    this.#state = state;
  }

  /** A mutation that became part of the state, or those that a journal was left with. */
  add({ changedWorkers, createdWorkers }: Mutation | UnappliedMutations): void {
    this.#isRuntimeDirty = true;
    for (const id of changedWorkers.keys()) this.#dirtyWorkers.add(id);
    for (const [id, worker] of createdWorkers) {
      this.addIncomplete(id);
      this.created.set(id, worker);
    }
  }

  /** A worker whose transcript is to be made. */
  addIncomplete(workerId: string): void {
    this.#dirtyWorkers.add(workerId);
    this.#incomplete.add(workerId);
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
  async write({ isSynced }: { isSynced: boolean }): Promise<void> {
    const { port, workers, snapshot } = this.#folder;
    let done = 0;
    for (const id of this.#dirtyWorkers) {
      if (++done % PIECE === 0) await turn();
      const entry = this.#state.worker(id);
      // A worker that is broken keeps what it has.
      if (entry === undefined) continue;
      const path = this.#folder.snapshotIn(this.#folder.workerDirectory(id));
      const text = printWorkerSnapshot(this.#snapshotOf(entry));
      const place: StorePlace = { operation: "write worker snapshot", path };
      // The owner alone writes there, and nobody waits for the disk.
      if (isSynced || isWindows || !this.created.has(id)) await this.#replace(place, text);
      else wrapIo(place, () => putWholeSync(port, path, encodeUtf8(text)));
    }
    if (this.created.size > 0) {
      const place: StorePlace = { operation: "create worker store", path: workers };
      wrapIo(place, () => syncDirectorySync(port, workers));
    }
    if (!this.#isRuntimeDirty) return;
    const text = printRuntimeSnapshot(this.#state.snapshot());
    await this.#replace({ operation: "write runtime snapshot", path: snapshot }, text);
  }

  #snapshotOf(entry: WorkerEntry): WorkerSnapshot {
    const { worker_id } = entry;
    // What a file has that this program does not know is kept.
    const before = this.created.get(worker_id) ?? readWorkerSnapshot(this.#folder, worker_id);
    return { ...before, ...changeOf(entry) };
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
      if (lookAtSync(port, at)?.isDirectory === true) sweepTempsSync(port, at, isReplacedStoreFile);
    }
  }

  /** All is written. */
  forget(): void {
    this.#isRuntimeDirty = false;
    this.#dirtyWorkers.clear();
    this.created.clear();
    this.#incomplete.clear();
  }
}
