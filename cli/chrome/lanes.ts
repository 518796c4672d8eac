/**
 * Which lane what is drawn in: what is in one lane follows each other, and never overlaps, which viewers demand of a
 * thread. What begins first is given first, and takes the first lane that is free.
 */

/** The length of what has none, in milliseconds: of two things at one time viewers would mistake the order. */
const SHORTEST_MS = 0.001;

/** A number of lanes. */
export class Lanes {
  /** Where what is last in each lane ends. */
  readonly #ends: number[] = [];
  readonly #most: number;
  /** How many were given that there was no lane for. */
  left = 0;

  /** `most`: how many there are at the most. */
  constructor(most = Infinity) {
    this.#most = most;
  }

  /** The lane of what lasts from then to then, from 0; undefined where all are taken. */
  take(from: number, to: number): number | undefined {
    const free = this.#ends.findIndex((end) => end <= from);
    const lane = free === -1 ? this.#ends.length : free;
    if (lane >= this.#most) {
      this.left++;
      return undefined;
    }
    this.#ends[lane] = Math.max(to, from + SHORTEST_MS);
    return lane;
  }

  /** How many there are. */
  get count(): number {
    return this.#ends.length;
  }
}

/** How a number changes with what begins and ends: each time, and the number from then on. */
export function* changesOf(
  begins: readonly number[],
  ends: readonly number[],
): Generator<[at: number, count: number], void> {
  const up = Float64Array.from(begins).sort();
  const down = Float64Array.from(ends).sort();
  let [began, ended] = [0, 0];
  while (began < up.length || ended < down.length) {
    const at = Math.min(up[began] ?? Infinity, down[ended] ?? Infinity);
    while (up[began] === at) began++;
    while (down[ended] === at) ended++;
    yield [at, began - ended];
  }
}
