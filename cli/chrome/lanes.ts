/**
 * Which lane what is drawn in: what is in one lane follows each other, and never overlaps, which viewers demand of a
 * thread. What begins first is given first, and takes the first lane that is free.
 */

/** Records have whole milliseconds, so what came behind something may seem to have begun so much before its end. */
const INEXACT_US = 1000;

/** From when something is drawn and how long, in whole microseconds; viewers would mistake the order of what has no length. */
export interface Span {
  ts: number;
  dur: number;
}

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

  /** Where something is drawn: its lane, from 0, and when in that; undefined where all lanes are taken. */
  take({ ts, dur }: Span): Span & { lane: number } | undefined {
    const free = this.#ends.findIndex((end) => end <= ts + INEXACT_US);
    const lane = free === -1 ? this.#ends.length : free;
    if (lane >= this.#most) {
      this.left++;
      return undefined;
    }
    const begin = Math.max(ts, this.#ends[lane] ?? ts);
    const end = this.#ends[lane] = Math.max(ts + dur, begin + 1);
    return { lane, ts: begin, dur: end - begin };
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
