import { chainOf } from "./describe_error.ts";
import type { TraceCause } from "./types.ts";

/**
 * The errors that are on record already, so that an error of a node which then ends the flow, as it is or
 * as the cause of another, is not recorded twice (TRC-14).
 */
export class ToldErrors {
  readonly #objects = new WeakSet<object>();
  /** What the newest failed node said, for engines that pass on nothing but the text. */
  #message: string | undefined;

  /** Takes an error on record. */
  add(error: unknown, causes: readonly [TraceCause, ...TraceCause[]]): void {
    for (const cause of chainOf(error)) {
      if (typeof cause === "object" && cause !== null) this.#objects.add(cause);
    }
    this.#message = causes[0].message;
  }

  /** Whether it, or one of its causes, is on record. */
  has(error: unknown, causes: readonly TraceCause[]): boolean {
    return this.#hasObject(error) || this.#hasMessage(causes);
  }

  /** The attempt has ended: what the next one says is said by another error, even in the same words. */
  forgetMessage(): void {
    this.#message = undefined;
  }

  #hasObject(error: unknown): boolean {
    return chainOf(error).some((cause) =>
      typeof cause === "object" && cause !== null && this.#objects.has(cause)
    );
  }

  #hasMessage(causes: readonly TraceCause[]): boolean {
    const told = this.#message;
    if (told === undefined) return false;
    return causes.some(({ message }) => {
      return message === told || (told !== "" && message.includes(told));
    });
  }
}
