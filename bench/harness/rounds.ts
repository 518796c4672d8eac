/** One thing to measure against others. */
export interface Case {
  /** What the tables call it. */
  name: string;
  /** Does its work once, on fresh files, and tells the microseconds an operation took. */
  run(): number | Promise<number>;
}

/** A figure with the middle half of what the rounds said. */
export interface Spread {
  /** The median. */
  median: number;
  /** The lower quartile. */
  low: number;
  /** The upper quartile. */
  high: number;
}

/** What all cases took in all rounds. */
export class Rounds {
  readonly #microseconds: ReadonlyMap<string, readonly number[]>;

  constructor(microseconds: ReadonlyMap<string, readonly number[]>) {
    this.#microseconds = microseconds;
  }

  /** The names of the cases. */
  get names(): string[] {
    return [...this.#microseconds.keys()];
  }

  /** The microseconds of a case. */
  of(name: string): Spread {
    return spreadOf(this.#values(name));
  }

  /** What a case took for one of another: the quotient is taken within each round. */
  ratio(name: string, base: string): Spread {
    const bases = this.#values(base);
    return spreadOf(this.#values(name).map((value, round) => value / bases[round]!));
  }

  #values(name: string): readonly number[] {
    const values = this.#microseconds.get(name);
    if (values === undefined) throw new Error(`There is no case "${name}"`);
    return values;
  }
}

/**
 * Runs every case once a round, each round beginning with another one, so that no case always comes
 * first or behind the same neighbour. A round before the first one warms up and is dropped.
 */
export async function measureRounds(cases: readonly Case[], rounds: number): Promise<Rounds> {
  const microseconds = new Map<string, number[]>(cases.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (let step = 0; step < cases.length; step++) {
      const { name, run } = cases[(round + step) % cases.length]!;
      const value = await run();
      if (round > 0) microseconds.get(name)!.push(value);
    }
  }
  return new Rounds(microseconds);
}

/** The microseconds that one of `count` operations takes. */
export function timeEach(count: number, operation: (index: number) => void): number {
  const start = performance.now();
  for (let index = 0; index < count; index++) operation(index);
  return (performance.now() - start) * 1000 / count;
}

/** {@linkcode timeEach} for operations that are awaited one by one. */
export async function timeEachAwaited(
  count: number,
  operation: (index: number) => Promise<unknown>,
): Promise<number> {
  const start = performance.now();
  for (let index = 0; index < count; index++) await operation(index);
  return (performance.now() - start) * 1000 / count;
}

/** {@linkcode timeEach} for operations of which so many are at work at once. */
export async function timeEachTogether(
  { callers, count }: { callers: number; count: number },
  operation: (index: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const caller = async () => {
    while (next < count) await operation(next++);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  return (performance.now() - start) * 1000 / count;
}

/** The median and the quartiles. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.round((sorted.length - 1) * part)]!;
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}
