import {
  describeFileKind,
  type FileHandle,
  type FileInfo,
  type FilePort,
  isNotFound,
  isSameFile,
  lookAtSync,
  openRegularSync,
  readFileSync,
  sizeOf,
} from "../../_internal/file_port.ts";
import { closeLock, leadsToSync, readOwnerSync, writeOwnerSync } from "../../_internal/lock.ts";
import { dirname, isWindows, join } from "../../_internal/path.ts";
import { RuntimePaths, runtimesDirectory } from "../../_internal/root_layout.ts";
import { encodeUtf8, isBlank } from "../../_internal/text.ts";
import type { RuntimeStoreError, StoreOperation } from "../runtime_store_error.ts";
import {
  invalidRequestError,
  notRegularError,
  otherNameError,
  ownedError,
  REPAIR,
  replacedError,
  storeCorruptError,
  storeIoError,
  storeMissingError,
  type StorePlace,
  symlinkError,
  wrapIo,
} from "../store_errors.ts";

/** An id has two characters a byte in a directory's name, which has at most 255. */
export const MAX_ID_BYTES = 126;

/** Far more than any snapshot has; more would not fit into one text. */
const MAX_SNAPSHOT_BYTES = 256 * 1024 * 1024;

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

  /** Whether the runtime is there; neither its directory nor the one above may be a link. */
  isThere(operation: StoreOperation): boolean {
    return this.isDirectory(runtimesDirectory(this.root), { operation, what: "runtimes" }) &&
      this.isDirectory(this.directory, { operation, what: "runtime" });
  }

  /** Refuses whatever else stands where a file must be; tells how big it is, if it is there. */
  fileSize(path: string, operation: StoreOperation): number | undefined {
    const info = this.#lookAt({ operation, path });
    if (info === undefined || info.isFile) return info?.size;
    throw notRegularError({ operation, path }, describeFileKind(info));
  }

  #lookAt(place: StorePlace): FileInfo | undefined {
    const info = lookAtSync(this.port, place.path);
    if (info?.isSymlink) throw symlinkError(place);
    return info;
  }

  /** Opens a file, and nothing else that stands in its place. */
  open(
    { operation, path }: StorePlace,
    options: Deno.OpenOptions = { read: true },
  ): FileHandle {
    try {
      return openRegularSync(this.port, path, options);
    } catch (error) {
      const isRefused = error instanceof TypeError && error.message.startsWith("Cannot ");
      if (!isRefused) throw error;
      // Looks once more, for the words of the store.
      this.fileSize(path, operation);
      const { nlink = 1 } = lookAtSync(this.port, path) ?? {};
      throw nlink === 1
        ? storeIoError({ operation, path }, error)
        : otherNameError({ operation, path });
    }
  }

  /** Opens a file for as long as the body runs. */
  use<T>(
    place: StorePlace,
    body: (file: FileHandle) => T,
    options?: Deno.OpenOptions,
  ): T {
    const file = this.open(place, options);
    try {
      return body(file);
    } finally {
      file.close();
    }
  }

  /** What the lock file says of who has the runtime, or had it; undefined without one. */
  readOwner(): string | undefined {
    const place: StorePlace = { operation: "open runtime store", path: this.ownerLock };
    try {
      return this.use(place, readOwnerSync);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** All bytes of a file, in one read; undefined when it is not there. */
  readIfThere({ operation, path }: StorePlace): Uint8Array | undefined {
    const size = this.fileSize(path, operation);
    if (size === undefined) return undefined;
    if (size > MAX_SNAPSHOT_BYTES) {
      const problem = `it has ${size} bytes, and at most ${MAX_SNAPSHOT_BYTES} can be read`;
      throw storeCorruptError({ operation, path }, { problem, remedy: "move it away" });
    }
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

const LOOK_AFTER_MS = 1;

/**
 * A file that is held open and written to in place, which others reach by its path alone. An editor, a
 * restored copy or a cleaner may put another file there, or none: then what is written goes nowhere, and
 * nothing tells but a look at the path.
 */
export class HeldFile {
  readonly path: string;
  readonly file: FileHandle;
  readonly #folder: RuntimeFolder;
  readonly #opened: FileInfo;
  /** What its directory was like when the file stood in it. */
  #directory: FileInfo | undefined;
  #lookedAtMs = performance.now();

  constructor(folder: RuntimeFolder, { path, file }: { path: string; file: FileHandle }) {
    this.path = path;
    this.file = file;
    this.#folder = folder;
    this.#opened = file.statSync();
  }

  /** Refuses to go on when its path leads elsewhere. It is looked at once a millisecond at most. */
  lookNowAndThen(): void {
    if (performance.now() - this.#lookedAtMs >= LOOK_AFTER_MS) this.#look();
  }

  /** How long the file is; refused when its path leads elsewhere. */
  sizeAfterSync(): number {
    return this.#look() ?? sizeOf(this.file);
  }

  /**
   * Refuses to go on when its path leads elsewhere; tells how long the file is if that was looked at. A look
   * at a file that is written again and again makes the next sync a third dearer, that of another file too,
   * as the kernel then writes a new time with it. So the directory is looked at; where nothing was put in or
   * taken out since the file was seen in it, it is there.
   */
  #look(): number | undefined {
    this.#lookedAtMs = performance.now();
    const directory = this.#lookAtDirectory();
    if (isUnchanged(directory, this.#directory)) return undefined;
    this.#directory = undefined;
    const size = this.sizeInPlace();
    if (hasSettled(directory)) this.#directory = directory;
    return size;
  }

  /** How long the file is; refused unless it is still what its path leads to. */
  sizeInPlace(): number {
    const info = lookAtSync(this.#folder.port, this.path);
    if (info !== undefined && isSameFile(info, this.#opened)) return info.size;
    throw this.replacedError(info === undefined ? "is not there any more" : "is another file now");
  }

  /** What cannot be looked at proves nothing, and then the file itself is looked at. */
  #lookAtDirectory(): FileInfo | undefined {
    try {
      return lookAtSync(this.#folder.port, dirname(this.path));
    } catch {
      return undefined;
    }
  }

  /** What is told of a file with which somebody else did something. */
  replacedError(how: string): RuntimeStoreError {
    return replacedError(this.#folder.runtimeId, { path: this.path, how });
  }

  /** Whether both are one file. */
  isSame(other: HeldFile): boolean {
    return isSameFile(this.#opened, other.#opened);
  }
}

function isUnchanged(now: FileInfo | undefined, before: FileInfo | undefined): boolean {
  if (now === undefined || before === undefined) return false;
  return isSameFile(now, before) && now.mtime?.getTime() === before.mtime?.getTime();
}

/** Twice the longest step in which a kernel counts the time of files: 10 ms, of Linux with 100 ticks a second. */
const SETTLED_MS = 20;

/**
 * Whether a directory has not changed for so long that its next change has another time. Where file systems
 * tell no time it never has.
 */
function hasSettled(directory: FileInfo | undefined): boolean {
  const changedMs = directory?.mtime?.getTime() ?? Infinity;
  return Date.now() - changedMs > SETTLED_MS;
}

/** What the lock file says of who has the runtime, or had it last. */
interface Owner {
  pid: number;
  opened_at: string;
}

/** Holds a runtime for one owner: from when it was opened until it is closed or its process ends. */
export interface OwnerLock {
  /** Refuses to go on when another file stands in the place of the locked one: it excludes nobody. */
  check(): void;
  /** The same, but looks once a millisecond at most. */
  checkNowAndThen(): void;
  /** Gives the runtime up; the file stays, and says who had it last. */
  release(): void;
}

/** Takes the lock, or says who has it. The file stays for ever: a lock on it could be waited for. */
export function takeOwnerLock(folder: RuntimeFolder): OwnerLock {
  const { port, ownerLock: path, runtimeId } = folder;
  const file = folder.open({ operation: "open runtime store", path }, {
    read: true,
    write: true,
    create: true,
    mode: 0o600,
  });
  try {
    if (!file.tryLockSync(true)) throw ownedError(path, { runtimeId, pid: readPid(file) });
    refuseLockedJournals(folder);
    const owner: Owner = {
      pid: Deno.pid,
      opened_at: new Date().toISOString(),
    };
    writeOwnerSync(file, `${JSON.stringify(owner)}\n`);
    // A directory that is removed takes its lock along, and who opened that is granted it afterwards.
    if (!leadsToSync(port, path, file.statSync())) {
      throw new Deno.errors.NotFound("the runtime was removed meanwhile");
    }
    const held = new HeldFile(folder, { path, file });
    return {
      check: () => void held.sizeInPlace(),
      checkNowAndThen: () => held.lookNowAndThen(),
      release: () => closeLock(file),
    };
  } catch (error) {
    closeLock(file);
    throw error;
  }
}

/**
 * An owner has its journal locked besides: who removes the lock file under it makes no second owner. Not so
 * on Windows, where a lock would keep readers out: there it is noticed.
 */
function refuseLockedJournals(folder: RuntimeFolder): void {
  if (isWindows) return;
  const { ownerLock, runtimeId } = folder;
  for (const number of folder.journalNumbers()) {
    const place: StorePlace = { operation: "open runtime store", path: folder.journal(number) };
    const isFree = folder.use(place, (file) => file.tryLockSync(true));
    if (!isFree) throw ownedError(ownerLock, { runtimeId, pid: undefined });
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
