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
  openSync: (path, options) => Deno.openSync(path, options),
  mkdirSync: (path, options) => Deno.mkdirSync(path, options),
  chmodSync: (path, mode) => Deno.chmodSync(path, mode),
  renameSync: (from, to) => Deno.renameSync(from, to),
  removeSync: (path) => Deno.removeSync(path),
  lstatSync: (path) => Deno.lstatSync(path),
  readDirSync: (path) => Deno.readDirSync(path),
};
