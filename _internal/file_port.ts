/**
 * The dozen file calls this project makes, behind one interface, so that tests can let the n-th one
 * fail or cut the power after it. Appends and page reads are synchronous: they cost a thirtieth of
 * the asynchronous form. What can block for long (fdatasync, streaming reads) has both forms.
 */

/** An open file. `Deno.FsFile` is one. */
export interface FileHandle {
  readSync(buffer: Uint8Array): number | null;
  read(buffer: Uint8Array): Promise<number | null>;
  writeSync(bytes: Uint8Array): number;
  seekSync(offset: number, whence: Deno.SeekMode): number;
  truncateSync(length: number): void;
  syncDataSync(): void;
  syncData(): Promise<void>;
  syncSync(): void;
  sync(): Promise<void>;
  /** Deno's default argument is a *shared* lock, so it is required here. */
  tryLockSync(exclusive: boolean): boolean;
  unlockSync(): void;
  close(): void;
}

/** What {@linkcode FilePort.lstatSync} tells. */
export interface FileInfo {
  isFile: boolean;
  isDirectory: boolean;
  isSymlink: boolean;
  size: number;
  mode: number | null;
  mtime: Date | null;
}

/** A file system. */
export interface FilePort {
  openSync(path: string, options: Deno.OpenOptions): FileHandle;
  mkdirSync(path: string, options: { mode: number; recursive: boolean }): void;
  chmodSync(path: string, mode: number): void;
  renameSync(from: string, to: string): void;
  removeSync(path: string): void;
  lstatSync(path: string): FileInfo;
  readDirSync(path: string): Iterable<{ name: string; isDirectory: boolean; isSymlink: boolean }>;
}

/** The real file system. */
export const denoFilePort: FilePort = {
  openSync: (path, options) => requireDeno().openSync(path, options),
  mkdirSync: (path, options) => requireDeno().mkdirSync(path, options),
  chmodSync: (path, mode) => requireDeno().chmodSync(path, mode),
  renameSync: (from, to) => requireDeno().renameSync(from, to),
  removeSync: (path) => requireDeno().removeSync(path),
  lstatSync: (path) => requireDeno().lstatSync(path),
  readDirSync: (path) => requireDeno().readDirSync(path),
};

/**
 * Deno, for what cannot do without it. What is pure, such as parsing and replaying, runs in Node and Bun
 * too, and there whoever calls the rest is told why it cannot work.
 */
export function requireDeno(): typeof Deno {
  if (typeof Deno !== "undefined") return Deno;
  throw new Error("Cannot reach the file system or the process: this function needs Deno");
}

/** Whether a file call failed because nothing is there. */
export function isNotFound(error: unknown): boolean {
  return hasName(error, "NotFound");
}

/** Whether a file call failed because something is there already. */
export function isAlreadyExists(error: unknown): boolean {
  return hasName(error, "AlreadyExists");
}

/** Deno's errors are known by their names, since `Deno.errors` is not there without Deno. */
function hasName(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
