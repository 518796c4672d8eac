import { TaffrailError } from "../../_internal/errors.ts";
import { reasonOf, systemCodeOf, writeRemedy } from "../../_internal/text.ts";
import { largestFile } from "../files.ts";
import { formatSize } from "../text/units.ts";

/** What cannot be recorded: the run as a whole, or what a command does. */
type RecordingErrorKind = "run" | "output";

/** What happens cannot be recorded, so it may not go on. */
export class RecordingError extends TaffrailError<RecordingErrorKind, { of: string }> {
  /** The name of the class. */
  override readonly name = "RecordingError";

  /**
   * Says what cannot be written, and why, and what to do unless the cause says so itself. `outputs`: the
   * folder of what the commands have printed, which may be what has filled the disk.
   */
  constructor(
    kind: RecordingErrorKind,
    { of, cause, hasBegun = true, outputs }: {
      of: string;
      cause: unknown;
      hasBegun?: boolean;
      outputs?: string;
    },
  ) {
    const knowsRemedy = cause instanceof Error && typeof Reflect.get(cause, "remedy") === "string";
    const remedy = knowsRemedy ? undefined : remedyFor(cause);
    const end = remedy === undefined ? "" : `: ${remedy}`;
    const stopped = hasBegun ? "; the run was stopped" : "";
    const filled = outputs === undefined ? "" : filledBy(outputs, cause);
    const message = `Cannot record ${of}: ${reasonOf(cause)}${filled}${stopped}${end}`;
    super(kind, message, { details: { of }, remedy, cause });
  }
}

/** An output that is smaller is not what has filled a disk. */
const LEAST_FILLING_BYTES = 256 * 1024;

/** Names the largest output where the disk is full. */
function filledBy(outputs: string, cause: unknown): string {
  const code = systemCodeOf(cause);
  const isFull = code === "ENOSPC" || code === "EDQUOT" || reasonOf(cause).includes("disk full");
  const [path, bytes] = isFull ? largestFile(outputs) : ["", 0];
  return bytes < LEAST_FILLING_BYTES ? "" : ` (${path} has ${formatSize(bytes)})`;
}

/** What to do where the error itself does not know. */
function remedyFor(cause: unknown): string {
  if (cause instanceof TypeError) return `put what belongs there in its place, ${ELSEWHERE}`;
  switch (systemCodeOf(cause)) {
    case "EMFILE":
    case "ENFILE":
      return "let fewer commands run at a time, or allow more open files (ulimit -n)";
    default:
      return `${writeRemedy(cause)}, ${ELSEWHERE}`;
  }
}

const ELSEWHERE = "or choose another --root";

/** Why a run cannot be gone on with. */
type ResumeErrorKind =
  | "ended"
  | "live"
  | "own-command"
  | "no-flow"
  | "no-command"
  | "no-program"
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
