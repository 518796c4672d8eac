import {
  atomicReplace,
  atomicReplaceSync,
  type ReplaceFailure,
  type Replacement,
  sweepTempsSync,
} from "../_internal/atomic_replace.ts";
import { missingDirectoriesSync, syncDirectorySync } from "../_internal/directories.ts";
import type { FilePort } from "../_internal/file_port.ts";
import { dirname } from "../_internal/path.ts";
import { reasonOf, TraceFileError } from "./trace_file_error.ts";

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
