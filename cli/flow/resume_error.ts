/** A run cannot be resumed, and nothing was begun. */
export class ResumeError extends Error {
  /** The name of the class. */
  override name = "ResumeError";

  /** Says why not, and what to do. */
  constructor(runId: string, problem: string, options?: ErrorOptions) {
    super(`Cannot resume ${runId}: ${problem}`, options);
  }
}
