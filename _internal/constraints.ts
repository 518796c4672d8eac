import type { Duration } from "./event_time.ts";

/**
 * The limits a supervisor keeps, in one table. The supervisor's checks, the codecs of capture bundles
 * and journals, the parser of flow files and the texts of the command all read it: a new constraint is
 * a member of {@linkcode Constraints}, a row of {@linkcode CONSTRAINTS}, and its rule in the core.
 *
 * It is here, and not in `supervisor/core/rules.ts`, because no module imports a value of another one.
 */

/** The limits a supervisor keeps, as on the wire. `null` = no such limit. */
export interface Constraints {
  /** How many episodes may be in flight. Only 0 has an effect in `"serial"` mode (SCH-6). */
  readonly max_in_flight: number | null;
  /** How many episodes may start within `rate_window`; one is not given without the other (SCH-15). */
  readonly max_per_window: number | null;
  /** The length of the sliding window. */
  readonly rate_window: Duration | null;
  /**
   * How long an attempt may take, from the call of its invoker on. Exactly 0 makes a well-behaved
   * invoker answer `Aborted`.
   */
  readonly deadline: Duration | null;
  /** How many further attempts a mechanical failure gets (INV-1, INV-2). */
  readonly max_retries: number;
}

/** The name of a constraint. */
export type ConstraintName = keyof Constraints;

/** What is known of a constraint. */
interface ConstraintRow {
  readonly kind: "count" | "duration";
  /** Whether it has to be given; otherwise null, or nothing, is no limit. */
  readonly isRequired?: true;
  /** The constraint with which it is one limit: neither is given alone. */
  readonly needs?: ConstraintName;
  /** The least count that a flow file may ask for. Of durations it is more than nothing. */
  readonly flowLeast?: number;
  /** What a flow file that does not name it gets; otherwise null. */
  readonly flowDefault?: number;
  /** The reason of a decision that it stands in the way of, with the number that is held against it. */
  readonly obstacle?: {
    readonly reason: "saturated" | "rate_limited";
    readonly counts: "in_flight" | "in_window";
    /** What is waited for then, for people. */
    readonly awaits: string;
    /** What the number counts, for people: `2 of 2 taken`. */
    readonly words: string;
  };
}

/** Every constraint, in the order of the wire. */
export const CONSTRAINTS: { readonly [name in ConstraintName]: ConstraintRow } = {
  max_in_flight: {
    kind: "count",
    flowLeast: 1,
    obstacle: { reason: "saturated", counts: "in_flight", awaits: "a free place", words: "taken" },
  },
  max_per_window: {
    kind: "count",
    needs: "rate_window",
    flowLeast: 1,
    obstacle: {
      reason: "rate_limited",
      counts: "in_window",
      awaits: "the rate limit",
      words: "begun in the window",
    },
  },
  rate_window: { kind: "duration", needs: "max_per_window" },
  deadline: { kind: "duration" },
  max_retries: { kind: "count", isRequired: true, flowLeast: 0, flowDefault: 0 },
};

/** The names of all constraints, in the order of the wire. */
export const CONSTRAINT_NAMES = Object.keys(CONSTRAINTS) as ConstraintName[];

/** A record with something for each constraint, in the order of the wire. */
export function mapConstraints<T>(
  make: (row: ConstraintRow, name: ConstraintName) => T,
): Record<ConstraintName, T> {
  const entries = CONSTRAINT_NAMES.map((name) => [name, make(CONSTRAINTS[name], name)] as const);
  return Object.fromEntries(entries) as Record<ConstraintName, T>;
}

/** Constraints with everything said: what is left out is no limit. It shares nothing with what was given. */
export function completeConstraints(given: Partial<Constraints>): Constraints {
  return mapConstraints((_, name) => {
    const value = given[name] ?? null;
    return typeof value === "object" && value !== null
      ? { secs: value.secs, nanos: value.nanos }
      : value;
  }) as unknown as Constraints;
}

/** Two constraints of which only one is given, though each needs the other; undefined when none are. */
export function incompletePair(
  constraints: { readonly [name in ConstraintName]: unknown },
): readonly [ConstraintName, ConstraintName] | undefined {
  for (const name of CONSTRAINT_NAMES) {
    const { needs } = CONSTRAINTS[name];
    if (needs === undefined) continue;
    if ((constraints[name] === null) !== (constraints[needs] === null)) return [name, needs];
  }
  return undefined;
}

/**
 * Recorded constraints as limits. The original program took one of a pair alone, which limited nothing
 * (SCH-8); here a caller must not give it, but what was recorded with it still holds.
 */
export function limitsOf(recorded: Constraints): Constraints {
  const pair = incompletePair(recorded);
  return pair === undefined ? recorded : { ...recorded, [pair[0]]: null, [pair[1]]: null };
}
