/** What was asked for cannot be done as it was asked: the command ends with exit code 2. */
export class UsageError extends Error {
  /** The name of the class. */
  override name = "UsageError";
}
