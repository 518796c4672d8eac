import { syncDirectorySync } from "./directories.ts";
import {
  checkRegular,
  discardSync,
  type FileHandle,
  type FilePort,
  inEitherForm,
  isAlreadyExists,
  isHeldByOthers,
  isNotFound,
  isSameFile,
  lookAtSync,
  runSteps,
  runStepsSync,
  type Steps,
  withFileSync,
  writeWholeSync,
} from "./file_port.ts";
import { pauseSteps } from "./lock.ts";
import { basename, dirname, isWindows, join } from "./path.ts";

/** The step at which a replacement failed. Before `sync-directory` the old file is untouched. */
export type ReplaceStage =
  | "create-temp"
  | "exhausted-temp-names"
  | "write"
  | "sync"
  | "rename"
  | "sync-directory";

/** A failed step; the module that owns the file makes its error from it. */
export interface ReplaceFailure {
  stage: ReplaceStage;
  path: string;
  tempPath: string;
  cause: unknown;
}

/** What to replace, and with what. */
export interface Replacement<Bytes = Uint8Array | Generator<Uint8Array>> {
  path: string;
  /** The new content; in blocks where it may be more than memory holds. */
  bytes: Bytes;
  toError: (failure: ReplaceFailure) => Error;
  /**
   * Whether its folder is synced behind the rename; else whoever replaces it sees to that, since a folder
   * with several new files needs one sync.
   *
   * @default {true}
   */
  syncsDirectory?: boolean;
  /** Does the rename, with what must happen in the same turn; what it throws fails the rename. */
  inPlace?: (rename: () => void) => void;
}

const TEMP_ATTEMPTS = 64;
const RENAME_ATTEMPTS = 64;
const RENAME_PAUSE_MS = 10;
/** The name of a temp: of what it is to be, and two numbers. */
const TEMP_NAME = /^(.+)\.\d+\.\d+\.tmp$/s;

let tempCounter = 0;

/**
 * Replaces a file as a whole: whoever reads it, and whatever is killed, finds the old content or
 * the new. The new file keeps the old one's mode, otherwise it is 0600. A link is replaced, not
 * followed. When it returns, the new content survives a power cut.
 */
export function* replaceSteps(port: FilePort, replacement: Replacement): Steps<void> {
  const { bytes } = replacement;
  const temp = TempFile.create(port, replacement);
  try {
    temp.takeMode();
    temp.write(bytes instanceof Uint8Array ? [bytes] : bytes);
    yield* temp.replaceTarget();
  } catch (error) {
    temp.discard();
    throw error;
  } finally {
    temp.close();
  }
  temp.syncDirectory();
}

/** {@linkcode atomicReplace} with what comes block by block. Where that throws, the old file is untouched. */
export async function atomicReplaceWhole(
  port: FilePort,
  replacement: Replacement<AsyncIterable<Uint8Array>>,
): Promise<void> {
  const temp = TempFile.create(port, replacement);
  try {
    temp.takeMode();
    for await (const block of replacement.bytes) temp.write([block]);
    await runSteps(temp.replaceTarget());
  } catch (error) {
    temp.discard();
    throw error;
  } finally {
    temp.close();
  }
  temp.syncDirectory();
}

/** {@linkcode replaceSteps}, blocking. */
export function atomicReplaceSync(port: FilePort, replacement: Replacement): void {
  runStepsSync(replaceSteps(port, replacement));
}

/** {@linkcode replaceSteps}, leaving the event loop free while the disk works. */
export function atomicReplace(port: FilePort, replacement: Replacement): Promise<void> {
  return runSteps(replaceSteps(port, replacement));
}

/** A new file beside the target, locked so that no sweeper takes it while its maker lives. */
class TempFile {
  readonly #port: FilePort;
  readonly #replacement: Replacement<unknown>;
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(
    { port, replacement, path, file }: {
      port: FilePort;
      replacement: Replacement<unknown>;
      path: string;
      file: FileHandle;
    },
  ) {
    this.#port = port;
    this.#replacement = replacement;
    this.#path = path;
    this.#file = file;
  }

  static create(port: FilePort, replacement: Replacement<unknown>): TempFile {
    const { path, toError } = replacement;
    let tempPath = path;
    let cause: unknown;
    for (let attempt = 0; attempt < TEMP_ATTEMPTS; attempt++) {
      tempPath = join(dirname(path), `${basename(path)}.${Deno.pid}.${tempCounter++}.tmp`);
      try {
        const file = createLocked(port, tempPath);
        if (file !== undefined) return new TempFile({ port, replacement, path: tempPath, file });
      } catch (error) {
        cause = error;
        if (!isAlreadyExists(error)) throw toError({ stage: "create-temp", path, tempPath, cause });
      }
    }
    throw toError({ stage: "exhausted-temp-names", path, tempPath, cause });
  }

  #fail(stage: ReplaceStage, cause: unknown): never {
    const { path, toError } = this.#replacement;
    throw toError({ stage, path, tempPath: this.#path, cause });
  }

  #at<T>(stage: ReplaceStage, operation: () => T): T {
    try {
      return operation();
    } catch (cause) {
      this.#fail(stage, cause);
    }
  }

  /** Takes the mode of the file that is replaced, before anything is in this one. */
  takeMode(): void {
    const { path } = this.#replacement;
    this.#at("write", () => {
      const old = lookAtSync(this.#port, path);
      // Over a directory the rename fails, and a link is replaced; a device or a pipe would be lost.
      if (old !== undefined && !old.isDirectory && !old.isSymlink) checkRegular(path, old);
      // The mode of a link says nothing: it is 0777 everywhere.
      const mode = old?.isFile ? old.mode ?? 0o600 : 0o600;
      if ((mode & 0o777) !== 0o600) this.#port.chmodSync(this.#path, mode & 0o777);
    });
  }

  write(blocks: Iterable<Uint8Array>): void {
    this.#at("write", () => {
      for (const block of blocks) writeWholeSync(this.#file, block);
    });
  }

  /** Puts it in the place of its target, with all that is in it on disk. */
  *replaceTarget(): Steps<void> {
    yield* this.#sync();
    yield* this.#rename();
    if (isWindows) this.#syncName();
  }

  /** Has the name on disk, too. */
  syncDirectory(): void {
    const { path, syncsDirectory } = this.#replacement;
    if (syncsDirectory === false) return;
    this.#at("sync-directory", () => syncDirectorySync(this.#port, dirname(path)));
  }

  *#sync(): Steps<void> {
    try {
      yield* inEitherForm({ sync: () => this.#file.syncSync(), async: () => this.#file.sync() });
    } catch (cause) {
      this.#fail("sync", cause);
    }
  }

  /** On Windows a scanner or reader may hold the file for a moment, so it is tried again. */
  *#rename(): Steps<void> {
    const { path, inPlace = (rename: () => void) => rename() } = this.#replacement;
    for (let attempt = 1;; attempt++) {
      try {
        return inPlace(() => this.#port.renameSync(this.#path, path));
      } catch (cause) {
        const isPassing = isWindows && attempt < RENAME_ATTEMPTS && isHeldByOthers(cause);
        if (!isPassing) this.#fail("rename", cause);
      }
      yield* pauseSteps(RENAME_PAUSE_MS);
    }
  }

  /**
   * Makes its new name survive a power cut, where folders cannot be synced: NTFS writes its journal, with the
   * rename in it, when the file is flushed.
   */
  #syncName(): void {
    if (this.#replacement.syncsDirectory === false) return;
    this.#at("sync-directory", () => this.#file.syncSync());
  }

  close(): void {
    this.#file.close();
  }

  discard(): void {
    discardSync(this.#port, this.#path);
  }
}

/**
 * Writes a new file, mode 0600. What stands at its path is left alone, and an error. A kill may leave a part
 * of it; where this throws, there is none.
 */
export function writeNewSync(port: FilePort, path: string, bytes: Uint8Array): void {
  const file = port.openSync(path, { write: true, createNew: true, mode: 0o600 });
  try {
    writeWholeSync(file, bytes);
  } catch (error) {
    discardSync(port, path);
    throw error;
  } finally {
    file.close();
  }
}

/**
 * Puts a file, mode 0600, where there is none, whole or not at all, and syncs nothing. For a folder that its
 * caller alone writes to and sweeps, so that nothing has to be locked or looked at: five system calls
 * instead of the eleven of a replacement.
 */
export function putWholeSync(port: FilePort, path: string, bytes: Uint8Array): void {
  const tempPath = `${path}.${Deno.pid}.${tempCounter++}.tmp`;
  writeNewSync(port, tempPath, bytes);
  try {
    port.renameSync(tempPath, path);
  } catch (error) {
    discardSync(port, tempPath);
    throw error;
  }
}

/** Creates a temp and locks it; undefined when a sweeper came in between. */
function createLocked(port: FilePort, path: string): FileHandle | undefined {
  const file = port.openSync(path, { write: true, createNew: true, mode: 0o600 });
  try {
    if (file.tryLockSync(true) && isInPlace(port, path, file)) return file;
    file.close();
    return undefined;
  } catch (error) {
    file.close();
    discardSync(port, path);
    throw error;
  }
}

function isInPlace(port: FilePort, path: string, file: FileHandle): boolean {
  const there = lookAtSync(port, path);
  return there !== undefined && isSameFile(there, file.statSync());
}

/**
 * Removes the temps in a directory that killed processes left of files whose names `isOurs`, and nothing
 * else: those whose lock is free, as their makers hold it until they are renamed. Returns their names.
 */
export function sweepTempsSync(
  port: FilePort,
  directory: string,
  isOurs: (name: string) => boolean,
): string[] {
  const swept: string[] = [];
  for (const { name } of Array.from(port.readDirSync(directory))) {
    const target = TEMP_NAME.exec(name)?.[1];
    if (target === undefined || !isOurs(target)) continue;
    if (sweepTemp(port, join(directory, name))) swept.push(name);
  }
  return swept;
}

function sweepTemp(port: FilePort, path: string): boolean {
  if (lookAtSync(port, path)?.isFile !== true) return false;
  try {
    return withFileSync(port, { path, read: true }, (file) => {
      // Since it was opened another sweeper may have removed it, and another maker have taken the name.
      if (!file.tryLockSync(true) || !isInPlace(port, path, file)) return false;
      port.removeSync(path);
      return true;
    });
  } catch (error) {
    // Another sweeper was faster.
    if (isNotFound(error)) return false;
    throw error;
  }
}
