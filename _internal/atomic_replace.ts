import { syncDirectorySync } from "./directories.ts";
import {
  discardSync,
  type FileHandle,
  type FilePort,
  inEitherForm,
  isAlreadyExists,
  isNotFound,
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
export interface Replacement {
  path: string;
  /** The new content; in blocks where it may be more than memory holds. */
  bytes: Uint8Array | Generator<Uint8Array>;
  toError: (failure: ReplaceFailure) => Error;
  /** Does the rename, with what must happen in the same turn; what it throws fails the rename. */
  inPlace?: (rename: () => void) => void;
}

const TEMP_ATTEMPTS = 64;
const RENAME_ATTEMPTS = 64;
const RENAME_PAUSE_MS = 10;
const TEMP_NAME = /\.\d+\.\d+\.tmp$/;
const STALE_TEMP_MS = 60_000;

let tempCounter = 0;

/**
 * Replaces a file as a whole: whoever reads it, and whatever is killed, finds the old content or
 * the new. The new file keeps the old one's mode, otherwise it is 0600. A link is replaced, not
 * followed. When it returns, the new content survives a power cut.
 */
export function* replaceSteps(port: FilePort, replacement: Replacement): Steps<void> {
  const temp = TempFile.create(port, replacement);
  try {
    temp.write();
    yield* temp.sync();
    yield* temp.rename();
  } catch (error) {
    temp.discard();
    throw error;
  } finally {
    temp.close();
  }
  temp.at("sync-directory", () => syncDirectorySync(port, dirname(replacement.path)));
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
  readonly #replacement: Replacement;
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(port: FilePort, replacement: Replacement, path: string) {
    this.#port = port;
    this.#replacement = replacement;
    this.#path = path;
    this.#file = port.openSync(path, { write: true, createNew: true, mode: 0o600 });
  }

  static create(port: FilePort, replacement: Replacement): TempFile {
    const { path, toError } = replacement;
    let tempPath = path;
    let stage: ReplaceStage = "exhausted-temp-names";
    let cause: unknown;
    for (let attempt = 0; attempt < TEMP_ATTEMPTS && stage !== "create-temp"; attempt++) {
      tempPath = join(dirname(path), `${basename(path)}.${Deno.pid}.${tempCounter++}.tmp`);
      try {
        return new TempFile(port, replacement, tempPath);
      } catch (error) {
        cause = error;
        if (!isAlreadyExists(error)) stage = "create-temp";
      }
    }
    throw toError({ stage, path, tempPath, cause });
  }

  #fail(stage: ReplaceStage, cause: unknown): never {
    const { path, toError } = this.#replacement;
    throw toError({ stage, path, tempPath: this.#path, cause });
  }

  at<T>(stage: ReplaceStage, operation: () => T): T {
    try {
      return operation();
    } catch (cause) {
      this.#fail(stage, cause);
    }
  }

  write(): void {
    const { path, bytes } = this.#replacement;
    this.at("write", () => {
      this.#file.tryLockSync(true);
      const old = lookAtSync(this.#port, path);
      // The mode of a link says nothing: it is 0777 everywhere.
      const mode = old?.isFile ? old.mode ?? 0o600 : 0o600;
      if ((mode & 0o777) !== 0o600) this.#port.chmodSync(this.#path, mode & 0o777);
      const blocks = bytes instanceof Uint8Array ? [bytes] : bytes;
      for (const block of blocks) writeWholeSync(this.#file, block);
    });
  }

  *sync(): Steps<void> {
    try {
      yield* inEitherForm({ sync: () => this.#file.syncSync(), async: () => this.#file.sync() });
    } catch (cause) {
      this.#fail("sync", cause);
    }
  }

  /** On Windows a scanner or reader may hold the file for a moment, so it is tried again. */
  *rename(): Steps<void> {
    const { path, inPlace = (rename: () => void) => rename() } = this.#replacement;
    for (let attempt = 1;; attempt++) {
      try {
        return inPlace(() => this.#port.renameSync(this.#path, path));
      } catch (cause) {
        const passing = isWindows && attempt < RENAME_ATTEMPTS &&
          (cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.Busy);
        if (!passing) this.#fail("rename", cause);
      }
      yield* pauseSteps(RENAME_PAUSE_MS);
    }
  }

  close(): void {
    this.#file.close();
  }

  discard(): void {
    discardSync(this.#port, this.#path);
  }
}

/**
 * Removes the temps that killed processes left in a directory: those older than a minute whose
 * lock is free. Returns their names.
 */
export function sweepTempsSync(port: FilePort, directory: string): string[] {
  const swept: string[] = [];
  for (const { name } of port.readDirSync(directory)) {
    if (TEMP_NAME.test(name) && sweepTemp(port, join(directory, name))) swept.push(name);
  }
  return swept;
}

/** Removes the temps in a directory in which nobody but the caller replaces anything. */
export function removeTempsSync(port: FilePort, directory: string): void {
  for (const { name } of [...port.readDirSync(directory)]) {
    if (TEMP_NAME.test(name)) port.removeSync(join(directory, name));
  }
}

function sweepTemp(port: FilePort, path: string): boolean {
  const info = lookAtSync(port, path);
  if (info === undefined || !info.isFile || info.mtime === null) return false;
  if (Date.now() - info.mtime.getTime() < STALE_TEMP_MS) return false;
  try {
    return removeUnlocked(port, path);
  } catch (error) {
    // Another sweeper was faster.
    if (isNotFound(error)) return false;
    throw error;
  }
}

function removeUnlocked(port: FilePort, path: string): boolean {
  return withFileSync(port, { path, read: true }, (file) => {
    if (!file.tryLockSync(true)) return false;
    port.removeSync(path);
    return true;
  });
}
