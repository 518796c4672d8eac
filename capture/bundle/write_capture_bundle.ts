import {
  type ReplaceFailure,
  type Replacement,
  replaceSteps,
  sweepTempsSync,
} from "../../_internal/atomic_replace.ts";
import { missingDirectoriesSync, syncDirectorySync } from "../../_internal/directories.ts";
import {
  denoFilePort,
  type FilePort,
  runSteps,
  runStepsSync,
  type Steps,
} from "../../_internal/file_port.ts";
import { basename, dirname, join } from "../../_internal/path.ts";
import { CaptureWriteError } from "../errors.ts";
import type { CaptureBundle, CaptureStyle } from "../types.ts";
import { stringifyCaptureBundle } from "./bundle_text.ts";
import { encodeUtf8 } from "../../_internal/text.ts";

/** Options of {@linkcode writeCaptureBundle}. */
export interface WriteCaptureBundleOptions {
  /**
   * How the text is laid out.
   *
   * @default {"compact"}
   */
  style?: CaptureStyle;
}

/**
 * Writes a bundle to a file, whole or not at all: whoever reads meanwhile, and whatever is killed, finds
 * the old file or the new one. Any number of processes may write to one path at the same time; all
 * succeed and the last one stays (CWR-5). Missing directories are created, mode 0700. A new file has mode
 * 0600, one that is replaced keeps its mode. Temp files that killed processes left in the directory more
 * than a minute ago are removed.
 *
 * The path and the bundle are checked before anything is created, unlike in the seed (CWR-1, W-ERGO-5).
 *
 * **Durability**: `"disk"`. Once this returns, the file and its name survive a power cut, the directories
 * that it created too.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the directory, and, where it creates
 * directories, for the one that it creates them in.
 *
 * @param path The file.
 * @param bundle The bundle.
 * @param options How to write it.
 * @throws {CaptureWriteError} With the stage that failed.
 *
 * @example Usage
 * ```ts
 * import { readCaptureBundle, writeCaptureBundle } from "@taffrail/taffrail/capture";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${await Deno.makeTempDir()}/captures/run.json`;
 * const bundle = {
 *   capture_version: "v3",
 *   graph_id: "g",
 *   config: {
 *     max_in_flight: null,
 *     max_per_window: null,
 *     rate_window: null,
 *     deadline: null,
 *     max_retries: 0,
 *   },
 *   events: [],
 *   decisions: [],
 *   adapter_provenance: "none",
 *   runtime_provenance: "rpv1:sha256:test",
 * };
 * await writeCaptureBundle(path, bundle, { style: "pretty" });
 * assertEquals(await readCaptureBundle(path), bundle);
 * ```
 */
export function writeCaptureBundle(
  path: string,
  bundle: CaptureBundle,
  options: WriteCaptureBundleOptions = {},
): Promise<void> {
  return writeOnPort(denoFilePort, path, { ...options, bundle });
}

/**
 * {@linkcode writeCaptureBundle}, blocking.
 *
 * **Durability** and **Permissions**: as {@linkcode writeCaptureBundle}.
 *
 * @param path The file.
 * @param bundle The bundle.
 * @param options How to write it.
 * @throws {CaptureWriteError} With the stage that failed.
 *
 * @example A path without file name
 * ```ts
 * import { CaptureWriteError, writeCaptureBundleSync } from "@taffrail/taffrail/capture";
 * import { assertThrows } from "@std/assert";
 *
 * const bundle = {
 *   capture_version: "v3",
 *   graph_id: "g",
 *   config: {
 *     max_in_flight: null,
 *     max_per_window: null,
 *     rate_window: null,
 *     deadline: null,
 *     max_retries: 0,
 *   },
 *   events: [],
 *   decisions: [],
 *   adapter_provenance: "none",
 *   runtime_provenance: "rpv1:sha256:test",
 * };
 * assertThrows(
 *   () => writeCaptureBundleSync("captures/..", bundle),
 *   CaptureWriteError,
 *   "destination must include a file name",
 * );
 * ```
 */
export function writeCaptureBundleSync(
  path: string,
  bundle: CaptureBundle,
  options: WriteCaptureBundleOptions = {},
): void {
  writeOnPortSync(denoFilePort, path, { ...options, bundle });
}

/** What is to be written. */
export interface BundleToWrite extends WriteCaptureBundleOptions {
  bundle: CaptureBundle;
}

/** {@linkcode writeCaptureBundle} on a given file system. */
export function writeOnPort(port: FilePort, path: string, toWrite: BundleToWrite): Promise<void> {
  return runSteps(writeSteps(port, path, toWrite));
}

/** {@linkcode writeCaptureBundleSync} on a given file system. */
export function writeOnPortSync(port: FilePort, path: string, toWrite: BundleToWrite): void {
  runStepsSync(writeSteps(port, path, toWrite));
}

function* writeSteps(port: FilePort, path: string, toWrite: BundleToWrite): Steps<void> {
  const replacement = prepare(path, toWrite);
  const created = createDirectories(port, replacement.path);
  yield* replaceSteps(port, replacement);
  syncCreated(port, replacement.path, created);
}

function prepare(path: string, { bundle, style = "compact" }: BundleToWrite): Replacement {
  const destination = destinationOf(path);
  let text: string;
  try {
    text = stringifyCaptureBundle(bundle, style);
  } catch (cause) {
    throw new CaptureWriteError({ stage: "Serialize", path: destination, style, cause });
  }
  return { path: destination, bytes: encodeUtf8(text), toError };
}

/** The path without what stands behind the file name, such as a slash. */
function destinationOf(path: string): string {
  const name = basename(path);
  const isName = name !== "" && name !== "." && name !== ".." && !/^[/\\]$/.test(name);
  if (!isName) throw new CaptureWriteError({ stage: "InvalidDestination", path });
  return path.endsWith(name) ? path : join(dirname(path), name);
}

/** Creates what is missing above the file; returns the new directories, the outermost first. */
function createDirectories(port: FilePort, path: string): string[] {
  const directory = dirname(path);
  let missing: string[];
  try {
    missing = missingDirectoriesSync(port, directory);
    if (missing.length > 0) port.mkdirSync(directory, { mode: 0o700, recursive: true });
  } catch (cause) {
    throw new CaptureWriteError({ stage: "CreateOutputDirectory", path: directory, cause });
  }
  sweep(port, directory);
  return missing;
}

/** Removing what others left is no part of the task: it does not fail because of it. */
function sweep(port: FilePort, directory: string): void {
  try {
    sweepTempsSync(port, directory);
  } catch { /* What is left is swept another time. */ }
}

/** A directory survives a power cut when the one that it is in was synced. */
function syncCreated(port: FilePort, path: string, created: readonly string[]): void {
  try {
    for (const directory of created.toReversed()) syncDirectorySync(port, dirname(directory));
  } catch (cause) {
    throw new CaptureWriteError({ stage: "SyncDirectory", path, cause });
  }
}

function toError({ stage, path, tempPath, cause }: ReplaceFailure): CaptureWriteError {
  switch (stage) {
    case "create-temp":
      return new CaptureWriteError({ stage: "CreateTempFile", path, tempPath, cause });
    case "exhausted-temp-names":
      return new CaptureWriteError({ stage: "ExhaustedTempFileAttempts", path });
    case "write":
      return new CaptureWriteError({ stage: "WriteTempFile", path, tempPath, cause });
    case "sync":
      return new CaptureWriteError({ stage: "SyncTempFile", path, tempPath, cause });
    case "rename":
      return new CaptureWriteError({ stage: "RenameTempFile", path, tempPath, cause });
    case "sync-directory":
      return new CaptureWriteError({ stage: "SyncDirectory", path, cause });
  }
}
