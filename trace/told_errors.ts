import { chainOf, describeError } from "./describe_error.ts";

/**
 * The errors that are on record already, so that an error of a node which then ends the flow, as it is or
 * as the cause of another, is not recorded twice (TRC-14).
 */
export class ToldErrors {
  readonly #objects = new WeakSet<object>();
  /**
   * What the newest failed node said, for engines that pass on nothing but the text. It is not redacted:
   * two errors that say different things can look the same behind a mask.
   */
  #message: string | undefined;

  /** Takes an error on record. */
  add(error: unknown): void {
    for (const cause of chainOf(error)) {
      if (typeof cause === "object" && cause !== null) this.#objects.add(cause);
    }
    this.#message = describeError(error, undefined)[0].message;
  }

  /** Whether it, or one of its causes, is on record. */
  has(error: unknown): boolean {
    return this.#hasObject(error) || this.#hasMessage(error);
  }

  /**
   * The flow has gone on, or its attempt has ended: what is said from now on is said by another error,
   * even in the same words.
   */
  forgetMessage(): void {
    this.#message = undefined;
  }

  #hasObject(error: unknown): boolean {
    return chainOf(error).some((cause) =>
      typeof cause === "object" && cause !== null && this.#objects.has(cause)
    );
  }

  /** The same text, or one with a name in front of it; a text that has it anywhere may be about anything. */
  #hasMessage(error: unknown): boolean {
    const told = this.#message;
    if (told === undefined) return false;
    return describeError(error, undefined).some(({ message }) =>
      message === told || message.endsWith(`: ${told}`)
    );
  }
}
