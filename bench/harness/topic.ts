import type { Rounds, Spread } from "./rounds.ts";

/** A quotient with what this project promises about it. */
export interface Ratio {
  /** What is divided by what. */
  what: string;
  /** What the rounds said. */
  spread: Spread;
  /** The promise: not more than this. */
  atMost?: number;
  /** The promise: not less than this. */
  atLeast?: number;
}

/** A figure that is not a time. */
export interface Fact {
  /** What was measured. */
  what: string;
  /** Its value with its unit. */
  value: string;
}

/** What a topic found. */
export interface Findings {
  /** The times of all cases; for the topics that have cases. */
  rounds?: Rounds;
  /** What one operation is, as in "an event". */
  operation: string;
  /** The quotients. */
  ratios: Ratio[];
  /** Further figures. */
  facts?: Fact[];
}

/** Something to measure, by a name that can be given to `deno task bench`. */
export interface Topic {
  /** The name. */
  name: string;
  /** What it is about. */
  title: string;
  /** Measures it. */
  measure(): Promise<Findings>;
}

/** One case for another, with its promise. */
export function ratioOf(
  rounds: Rounds,
  names: { of: string; to: string },
  promise: { atMost?: number; atLeast?: number } = {},
): Ratio {
  const { of, to } = names;
  return { what: `${of} ÷ ${to}`, spread: rounds.ratio(of, to), ...promise };
}

/** Whether the promise was kept; undefined without one. */
export function isMet({ spread, atMost, atLeast }: Ratio): boolean | undefined {
  if (atMost !== undefined) return spread.median <= atMost;
  if (atLeast !== undefined) return spread.median >= atLeast;
  return undefined;
}
