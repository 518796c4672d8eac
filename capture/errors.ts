import { TaffrailError, type TaffrailErrorOptions } from "../_internal/errors.ts";
import { reasonOf } from "../_internal/text.ts";
import type { CaptureStyle } from "./types.ts";

/** Which check an event record failed: its hash first, then its payload (EVT-6). */
export type CaptureErrorKind = "payload-hash-mismatch" | "invalid-payload";

/** What is known of a {@linkcode CaptureError}. */
export interface CaptureErrorDetails {
  /** The recorded hash, when it is the hash that is wrong. */
  readonly expected?: string;
  /** The hash of the payload, when it is the hash that is wrong. */
  readonly actual?: string;
}

/**
 * Thrown for an event record that is not what was recorded: its payload does not have the recorded
 * hash (`payload-hash-mismatch`), or is not one JSON object (`invalid-payload`, with the reason as
 * `cause`).
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
 *   payload_hash: "none",
 * } as const;
 * const error = assertThrows(
 *   () => rehydrateEvent({ ...record, payload: [] }),
 *   CaptureError,
 *   "payload hash mismatch (expected 'none', actual 'e3b0c442",
 * );
 * assertEquals([error.kind, error.details.expected], ["payload-hash-mismatch", "none"]);
 * ```
 */
export class CaptureError extends TaffrailError<CaptureErrorKind, CaptureErrorDetails> {
  /** The name of the class. */
  override readonly name = "CaptureError";
}

/**
 * What went wrong with a journal:
 * - `io`: the file system refused; the `cause` says why
 * - `lock-timeout`: others held the lock for the whole time allowed
 * - `conflict`: somebody else has appended to the journal
 * - `rewound`: the journal became shorter than it was left
 * - `replaced`: the journal was moved, replaced, removed or rewritten while it was open; what the file
 *   that is there now lacks is kept beside it, in `<path>.lost-<n>`
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
  | "replaced"
  | "sync"
  | "busy"
  | "closed"
  | "no-session"
  | "version"
  | "damaged"
  | "other-session"
  | "diverged";

/** What is known of a {@linkcode CaptureJournalError}. */
export interface CaptureJournalErrorDetails {
  /** The journal. */
  readonly path?: string;
  /** The line, from 1, when one is damaged. */
  readonly line?: number;
  /** Where that line begins in the file. */
  readonly byteOffset?: number;
  /** How many lines it has, where no session begins in it, without a torn one at its end. */
  readonly lines?: number;
  /**
   * Whether nobody can have been told of anything that was in it, where no session begins in it: it is empty,
   * or a kill or a power cut left that before it was on disk. Then a session may begin behind its lines.
   */
  readonly lost?: boolean;
}

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
 * assertEquals([error.kind, error.details.path], ["no-session", path]);
 * ```
 */
export class CaptureJournalError
  extends TaffrailError<CaptureJournalErrorKind, CaptureJournalErrorDetails> {
  /** The name of the class. */
  override readonly name = "CaptureJournalError";
}

/**
 * Why a recording cannot be shrunk:
 * - `not-shown`: the predicate says no of the recording itself, without its notes
 * - `not-decided`: it does not have a decision for each input that is decided on, and no others, so that
 *   nobody knows which belongs to which
 */
export type ShrinkErrorKind = "not-shown" | "not-decided";

/** What is known of a {@linkcode ShrinkError}. */
export interface ShrinkErrorDetails {
  /** How many inputs are decided on, for `not-decided`. */
  readonly inputs?: number;
  /** How many decisions there are, for `not-decided`. */
  readonly decisions?: number;
}

/**
 * Thrown when there is nothing to shrink a recording to.
 *
 * @example Usage
 * ```ts
 * import { shrink, ShrinkError } from "@taffrail/taffrail/capture";
 * import { Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals, assertRejects } from "@std/assert";
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
 * const createSupervisor = (options: ConstructorParameters<typeof Supervisor>[0]) =>
 *   new Supervisor(options);
 * const error = await assertRejects(
 *   () => shrink(bundle, () => false, { createSupervisor }),
 *   ShrinkError,
 * );
 * assertEquals(error.kind, "not-shown");
 * ```
 */
export class ShrinkError extends TaffrailError<ShrinkErrorKind, ShrinkErrorDetails> {
  /** The name of the class. */
  override readonly name = "ShrinkError";
}

/**
 * The step at which writing a bundle failed, by the name that the original program gives it, in the order
 * of the steps. Up to and including `RenameTempFile` the old file is untouched; at `SyncDirectory` the
 * new one stands in its place, but a power cut may bring the old one back.
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
export type CaptureWriteStage =
  | "InvalidDestination"
  | "Serialize"
  | "CreateOutputDirectory"
  | "CreateTempFile"
  | "ExhaustedTempFileAttempts"
  | "WriteTempFile"
  | "SyncTempFile"
  | "RenameTempFile"
  | "SyncDirectory";

/** Why a bundle was not written: the path names no file, the bundle is none, the file system refused. */
export type CaptureWriteErrorKind = "invalid-destination" | "serialize" | "io";

/** What is known of a {@linkcode CaptureWriteError}. */
export interface CaptureWriteErrorDetails {
  /** The destination; at `CreateOutputDirectory` the directory. */
  readonly path: string;
  /** The file beside it, from `CreateTempFile` to `RenameTempFile`. */
  readonly tempPath?: string;
  /** The layout, at `Serialize`. */
  readonly style?: CaptureStyle;
}

/**
 * Thrown when a bundle could not be written. `stage` says how far it came and so what is on disk now;
 * the system's error is the `cause`.
 *
 * @example Usage
 * ```ts
 * import { CaptureWriteError, writeCaptureBundle } from "@taffrail/taffrail/capture";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const write = () => writeCaptureBundle("..", { capture_version: "v3" } as never);
 * const error = await assertRejects(write, CaptureWriteError);
 * assertEquals([error.kind, error.stage], ["invalid-destination", "InvalidDestination"]);
 * assertEquals(
 *   error.message,
 *   "write capture bundle '..': destination must include a file name",
 * );
 * ```
 */
export class CaptureWriteError
  extends TaffrailError<CaptureWriteErrorKind, CaptureWriteErrorDetails> {
  /** The name of the class. */
  override readonly name = "CaptureWriteError";
  /** The step that failed. */
  readonly stage: CaptureWriteStage;

  /**
   * Makes an error; the module's functions do it for you.
   *
   * @param stage The step that failed; the kind follows from it.
   * @param message What went wrong, for people.
   * @param options What else is known.
   */
  constructor(
    stage: CaptureWriteStage,
    message: string,
    options: TaffrailErrorOptions<CaptureWriteErrorDetails> & { details: CaptureWriteErrorDetails },
  ) {
    super(KIND_OF_STAGE[stage] ?? "io", message, options);
    this.stage = stage;
  }
}

const KIND_OF_STAGE: Partial<Record<CaptureWriteStage, CaptureWriteErrorKind>> = {
  InvalidDestination: "invalid-destination",
  Serialize: "serialize",
};

/** The error of a stage, with the words of the original program. */
export function writeError(
  stage: CaptureWriteStage,
  details: CaptureWriteErrorDetails,
  cause?: unknown,
): CaptureWriteError {
  const { path, tempPath, style } = details;
  const writing = `write capture bundle '${path}':`;
  const reason = reasonOf(cause);
  const temp = (verb: string) => `${writing} ${verb} temp file '${tempPath}': ${reason}`;
  const messages: Record<CaptureWriteStage, string> = {
    InvalidDestination: `${writing} destination must include a file name`,
    Serialize: `serialize capture bundle '${path}' (${style}): ${reason}`,
    CreateOutputDirectory: `create capture output directory: ${reason}`,
    CreateTempFile: temp("create"),
    ExhaustedTempFileAttempts: `${writing} exhausted temp file creation attempts`,
    WriteTempFile: temp("write"),
    SyncTempFile: temp("sync"),
    RenameTempFile: temp("rename"),
    SyncDirectory: `${writing} sync directory: ${reason}`,
  };
  return new CaptureWriteError(stage, messages[stage], { details, cause });
}
