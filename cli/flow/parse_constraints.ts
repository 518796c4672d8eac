import {
  CONSTRAINT_NAMES,
  type ConstraintName,
  CONSTRAINTS,
  incompletePair,
  mapConstraints,
} from "../../_internal/constraints.ts";
import { durationOfMs } from "../../_internal/event_time.ts";
import type { Constraints, Duration } from "../../supervisor/types.ts";
import { quoted } from "../text/printable.ts";
import { DEFAULT_CONSTRAINTS } from "./flow.ts";
import { durationIn, type Fail } from "./flow_values.ts";
import type { Json } from "./parse_jsonc.ts";

/**
 * Reads the constraints of a flow: names as on the wire, durations as text. What is left out is as
 * in {@linkcode DEFAULT_CONSTRAINTS}.
 */
export function parseConstraints(
  value: Json | undefined,
  fail: Fail,
): Constraints {
  if (value === undefined) return DEFAULT_CONSTRAINTS;
  if (!(value instanceof Map)) return fail('"constraints" must be an object');
  // Counts first, as the help says them.
  const known = CONSTRAINT_NAMES.toSorted((a, b) => rank(a) - rank(b));
  const stated = new Map<ConstraintName, number | Duration>();
  for (const [key, given] of value) {
    const name = known.find((name) => name === key);
    if (name === undefined) {
      const names = known.join(", ");
      return fail(`"constraints" has the unknown key ${quoted(key)}: known are ${names}`);
    }
    const { kind, flowLeast: least = 0 } = CONSTRAINTS[name];
    const isCount = kind === "count";
    stated.set(name, isCount ? count(name, given, { least, fail }) : duration(name, given, fail));
  }
  const constraints = mapConstraints((_, name) => stated.get(name) ?? DEFAULT_CONSTRAINTS[name]);
  const pair = incompletePair(constraints);
  if (pair !== undefined) {
    fail(`"constraints" has only one of ${pair.join(" and ")}: give both, or none`);
  }
  return constraints as Constraints;
}

function rank(name: ConstraintName): number {
  return CONSTRAINTS[name].kind === "count" ? 0 : 1;
}

function count(
  name: string,
  value: Json,
  { least, fail }: { least: number; fail: Fail },
): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
  return fail(`the constraint ${name} must be a whole number from ${least} on`);
}

function duration(name: string, value: Json, fail: Fail): Duration {
  const shown = `the constraint ${name} is ${quoted(value)}, which`;
  const milliseconds = durationIn(value, { shown, fail });
  return durationOfMs(milliseconds);
}
