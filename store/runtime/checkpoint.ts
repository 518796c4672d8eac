import { syncDirectorySync } from "../../_internal/directories.ts";
import type { LogWriter } from "../files/log_writer.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import { JournalFile } from "../journal/journal_file.ts";
import { asStoreError } from "../store_errors.ts";
import type { SnapshotWriter } from "./snapshot_writer.ts";

/** When a checkpoint is due. */
export interface CheckpointOptions {
  /**
   * After so many mutations.
   *
   * @default {1000}
   */
  checkpointMutations?: number;
  /**
   * After so many bytes of journal.
   *
   * @default {4194304}
   */
  checkpointBytes?: number;
}

/** What a checkpoint is made with. */
export interface CheckpointParts {
  folder: RuntimeFolder;
  logs: LogWriter;
  snapshots: SnapshotWriter;
  options: CheckpointOptions;
  /** Makes the error for a log that could not be synced: nobody can tell what of it is on disk. */
  syncFailed: (cause: unknown) => Error;
}

/** How much longer than it should be a journal may get while checkpoints fail. */
const PATIENCE = 4;

/**
 * Holds the journal, tells when it has become long enough for a checkpoint, and makes it: everything
 * that the journal says is brought to disk elsewhere, so that it is not needed any more.
 */
export class Checkpointer {
  readonly #parts: CheckpointParts;
  #journal: JournalFile | undefined;

  constructor(parts: CheckpointParts) {
    this.#parts = parts;
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
    const { checkpointMutations = 1000, checkpointBytes = 4 * 1024 * 1024 } = this.#parts.options;
    const { written, size } = this.journal;
    return written >= checkpointMutations * times || size >= checkpointBytes * times;
  }

  /**
   * Makes a checkpoint: "go on" begins a new journal before the old one is removed, "end" leaves none.
   * What fails can be tried again, but for a sync.
   */
  async make(then: "go on" | "end"): Promise<void> {
    const { folder, logs, snapshots } = this.#parts;
    try {
      snapshots.createFiles(logs);
      logs.flush();
      await logs.sync().catch((cause) => {
        throw this.#parts.syncFailed(cause);
      });
      await snapshots.write();
      this.#changeJournal(then);
      logs.forget();
      snapshots.forget();
    } catch (error) {
      throw asStoreError({ operation: "write journal", path: folder.directory }, error);
    }
  }

  #changeJournal(then: "go on" | "end"): void {
    const { folder } = this.#parts;
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
