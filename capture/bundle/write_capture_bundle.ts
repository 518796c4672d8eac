import {
  type ReplaceFailure,
  replaceSteps,
  sweepTempsSync,
} from "../../_internal/atomic_replace.ts";
import { ParentDirectories } from "../../_internal/directories.ts";
import { checkString } from "../../_internal/errors.ts";
import {
  denoFilePort,
  type FilePort,
  runSteps,
  runStepsSync,
  type Steps,
} from "../../_internal/file_port.ts";
import { basename, dirname, join } from "../../_internal/path.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { type CaptureWriteError, type CaptureWriteStage, writeError } from "../errors.ts";
import type { CaptureBundle, CaptureStyle } from "../types.ts";
import { stringifyCaptureBundle } from "./bundle_text.ts";

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
 * The path and the bundle are checked before anything is created, unlike in the original program (CWR-1, W-ERGO-5).
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
  return runSteps(bundleSteps(denoFilePort, path, { ...options, bundle }));
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
  runStepsSync(bundleSteps(denoFilePort, path, { ...options, bundle }));
}

/** What is to be written. */
interface BundleToWrite extends WriteCaptureBundleOptions {
  bundle: CaptureBundle;
}

/** {@linkcode writeCaptureBundle} on a given file system, in steps. */
export function* bundleSteps(
  port: FilePort,
  path: string,
  { bundle, style = "compact" }: BundleToWrite,
): Steps<void> {
  const destination = destinationOf(path);
  let text: string;
  try {
    text = stringifyCaptureBundle(bundle, style);
  } catch (cause) {
    throw writeError("Serialize", { path: destination, style }, cause);
  }
  const parents = new ParentDirectories(port);
  prepareDirectory(port, destination, parents);
  yield* replaceSteps(port, {
    path: destination,
    bytes: encodeUtf8(text),
    toError,
    inPlace: (rename) => {
      if (path !== destination) throw new Error(`${path} names a directory, not a file`);
      rename();
    },
  });
  try {
    parents.syncSync();
  } catch (cause) {
    throw writeError("SyncDirectory", { path: destination }, cause);
  }
}

/**
 * The path without what stands behind the file name, such as a slash. With one it names a directory, and
 * the rename fails as the system's would.
 */
function destinationOf(path: string): string {
  const name = basename(checkString(path, "path"));
  const isName = name !== "" && name !== "." && name !== ".." && !/^[/\\]$/.test(name);
  if (!isName) throw writeError("InvalidDestination", { path });
  return path.endsWith(name) ? path : join(dirname(path), name);
}

function prepareDirectory(
  port: FilePort,
  destination: string,
  parents: ParentDirectories,
): void {
  const path = dirname(destination);
  try {
    parents.createSync(path);
  } catch (cause) {
    throw writeError("CreateOutputDirectory", { path }, cause);
  }
  try {
    const name = basename(destination);
    sweepTempsSync(port, path, (other) => other === name);
  } catch { /* No part of the task: what others left is removed another time. */ }
}

const STAGES: Readonly<Record<ReplaceFailure["stage"], CaptureWriteStage>> = {
  "create-temp": "CreateTempFile",
  "exhausted-temp-names": "ExhaustedTempFileAttempts",
  write: "WriteTempFile",
  sync: "SyncTempFile",
  rename: "RenameTempFile",
  "sync-directory": "SyncDirectory",
};

function toError({ stage, path, tempPath, cause }: ReplaceFailure): CaptureWriteError {
  const hasTemp = stage !== "exhausted-temp-names" && stage !== "sync-directory";
  return writeError(STAGES[stage], hasTemp ? { path, tempPath } : { path }, cause);
}
