/**
 * The dozen file calls this project makes, behind one interface, so that tests can let the n-th one
 * fail or cut the power after it. Appends and page reads are synchronous: they cost a thirtieth of
 * the asynchronous form. What can block for long (fdatasync, streaming reads, waiting for a lock)
 * has both forms, and what is made of such calls is written once, as {@linkcode Steps}.
 */

import { joinBytes } from "./text.ts";

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
  statSync(): FileInfo;
  close(): void;
}

/** What {@linkcode FilePort.lstatSync} and {@linkcode FileHandle.statSync} return. */
export interface FileInfo {
  isFile: boolean;
  isDirectory: boolean;
  isSymlink: boolean;
  /** Null, as the next ones are, where the system does not tell. */
  isFifo: boolean | null;
  isSocket: boolean | null;
  isBlockDevice: boolean | null;
  isCharDevice: boolean | null;
  size: number;
  mode: number | null;
  mtime: Date | null;
  /** When it was made, where that is told. */
  birthtime?: Date | null;
  /** Together with `ino` what tells one file from another. */
  dev: number;
  ino: number | null;
  /** How many names the file has. */
  nlink: number | null;
}

/** A file system. */
export interface FilePort {
  openSync(path: string, options: Deno.OpenOptions): FileHandle;
  mkdirSync(path: string, options: { mode: number; recursive: boolean }): void;
  chmodSync(path: string, mode: number): void;
  renameSync(from: string, to: string): void;
  /** Removes a file, a link, or a directory: an empty one, or `recursive` with all that is in it. */
  removeSync(path: string, options?: { recursive: boolean }): void;
  lstatSync(path: string): FileInfo;
  readDirSync(path: string): Iterable<{ name: string; isDirectory: boolean; isSymlink: boolean }>;
}

/** The real file system. */
export const denoFilePort: FilePort = {
  openSync: (path, options) => requireDeno().openSync(path, options),
  mkdirSync: (path, options) => requireDeno().mkdirSync(path, options),
  chmodSync: (path, mode) => requireDeno().chmodSync(path, mode),
  renameSync: (from, to) => requireDeno().renameSync(from, to),
  removeSync: (path, options) => requireDeno().removeSync(path, options),
  lstatSync: (path) => requireDeno().lstatSync(path),
  readDirSync: (path) => requireDeno().readDirSync(path),
};

const NO_SYNCS: Partial<FileHandle> = {
  syncDataSync: () => {},
  syncSync: () => {},
  syncData: () => Promise.resolve(),
  sync: () => Promise.resolve(),
};

/** A file system whose syncs do nothing: what is written survives this process, and perhaps no power cut. */
export function withoutSyncs(port: FilePort): FilePort {
  return withMembers(port, {
    openSync: (path, options) => withMembers(port.openSync(path, options), NO_SYNCS),
  });
}

function withMembers<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const member: unknown = Reflect.get(Object.hasOwn(members, name) ? members : target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/**
 * Deno, for what cannot do without it. What is pure, such as parsing and replaying, runs in Node and Bun
 * too, and there whoever calls the rest is told why it cannot work.
 */
export function requireDeno(): typeof Deno {
  if (typeof Deno !== "undefined") return Deno;
  throw new Error("Cannot reach the file system or the process: this function needs Deno");
}

/**
 * Whether a file call failed because nothing is there; nothing can be where a name is too long. For a name
 * that it takes for none at all, as `a?`, Windows has an error of its own, which Deno knows by its code alone.
 */
export function isNotFound(error: unknown): boolean {
  return hasName(error, "NotFound") || hasCode(error, "ENAMETOOLONG") || hasCode(error, "ENOENT");
}

/**
 * Whether a file call failed because others have the file, and perhaps only for a moment: a scanner or a
 * lock on Windows, a lock on some network drives. Neither of the first two is `Busy` for Deno.
 */
export function isHeldByOthers(error: unknown): boolean {
  return hasName(error, "PermissionDenied") || hasName(error, "WouldBlock") ||
    hasCode(error, "EBUSY");
}

/** Whether a file call failed because something is there already. */
export function isAlreadyExists(error: unknown): boolean {
  return hasName(error, "AlreadyExists");
}

/** Deno's errors are known by their names, since `Deno.errors` is not there without Deno. */
function hasName(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && Reflect.get(error, "code") === code;
}

/** Whether both are one file, whatever it is called. Where the system tells no inode they may be. */
export function isSameFile(one: FileInfo, other: FileInfo): boolean {
  if (one.ino === null || other.ino === null) return true;
  return one.dev === other.dev && one.ino === other.ino;
}

/** What a path leads to, for people. */
export function describeFileKind(info: FileInfo): string {
  if (info.isSymlink) return "a symbolic link";
  if (info.isDirectory) return "a directory";
  if (info.isFifo) return "a named pipe";
  if (info.isSocket) return "a socket";
  if (info.isBlockDevice || info.isCharDevice) return "a device";
  return info.isFile ? "a regular file" : "no regular file";
}

/** Throws a `TypeError` for whatever is no regular file of its own. */
export function checkRegular(path: string, info: FileInfo): void {
  if (info.isFile) return;
  throw new TypeError(`Cannot use ${path}: it is ${describeFileKind(info)}, not a regular file`);
}

const OPEN_ATTEMPTS = 64;

/**
 * Opens a regular file, and nothing else: opening a named pipe would hang, reading a device would never
 * end, and a link could lead anywhere. What is written must have no second name either, as a hard link
 * may be somebody else's file. It is looked at before it is opened, so that nothing is waited for, and
 * behind that through the handle. Who exchanges files inside of a private directory between the two is
 * not kept out, but for those who put a new file in the place of the old one.
 */
export function openRegularSync(
  port: FilePort,
  path: string,
  { truncate = false, ...options }: Deno.OpenOptions,
): FileHandle {
  let before = options.createNew ? undefined : lookAtSync(port, path);
  for (let attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
    if (before !== undefined) checkRegular(path, before);
    const file = port.openSync(path, options);
    try {
      const opened = file.statSync();
      checkRegular(path, opened);
      if (before === undefined || isSameFile(before, opened)) {
        if (options.write || options.append) refuseOtherNames(path, opened);
        // Not before it is known whose it is.
        if (truncate) file.truncateSync(0);
        return file;
      }
      before = lookAtSync(port, path);
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
  }
  throw new TypeError(`Cannot use ${path}: it was exchanged whenever it was opened`);
}

function refuseOtherNames(path: string, { nlink }: FileInfo): void {
  if ((nlink ?? 1) <= 1) return;
  throw new TypeError(
    `Cannot write to ${path}: the file has another name too (a hard link); ` +
      "replace it by a copy of its own",
  );
}

/**
 * Opens a file that a person names, by way of a link too. What is no regular file may never end, or hang for ever:
 * only what the process was given open, `/dev/stdin` or the `/dev/fd/63` of a shell's `<(…)`, is opened whatever it is.
 */
export async function openNamedFile(path: string): Promise<Deno.FsFile> {
  const info = await statNamed(path);
  if (!/^\/(dev\/(stdin$|fd\/)|proc\/(self|[0-9]+)\/fd\/)/.test(path)) checkRegular(path, info);
  return await requireDeno().open(path, { read: true });
}

/** All bytes of a file that {@linkcode openNamedFile} opens, and no more than that many. */
export async function readNamedFile(path: string, maxBytes: number): Promise<Uint8Array> {
  using file = await openNamedFile(path);
  const { size: expected } = await file.stat();
  if (expected > maxBytes) throw tooLarge(path, maxBytes);
  // One more byte than there are, so that the end is seen without a larger buffer; a pipe has no size.
  let buffer: Uint8Array = new Uint8Array(Math.max(expected + 1, LEAST_BUFFER));
  let size = 0;
  for (;;) {
    const count = await file.read(buffer.subarray(size));
    if (count === null) return buffer.subarray(0, size);
    size += count;
    if (size > maxBytes) throw tooLarge(path, maxBytes);
    if (size === buffer.length) buffer = joinBytes([buffer, new Uint8Array(size)]);
  }
}

const LEAST_BUFFER = 64 * 1024;

async function statNamed(path: string): Promise<FileInfo> {
  try {
    return await requireDeno().stat(path);
  } catch (cause) {
    if (!isNotFound(cause)) throw cause;
    throw new Deno.errors.NotFound(`Cannot read ${path}: it does not exist`, { cause });
  }
}

function tooLarge(path: string, maxBytes: number): RangeError {
  return new RangeError(`Cannot read ${path}: it is over ${maxBytes} bytes`);
}

/** What stands at a path, without following a link; undefined when nothing does. */
export function lookAtSync(port: FilePort, path: string): FileInfo | undefined {
  try {
    return port.lstatSync(path);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Opens a regular file, uses it, and closes it whatever happens. */
export function withFileSync<T>(
  port: FilePort,
  { path, ...options }: Deno.OpenOptions & { path: string },
  use: (file: FileHandle) => T,
): T {
  const file = openRegularSync(port, path, options);
  try {
    return use(file);
  } finally {
    file.close();
  }
}

/** Reads exactly the bytes from `start` to `end`, or up to the end of the file if it is shorter. */
export function readRangeSync(
  file: Pick<FileHandle, "seekSync" | "readSync">,
  start: number,
  end: number,
): Uint8Array {
  const bytes = new Uint8Array(end - start);
  return bytes.subarray(0, fillSync(file, start, bytes));
}

/** How long an open file is now. It stands at its end then. */
export function sizeOf(file: Pick<FileHandle, "seekSync">): number {
  return file.seekSync(0, Deno.SeekMode.End);
}

/** Fills the bytes from `start` on, as far as the file goes; returns how many there were. */
export function fillSync(
  file: Pick<FileHandle, "seekSync" | "readSync">,
  start: number,
  bytes: Uint8Array,
): number {
  file.seekSync(start, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < bytes.length) {
    const count = file.readSync(filled === 0 ? bytes : bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return filled;
}

const FIRST_READ_BYTES = 8 * 1024;

/** The most that is read into memory at once, where no less is said. */
const MAX_FILE_BYTES = 1024 ** 3;

/**
 * All bytes of a file that is no longer than that. It is read until it ends, as it may have grown since
 * the system named its size.
 */
export function readFileSync(
  port: FilePort,
  path: string,
  maxBytes = MAX_FILE_BYTES,
): Uint8Array {
  return withFileSync(port, { path, read: true }, (file) => {
    if (file.statSync().size > maxBytes) throw tooLarge(path, maxBytes);
    let bytes: Uint8Array = new Uint8Array(FIRST_READ_BYTES);
    let filled = 0;
    for (;;) {
      const count = file.readSync(bytes.subarray(filled));
      if (count === null) return bytes.subarray(0, filled);
      filled += count;
      if (filled > maxBytes) throw tooLarge(path, maxBytes);
      if (filled === bytes.length) bytes = joinBytes([bytes, new Uint8Array(filled)]);
    }
  });
}

/** Writes all bytes, in several writes where one does not take them all. */
export function writeWholeSync(file: FileHandle, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) {
    const count = file.writeSync(bytes.subarray(written));
    if (count === 0) throw new Error("The file system took none of the bytes (disk full)");
    written += count;
  }
}

/** Whether there is nothing but NULs in a block, looked at by four bytes at once where that works. */
export function isNul(block: Uint8Array): boolean {
  const isAligned = block.byteOffset % 4 === 0;
  const words = isAligned ? new Int32Array(block.buffer, block.byteOffset, block.length >> 2) : [];
  for (let index = 0; index < words.length; index++) if (words[index] !== 0) return false;
  for (let index = words.length * 4; index < block.length; index++) {
    if (block[index] !== 0) return false;
  }
  return true;
}

/**
 * Creates a file with these bytes. They are on disk when this returns, its name only when its
 * directory is synced. Where that fails, no file is left. Blocks of NULs become holes, which need no
 * room on the disk.
 */
export function createFileSync(port: FilePort, path: string, blocks: Iterable<Uint8Array>): void {
  withFileSync(port, { path, write: true, createNew: true, mode: 0o600 }, (file) => {
    try {
      let holeBytes = 0;
      let size = 0;
      for (const block of blocks) {
        size += block.length;
        if (isNul(block)) {
          holeBytes += block.length;
          continue;
        }
        if (holeBytes > 0) file.seekSync(size - block.length, Deno.SeekMode.Start);
        writeWholeSync(file, block);
        holeBytes = 0;
      }
      if (holeBytes > 0) file.truncateSync(size);
      file.syncSync();
    } catch (error) {
      discardSync(port, path);
      throw error;
    }
  });
}

/** Removes what a failed operation left; its failure is the one to report, not one of this. */
export function discardSync(port: FilePort, path: string): void {
  try {
    port.removeSync(path);
  } catch { /* What is left is swept, or written over, another time. */ }
}

/**
 * The bytes of an open file from `start` to `end`, in blocks that fit into memory. Each is valid until
 * the next is asked for.
 */
export function* blocksOf(
  file: FileHandle,
  { start, end }: { start: number; end: number },
): Generator<Uint8Array> {
  const buffer = new Uint8Array(Math.max(0, Math.min(BLOCK_BYTES, end - start)));
  for (let at = start; at < end; at += BLOCK_BYTES) {
    const block = buffer.subarray(0, end - at);
    yield block.subarray(0, fillSync(file, at, block));
  }
}

const BLOCK_BYTES = 256 * 1024;

/** An operation that may take long, in its two forms. It keeps what came of it. */
export class Step {
  readonly sync: () => void;
  readonly async: () => Promise<void>;

  constructor(sync: () => void, async: () => Promise<void>) {
    this.sync = sync;
    this.async = async;
  }
}

/**
 * Work that is written once and done in either form: a generator that yields whatever may take long.
 * {@linkcode runStepsSync} does it blocking, {@linkcode runSteps} with the event loop free meanwhile.
 * What an operation throws is thrown where it was yielded, so `try` and `finally` work as usual.
 */
export type Steps<T> = Generator<Step, T, void>;

/** Does one operation as a step: `const count = yield* inEitherForm({ … })`. */
export function* inEitherForm<T>(forms: { sync: () => T; async: () => Promise<T> }): Steps<T> {
  let outcome: PromiseSettledResult<T> | undefined;
  const succeed = (value: T) => outcome = { status: "fulfilled", value };
  const fail = (reason: unknown) => outcome = { status: "rejected", reason };
  yield new Step(() => {
    try {
      succeed(forms.sync());
    } catch (error) {
      fail(error);
    }
  }, async () => {
    // Inside of `try`, as it may throw before it has made a promise.
    try {
      succeed(await forms.async());
    } catch (error) {
      fail(error);
    }
  });
  if (outcome?.status === "fulfilled") return outcome.value;
  throw outcome?.reason;
}

/** Does the steps, blocking. */
export function runStepsSync<T>(steps: Steps<T>): T {
  for (;;) {
    const next = steps.next();
    if (next.done) return next.value;
    next.value.sync();
  }
}

/** Does the steps, leaving the event loop free while one takes long. */
export async function runSteps<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const next = steps.next();
    if (next.done) return next.value;
    await next.value.async();
  }
}

/** {@linkcode runStepsSync} for steps that give items on the way. */
export function* itemsOfStepsSync<I>(steps: Generator<Step | I, void, void>): Generator<I, void> {
  for (const item of steps) {
    if (item instanceof Step) item.sync();
    else yield item;
  }
}

/** {@linkcode runSteps} for steps that give items on the way. */
export async function* itemsOfSteps<I>(
  steps: Generator<Step | I, void, void>,
): AsyncGenerator<I, void> {
  for (const item of steps) {
    if (item instanceof Step) await item.async();
    else yield item;
  }
}
