import {
  CONSTRAINT_NAMES,
  incompletePair,
  limitsOf,
  mapConstraints,
} from "../../_internal/constraints.ts";
import {
  checkDuration,
  checkInteger,
  checkKeys,
  checkObject,
  checkOneOf,
  checkString,
  describe,
  isOneOf,
  orNull,
} from "../../_internal/errors.ts";
import {
  compareTimes,
  durationBetween,
  earlierOf,
  hasElapsed,
  multiplyDuration,
} from "../../_internal/event_time.ts";
import { ERROR_KINDS, MODES, PLAIN_TERMINATIONS } from "../../_internal/wire_names.ts";
import type {
  Backoff,
  Constraints,
  Duration,
  EventTime,
  ExternalEvent,
  RunTermination,
  SupervisorMode,
  SupervisorRules,
} from "../types.ts";
import { Fifo } from "./deferred_queue.ts";

/** Rules with everything said: null = no such limit. */
export interface Rules {
  readonly graphId: string;
  readonly mode: SupervisorMode;
  readonly constraints: Constraints;
  readonly maxDeferred: number | null;
  readonly backoff: Backoff | null;
}

const BACKOFF = ["initial", "factor", "max"];

/**
 * Checks rules and says what they leave out. Errors name the field. `isRecorded`: they are not a caller's,
 * but those that a saved state was made with.
 */
export function readRules(
  rules: { [field in keyof SupervisorRules]: unknown },
  { isRecorded = false }: { isRecorded?: boolean } = {},
): Rules {
  const { graphId, constraints, mode = "serial", maxDeferred, backoff } = rules;
  return Object.freeze({
    graphId: checkString(graphId, "graphId"),
    mode: checkOneOf(mode, "mode", MODES),
    constraints: Object.freeze(
      isRecorded ? limitsOf(readConstraints(constraints)) : checkPair(readConstraints(constraints)),
    ),
    maxDeferred: orNull(maxDeferred, "maxDeferred", checkInteger),
    backoff: orNull(backoff, "backoff", readBackoff),
  });
}

function readConstraints(value: unknown): Constraints {
  const constraints = checkObject(value, "constraints");
  checkKeys(constraints, "constraints", CONSTRAINT_NAMES);
  const checked = mapConstraints<unknown>(({ kind, isRequired }, name) => {
    const check: (value: unknown, name: string) => unknown = kind === "count"
      ? checkInteger
      : checkDuration;
    const path = `constraints.${name}`;
    return isRequired ? check(constraints[name], path) : orNull(constraints[name], path, check);
  });
  return checked as unknown as Constraints;
}

function checkPair(constraints: Constraints): Constraints {
  const pair = incompletePair(constraints);
  if (pair === undefined) return constraints;
  throw new TypeError(
    `Cannot use constraints: they have only one of ${pair.join(" and ")}: give both, or none`,
  );
}

/** How long retries wait, checked. Errors name the field. */
export function readBackoff(value: unknown, name: string): Backoff {
  const backoff = checkObject(value, name);
  checkKeys(backoff, name, BACKOFF);
  const factor = checkInteger(backoff.factor, `${name}.factor`);
  if (factor < 1 || factor > 1_000) {
    throw new RangeError(`Cannot use ${name}.factor: expected 1 to 1000, got ${factor}`);
  }
  const duration = (key: string): Duration => checkDuration(backoff[key], `${name}.${key}`);
  return Object.freeze({ initial: duration("initial"), factor, max: duration("max") });
}

/** How an episode is tried: as its event says, and otherwise by the rules. A Pump without one has none. */
export function retryRulesOf(
  { constraints, backoff }: Rules,
  origin: ExternalEvent | undefined,
): { maxRetries: number; deadline: Duration | null; backoff: Backoff | null } {
  const own = origin?.retry;
  return {
    maxRetries: own?.max_retries ?? constraints.max_retries,
    deadline: own?.deadline ?? constraints.deadline,
    backoff: own?.backoff ?? backoff,
  };
}

/** How an attempt ended. */
export function checkTermination(value: unknown, name: string): RunTermination {
  if (isOneOf(PLAIN_TERMINATIONS, value)) return value;
  if (typeof value === "object" && value !== null && "Failed" in value) {
    if (Object.keys(value).length === 1 && isOneOf(ERROR_KINDS, value.Failed)) {
      return value as RunTermination;
    }
  }
  throw new TypeError(`Cannot use ${name}: expected a RunTermination, got ${describe(value)}`);
}

/** Whether a termination is a mechanical failure, which alone is tried again (INV-1, SUP-4). */
export function isRetryable(termination: RunTermination): boolean {
  if (termination === "TimedOut") return true;
  if (typeof termination === "string") return false;
  const kind = termination.Failed;
  return kind === "NetworkTimeout" || kind === "AdapterUnavailable" || kind === "RuntimeError";
}

/** How long the n-th retry waits, n = 1 being the first. */
export function backoffDelay(backoff: Backoff, retry: number): Duration {
  let delay = earlierOf(backoff.initial, backoff.max);
  for (let made = 1; made < retry; made++) {
    const longer = earlierOf(multiplyDuration(delay, backoff.factor), backoff.max);
    if (compareTimes(longer, delay) === 0) return delay;
    delay = longer;
  }
  return delay;
}

/** The sliding window of the rate limit (SCH-15): when the latest episodes started. */
export class RateWindow {
  /** The limits; null unless both are set, for then nothing is limited and nothing remembered. */
  readonly #limit: { max: number; window: Duration } | null;
  readonly #starts = new Fifo<EventTime>();

  constructor(constraints: Constraints) {
    const { max_per_window: max, rate_window: window } = constraints;
    this.#limit = max === null || window === null ? null : { max, window };
  }

  /** How many episodes started within the window that ends now. */
  countAt(now: EventTime): number {
    return this.#starts.length - this.#expiredAt(now);
  }

  /** How long the next episode has to wait; null when it may start. */
  delayAt(now: EventTime): Duration | null {
    if (this.#limit === null) return null;
    const expired = this.#expiredAt(now);
    const oldest = this.#starts.at(expired);
    if (oldest === undefined || this.#starts.length - expired < this.#limit.max) return null;
    return durationBetween(durationBetween(oldest, now), this.#limit.window);
  }

  /** Forgets what lies before the window that ends now: the clock does not go back. */
  advance(now: EventTime): void {
    for (let expired = this.#expiredAt(now); expired > 0; expired--) this.#starts.shift();
  }

  /** Counts an episode that starts now. */
  addStart(now: EventTime): void {
    if (this.#limit !== null) this.#starts.push(now);
  }

  /** The remembered starts, in order. */
  toArray(): EventTime[] {
    return this.#starts.toArray();
  }

  /** How many of the remembered starts the window that ends now has left behind. */
  #expiredAt(now: EventTime): number {
    if (this.#limit === null) return 0;
    let expired = 0;
    for (let start = this.#starts.at(0); start !== undefined; start = this.#starts.at(++expired)) {
      if (!hasElapsed(start, this.#limit.window, now)) break;
    }
    return expired;
  }
}
