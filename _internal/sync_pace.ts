/**
 * Whether a sync blocks. What is always true:
 *
 * 1. **The event loop stands still for fast syncs only**, and where one was slow, not soon again.
 * 2. **Timers and signals get their turn**: after so many that block in a row one does not, unless the event
 *    loop had its turn in between.
 */

/** How a file may be synced. */
export interface SyncOptions {
  /** Nobody gains by a free event loop meanwhile, as all who append wait for this. */
  mayBlock?: boolean;
  /** The event loop had its turn just before: it need not be left free for that now. */
  isTurnOver?: boolean;
}

/** A sync that takes longer is slow: so long the event loop may stand still. */
const FAST_SYNC_MS = 1;
/** So many syncs in a row have to be fast before one blocks at first. */
const FAST_AT_FIRST = 4;
/** After a slow one as many as it took milliseconds, and at most so many. */
const MOST_FAST = 32;
/** Then one leaves the event loop free, so that timers and signals get their turn. */
const MOST_BLOCKING_IN_A_ROW = 16;

/**
 * Decides whether a sync blocks. One that leaves the event loop free goes to another thread and back,
 * which costs as much as a third of a fast sync; blocking for a slow one would stop the whole program.
 * Each sync is measured, whichever its form.
 */
export class SyncPace {
  #fastToGo = FAST_AT_FIRST;
  #blockingInARow = 0;

  /** Whether the next sync may block. */
  get mayBlock(): boolean {
    return this.#fastToGo === 0 && this.#blockingInARow < MOST_BLOCKING_IN_A_ROW;
  }

  /** Learns how long a sync took. `isTurnOver`: the event loop had its turn just before. */
  took(
    ms: number,
    { isBlocking, isTurnOver = false }: { isBlocking: boolean; isTurnOver?: boolean },
  ): void {
    this.#blockingInARow = isBlocking && !isTurnOver ? this.#blockingInARow + 1 : 0;
    if (ms <= FAST_SYNC_MS) this.#fastToGo = Math.max(0, this.#fastToGo - 1);
    else this.#fastToGo = Math.max(this.#fastToGo, Math.min(MOST_FAST, Math.ceil(ms)));
  }
}
