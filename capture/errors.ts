import type { ExternalEventPayloadError } from "../_internal/event_payload.ts";
import type { CaptureStyle } from "./types.ts";
import { reasonOf } from "../_internal/text.ts";

/** Which check an event record failed: its hash first, then its payload (EVT-6). */
export type CaptureErrorKind = "PayloadHashMismatch" | "InvalidPayload";

/** What a {@linkcode CaptureError} is made of. */
export type CaptureErrorDetails =
  | { kind: "PayloadHashMismatch"; expected: string; actual: string }
  | { kind: "InvalidPayload"; cause: ExternalEventPayloadError };

/**
 * Thrown for an event record that is not what was recorded: its payload does not have the recorded
 * hash (`PayloadHashMismatch`), or is not one JSON object (`InvalidPayload`, with the reason as `cause`).
 *
 * @example Usage
 * ```ts
 * import { CaptureError, rehydrateEvent } from "@taffrail/taffrail/capture";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const record = {
 *   event_id: "e1",
 *   event_time: { secs: 0, nanos: 0 },
 *   kind: "Command",
 *   payload: [],
 *   payload_hash: "none",
 * } as const;
 * const error = assertThrows(
 *   () => rehydrateEvent({ ...record, payload: [] }),
 *   CaptureError,
 *   "payload hash mismatch (expected 'none', actual 'e3b0c442",
 * );
 * assertEquals(error.kind, "PayloadHashMismatch");
 * ```
 */
export class CaptureError extends Error {
  /** The name of the class. */
  override name = "CaptureError";
  /** Which check failed. */
  readonly kind: CaptureErrorKind;
  /** The recorded hash, when it is the hash that is wrong. */
  readonly expected: string | undefined;
  /** The hash of the payload, when it is the hash that is wrong. */
  readonly actual: string | undefined;

  /** Makes an error; the module's functions do it for you. */
  constructor(details: CaptureErrorDetails) {
    super(captureMessage(details), "cause" in details ? { cause: details.cause } : undefined);
    this.kind = details.kind;
    this.expected = "expected" in details ? details.expected : undefined;
    this.actual = "actual" in details ? details.actual : undefined;
  }
}

function captureMessage(details: CaptureErrorDetails): string {
  return details.kind === "InvalidPayload"
    ? details.cause.message
    : `payload hash mismatch (expected '${details.expected}', actual '${details.actual}')`;
}

/**
 * What went wrong with a journal:
 * - `io`: the file system refused; the `cause` says why
 * - `lock-timeout`: others held the lock for the whole time allowed
 * - `conflict`: somebody else has appended to the journal
 * - `rewound`: the journal became shorter than it was left
 * - `sync`: fdatasync failed; the line is in the file but perhaps not on disk
 * - `busy`: too many lines wait already
 * - `closed`: the journal was closed
 * - `no-session`: the file holds no session that could be recovered
 * - `version`: a session in it was begun by a newer version
 * - `damaged`: a line that others follow is damaged, so the session cannot go on
 * - `other-session`: the session was recorded with other rules or another provenance
 * - `diverged`: a supervisor decides otherwise than the session did
 */
export type CaptureJournalErrorKind =
  | "io"
  | "lock-timeout"
  | "conflict"
  | "rewound"
  | "sync"
  | "busy"
  | "closed"
  | "no-session"
  | "version"
  | "damaged"
  | "other-session"
  | "diverged";

/**
 * Thrown when a journal cannot be written or has nothing to recover.
 *
 * @example Usage
 * ```ts
 * import { CaptureJournalError, recoverCapture } from "@taffrail/taffrail/capture";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const path = `${await Deno.makeTempDir()}/capture.jsonl`;
 * await Deno.writeTextFile(path, "");
 * const error = await assertRejects(() => recoverCapture(path), CaptureJournalError);
 * assertEquals(error.kind, "no-session");
 * ```
 */
export class CaptureJournalError extends Error {
  /** The name of the class. */
  override name = "CaptureJournalError";
  /** What went wrong, for programs. */
  readonly kind: CaptureJournalErrorKind;
  /** The journal. */
  readonly path: string;

  /** Makes an error; the module's functions do it for you. */
  constructor(
    kind: CaptureJournalErrorKind,
    message: string,
    details: { path: string; cause?: unknown },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.path = details.path;
  }
}

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
