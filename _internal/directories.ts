import {
  type FileHandle,
  type FilePort,
  isAlreadyExists,
  isNotFound,
  lookAtSync,
} from "./file_port.ts";
import { dirname, isWindows, join } from "./path.ts";

/**
 * Makes what was created, renamed or removed in a directory survive a power cut. Windows cannot
 * sync a directory; NTFS journals its entries instead.
 */
export function syncDirectorySync(port: FilePort, path: string): void {
  const directory = openDirectorySync(port, path);
  try {
    directory?.syncSync();
  } finally {
    directory?.close();
  }
}

/** Opens a directory, to be synced or locked; undefined on Windows, which does neither. */
export function openDirectorySync(port: FilePort, path: string): FileHandle | undefined {
  return isWindows ? undefined : port.openSync(path, { read: true });
}

/** Creates one directory, mode 0700, and tells whether it was missing. */
export function makeDirectorySync(port: FilePort, path: string): boolean {
  try {
    port.mkdirSync(path, { mode: 0o700, recursive: false });
    return true;
  } catch (error) {
    if (isAlreadyExists(error)) return false;
    throw error;
  }
}

/** Creates the root, with its parents where they are missing, and the folders named below it. */
export function makeDirectoriesSync(port: FilePort, root: string, below: readonly string[]): void {
  port.mkdirSync(root, { mode: 0o700, recursive: true });
  let path = root;
  for (const name of below) makeDirectorySync(port, path = join(path, name));
}

/**
 * Syncs the folders from the innermost up to and including the root. Always the whole chain: a
 * process that created one of them a moment ago may not have synced it yet. The root's own parent
 * is left alone, as that would need more permission.
 */
export function syncDirectoriesSync(port: FilePort, root: string, below: readonly string[]): void {
  for (let depth = below.length; depth >= 0; depth--) {
    syncDirectorySync(port, join(root, ...below.slice(0, depth)));
  }
}

/**
 * Creates the directories above a file, and makes them survive a power cut. What could not be synced
 * when the file was written is kept, and synced with the next one.
 */
export class ParentDirectories {
  readonly #port: FilePort;
  /** Those that a power cut may still undo, the outermost first. */
  readonly #unsynced = new Set<string>();

  constructor(port: FilePort) {
    this.#port = port;
  }

  /** Creates what is missing down to a directory, mode 0700. What stands in its place is refused. */
  createSync(directory: string): void {
    const missing = missingDirectoriesSync(this.#port, directory);
    for (const above of missing) this.#unsynced.add(above);
    if (missing.length > 0) this.#port.mkdirSync(directory, { mode: 0o700, recursive: true });
    // Only a directory has this entry; links are followed.
    else this.#port.lstatSync(`${directory}/.`);
  }

  /** A directory survives a power cut when the one that it is in was synced. */
  syncSync(): void {
    for (const directory of [...this.#unsynced].toReversed()) {
      syncDirectorySync(this.#port, dirname(directory));
      this.#unsynced.delete(directory);
    }
  }
}

/** The directories that are missing down to this one, the outermost first. */
function missingDirectoriesSync(port: FilePort, directory: string): string[] {
  const missing: string[] = [];
  for (
    let above = directory;
    lookAtSync(port, above) === undefined && dirname(above) !== above;
    above = dirname(above)
  ) missing.unshift(above);
  return missing;
}

/**
 * Removes a folder and all in it; a link is removed, and not what it leads to. That is left to the
 * system: who looks and then removes by path is led astray by a link that is put there in between. Two
 * may remove the same one at the same time.
 */
export function removeTreeSync(port: FilePort, directory: string): void {
  try {
    port.removeSync(directory, { recursive: true });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Begins the name of a directory that is being removed: no run and no runtime is called so. */
const REMOVED_PREFIX = ".removed-";

/**
 * Takes a directory out of its place before it is removed, so that a kill leaves a whole one or none.
 * That is on disk when this returns where it is now.
 */
export function moveAsideSync(port: FilePort, directory: string): string {
  const parent = dirname(directory);
  const moved = join(parent, `${REMOVED_PREFIX}${crypto.randomUUID()}`);
  port.renameSync(directory, moved);
  syncDirectorySync(port, parent);
  return moved;
}

/** Whether a directory is what a removal that was cut short has left. */
export function isMovedAside(entry: { name: string; isDirectory: boolean }): boolean {
  return entry.isDirectory && entry.name.startsWith(REMOVED_PREFIX);
}

/** Removes what removals that were cut short have left; returns how many directories these were. */
export function removeMovedAsideSync(port: FilePort, parent: string): number {
  const left = Array.from(port.readDirSync(parent)).filter(isMovedAside);
  for (const { name } of left) removeTreeSync(port, join(parent, name));
  return left.length;
}

/** Begins the name of the folder of a run that is on its way in from another root: no run is called so. */
const RECEIVED_PREFIX = ".received-";

/** A name for such a folder. */
export function newReceivedName(): string {
  return RECEIVED_PREFIX + crypto.randomUUID();
}

/** Whether a directory is such a folder. */
export function isReceived(entry: { name: string; isDirectory: boolean }): boolean {
  return entry.isDirectory && entry.name.startsWith(RECEIVED_PREFIX);
}
