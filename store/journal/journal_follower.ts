import { type FileHandle, type FilePort, isNotFound } from "../../_internal/file_port.ts";
import { readOwnerSync } from "../files/owner_lock.ts";
import { fileSizeSync, journalNumbersSync, type StorePaths } from "../layout.ts";
import { RuntimeStoreError } from "../runtime_store_error.ts";
import { readMutationsSync } from "./journal_file.ts";
import { type JournalOverlay, overlayOf } from "./unapplied_mutations.ts";

/** So often the same has to be seen before it is believed. */
const LOOKS = 3;

/**
 * What was odd while journals were read beside somebody who may be writing. One read may get a page as
 * it was and the next page as it is since, which looks like damage, once: what is seen again and again
 * stays.
 */
export class Oddities {
  readonly #looks = new Map<string, number>();

  /** Whether this was seen often enough to be believed, now included. */
  isLasting(oddity: string): boolean {
    const looks = (this.#looks.get(oddity) ?? 0) + 1;
    this.#looks.set(oddity, looks);
    return looks >= LOOKS;
  }

  /** Whether an error is more than such an oddity. */
  isError(error: unknown): boolean {
    if (!(error instanceof RuntimeStoreError) || error.kind !== "store-corrupt") return true;
    return this.isLasting(`${error.message} ${error.byteOffset}`);
  }
}

/**
 * Keeps the journals of a runtime that somebody else may be changing, while its snapshots are read:
 * a journal that is open can be read to its end after its owner has removed it. However many
 * checkpoints there were meanwhile, what the journals say together is newer than every snapshot.
 */
export class JournalFollower {
  readonly #port: FilePort;
  readonly #paths: StorePaths;
  readonly #owner: string;
  readonly #journals = new Map<number, FileHandle>();

  constructor(port: FilePort, paths: StorePaths) {
    this.#port = port;
    this.#paths = paths;
    this.#owner = readOwnerSync(port, paths.ownerLock);
  }

  /**
   * Opens the journals that were begun since the last time. Called before the first snapshot is
   * read, and often enough from then on, it misses none.
   */
  catchUp(): void {
    for (const number of journalNumbersSync(this.#port, this.#paths.directory)) {
      if (this.#journals.has(number)) continue;
      const path = this.#paths.journal(number);
      try {
        fileSizeSync(this.#port, path, "read journal");
        this.#journals.set(number, this.#port.openSync(path, { read: true }));
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
  finish(oddities: Oddities): JournalOverlay | undefined {
    this.catchUp();
    if (readOwnerSync(this.#port, this.#paths.ownerLock) !== this.#owner) return undefined;
    const numbers = [...this.#journals.keys()].sort((a, b) => a - b);
    const span = numbers.length === 0 ? 0 : numbers.at(-1)! - numbers[0]! + 1;
    const hasGap = span !== numbers.length;
    if (hasGap && !oddities.isLasting(`journals ${numbers}`)) return undefined;
    const contents = numbers.map((number) =>
      readMutationsSync(this.#journals.get(number)!, this.#paths.journal(number))
    );
    const last = contents.findLastIndex(({ mutations }) => mutations.length > 0);
    const newest = contents.slice(Math.max(0, last));
    const counting = hasGap ? newest : contents;
    return overlayOf(counting.flatMap(({ mutations }) => mutations), {
      path: this.#paths.directory,
      torn: newest.findLast(({ torn }) => torn !== undefined)?.torn,
    });
  }

  close(): void {
    for (const journal of this.#journals.values()) journal.close();
    this.#journals.clear();
  }
}
