import type { CaptureStyle } from "./types.ts";

/** What a {@linkcode CaptureWriteError} is made of, by stage. */
export type CaptureWriteErrorDetails =
  | { stage: "CreateOutputDirectory"; path: string; cause: unknown }
  | { stage: "Serialize"; path: string; style: CaptureStyle; cause: unknown }
  | { stage: "InvalidDestination"; path: string }
  | {
    stage: "CreateTempFile" | "WriteTempFile" | "SyncTempFile" | "RenameTempFile";
    path: string;
    tempPath: string;
    cause: unknown;
  }
  | { stage: "ExhaustedTempFileAttempts"; path: string }
  | { stage: "SyncDirectory"; path: string; cause: unknown };

/**
 * The step at which writing a bundle failed, in the order of the steps. Up to and including
 * `RenameTempFile` the old file is untouched; at `SyncDirectory` the new one stands in its place, but
 * a power cut may bring the old one back.
 *
 * | Stage | Step |
 * | --- | --- |
 * | `InvalidDestination` | looking whether the path has a file name |
 * | `Serialize` | making the text |
 * | `CreateOutputDirectory` | creating the directory |
 * | `CreateTempFile`, `ExhaustedTempFileAttempts` | creating a file beside the destination |
 * | `WriteTempFile`, `SyncTempFile` | writing it and syncing it |
 * | `RenameTempFile` | putting it into place |
 * | `SyncDirectory` | syncing the directory |
 */
export type CaptureWriteStage = CaptureWriteErrorDetails["stage"];

/**
 * Thrown when a bundle could not be written. `stage` says how far it came and so what is on disk now;
 * the system's error is the `cause`.
 *
 * @example Usage
 * ```ts
 * import { CaptureWriteError } from "@taffrail/taffrail/capture";
 * import { assertEquals } from "@std/assert";
 *
 * const cause = new Error("No space left on device (os error 28)");
 * const paths = { path: "a/run.json", tempPath: "a/run.json.7.0.tmp" };
 * const error = new CaptureWriteError({ stage: "WriteTempFile", ...paths, cause });
 * assertEquals(
 *   error.message,
 *   "write capture bundle 'a/run.json': write temp file 'a/run.json.7.0.tmp': " +
 *     "No space left on device (os error 28)",
 * );
 * ```
 */
export class CaptureWriteError extends Error {
  /** The name of the class. */
  override name = "CaptureWriteError";
  /** The step that failed. */
  readonly stage: CaptureWriteStage;
  /** The destination; for `CreateOutputDirectory` the directory. */
  readonly path: string;
  /** The file beside it, from `CreateTempFile` to `RenameTempFile`. */
  readonly tempPath: string | undefined;
  /** The layout, for `Serialize`. */
  readonly style: CaptureStyle | undefined;

  /** Makes an error; the module's functions do it for you. */
  constructor(details: CaptureWriteErrorDetails) {
    super(messageOf(details), "cause" in details ? { cause: details.cause } : undefined);
    this.stage = details.stage;
    this.path = details.path;
    this.tempPath = "tempPath" in details ? details.tempPath : undefined;
    this.style = "style" in details ? details.style : undefined;
  }
}

const TEMP_VERBS = {
  CreateTempFile: "create",
  WriteTempFile: "write",
  SyncTempFile: "sync",
  RenameTempFile: "rename",
};

function messageOf(details: CaptureWriteErrorDetails): string {
  const writing = `write capture bundle '${details.path}':`;
  switch (details.stage) {
    case "CreateOutputDirectory":
      return `create capture output directory: ${reasonOf(details.cause)}`;
    case "Serialize":
      return `serialize capture bundle '${details.path}' (${details.style}): ` +
        reasonOf(details.cause);
    case "InvalidDestination":
      return `${writing} destination must include a file name`;
    case "ExhaustedTempFileAttempts":
      return `${writing} exhausted temp file creation attempts`;
    case "SyncDirectory":
      return `${writing} sync directory: ${reasonOf(details.cause)}`;
    default: {
      const { stage, tempPath, cause } = details;
      return `${writing} ${TEMP_VERBS[stage]} temp file '${tempPath}': ${reasonOf(cause)}`;
    }
  }
}

/** The text of whatever was thrown. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
