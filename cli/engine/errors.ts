import { TaffrailError } from "../../_internal/errors.ts";
import { reasonOf } from "../../_internal/text.ts";

/** What cannot be written: the log, the store, the capture journal, or what a command prints. */
type RecordingErrorKind = "log" | "store" | "capture" | "output";

/** What happens cannot be recorded, so it may not go on. */
export class RecordingError extends TaffrailError<RecordingErrorKind, { of: string }> {
  /** The name of the class. */
  override readonly name = "RecordingError";

  /** Says what cannot be written, and why, and what to do unless the cause says so itself. */
  constructor(kind: RecordingErrorKind, { of, cause }: { of: string; cause: unknown }) {
    const knowsRemedy = cause instanceof Error && typeof Reflect.get(cause, "remedy") === "string";
    const isOfForm = cause instanceof TypeError;
    const what = isOfForm ? "put what belongs there in its place" : "free some space";
    const remedy = knowsRemedy ? undefined : `${what}, or choose another --root`;
    const end = remedy === undefined ? "" : `: ${remedy}`;
    const message = `Cannot record ${of}: ${reasonOf(cause)}; the run was stopped${end}`;
    super(kind, message, { details: { of }, remedy, cause });
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
export class ResumeError extends TaffrailError<ResumeErrorKind, { runId: string }> {
  /** The name of the class. */
  override readonly name = "ResumeError";

  /** Says why not, and what to do. */
  constructor(
    kind: ResumeErrorKind,
    message: string,
    { runId, cause }: ErrorOptions & { runId: string },
  ) {
    super(kind, `Cannot resume ${runId}: ${message}`, { details: { runId }, cause });
  }
}
