/**
 * Where the journal of a run is kept: in what holds the run. What is always true:
 *
 * - **Nobody waits for a line**: lines are handed over in order, and on a database each takes a way there and
 *   back. Whatever may be seen outside waits for a barrier, and that for all lines before it.
 * - **A line that could not be appended is the last one.** Its failure ends the run at once, it is what every
 *   later line and every barrier gets, and what holds the run takes none of the lines that are under way behind it.
 */
import type { LineSink } from "../../capture/session/journal.ts";
import type { HeldRun } from "../types.ts";

/** The journal of a held run. */
export class RunJournal implements LineSink {
  readonly #held: Pick<HeldRun, "append" | "barrier">;
  readonly #onFailure: (error: unknown) => void;
  /** Resolves when it is known of the newest line, and so of all, what became of it. */
  #newest: Promise<void> | undefined;
  #failure: { of: unknown } | undefined;

  /** `onFailure` is told once, of the first line that could not be appended. */
  constructor(held: Pick<HeldRun, "append" | "barrier">, onFailure: (error: unknown) => void) {
    this.#held = held;
    this.#onFailure = onFailure;
  }

  /** Hands a line over. */
  append(text: string): void {
    this.#checkWhole();
    this.#newest = this.#held.append({ capture: [text] }).catch((error) => this.#fail(error));
  }

  /** Resolves when all lines before are appended: the death of this process cannot take them any more. */
  async appended(): Promise<void> {
    await this.#newest;
    this.#checkWhole();
  }

  /** Resolves when all lines before are on disk. */
  async barrier(): Promise<void> {
    const appended = this.appended();
    await Promise.all([this.#held.barrier({ of: ["capture"] }), appended]);
  }

  /** Whoever holds the run closes it. */
  close(): void {}

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { of: error };
    this.#onFailure(error);
  }

  #checkWhole(): void {
    if (this.#failure !== undefined) throw this.#failure.of;
  }
}
