import {
  atomicReplace,
  atomicReplaceSync,
  type ReplaceFailure,
  type Replacement,
  sweepTempsSync,
} from "../_internal/atomic_replace.ts";
import {
  type FileHandle,
  type FileInfo,
  type FilePort,
  readRangeSync,
} from "../_internal/file_port.ts";
import { crc32, reasonOf } from "../_internal/text.ts";
import { lookAtSync, missingDirectoriesSync, syncDirectorySync } from "../_internal/directories.ts";
import { basename, dirname, join } from "../_internal/path.ts";
import { TraceFileError } from "./trace_file_error.ts";

/** One state of a recorder, ready to be written. */
export interface TraceState {
  readonly bytes: Uint8Array;
  /** The number of this state among all that were made: the greatest is the newest. */
  readonly order: number;
  /** How many failures it comes after, if it is the state after a failure. */
  readonly failures: number | undefined;
}

/** What a {@linkcode TraceFile} knows about the state that it wrote last. */
interface Written {
  readonly order: number;
  readonly failures: number | undefined;
  readonly length: number;
  readonly checksum: number;
  readonly snapshot: number;
  /** Whether a numbered file holds it too, or none is to. */
  isKept: boolean;
}

/**
 * The file of a recorder. It always holds the newest state; the first failures are kept as numbered files
 * beside it when a later state takes their place (W-TRC-4).
 */
export class TraceFile {
  /** Where the newest state is. */
  readonly path: string;
  readonly #port: FilePort;
  readonly #maxSnapshots: number;
  readonly #unsynced = new Set<string>();
  #last: Written | undefined;
  #snapshots = 0;
  #kept = 0;
  #isSwept = false;

  constructor(port: FilePort, { path, maxSnapshots }: { path: string; maxSnapshots: number }) {
    this.#port = port;
    this.path = path;
    this.#maxSnapshots = maxSnapshots;
  }

  /** How many states have been written. */
  get snapshots(): number {
    return this.#snapshots;
  }

  /** Writes a state, unless a newer one stands there when it is ready. */
  async write(state: TraceState): Promise<void> {
    try {
      await writeTraceFile(this.#portFor(state), this.#fileOf(state.bytes));
    } catch (error) {
      if (!isOvertaken(error)) throw error;
    }
  }

  /** {@linkcode TraceFile.write}, blocking. */
  writeSync(state: TraceState): void {
    writeTraceFileSync(this.#portFor(state), this.#fileOf(state.bytes));
  }

  #fileOf(bytes: Uint8Array, path: string = this.path): FileToWrite {
    return { path, bytes, unsynced: this.#unsynced };
  }

  /** The file system, with all that belongs to one replacement around its rename. */
  #portFor(state: TraceState): FilePort {
    return new RenamePort(this.#port, (rename) => {
      if (this.#last !== undefined && this.#last.order > state.order) throw new OvertakenError();
      this.#keepLast(state);
      rename();
      this.#last = {
        order: state.order,
        failures: state.failures,
        length: state.bytes.length,
        checksum: crc32(state.bytes),
        snapshot: ++this.#snapshots,
        isKept: false,
      };
      if (!this.#isSwept) sweepBeside(this.#port, this.path);
      this.#isSwept = true;
    });
  }

  /** Keeps the state that stands there if it is the one after an earlier failure. */
  #keepLast(state: TraceState): void {
    const last = this.#last;
    if (last === undefined || last.isKept || last.failures === undefined) return;
    const isSameFailure = state.failures !== undefined && state.failures <= last.failures;
    if (isSameFailure || this.#kept >= this.#maxSnapshots) return;
    const bytes = this.#readBack(last);
    if (bytes !== undefined) {
      writeTraceFileSync(this.#port, this.#fileOf(bytes, numbered(this.path, last.snapshot)));
      this.#kept++;
    }
    last.isKept = true;
  }

  /** What was written last; undefined if another recorder or person has written over it (W-TRC-3). */
  #readBack(last: Written): Uint8Array | undefined {
    let file: FileHandle | undefined;
    try {
      if (lookAtSync(this.#port, this.path)?.isFile !== true) return undefined;
      file = this.#port.openSync(this.path, { read: true });
      const bytes = readRangeSync(file, 0, last.length + 1);
      const isOurs = bytes.length === last.length && crc32(bytes) === last.checksum;
      return isOurs ? bytes : undefined;
    } catch (cause) {
      const message = `read ${this.path} back to keep it: ${reasonOf(cause)}`;
      throw new TraceFileError("read", message, { path: this.path, cause });
    } finally {
      file?.close();
    }
  }
}

/** `trace.json` as `trace.3.json`. */
function numbered(path: string, number: number): string {
  const name = basename(path);
  const dot = name.lastIndexOf(".");
  const stem = dot <= 0 ? name : name.slice(0, dot);
  return join(dirname(path), `${stem}.${number}${name.slice(stem.length)}`);
}

class OvertakenError extends Error {}

function isOvertaken(error: unknown): boolean {
  return error instanceof TraceFileError && error.cause instanceof OvertakenError;
}

/** A file system whose renames are in other hands. */
class RenamePort implements FilePort {
  readonly #port: FilePort;
  readonly #around: (rename: () => void) => void;

  constructor(port: FilePort, around: (rename: () => void) => void) {
    this.#port = port;
    this.#around = around;
  }

  openSync(path: string, options: Deno.OpenOptions): FileHandle {
    return this.#port.openSync(path, options);
  }

  mkdirSync(path: string, options: { mode: number; recursive: boolean }): void {
    this.#port.mkdirSync(path, options);
  }

  chmodSync(path: string, mode: number): void {
    this.#port.chmodSync(path, mode);
  }

  renameSync(from: string, to: string): void {
    this.#around(() => this.#port.renameSync(from, to));
  }

  removeSync(path: string): void {
    this.#port.removeSync(path);
  }

  lstatSync(path: string): FileInfo {
    return this.#port.lstatSync(path);
  }

  readDirSync(path: string): ReturnType<FilePort["readDirSync"]> {
    return this.#port.readDirSync(path);
  }
}

/** What is written, and where to. */
export interface FileToWrite {
  readonly path: string;
  readonly bytes: Uint8Array;
  /**
   * The directories that writers of this file have created and that a power cut may still undo, the
   * outermost first. A failed writing leaves them here for the next one.
   */
  readonly unsynced: Set<string>;
}

/**
 * Writes a file, whole or not at all (W-TRC-1, W-TRC-2); what fails is a {@linkcode TraceFileError} with
 * the seed's message (TRC-15, TRC-16).
 */
export async function writeTraceFile(port: FilePort, file: FileToWrite): Promise<void> {
  createParents(port, file);
  await atomicReplace(port, replacementOf(file));
  syncCreated(port, file);
}

/** {@linkcode writeTraceFile}, blocking. */
export function writeTraceFileSync(port: FilePort, file: FileToWrite): void {
  createParents(port, file);
  atomicReplaceSync(port, replacementOf(file));
  syncCreated(port, file);
}

/** Removes what killed processes left beside a file. That is no part of writing and never fails. */
export function sweepBeside(port: FilePort, path: string): void {
  try {
    sweepTempsSync(port, dirname(path));
  } catch { /* What is left is swept another time. */ }
}

function replacementOf({ path, bytes }: FileToWrite): Replacement {
  return { path, bytes, toError };
}

/** Creates what is missing above the file. */
function createParents(port: FilePort, { path, unsynced }: FileToWrite): void {
  const directory = dirname(path);
  try {
    const missing = missingDirectoriesSync(port, directory);
    for (const above of missing) unsynced.add(above);
    if (missing.length > 0) port.mkdirSync(directory, { mode: 0o700, recursive: true });
  } catch (cause) {
    const message = `failed to create ${directory}: ${reasonOf(cause)}`;
    throw new TraceFileError("create-directory", message, { path: directory, cause });
  }
}

/** A directory survives a power cut when the one that it is in was synced. */
function syncCreated(port: FilePort, { path, unsynced }: FileToWrite): void {
  try {
    for (const directory of [...unsynced].toReversed()) {
      syncDirectorySync(port, dirname(directory));
      unsynced.delete(directory);
    }
  } catch (cause) {
    throw syncError(path, cause);
  }
}

function toError({ stage, path, tempPath, cause }: ReplaceFailure): TraceFileError {
  // What is put between here and the rename tells by itself what failed.
  if (cause instanceof TraceFileError) return cause;
  const reason = reasonOf(cause);
  switch (stage) {
    case "create-temp":
    case "exhausted-temp-names":
    case "write":
    case "sync":
      return new TraceFileError("write", `write ${tempPath}: ${reason}`, { path, cause });
    case "rename":
      return new TraceFileError("rename", `rename ${tempPath} -> ${path}: ${reason}`, {
        path,
        cause,
      });
    case "sync-directory":
      return syncError(path, cause);
  }
}

function syncError(path: string, cause: unknown): TraceFileError {
  const message = `sync the directory of ${path}: ${reasonOf(cause)}`;
  return new TraceFileError("sync-directory", message, { path, cause });
}
