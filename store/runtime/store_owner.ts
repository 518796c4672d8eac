/**
 * How a runtime is changed, and why it is safe to die at any line of it.
 *
 * **Who holds what.** One owner holds the lock of `owner.lock` from before it reads the journal until
 * it is closed; nobody else writes to the runtime's files meanwhile, and readers take no lock. Inside
 * the process mutations are made one after the other in the order of the calls ({@linkcode
 * StoreOwner.submit} queues, one drain at a time works); only a disk is ever waited for.
 *
 * **What is always true.**
 * 1. Memory (`state`) is what the acknowledged mutations left, no more and no less. A mutation is
 *    made on a {@linkcode Mutation} that stands on the state, which it joins only when its line of the
 *    journal is on disk. So a rule that throws, or a write that fails, has changed nothing.
 * 2. Snapshots and logs on disk, with the journal's mutations on top, are the state. The journal has
 *    values and offsets, not differences: applying it once more, or to files that have some of it
 *    already, gives the same.
 * 3. A line reaches a log only after its mutation is on disk in the journal, and always at its own
 *    offset. A log that has a newer line than the journal is proof that a journal's line was lost.
 * 4. A snapshot is written only after the logs were synced: it never knows of a line that may be lost.
 * 5. A journal is removed only after everything that it says is on disk elsewhere, and an older one
 *    only before a newer one, so that no power cut brings back an old one alone.
 *
 * **Where one may die.**
 * - Before or inside the write of the journal: the line is torn or missing. No caller has an answer,
 *   and opening passes over it.
 * - After the write, before the sync returned: the mutation is there whole or not at all. Its callers
 *   have no answer.
 * - After the sync, before memory or the logs have it: opening applies the journal (2).
 * - Inside a write to a log: its file is cut to the journal's first offset and written again (3).
 * - In a checkpoint, between any two steps: the old journal is there until the last one, so opening
 *   applies it to whatever mixture of old and new it finds (2, 4, 5).
 *
 * **With durability "os"** nothing is synced, and lines reach the logs in checkpoints only: (1) to (3) hold
 * with "in the journal" in place of "on disk", and all of this against the death of the process alone. Who
 * opens a runtime after a power cut may find any mixture of its files, as it says then.
 *
 * **What fails while the process lives.** A write that failed is cut back, and its callers get
 * `store-io`. If it cannot be cut back, or a sync fails, nobody can tell what is on disk, and a second
 * sync would "succeed" for what the first one lost: the runtime is read-only until it is opened again.
 * A file that somebody has replaced, moved or removed under the owner has the same consequence: what
 * would be written reaches nobody. The journal is compared with its path behind each sync; the lock and
 * each log once a millisecond of mutations, and all of them before a journal goes, as until then it has
 * the lines of the logs. Before a write to any of them its length is looked at.
 * A log that cannot be written to loses nothing, as the journal has its lines; they stay in memory and
 * are tried again before the next mutation. A checkpoint that fails is tried again with the next
 * mutation, until the journal has four times its length.
 */
import { syncDirectoriesSync } from "../../_internal/directories.ts";
import { defined } from "../../_internal/errors.ts";
import { UnknownOutcomeError } from "../../_internal/line_file.ts";
import { CommitQueue, type GroupCommitter, type WaitingRequest } from "../../_internal/lock.ts";
import type { LogBytes } from "../files/log_lines.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import type { WorkerSnapshot } from "../files/snapshots.ts";
import type { UnappliedMutations } from "../journal/unapplied_mutations.ts";
import { RuntimeStoreError } from "../runtime_store_error.ts";
import { Mutation, type Rule } from "../state/mutation.ts";
import type { StoreState } from "../state/store_state.ts";
import {
  closedError,
  contentTooLargeError,
  readOnlyAfterSyncError,
  storeIoError,
  wrapIo,
} from "../store_errors.ts";
import { Checkpointer, type CheckpointParts } from "./checkpoint.ts";
import type { RuntimeSource } from "./runtime_reader.ts";

/** What an owner is made of. */
export interface StoreOwnerParts extends CheckpointParts {
  problems: RuntimeStoreError[];
  /** What the journal holds that snapshots and logs may not have yet. */
  unapplied: UnappliedMutations;
  /** Workers whose transcript was never made. */
  incomplete: readonly string[];
}

/** What of it an owner keeps: what the journal held may be large, and is soon elsewhere. */
type KeptParts = Omit<StoreOwnerParts, "unapplied" | "incomplete">;

const GROUP_MUTATIONS = 1000;
const GROUP_BYTES = 4 * 1024 * 1024;
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/**
 * Whoever may change a runtime: journal first, then memory and logs. Those who wait at the same time
 * share one write and one sync.
 */
export class StoreOwner implements RuntimeSource, GroupCommitter {
  readonly folder: RuntimeFolder;
  readonly state: StoreState;
  readonly problems: readonly RuntimeStoreError[];
  readonly createdWorkers: ReadonlyMap<string, WorkerSnapshot>;
  readonly #parts: KeptParts;
  readonly #checkpointer: Checkpointer;
  readonly #queue = new CommitQueue<Rule<unknown>, unknown>(this);
  #closing: Promise<void> | undefined;
  /** Why nothing can be changed any more until the runtime is opened again. */
  #failure: RuntimeStoreError | undefined;

  private constructor(parts: KeptParts) {
    const { folder, state, problems } = parts;
    this.folder = folder;
    this.state = state;
    this.problems = problems;
    this.#parts = parts;
    this.#checkpointer = new Checkpointer(parts, (cause) => this.#fail(folder.directory, cause));
    this.createdWorkers = this.#checkpointer.snapshots.created;
  }

  /** Makes what the journal holds part of the snapshots and logs, and begins a new journal. */
  static async begin({ unapplied, incomplete, ...parts }: StoreOwnerParts): Promise<StoreOwner> {
    const owner = new StoreOwner(parts);
    const { port, root, folders } = parts.folder;
    const { snapshots } = owner.#checkpointer;
    if (!unapplied.isEmpty) snapshots.add(unapplied);
    for (const workerId of incomplete) snapshots.addIncomplete(workerId);
    try {
      snapshots.removeTemps();
      await owner.#checkpointer.make("go on");
      syncDirectoriesSync(port, root, folders.slice(0, -1));
      return owner;
    } catch (error) {
      owner.#letGo();
      throw error;
    }
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Has a mutation made; resolves to the rule's answer when the mutation is on disk. */
  submit<T>(rule: Rule<T>): Promise<T> {
    if (this.isClosed) return Promise.reject(closedError(this.state.runtimeId));
    return this.#queue.submit(rule) as Promise<T>;
  }

  read(name: string, end: number): LogBytes {
    return this.#parts.logs.read(name, end);
  }

  /** Waits for the mutations under way, makes a checkpoint and gives the runtime up. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Waits for the mutations under way, and gives the runtime up with its journal as it is. */
  leave(): Promise<void> {
    return this.#closing ??= this.#queue.drained().finally(() => this.#letGo());
  }

  async #close(): Promise<void> {
    await this.#queue.drained();
    try {
      if (this.#failure === undefined) await this.#checkpointer.make("end");
    } finally {
      this.#letGo();
    }
  }

  #letGo(): void {
    this.#checkpointer.closeJournal();
    this.#parts.logs.close();
    this.#parts.lock.release();
  }

  /** What was acknowledged earlier has to be in the logs, and the journal may not get too long. */
  async #makeRoom(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#guard(() => this.#flushLogs());
    if (!this.#checkpointer.isDue) return;
    try {
      await this.#checkpointer.make("go on");
    } catch (error) {
      this.#noteReplaced(error);
      if (this.#failure !== undefined || this.#checkpointer.isOverdue) throw error;
    }
  }

  /** With "os" the journal alone has the lines until a checkpoint. */
  #flushLogs(): void {
    if (this.#parts.durability === "disk") this.#parts.logs.flush();
  }

  /** Does something with files; when one of them was replaced, nothing can be changed any more. */
  #guard(body: () => void): void {
    try {
      body();
    } catch (error) {
      this.#noteReplaced(error);
      throw error;
    }
  }

  #noteReplaced(error: unknown): void {
    const isReplaced = error instanceof RuntimeStoreError && error.kind === "replaced";
    if (isReplaced) this.#failure = error;
  }

  /** Makes and records as many of the mutations that wait as fit a group, and answers their callers. */
  async commitGroup(): Promise<void> {
    await this.#makeRoom();
    const group = new Mutation(this.state, this.folder);
    const answers: { waiting: WaitingRequest<Rule<unknown>, unknown>; answer: () => void }[] = [];
    const lines: Uint8Array[] = [];
    let bytes = 0;
    for (const waiting of this.#queue.take()) {
      try {
        const { answer, line } = this.#make(waiting.request, { group, before: lines.length });
        answers.push({ waiting, answer: () => waiting.resolve(answer) });
        if (line === undefined) continue;
        lines.push(line);
        bytes += line.length;
        if (bytes >= GROUP_BYTES || lines.length >= GROUP_MUTATIONS) break;
      } catch (error) {
        answers.push({ waiting, answer: () => waiting.reject(error) });
      }
    }
    try {
      if (lines.length > 0) await this.#commit(group, lines);
    } catch (error) {
      for (const { waiting } of answers) waiting.reject(error);
      return;
    }
    for (const { answer } of answers) answer();
  }

  /** Makes one mutation on top of those of its group. */
  #make(
    rule: Rule<unknown>,
    { group, before }: { group: Mutation; before: number },
  ): { answer: unknown; line?: Uint8Array } {
    const mutation = new Mutation(group, this.folder);
    const answer = rule(mutation);
    if (mutation.isEmpty) return { answer };
    const { written, synced } = this.#checkpointer.journal;
    const line = mutation.encode({ sequence: written + before + 1, synced });
    if (line.length > MAX_LINE_BYTES) {
      throw contentTooLargeError("a mutation", { actual: line.length, expected: MAX_LINE_BYTES });
    }
    group.merge(mutation);
    return { answer, line };
  }

  /**
   * The four steps of a group: the journal's lines, the sync, memory, the lines of the logs; with "os" only
   * the first and the third, and the journal never says that it was synced. Behind the
   * second the journal must be what its path leads to: elsewhere nobody finds it.
   */
  async #commit(group: Mutation, lines: readonly Uint8Array[]): Promise<void> {
    const { journal } = this.#checkpointer;
    wrapIo({ operation: "write journal", path: journal.path }, () => {
      this.#guard(() => this.#checkpointer.checkBeforeWrite());
    });
    try {
      journal.append(lines);
    } catch (cause) {
      if (cause instanceof UnknownOutcomeError) throw this.#fail(journal.path, cause);
      throw storeIoError({ operation: "write journal", path: journal.path }, cause);
    }
    let doing: "syncing" | "looking at" = "syncing";
    try {
      if (this.#parts.durability === "disk") {
        await journal.sync({ mayBlock: this.#queue.isSteady });
      }
      doing = "looking at";
      this.#guard(() => journal.check());
    } catch (cause) {
      throw this.#failure ?? this.#fail(journal.path, cause, doing);
    }
    group.applyTo(this.state);
    this.#checkpointer.snapshots.add(group);
    this.#parts.logs.addAll(group.logs.values());
    try {
      this.#guard(() => this.#flushLogs());
    } catch {
      /* The journal has the lines, readers get them, and the next mutation tries again. */
    }
  }

  #fail(path: string, cause: unknown, doing?: "syncing" | "looking at"): RuntimeStoreError {
    const what = { path, cause, ...defined({ doing }) };
    return this.#failure = readOnlyAfterSyncError(this.state.runtimeId, what);
  }
}
