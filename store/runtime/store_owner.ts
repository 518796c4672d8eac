import { syncDirectoriesSync, syncDirectorySync } from "../../_internal/directories.ts";
import type { FilePort } from "../../_internal/file_port.ts";
import type { LogBytes } from "../files/log_bytes.ts";
import type { LogWriter } from "../files/log_writer.ts";
import type { OwnerLock } from "../files/owner_lock.ts";
import { readWorkerSnapshotSync } from "../files/snapshot_reader.ts";
import { JournalFile, UnknownOutcome } from "../journal/journal_file.ts";
import type { LogReader } from "../journal/log_source.ts";
import type { JournalOverlay } from "../journal/unapplied_mutations.ts";
import { journalNumbersSync, type StorePaths } from "../layout.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { Draft } from "../state/mutation.ts";
import type { StoreState } from "../state/store_state.ts";
import {
  asStoreError,
  closedError,
  contentTooLargeError,
  readOnlyAfterSyncError,
  storeIoError,
  type StorePlace,
} from "../store_errors.ts";
import type { CreateWorkerRequest } from "../types.ts";
import { DirtySnapshots } from "./snapshot_writer.ts";

/** When a checkpoint is made. */
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

/** What an owner is made of. */
export interface StoreOwnerParts {
  port: FilePort;
  paths: StorePaths;
  lock: OwnerLock;
  state: StoreState;
  logs: LogWriter;
  problems: RuntimeStoreError[];
  checkpoints: CheckpointOptions;
}

/** How much longer than it should be a journal may get while checkpoints fail. */
const PATIENCE = 4;
const GROUP_MUTATIONS = 1000;
const GROUP_BYTES = 4 * 1024 * 1024;
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** Makes a mutation of a draft, or throws why not; then nothing of the draft counts. */
export type Rule<T> = (draft: Draft) => T;

interface Waiting {
  rule: Rule<unknown>;
  resolve: (answer: unknown) => void;
  reject: (reason: unknown) => void;
}

/**
 * Whoever may change a runtime: journal first, then memory and logs. Those who wait at the same time
 * share one write and one sync.
 */
export class StoreOwner implements LogReader {
  readonly state: StoreState;
  readonly problems: readonly RuntimeStoreError[];
  readonly #parts: StoreOwnerParts;
  readonly #dirty = new DirtySnapshots();
  readonly #queue: Waiting[] = [];
  #journal: JournalFile | undefined;
  #draining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** Why nothing can be changed any more until the runtime is opened again. */
  #failure: RuntimeStoreError | undefined;

  private constructor(parts: StoreOwnerParts) {
    this.#parts = parts;
    this.state = parts.state;
    this.problems = parts.problems;
  }

  /**
   * Makes what the journal holds part of the snapshots and logs, and begins a new journal.
   * `incomplete` are workers whose transcript was never made.
   */
  static async begin(
    parts: StoreOwnerParts,
    { overlay, incomplete }: { overlay: JournalOverlay; incomplete: readonly string[] },
  ): Promise<StoreOwner> {
    const owner = new StoreOwner(parts);
    owner.#dirty.addOverlay(overlay);
    for (const workerId of incomplete) owner.#dirty.addIncomplete(workerId);
    try {
      const { port, paths } = parts;
      owner.#dirty.removeTemps(port, paths);
      await owner.#checkpoint("go on");
      syncDirectoriesSync(port, paths.root, paths.folders.slice(0, -1));
      return owner;
    } catch (error) {
      owner.#letGo();
      throw error;
    }
  }

  /** Has a mutation made; resolves to the rule's answer when the mutation is on disk. */
  submit<T>(rule: Rule<T>): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(closedError(this.state.runtimeId));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ rule, resolve: resolve as Waiting["resolve"], reject });
      // Not at once, so that callers of the same turn share the write.
      this.#draining ??= Promise.resolve().then(() => this.#drain());
    });
  }

  read(name: string, end: number): LogBytes {
    return this.#parts.logs.read(name, end);
  }

  /** What a worker was made from. */
  requestOf(workerId: string): CreateWorkerRequest {
    const { port, paths } = this.#parts;
    const { runtimeId } = this.state;
    const created = this.#dirty.requestOf(workerId);
    if (created !== undefined) return structuredClone(created);
    return readWorkerSnapshotSync(port, paths, { runtimeId, workerId }).request;
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Waits for the mutations under way, makes a checkpoint and gives the runtime up. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#draining;
    try {
      if (this.#failure === undefined) await this.#checkpoint("end");
    } finally {
      this.#letGo();
    }
  }

  #letGo(): void {
    this.#closeJournal();
    this.#parts.logs.close();
    this.#parts.lock.release();
  }

  #closeJournal(): void {
    this.#journal?.close();
    this.#journal = undefined;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      try {
        await this.#makeRoom();
        await this.#commitGroup();
      } catch (error) {
        // Nothing was changed for them, and nobody who comes now is among them.
        for (const waiting of this.#queue.splice(0)) waiting.reject(error);
      }
    }
    this.#draining = undefined;
  }

  /**
   * What was acknowledged earlier has to be in the logs, and the journal may not get too long. One that
   * could not be written to may have filled the disk, or be as long as a file may be.
   */
  async #makeRoom(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#parts.logs.flush();
    if (!this.#isJournalFull(1) && !this.#journal!.hasRefused) return;
    try {
      await this.#checkpoint("go on");
    } catch (error) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isJournalFull(PATIENCE)) throw error;
    }
  }

  #isJournalFull(times: number): boolean {
    const { checkpointMutations = 1000, checkpointBytes = 4 * 1024 * 1024 } =
      this.#parts.checkpoints;
    const { written, size } = this.#journal!;
    return written >= checkpointMutations * times || size >= checkpointBytes * times;
  }

  async #commitGroup(): Promise<void> {
    const group = new Draft(this.state, this.#parts.paths);
    const answers: (() => void)[] = [];
    const refusals: ((error: unknown) => void)[] = [];
    const lines: Uint8Array[] = [];
    for (let bytes = 0; bytes < GROUP_BYTES && lines.length < GROUP_MUTATIONS;) {
      const waiting = this.#queue.shift();
      if (waiting === undefined) break;
      refusals.push(waiting.reject);
      try {
        const { answer, line } = this.#make(waiting.rule, { group, before: lines.length });
        answers.push(() => waiting.resolve(answer));
        if (line === undefined) continue;
        lines.push(line);
        bytes += line.length;
      } catch (error) {
        answers.push(() => waiting.reject(error));
      }
    }
    try {
      if (lines.length > 0) await this.#commit(group, lines);
    } catch (error) {
      for (const refuse of refusals) refuse(error);
      return;
    }
    for (const answer of answers) answer();
  }

  /** Makes one mutation on top of those of its group. */
  #make(
    rule: Rule<unknown>,
    { group, before }: { group: Draft; before: number },
  ): { answer: unknown; line?: Uint8Array } {
    const draft = new Draft(group, this.#parts.paths);
    const answer = rule(draft);
    if (draft.isEmpty) return { answer };
    const { written, synced } = this.#journal!;
    const line = draft.encode({ sequence: written + before + 1, synced });
    if (line.length > MAX_LINE_BYTES) {
      throw contentTooLargeError("a mutation", { actual: line.length, expected: MAX_LINE_BYTES });
    }
    group.absorb(draft);
    return { answer, line };
  }

  async #commit(group: Draft, lines: readonly Uint8Array[]): Promise<void> {
    const journal = this.#journal!;
    const place: StorePlace = { operation: "write journal", path: journal.path };
    try {
      journal.append(lines);
    } catch (cause) {
      if (cause instanceof UnknownOutcome) throw this.#fail(journal.path, cause);
      throw storeIoError(place, cause);
    }
    try {
      await journal.sync();
    } catch (cause) {
      throw this.#fail(journal.path, cause);
    }
    this.state.absorb(group);
    this.#dirty.addDraft(group);
    const { logs } = this.#parts;
    for (const { file, offset, bytes } of group.logs.values()) logs.add(file, offset, bytes);
    try {
      logs.flush();
    } catch {
      /* The journal has the lines, readers get them, and the next mutation tries again. */
    }
  }

  #fail(path: string, cause: unknown): RuntimeStoreError {
    return this.#failure = readOnlyAfterSyncError(this.state.runtimeId, { path, cause });
  }

  /**
   * Brings logs and snapshots to disk, so that the journal is not needed any more: "go on" begins a
   * new one before the old one is removed, "end" leaves none.
   */
  async #checkpoint(then: "go on" | "end"): Promise<void> {
    const { port, paths, state, logs } = this.#parts;
    try {
      this.#dirty.createFiles({ state, paths }, logs);
      logs.flush();
      await logs.sync().catch((cause) => {
        throw this.#fail(paths.directory, cause);
      });
      await this.#dirty.write(port, { state, paths });
      this.#changeJournal(then);
      logs.forget();
      this.#dirty.forget();
    } catch (error) {
      throw asStoreError({ operation: "write journal", path: paths.directory }, error);
    }
  }

  #changeJournal(then: "go on" | "end"): void {
    const { port, paths } = this.#parts;
    const old = journalNumbersSync(port, paths.directory);
    if (then === "go on") {
      const number = (old[0] ?? 0) + 1;
      const journal = JournalFile.createSync(port, { path: paths.journal(number), number });
      try {
        syncDirectorySync(port, paths.directory);
      } catch (error) {
        journal.close();
        throw error;
      }
      this.#closeJournal();
      this.#journal = journal;
    } else {
      this.#closeJournal();
    }
    this.#removeJournals(old, then);
  }

  /**
   * Removes journals so that, whatever a power cut brings back, the newest one is among it: an older
   * one alone would set the runtime back.
   */
  #removeJournals(numbers: readonly number[], then: "go on" | "end"): void {
    const { port, paths } = this.#parts;
    for (const [index, number] of numbers.toReversed().entries()) {
      if (index > 0) syncDirectorySync(port, paths.directory);
      port.removeSync(paths.journal(number));
    }
    if (then === "end") syncDirectorySync(port, paths.directory);
  }
}
