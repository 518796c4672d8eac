/**
 * The folder of what the attempts of a run give. What is always true:
 *
 * 1. It is made with the first file, and is on disk when somebody needs a file in it to be.
 * 2. A file of the same name is written over only if it is a regular file without another name: a link
 *    could lead to any file of the user's.
 */
import { makeDirectorySync } from "../../_internal/directories.ts";
import {
  discardSync,
  type FileHandle,
  type FilePort,
  lookAtSync,
  openRegularSync,
} from "../../_internal/file_port.ts";
import { join } from "../../_internal/path.ts";
import { type AttemptFile, outputName } from "../../_internal/root_layout.ts";
import { refuseLinksSync } from "../../_internal/run_folder.ts";
import { SyncedFolder } from "./synced_folder.ts";

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
