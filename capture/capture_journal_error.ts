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
