import type { Backoff, Constraints, Duration, SupervisorMode, SupervisorRules } from "../types.ts";
import {
  checkDuration,
  checkInteger,
  checkKeys,
  checkObject,
  checkOneOf,
  checkString,
  orNull,
} from "./check.ts";

/** Rules with everything said: null = no such limit. */
export interface Rules {
  readonly graphId: string;
  readonly mode: SupervisorMode;
  readonly constraints: Constraints;
  readonly maxDeferred: number | null;
  readonly backoff: Backoff | null;
}

const MODES: readonly SupervisorMode[] = ["serial", "concurrent"];
const CONSTRAINTS = ["max_in_flight", "max_per_window", "rate_window", "deadline", "max_retries"];
const BACKOFF = ["initial", "factor", "max"];

/** Checks rules and says what they leave out. Errors name the field. */
export function readRules(rules: { [field in keyof SupervisorRules]: unknown }): Rules {
  const { graphId, constraints, mode = "serial", maxDeferred, backoff } = rules;
  return Object.freeze({
    graphId: checkString(graphId, "graphId"),
    mode: checkOneOf(mode, "mode", MODES),
    constraints: readConstraints(constraints),
    maxDeferred: orNull(maxDeferred, "maxDeferred", checkInteger),
    backoff: orNull(backoff, "backoff", readBackoff),
  });
}

function readConstraints(value: unknown): Constraints {
  const constraints = checkObject(value, "constraints");
  checkKeys(constraints, "constraints", CONSTRAINTS);
  const integer = (key: string) => orNull(constraints[key], `constraints.${key}`, checkInteger);
  const duration = (key: string) => orNull(constraints[key], `constraints.${key}`, checkDuration);
  return Object.freeze({
    max_in_flight: integer("max_in_flight"),
    max_per_window: integer("max_per_window"),
    rate_window: duration("rate_window"),
    deadline: duration("deadline"),
    max_retries: checkInteger(constraints.max_retries, "constraints.max_retries"),
  });
}

function readBackoff(value: unknown, name: string): Backoff {
  const backoff = checkObject(value, name);
  checkKeys(backoff, name, BACKOFF);
  const factor = checkInteger(backoff.factor, `${name}.factor`);
  if (factor < 1 || factor > 1_000) {
    throw new RangeError(`Cannot use ${name}.factor: expected 1 to 1000, got ${factor}`);
  }
  const duration = (key: string): Duration => checkDuration(backoff[key], `${name}.${key}`);
  return Object.freeze({ initial: duration("initial"), factor, max: duration("max") });
}
