/** Thrown by every assertion that does not hold. */
export class AssertionError extends Error {
  /** Makes an error with the given message. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}
