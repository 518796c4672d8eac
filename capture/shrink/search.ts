import { waitFor } from "../replay/replay_run.ts";
import type { CaptureBundle } from "../types.ts";
import type { Candidate, Candidates } from "./candidates.ts";
import type { ShrinkOptions, ShrinkPredicate } from "./types.ts";

/** How long other tasks may have to wait for their turn, in milliseconds. */
const TURN_MS = 50;

/** The search for the smallest candidate of which a predicate says yes. */
export class Search {
  /** How often the predicate was asked. */
  tests = 0;
  readonly #candidates: Candidates;
  readonly #predicate: ShrinkPredicate;
  readonly #maxTests: number;
  readonly #onProgress: ShrinkOptions["onProgress"];
  readonly #signal: AbortSignal | undefined;
  readonly #unlessAborted: (answer: Promise<boolean>) => Promise<boolean>;
  /** Lists of inputs of which it says no, also as they were asked for. */
  readonly #refused = new Set<string>();
  #smallest: Candidate | undefined;
  #hasMore = false;
  #lastTurn = performance.now();

  /** Nothing is searched yet. */
  constructor(
    candidates: Candidates,
    predicate: ShrinkPredicate,
    { maxTests = Infinity, onProgress, signal }: Omit<ShrinkOptions, "createSupervisor">,
  ) {
    this.#candidates = candidates;
    this.#predicate = predicate;
    this.#maxTests = maxTests;
    this.#onProgress = onProgress;
    this.#signal = signal;
    // A signal of its own, which goes with the search: the caller's may last.
    this.#unlessAborted = signal === undefined
      ? (answer) => answer
      : waitFor(AbortSignal.any([signal]));
  }

  /** Whether all was tried that had to be. */
  get isMinimal(): boolean {
    return !this.#hasMore;
  }

  /** Finds it; undefined where the predicate says no of all inputs together. */
  async run(): Promise<Candidate | undefined> {
    const { session: { places, episodes }, firstOtherwise } = this.#candidates;
    if (!await this.#isShown(places)) return undefined;
    // What comes behind the first difference mostly follows from it, and takes long to compare.
    const taken = this.#smallest!.places;
    const before = taken.filter((place) => place <= (firstOtherwise ?? Infinity));
    if (before.length < taken.length) await this.#isShown(before);
    await this.#leaveOut(this.#stillIn(episodes));
    await this.#leaveOut(this.#smallest!.places.map((place) => [place]));
    return this.#smallest;
  }

  /**
   * Leaves out as many of these groups of inputs as can be: halves, then quarters, and single ones until none of
   * them can be left out any more. From the end, since what comes last matters to nothing before.
   */
  async #leaveOut(groups: readonly (readonly number[])[]): Promise<void> {
    let rest = groups;
    let size = Math.ceil(rest.length / 2);
    for (let isOver = rest.length === 0; !isOver && !this.#hasMore;) {
      const before = rest.length;
      for (let end = before; end > 0 && !this.#hasMore; end -= size) {
        const start = Math.max(0, end - size);
        const others = [...rest.slice(0, start), ...rest.slice(end)];
        if (await this.#isShown(others.flat().sort((a, b) => a - b))) rest = this.#stillIn(others);
      }
      isOver = rest.length === 0 || size === 1 && rest.length === before;
      size = Math.max(1, Math.ceil(Math.min(size, rest.length) / 2));
    }
  }

  /** The groups without what went with others. */
  #stillIn(groups: readonly (readonly number[])[]): number[][] {
    const places = new Set(this.#smallest!.places);
    return groups.map((group) => group.filter((place) => places.has(place)))
      .filter((group) => group.length > 0);
  }

  /** Whether the candidate of these inputs shows what is looked for: then it is the smallest one. */
  async #isShown(places: readonly number[]): Promise<boolean> {
    const asked = this.#keyOf(places);
    if (this.#refused.has(asked)) return false;
    await this.#takeTurn();
    const candidate = await this.#candidates.candidate(places);
    const key = candidate && this.#keyOf(candidate.places);
    if (key === undefined || this.#refused.has(key)) {
      this.#refused.add(asked);
      return false;
    }
    if (this.tests >= this.#maxTests) {
      this.#hasMore = true;
      return false;
    }
    this.tests++;
    const { bundle } = candidate!;
    const isShown = await this.#unlessAborted((async () => await this.#predicate(bundle))());
    if (isShown) this.#smallest = candidate;
    else this.#refused.add(asked).add(key);
    if (this.#smallest !== undefined) {
      const { tests } = this;
      const inputs = inputsOf(this.#smallest.bundle);
      this.#onProgress?.({ tests, inputs, bundle: this.#smallest.bundle });
    }
    return isShown;
  }

  async #takeTurn(): Promise<void> {
    if (performance.now() - this.#lastTurn >= TURN_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      this.#lastTurn = performance.now();
    }
    this.#signal?.throwIfAborted();
  }

  /** A bit for each input that there is. */
  #keyOf(places: readonly number[]): string {
    const bits = new Uint16Array(Math.ceil(this.#candidates.session.inputs.length / BITS));
    for (const place of places) bits[Math.floor(place / BITS)]! |= 1 << place % BITS;
    return Array.from(bits, (unit) => String.fromCharCode(unit)).join("");
  }
}

/** How many inputs a character of a key tells of. */
const BITS = 16;

function inputsOf(bundle: CaptureBundle): number {
  return ("inputs" in bundle ? bundle.inputs : bundle.events).length;
}
