/**
 * One sync for all who wait. What is always true:
 *
 * 1. **A position counts as on disk only when a sync that began behind it has succeeded.** A sync vouches
 *    for the position at which it began, and for nothing that was appended while it was under way: who
 *    waits for that waits for the next one.
 * 2. **One sync at a time**, so that nobody has to know which of two has covered what.
 * 3. **It begins when the microtasks of the turn are over.** Whoever ends one thing and begins the next in
 *    the same turn waits for one sync and not for two: begun at once, 20 nodes in a chain made 41 syncs
 *    instead of 21.
 * 4. **A failure is for good.** The system marks what it could not write as clean, so that the next sync
 *    would succeed without having written it: all who wait get the failure, and so does everybody later.
 */

/** How a {@linkcode Barrier} syncs. */
export interface BarrierOptions {
  /** How much was appended so far: lines, or bytes. It only grows. */
  position: () => number;
  /** Makes everything appended so far survive a power cut. */
  sync: () => void | Promise<void>;
  /**
   * How much of it is known to be on disk already.
   *
   * @default {0}
   */
  synced?: number;
}

/** Makes positions of something that grows wait until they are on disk. */
export class Barrier {
  readonly #options: BarrierOptions;
  #synced: number;
  /** The sync that is under way; one that has failed stays here. */
  #running: Promise<void> | undefined;

  constructor(options: BarrierOptions) {
    this.#options = options;
    this.#synced = options.synced ?? 0;
  }

  /** How much is known to be on disk. */
  get synced(): number {
    return this.#synced;
  }

  /** Resolves when everything up to a position, by default all that was appended so far, is on disk. */
  async reach(position = this.#options.position()): Promise<void> {
    while (this.#synced < position) await (this.#running ??= this.#sync());
  }

  /** Takes note of a sync that somebody else has made. */
  moveTo(position: number): void {
    this.#synced = Math.max(this.#synced, position);
  }

  async #sync(): Promise<void> {
    // Whoever has waited for that already goes on at once.
    if (!isTurnOver) await turn();
    const position = this.#options.position();
    // Who closed it meanwhile may have synced it.
    if (position > this.#synced) await this.#options.sync();
    this.moveTo(position);
    this.#running = undefined;
  }
}

/** The end of this turn, which all share who wait for it. */
let ending: Promise<void> | undefined;
/** Whether a turn is over at this very moment, for those who have waited for that, and nothing has begun yet. */
let isTurnOver = false;

/** Resolves when the microtasks of this turn of the event loop have run. */
export function turn(): Promise<void> {
  if (ending === undefined) {
    const { promise, resolve } = Promise.withResolvers<void>();
    ending = promise;
    void afterTurn().then(() => {
      isTurnOver = true;
      resolve();
      // Behind those who wait, and before whatever they have begun.
      queueMicrotask(() => isTurnOver = false);
    });
  }
  return ending;
}

/**
 * So many turns end with a task for another thread, at 37 µs and more on a busy machine. The first immediate of
 * a program loads what costs as much as 100 of them, and each then 2 µs.
 */
const FEW_TURNS = 100;
/** More awaits in a row than any chain of them has that ends one thing and begins the next. */
const MOST_AWAITS = 200;

let turns = 0;

async function afterTurn(): Promise<void> {
  turns++;
  if (turns > FEW_TURNS && typeof setImmediate === "function") {
    await new Promise<void>((resolve) => setImmediate(resolve));
    ending = undefined;
    return;
  }
  await crypto.subtle.digest("SHA-256", new Uint8Array());
  // Whoever comes now has microtasks that nobody has waited for.
  ending = undefined;
  // That thread may have answered at once: the others go first.
  await microtasks();
}

/** Awaited as it is, where each await of a value makes a promise, and two thirds of what it costs. */
const resolved = Promise.resolve();

/** Resolves when the microtasks that wait have run, and those that they lead to, but for very long chains. */
export async function microtasks(): Promise<void> {
  for (let awaits = 0; awaits < MOST_AWAITS; awaits++) await resolved;
}
