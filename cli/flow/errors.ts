import { reasonOf } from "../../_internal/text.ts";

/** What happens cannot be recorded, so it may not go on. */
export class RecordingError extends Error {
  /** The name of the class. */
  override name = "RecordingError";
  /** What cannot be written: the log, the store, the capture journal, or what a command prints. */
  readonly what: "log" | "store" | "capture" | "output";

  /** Says what cannot be written, and why. */
  constructor(what: RecordingError["what"], options: { of: string; cause: unknown }) {
    const { of, cause } = options;
    const reason = reasonOf(cause);
    // A cause that knows what to do says so itself.
    const knowsRemedy = cause instanceof Error && typeof Reflect.get(cause, "remedy") === "string";
    const remedy = knowsRemedy ? "" : ": free some space, or choose another --root";
    super(`Cannot record ${of}: ${reason}; the run was stopped${remedy}`, { cause });
    this.what = what;
  }
}

/** A run cannot be resumed, and nothing was begun. */
export class ResumeError extends Error {
  /** The name of the class. */
  override name = "ResumeError";

  /** Says why not, and what to do. */
  constructor(runId: string, problem: string, options?: ErrorOptions) {
    super(`Cannot resume ${runId}: ${problem}`, options);
  }
}
