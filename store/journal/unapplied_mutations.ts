import { type FileHandle, isNotFound } from "../../_internal/file_port.ts";
import { encodeUtf8, joinBytes } from "../../_internal/text.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import type {
  RuntimeCounters,
  RuntimeSnapshot,
  WorkerChange,
  WorkerSnapshot,
} from "../files/snapshots.ts";
import { RuntimeStoreError } from "../runtime_store_error.ts";
import { storeCorruptError } from "../store_errors.ts";
import type { ConfigBundle, RuntimeDiagnostic } from "../types.ts";
import {
  type JournalContent,
  type JournalPlace,
  readJournal,
  readMutations,
} from "./journal_file.ts";
import type { MutationRecord } from "./mutation_record.ts";

/** The lines of one log that a journal holds. */
export interface UnappliedLog {
  /** Where the first of them begins. */
  start: number;
  bytes: Uint8Array;
}

/** What the journal says of the state, whatever snapshots and logs say: they may not have it yet. */
export interface UnappliedMutations {
  /** Whether it holds any mutation. */
  isEmpty: boolean;
  /** How many there are in the journal that counts. */
  count: number;
  createdRuntime: RuntimeSnapshot | undefined;
  counters: RuntimeCounters | undefined;
  diagnostics: RuntimeDiagnostic[];
  bundles: ConfigBundle[];
  createdWorkers: Map<string, WorkerSnapshot>;
  changedWorkers: Map<string, WorkerChange>;
  logs: Map<string, UnappliedLog>;
  /** Where the next mutation of the journal that counts would stand; undefined without a journal. */
  end: JournalPlace | undefined;
  /** Where something else stands behind the newest mutation, in its journal or in a newer one. */
  torn: JournalPlace | undefined;
}

/**
 * Reads the journal that counts: the newest one with a mutation. An older one was made part of the
 * snapshots before the newer one got its first mutation; a newer one without any was begun by a
 * checkpoint that may not have come to its end.
 */
export function readUnapplied(folder: RuntimeFolder): UnappliedMutations {
  const newest: JournalContent[] = [];
  for (const number of folder.journalNumbers()) {
    newest.unshift(readJournal(folder, number));
    if (newest[0]!.mutations.length > 0) break;
  }
  return unite(newest[0]?.mutations ?? [], folder.directory, newest);
}

/**
 * What mutations say together; `path` is named where they do not fit. `newest` are the journal that
 * counts and those behind it, which have no mutation; if there is none at all, the last one counts.
 */
function unite(
  mutations: readonly MutationRecord[],
  path: string,
  newest: readonly JournalContent[],
): UnappliedMutations {
  const counting = newest[0]?.mutations.length ? newest[0] : newest.at(-1);
  const unapplied: UnappliedMutations = {
    isEmpty: mutations.length === 0,
    count: counting?.mutations.length ?? 0,
    createdRuntime: mutations[0]?.created_runtime,
    counters: mutations.at(-1)?.runtime,
    diagnostics: mutations.flatMap(({ diagnostics = [] }) => diagnostics),
    bundles: mutations.flatMap(({ config_bundles = [] }) => config_bundles),
    createdWorkers: new Map(),
    changedWorkers: new Map(),
    logs: collectLogs(mutations, path),
    end: counting?.end,
    torn: newest.findLast(({ isTorn }) => isTorn)?.end,
  };
  for (const { created_workers = [], workers = [] } of mutations) {
    for (const worker of created_workers) unapplied.createdWorkers.set(worker.worker_id, worker);
    for (const change of workers) unapplied.changedWorkers.set(change.worker_id, change);
  }
  return unapplied;
}

function collectLogs(
  mutations: readonly MutationRecord[],
  path: string,
): Map<string, UnappliedLog> {
  const chunks = new Map<string, { start: number; end: number; chunks: Uint8Array[] }>();
  for (const [index, { logs = [] }] of mutations.entries()) {
    for (const { file, offset, lines } of logs) {
      const bytes = encodeUtf8(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
      const log = chunks.get(file) ?? { start: offset, end: offset, chunks: [] };
      if (log.end !== offset) {
        const problem = `line ${index + 2}: ${file} goes on at ${offset} instead of ${log.end}`;
        throw storeCorruptError({ operation: "read journal", path }, { problem, line: index + 2 });
      }
      log.end += bytes.length;
      log.chunks.push(bytes);
      chunks.set(file, log);
    }
  }
  return new Map(Array.from(chunks, ([file, { start, chunks }]) => {
    return [file, { start, bytes: joinBytes(chunks) }];
  }));
}

/** So often the same has to be seen before it is believed. */
const LOOKS = 3;

/**
 * What looked wrong while journals were read beside somebody who may be writing. One read may get a
 * page as it was and the next page as it is since, which looks like damage, once: what is seen again
 * and again is so.
 */
export class Suspicions {
  readonly #looks = new Map<string, number>();

  /** Whether this was seen often enough to be believed, now included. */
  isConfirmed(suspicion: string): boolean {
    const looks = (this.#looks.get(suspicion) ?? 0) + 1;
    this.#looks.set(suspicion, looks);
    return looks >= LOOKS;
  }

  /** Whether an error is more than a suspicion. */
  isError(error: unknown): boolean {
    if (!(error instanceof RuntimeStoreError) || error.kind !== "store-corrupt") return true;
    return this.isConfirmed(`${error.message} ${error.details.byteOffset}`);
  }
}

/**
 * Keeps the journals of a runtime that somebody else may be changing, while its snapshots are read:
 * a journal that is open can be read to its end after its owner has removed it. However many
 * checkpoints there were meanwhile, what the journals say together is newer than every snapshot.
 */
export class JournalFollower {
  readonly #folder: RuntimeFolder;
  readonly #owner: string | undefined;
  readonly #journals = new Map<number, FileHandle>();

  constructor(folder: RuntimeFolder) {
    this.#folder = folder;
    this.#owner = folder.readOwner();
  }

  /**
   * Opens the journals that were begun since the last time. Called before the first snapshot is
   * read, and often enough from then on, it misses none.
   */
  catchUp(): void {
    for (const number of this.#folder.journalNumbers()) {
      if (this.#journals.has(number)) continue;
      const path = this.#folder.journal(number);
      try {
        this.#journals.set(number, this.#folder.open({ operation: "read journal", path }));
      } catch (error) {
        // It has been removed since it was listed: then there is a newer one.
        if (!isNotFound(error)) throw error;
      }
    }
  }

  /**
   * What the journals say, after the last snapshot was read; undefined when one was missed, or when
   * another owner has begun to number them anew. If the same ones are missing every time, nobody
   * removes them: then the newest one with a mutation counts, as for an owner.
   */
  finish(suspicions: Suspicions): UnappliedMutations | undefined {
    this.catchUp();
    // Who has opened the runtime since shows by it.
    if (this.#folder.readOwner() !== this.#owner) return undefined;
    const numbers = [...this.#journals.keys()].sort((a, b) => a - b);
    const span = numbers.length === 0 ? 0 : numbers.at(-1)! - numbers[0]! + 1;
    const hasGap = span !== numbers.length;
    if (hasGap && !suspicions.isConfirmed(`journals ${numbers}`)) return undefined;
    const contents = numbers.map((number) =>
      readMutations(this.#journals.get(number)!, this.#folder.journal(number))
    );
    const last = contents.findLastIndex(({ mutations }) => mutations.length > 0);
    const newest = contents.slice(Math.max(0, last));
    const counting = hasGap ? newest : contents;
    const mutations = counting.flatMap(({ mutations }) => mutations);
    return unite(mutations, this.#folder.directory, newest);
  }

  close(): void {
    for (const journal of this.#journals.values()) journal.close();
    this.#journals.clear();
  }
}
