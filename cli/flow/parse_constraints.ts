import type { Constraints, Duration } from "../../supervisor/mod.ts";
import { parseDuration } from "../units.ts";
import { DEFAULT_CONSTRAINTS } from "./flow.ts";
import type { Json } from "./parse_json.ts";

/** The counts, and the least that each may be. */
const COUNTS = new Map([["max_in_flight", 1], ["max_per_window", 1], ["max_retries", 0]]);
const DURATIONS = ["rate_window", "deadline"];

/**
 * Reads the constraints of a flow: names as on the wire, durations as text. What is left out is as
 * in {@linkcode DEFAULT_CONSTRAINTS}.
 */
export function parseConstraints(
  value: Json | undefined,
  fail: (problem: string) => never,
): Constraints {
  if (value === undefined) return DEFAULT_CONSTRAINTS;
  if (!(value instanceof Map)) return fail('"constraints" must be an object');
  const constraints: Record<string, number | Duration | null> = { ...DEFAULT_CONSTRAINTS };
  for (const [name, stated] of value) {
    const least = COUNTS.get(name);
    if (least !== undefined) constraints[name] = count(name, stated, { least, fail });
    else if (DURATIONS.includes(name)) constraints[name] = duration(name, stated, fail);
    else {
      const known = [...COUNTS.keys(), ...DURATIONS].join(", ");
      fail(`"constraints" has the unknown key ${JSON.stringify(name)}: known are ${known}`);
    }
  }
  if ((constraints.max_per_window === null) !== (constraints.rate_window === null)) {
    fail('"constraints" has only one of max_per_window and rate_window: give both, or none');
  }
  return constraints as unknown as Constraints;
}

function count(
  name: string,
  value: Json,
  { least, fail }: { least: number; fail: (problem: string) => never },
): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
  return fail(`the constraint ${name} must be a whole number from ${least} on`);
}

function duration(name: string, value: Json, fail: (problem: string) => never): Duration {
  const shown = `the constraint ${name} is ${JSON.stringify(value)}, which`;
  const milliseconds = typeof value === "string"
    ? parseDuration(value)
    : { problem: 'is no text: write one, such as "30s"' };
  if (typeof milliseconds !== "number") return fail(`${shown} ${milliseconds.problem}`);
  if (milliseconds === 0) return fail(`${shown} leaves no time: leave it out, or write more`);
  return { secs: Math.floor(milliseconds / 1000), nanos: (milliseconds % 1000) * 1_000_000 };
}
