/** Pauses that somebody ends, and how somebody is woken without being woken more often than is of use. */

/** Resolves after a time, or when the signal aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
}

/** What one waits for; a ring that nobody waits for is kept for who waits next. */
export class Bell {
  #rung = new AbortController();

  ring(): void {
    this.#rung.abort();
  }

  /** A ring before now is no reason to end the next wait. */
  forget(): void {
    if (this.#rung.signal.aborted) this.#rung = new AbortController();
  }

  /** Resolves when it has rung, after a time, or when the signal aborts. */
  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    const { signal: rung } = this.#rung;
    await pause(ms, signal === undefined ? rung : AbortSignal.any([rung, signal]));
    this.forget();
  }
}

/** Whoever was just woken looks anyway: what comes within so many milliseconds wakes it once more. */
const WAKE_MS = 10;

/**
 * Wakes others, at once where that was not done just before, and never more often than they can look: each costs a
 * commit. Whoever is not woken looks by himself, so a wake-up that fails is missed by nobody.
 */
export class WakeUps implements Disposable {
  readonly #send: () => Promise<unknown>;
  readonly #restMs: number;
  readonly #over = new AbortController();
  #isResting = false;
  #isWanted = false;

  constructor(send: () => Promise<unknown>, { restMs = WAKE_MS } = {}) {
    this.#send = send;
    this.#restMs = restMs;
  }

  /** There is something to look at. */
  send(): void {
    this.#isWanted = true;
    if (!this.#isResting) void this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    this.#isResting = true;
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.#send().catch(() => {});
      if (this.#restMs > 0) await pause(this.#restMs, this.#over.signal);
    }
    this.#isResting = false;
  }

  /** Nothing is waited for any more. */
  [Symbol.dispose](): void {
    this.#over.abort();
  }
}
