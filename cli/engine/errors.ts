import { reasonOf } from "../../_internal/text.ts";

/** What cannot be written: the log, the store, the capture journal, or what a command prints. */
type RecordingErrorKind = "log" | "store" | "capture" | "output";

/** What happens cannot be recorded, so it may not go on. */
export class RecordingError extends Error {
  /** The name of the class. */
  override readonly name = "RecordingError";
  /** What cannot be written. */
  readonly kind: RecordingErrorKind;
  /** Of what. */
  readonly details: { of: string };
  /** What to do; undefined where the cause says so itself. */
  readonly remedy: string | undefined;

  /** Says what cannot be written, and why. */
  constructor(kind: RecordingErrorKind, { of, cause }: { of: string; cause: unknown }) {
    const knowsRemedy = cause instanceof Error && typeof Reflect.get(cause, "remedy") === "string";
    const remedy = knowsRemedy ? undefined : "free some space, or choose another --root";
    const end = remedy === undefined ? "" : `: ${remedy}`;
    super(`Cannot record ${of}: ${reasonOf(cause)}; the run was stopped${end}`, { cause });
    this.kind = kind;
    this.details = { of };
    this.remedy = remedy;
  }
}

/** Why a run cannot be gone on with. */
type ResumeErrorKind =
  | "ended"
  | "live"
  | "own-command"
  | "no-flow"
  | "other-flow"
  | "no-journal"
  | "newer"
  | "processes";

/** A run cannot be resumed, and nothing was begun. */
export class ResumeError extends Error {
  /** The name of the class. */
  override readonly name = "ResumeError";
  /** Why not. */
  readonly kind: ResumeErrorKind;
  /** Which run. */
  readonly details: { runId: string };
  /** What to do, where it is not part of the message. */
  readonly remedy: string | undefined = undefined;

  /** Says why not, and what to do. */
  constructor(
    kind: ResumeErrorKind,
    message: string,
    { runId, ...options }: ErrorOptions & { runId: string },
  ) {
    super(`Cannot resume ${runId}: ${message}`, options);
    this.kind = kind;
    this.details = { runId };
  }
}
