import { TaffrailError } from "../../_internal/errors.ts";
import { reasonOf } from "../../_internal/text.ts";

/** What cannot be recorded: the run as a whole, or what a command does. */
type RecordingErrorKind = "run" | "output";

/** What happens cannot be recorded, so it may not go on. */
export class RecordingError extends TaffrailError<RecordingErrorKind, { of: string }> {
  /** The name of the class. */
  override readonly name = "RecordingError";

  /** Says what cannot be written, and why, and what to do unless the cause says so itself. */
  constructor(
    kind: RecordingErrorKind,
    { of, cause, hasBegun = true }: { of: string; cause: unknown; hasBegun?: boolean },
  ) {
    const knowsRemedy = cause instanceof Error && typeof Reflect.get(cause, "remedy") === "string";
    const remedy = knowsRemedy ? undefined : remedyFor(cause);
    const end = remedy === undefined ? "" : `: ${remedy}`;
    const stopped = hasBegun ? "; the run was stopped" : "";
    const message = `Cannot record ${of}: ${reasonOf(cause)}${stopped}${end}`;
    super(kind, message, { details: { of }, remedy, cause });
  }
}

/** What to do where the error itself does not know. */
function remedyFor(cause: unknown): string {
  if (cause instanceof TypeError) return `put what belongs there in its place, ${ELSEWHERE}`;
  switch (codeOf(cause)) {
    case "EMFILE":
    case "ENFILE":
      return "let fewer commands run at a time, or allow more open files (ulimit -n)";
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return `make it writable, ${ELSEWHERE}`;
    default:
      return `free some space, ${ELSEWHERE}`;
  }
}

const ELSEWHERE = "or choose another --root";

/** What the system has called the failure that an error comes of. */
function codeOf(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined;
  return Reflect.get(error, "code") ?? codeOf(error.cause);
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
