/**
 * The folders of a run, and whether the names in them are on disk. What is always true:
 *
 * 1. **A file is on disk only when its name is**, in every folder down to it: whoever waits for a name
 *    waits for the folders above too, as far as their names are not known to be on disk.
 * 2. **A folder that nobody waits for is not synced**, and all who wait at the same time share one sync.
 * 3. That of outputs is made with the first file. One of the same name is written over only if it is a
 *    regular file without another name: a link could lead to any file of the user's.
 * 4. **Of what an attempt gives there is no file without a byte**, and none of an earlier attempt of that number.
 */
import { Barrier } from "../../_internal/barrier.ts";
import { makeDirectorySync, openDirectorySync } from "../../_internal/directories.ts";
import {
  discardSync,
  type FileHandle,
  type FilePort,
  lookAtSync,
  openRegularSync,
  writeWholeSync,
} from "../../_internal/file_port.ts";
import { join } from "../../_internal/path.ts";
import { type AttemptFile, outputName } from "../../_internal/root_layout.ts";
import { refuseLinksSync } from "../../_internal/run_folder.ts";
import type { OutputStorage } from "../outputs.ts";

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

/** The folder of what the attempts of a run gave; made with the first file. */
export class OutputFolder {
  readonly #port: FilePort;
  readonly #path: string;
  readonly #run: SyncedFolder;
  /** Whether there may be files that this process has not made. */
  readonly #mayHaveOlder: boolean;
  #folder: SyncedFolder | undefined;

  constructor(port: FilePort, path: string, run: SyncedFolder) {
    this.#port = port;
    this.#path = path;
    this.#run = run;
    this.#mayHaveOlder = lookAtSync(port, path) !== undefined;
  }

  /** A file that is made with its first byte. */
  open(of: AttemptFile): OutputStorage {
    return new OutputFile(this, of);
  }

  /** Makes a file, empty, in place of one that is the run's own. */
  create(of: AttemptFile): FileHandle {
    this.#folder ??= this.#makeFolder();
    const file = openRegularSync(this.#port, join(this.#path, outputName(of)), {
      read: true,
      write: true,
      create: true,
      mode: 0o600,
      truncate: true,
    });
    this.#folder.add();
    return file;
  }

  /** Removes what an attempt of this number has left that a power cut took out of the records. */
  removeOlder(of: AttemptFile): void {
    if (!this.#mayHaveOlder) return;
    const path = join(this.#path, outputName(of));
    if (lookAtSync(this.#port, path)?.isFile) discardSync(this.#port, path);
  }

  /** Resolves when the names of all files that were made are on disk. */
  async reach(): Promise<void> {
    await this.#folder?.reach();
  }

  #makeFolder(): SyncedFolder {
    refuseLinksSync(this.#port, [this.#path]);
    makeDirectorySync(this.#port, this.#path);
    // Also where it was there: whoever made it may have been killed before it was on disk.
    const place = { folder: this.#run, position: this.#run.add() };
    return new SyncedFolder(this.#port, this.#path, place);
  }
}

/** What an attempt gives, in a file. */
class OutputFile implements OutputStorage {
  readonly #folder: OutputFolder;
  readonly #of: AttemptFile;
  #file: FileHandle | undefined;

  constructor(folder: OutputFolder, of: AttemptFile) {
    this.#folder = folder;
    this.#of = of;
  }

  write(bytes: Uint8Array): void {
    this.#file ??= this.#folder.create(this.#of);
    writeWholeSync(this.#file, bytes);
  }

  /** A file takes what it is given at once. */
  ready(): Promise<void> {
    return Promise.resolve();
  }

  async end({ sync }: { sync: boolean }): Promise<void> {
    try {
      if (this.#file === undefined) this.#folder.removeOlder(this.#of);
      else if (sync) await Promise.all([this.#file.syncData(), this.#folder.reach()]);
    } finally {
      this.#file?.close();
    }
  }
}
