/**
 * The names in a folder, and whether they are on disk. What is always true:
 *
 * 1. **A file is on disk only when its name is**, in every folder down to it: whoever waits for a name
 *    waits for the folders above too, as far as their names are not known to be on disk.
 * 2. **A folder that nobody waits for is not synced**, and all who wait at the same time share one sync.
 */
import { Barrier } from "../../_internal/barrier.ts";
import { openDirectorySync } from "../../_internal/directories.ts";
import type { FilePort } from "../../_internal/file_port.ts";

/** Where a folder stands in another one. */
interface Place {
  folder: SyncedFolder;
  /** Which of the names there is its own: what {@linkcode SyncedFolder.add} gave. */
  position: number;
}

/** A folder in which files are made. */
export class SyncedFolder {
  /** Where it is. */
  readonly path: string;
  readonly #place: Place | undefined;
  readonly #barrier: Barrier;
  #names = 0;

  constructor(port: FilePort, path: string, place?: Place) {
    this.path = path;
    this.#place = place;
    this.#barrier = new Barrier({ position: () => this.#names, sync: () => sync(port, path) });
  }

  /** A name was made, replaced or removed; returns what to wait for. */
  add(): number {
    return ++this.#names;
  }

  /** Resolves when that name is on disk, by default each that was added so far. */
  async reach(position = this.#names): Promise<void> {
    await Promise.all([
      this.#barrier.reach(position),
      this.#place?.folder.reach(this.#place.position),
    ]);
  }
}

async function sync(port: FilePort, path: string): Promise<void> {
  const directory = openDirectorySync(port, path);
  try {
    await directory?.sync();
  } finally {
    directory?.close();
  }
}
