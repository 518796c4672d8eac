/**
 * Tells what has been decided: in the log of the run, in whatever follows that, and to whoever watches.
 *
 * What is always true:
 * - **Nothing is told that the journal may still lose.** What waits is told behind a barrier that was asked
 *   for when all of it stood in the journal.
 * - **All is told in the order of the decisions**, through one queue: the end of a node stands in the log
 *   before the begin of the node that it has made ready.
 * - **What can begin has begun before anything is told**: a command runs while the log is written.
 * - Once telling has failed nothing more is told, and the run is ended; what the log lacks it gets from the
 *   journal when the run is gone on with.
 */
import { turn } from "../../_internal/barrier.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { HeldRun } from "../types.ts";
import { type EventBody, eventsOf } from "./lifecycle.ts";

/** Something to be told. */
export interface Tale {
  /** Its event, if the log is told too. */
  event?: () => EventBody;
  /** Resolves when it is known whether it happened: false when it did not, and nothing is told. */
  happened?: Promise<boolean>;
  /** Told when it is on disk, and its event in the log. */
  then?: () => void;
}

/** What a {@linkcode Teller} works with. */
interface TellerOptions {
  held: HeldRun;
  /** Resolves when all that the journal has is on disk. */
  barrier: () => Promise<void>;
  /** What the log has; it takes what is told. */
  fold: RunFold;
  /** Told once, when something could not be told. */
  onFailure: (error: unknown) => void;
}

/** What is told of an append that is not known to be done. */
const UNDER_WAY = Symbol("under way");

/** The queue of what is to be told. */
export class Teller {
  readonly #options: TellerOptions;
  #waiting: Tale[] = [];
  /** Resolves when the queue is empty. */
  #telling: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  /** Resolves when it is known of the newest events, and so of all, what became of them. */
  #appended: Promise<void> | undefined;
  #written = 0;

  constructor(options: TellerOptions) {
    this.#options = options;
  }

  /** How many lines it has given to the log. */
  get written(): number {
    return this.#written;
  }

  /** Tells something, in its turn; nothing, once something could not be told. */
  tell(tale: Tale): void {
    if (this.#failure !== undefined) return;
    this.#waiting.push(tale);
    this.#telling ??= this.#tellAll();
  }

  /** Resolves when all that was to be told has been; rejects when it could not be. */
  async told(): Promise<void> {
    await this.#telling;
    await this.#appended;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #tellAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        // What is decided in the same turn shares the barrier, and the write.
        await turn();
        const tales = this.#waiting.splice(0);
        await this.#options.barrier();
        await this.#tellOf(tales);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#telling = undefined;
    }
  }

  async #tellOf(tales: readonly Tale[]): Promise<void> {
    const happened = await Promise.all(tales.map((tale) => tale.happened ?? true));
    const told = tales.filter((_, index) => happened[index]);
    await this.write(told.flatMap(({ event }) => event?.() ?? []));
    for (const { then } of told) then?.();
  }

  /**
   * Writes events at once: what they say has to be on disk. Where they are on their way to a database they are
   * not waited for: what is recorded next goes with them, and what is lost of them is in the journal.
   */
  async write(bodies: readonly EventBody[]): Promise<void> {
    if (bodies.length === 0) return;
    const { held, fold } = this.#options;
    const events = eventsOf(bodies, { runId: held.view.runId, after: fold.lastEventId });
    const appended = held.append({ events: events.map((event) => JSON.stringify(event)) });
    if (await Promise.race([appended, UNDER_WAY]) === UNDER_WAY) {
      this.#appended = appended.catch((error) => this.#fail(error));
    }
    this.#written += events.length;
    for (const event of events) fold.take(event);
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#waiting = [];
    this.#options.onFailure(error);
  }
}
