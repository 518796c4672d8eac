import type { FileHandle, FilePort } from "../_internal/file_port.ts";
import { readMutationsSync } from "./journal_file.ts";
import { type JournalOverlay, overlayOf } from "./journal_overlay.ts";
import { readOwnerSync } from "./owner_lock.ts";
import { fileSizeSync, journalNumbersSync, type StorePaths } from "./store_paths.ts";

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
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  /**
   * What the journals say, after the last snapshot was read; undefined when one was missed, or when
   * another owner has begun to number them anew.
   */
  finish(): JournalOverlay | undefined {
    this.catchUp();
    if (readOwnerSync(this.#port, this.#paths.ownerLock) !== this.#owner) return undefined;
    const numbers = [...this.#journals.keys()].sort((a, b) => a - b);
    const span = numbers.length === 0 ? 0 : numbers.at(-1)! - numbers[0]! + 1;
    if (span !== numbers.length) return undefined;
    const contents = numbers.map((number) =>
      readMutationsSync(this.#journals.get(number)!, this.#paths.journal(number))
    );
    const newest = contents.slice(contents.findLastIndex(({ mutations }) => mutations.length > 0));
    return overlayOf(contents.flatMap(({ mutations }) => mutations), {
      path: this.#paths.directory,
      torn: newest.findLast(({ torn }) => torn !== undefined)?.torn,
    });
  }

  close(): void {
    for (const journal of this.#journals.values()) journal.close();
    this.#journals.clear();
  }
}
