/**
 * What a program learns of its run, one thing at a time. What is always true:
 *
 * - **It is given in the order in which it is recorded**, the first time and when the run is gone on with, so
 *   that a race between two steps has the same winner however often it is run.
 * - **Before the next thing is given, the program has done all that it does by itself because of the last one**,
 *   and so has asked for whatever comes of that.
 * - Once the run is to end, everybody who waits hears of that, and of nothing else.
 */
import { microtasks } from "../../_internal/barrier.ts";
import { StepError } from "../step_error.ts";

/** Gives something to the program; what it returns is waited for. */
type Give = () => void | Promise<void>;

/** Somebody who waits for something of the run. */
export type Learner = PromiseWithResolvers<unknown>;

/** What waits to be given, and who waits for it. */
export class Learning {
  readonly #stop: () => AbortSignal;
  readonly #learners = new Set<Learner>();
  /** The failures that the program has heard of. */
  readonly errors = new WeakSet<StepError>();
  /** By their place in the order, of which some are not asked for. */
  readonly #places: (Give | undefined)[] = [];
  #waiting = 0;
  #lowest = Infinity;
  #giving: Promise<void> | undefined;
  /** Resolves when everybody was told that the run is to end. */
  readonly #ended = Promise.withResolvers<void>();

  /** `recorded`: how many places those have that were recorded before; `stop`: aborts when the run is to end. */
  constructor(recorded: number, stop: () => AbortSignal) {
    this.#places.length = recorded;
    this.#stop = stop;
  }

  /** Whether anybody waits. */
  get isAwaited(): boolean {
    return this.#learners.size > 0;
  }

  /** Somebody begins to wait. */
  begin(): Learner {
    const learner: Learner = Promise.withResolvers<unknown>();
    this.#learners.add(learner);
    return learner;
  }

  /** Gives a value at once. */
  resolve(learner: Learner, value: unknown): void {
    this.#learners.delete(learner);
    learner.resolve(value);
  }

  /** Gives an error at once. */
  reject(learner: Learner, reason: unknown): void {
    this.#learners.delete(learner);
    if (reason instanceof StepError) this.errors.add(reason);
    // Whoever does not wait for it has no use for hearing that the run has ended.
    if (this.#stop().aborted) learner.promise.catch(() => {});
    learner.reject(reason);
  }

  /** Tells everybody who waits that the run is to end. */
  rejectAll(reason: unknown): void {
    for (const learner of [...this.#learners]) {
      learner.promise.catch(() => {});
      this.reject(learner, reason);
    }
    this.#ended.resolve();
  }

  /** Gives a value, or the error that making it throws, in its turn: in its place, or behind all that is there. */
  give(learner: Learner, value: () => unknown, place: number = this.#places.length): void {
    this.put(place, async () => {
      try {
        this.resolve(learner, await value());
      } catch (error) {
        this.reject(learner, error);
      }
    });
  }

  /** Does something in the turn of a place. */
  put(place: number, give: Give): void {
    this.#places[place] = give;
    this.#waiting++;
    this.#lowest = Math.min(this.#lowest, place);
    this.#giving ??= this.#giveAll();
  }

  /** Resolves when nothing waits to be given, or nobody waits for it: a schema may never say what it thinks of it. */
  async given(): Promise<void> {
    const given = async () => {
      while (this.#giving !== undefined) await this.#giving;
    };
    await Promise.race([given(), this.#ended.promise]);
  }

  async #giveAll(): Promise<void> {
    while (this.#waiting > 0) {
      await microtasks();
      while (this.#places[this.#lowest] === undefined) this.#lowest++;
      const give = this.#places[this.#lowest]!;
      this.#places[this.#lowest] = undefined;
      this.#waiting--;
      await give();
      if (this.#waiting === 0) this.#lowest = Infinity;
    }
    this.#giving = undefined;
  }
}
