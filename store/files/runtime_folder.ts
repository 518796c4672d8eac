import {
  type FileHandle,
  type FileInfo,
  type FilePort,
  lookAtSync,
  readFileSync,
  withFileSync,
} from "../../_internal/file_port.ts";
import {
  closeLock,
  isOwnerFileInPlaceSync,
  openOwnerFileSync,
  readOwnerSync,
  writeOwnerSync,
} from "../../_internal/lock.ts";
import { join } from "../../_internal/path.ts";
import { RuntimePaths } from "../../_internal/root_layout.ts";
import { encodeUtf8, isBlank } from "../../_internal/text.ts";
import type { StoreOperation } from "../runtime_store_error.ts";
import {
  invalidRequestError,
  ownedError,
  REPAIR,
  storeCorruptError,
  storeMissingError,
  type StorePlace,
  symlinkError,
  wrapIo,
} from "../store_errors.ts";

/** An id has two characters a byte in a directory's name, which has at most 255. */
export const MAX_ID_BYTES = 126;

/**
 * Refuses what can be no id: blank, a lone surrogate in it, or too long for a directory's name
 * (W-FRS-14). Everything else is one: no character can lead out of the directory.
 */
export function checkId(id: string, what: "runtime id" | "worker id"): void {
  if (isBlank(id)) throw invalidRequestError(`${what} must not be empty`);
  if (!id.isWellFormed()) throw invalidRequestError(`${what} has a lone surrogate`);
  const { length } = encodeUtf8(id);
  if (length > MAX_ID_BYTES) {
    const problem = `${what} has ${length} bytes, and at most ${MAX_ID_BYTES} fit into the name ` +
      "of its directory";
    throw invalidRequestError(problem);
  }
}

/**
 * The directory of one runtime on one file system: where its files are, and the one way to look at
 * them. Nothing is used before it is known to be a file or directory and no link.
 */
export class RuntimeFolder extends RuntimePaths {
  readonly port: FilePort;
  readonly runtimeId: string;

  constructor(port: FilePort, { root, runtimeId }: { root: string; runtimeId: string }) {
    super(root, runtimeId);
    this.port = port;
    this.runtimeId = runtimeId;
  }

  /** Refuses what is not a directory where one must be; tells whether there is one. */
  isDirectory(
    path: string,
    { operation, what }: { operation: StoreOperation; what: string },
  ): boolean {
    const info = this.#lookAt({ operation, path });
    if (info === undefined || info.isDirectory) return info !== undefined;
    const problem = `${what} path exists but is not a directory`;
    throw storeCorruptError({ operation, path }, { problem, remedy: "move it away" });
  }

  /** Refuses a link, or a directory, where a file must be; tells how big it is, if it is there. */
  fileSize(path: string, operation: StoreOperation): number | undefined {
    const info = this.#lookAt({ operation, path });
    if (info === undefined || info.isFile) return info?.size;
    const problem = "it is not a file";
    throw storeCorruptError({ operation, path }, { problem, remedy: "move it away" });
  }

  #lookAt(place: StorePlace): FileInfo | undefined {
    const info = lookAtSync(this.port, place.path);
    if (info?.isSymlink) throw symlinkError(place);
    return info;
  }

  /** Opens a file for as long as the body runs. */
  use<T>(
    path: string,
    body: (file: FileHandle) => T,
    options: Deno.OpenOptions = { read: true },
  ): T {
    return withFileSync(this.port, { path, ...options }, body);
  }

  /** All bytes of a file, in one read; undefined when it is not there. */
  readIfThere({ operation, path }: StorePlace): Uint8Array | undefined {
    if (this.fileSize(path, operation) === undefined) return undefined;
    return readFileSync(this.port, path);
  }

  /** All bytes of a file that must be there, in one read. */
  readWhole(place: StorePlace): Uint8Array {
    const bytes = wrapIo(place, () => this.readIfThere(place));
    if (bytes === undefined) throw storeMissingError(place, { remedy: REPAIR });
    return bytes;
  }

  /** The numbers of the journals, the newest first. */
  journalNumbers(): number[] {
    const numbers: number[] = [];
    for (const { name } of this.port.readDirSync(this.directory)) {
      const number = RuntimePaths.journalNumberOf(name);
      if (number !== undefined) numbers.push(number);
    }
    return numbers.sort((a, b) => b - a);
  }
}

/** What stands in a directory. */
export interface DirectoryEntry {
  name: string;
  path: string;
  isDirectory: boolean;
  isSymlink: boolean;
}

/** What stands in a directory, in the order of the names. */
export function listDirectory(port: FilePort, directory: string): DirectoryEntry[] {
  return Array.from(port.readDirSync(directory), ({ name, isDirectory, isSymlink }) => {
    return { name, path: join(directory, name), isDirectory, isSymlink };
  }).sort((a, b) => a.name < b.name ? -1 : 1);
}

/** How long an open file is now. */
export function sizeOf(file: FileHandle): number {
  return file.seekSync(0, Deno.SeekMode.End);
}

/** What the lock file says of who has the runtime, or had it last. */
interface Owner {
  pid: number;
  opened_at: string;
  /** Drawn for each opening, so that no two are alike. */
  opening: string;
}

/** Holds a runtime for one owner: from when it was opened until it is closed or its process ends. */
export interface OwnerLock {
  /** Gives the runtime up; the file stays, and says who had it last. */
  release(): void;
}

/** Takes the lock, or says who has it. The file stays for ever: a lock on it could be waited for. */
export function takeOwnerLock(folder: RuntimeFolder): OwnerLock {
  const { port, ownerLock: path, runtimeId } = folder;
  folder.fileSize(path, "open runtime store");
  const file = openOwnerFileSync(port, path);
  try {
    if (!file.tryLockSync(true)) throw ownedError(path, { runtimeId, pid: readPid(file) });
    const owner: Owner = {
      pid: Deno.pid,
      opened_at: new Date().toISOString(),
      opening: crypto.randomUUID(),
    };
    const text = `${JSON.stringify(owner)}\n`;
    writeOwnerSync(file, text);
    if (!isOwnerFileInPlaceSync(port, path, text)) {
      throw new Deno.errors.NotFound("the runtime was removed meanwhile");
    }
    return { release: () => closeLock(file) };
  } catch (error) {
    closeLock(file);
    throw error;
  }
}

/** Who has the lock, as far as the file says: its owner may be about to write it. */
function readPid(file: FileHandle): number | undefined {
  try {
    const { pid } = JSON.parse(readOwnerSync(file)) as Owner;
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
