/** Random rules, events and answers for the properties. */
import {
  type Backoff,
  createEvent,
  type EventRetry,
  type EventTime,
  type ExternalEvent,
  type RunTermination,
  type SupervisorMode,
} from "../../supervisor/mod.ts";
import type { Random } from "../_util/random.ts";
import type { ModelRules } from "./_model.ts";

const ANSWERS: readonly RunTermination[] = [
  "Completed",
  "Completed",
  "Completed",
  "TimedOut",
  "Aborted",
  { Failed: "NetworkTimeout" },
  { Failed: "AdapterUnavailable" },
  { Failed: "RuntimeError" },
  { Failed: "SemanticError" },
  { Failed: "ValidationFailed" },
  { Failed: "DeadlineExceeded" },
  { Failed: "Cancelled" },
];

/** How an attempt ends. */
export function randomAnswer(random: Random): RunTermination {
  return random.pick(ANSWERS);
}

/** A short duration, in steps that often coincide. */
export function randomDuration(random: Random, steps = 20): EventTime {
  const halves = random.below(steps);
  const nanos = (halves % 2) * 500_000_000 + (random.chance(0.1) ? random.below(1_000) : 0);
  return { secs: Math.floor(halves / 2), nanos };
}

function randomBackoff(random: Random): Backoff {
  return {
    initial: randomDuration(random, 6),
    factor: 1 + random.below(4),
    max: randomDuration(random, 40),
  };
}

/** What an event says of how it is tried, if it says anything. */
export function randomRetry(random: Random): EventRetry {
  return {
    ...(random.chance(0.5) && { max_retries: random.below(4) }),
    ...(random.chance(0.5) && { deadline: randomDuration(random) }),
    ...(random.chance(0.5) && { backoff: randomBackoff(random) }),
  };
}

/** Rules of any kind, the extreme ones included. */
export function randomRules(random: Random, mode: SupervisorMode): ModelRules {
  const maybe = <T>(make: () => T): T | null => random.chance(0.5) ? make() : null;
  const isRateLimited = random.chance(0.5);
  return {
    graphId: "g",
    mode,
    constraints: {
      max_in_flight: maybe(() => random.below(4)),
      max_per_window: isRateLimited ? random.below(4) : null,
      rate_window: isRateLimited ? randomDuration(random) : null,
      deadline: null,
      max_retries: random.below(4),
    },
    maxDeferred: maybe(() => random.below(5)),
    backoff: maybe(() => randomBackoff(random)),
  };
}

/** A walk through event time that sometimes stands, leaps, goes back, and may come to its end. */
export class RandomEvents {
  readonly #random: Random;
  #now: EventTime;
  #count = 0;

  constructor(random: Random) {
    this.#random = random;
    const end = Number.MAX_SAFE_INTEGER;
    this.#now = random.chance(0.05) ? { secs: end - 20, nanos: 0 } : { secs: 0, nanos: 0 };
  }

  /** The next time. */
  time(): EventTime {
    const { secs, nanos } = randomDuration(this.#random, 8);
    const back = this.#random.chance(0.1) ? 5 : 0;
    const next = this.#now.secs + secs - back + (this.#random.chance(0.02) ? 1_000 : 0);
    const limit = Number.MAX_SAFE_INTEGER;
    return this.#now = { secs: Math.min(Math.max(next, 0), limit), nanos };
  }

  /** The next event. */
  next(): ExternalEvent {
    const kind = this.#random.chance(0.45)
      ? "Pump"
      : this.#random.pick(["Command", "DataAvailable"] as const);
    const own = kind === "Pump" || this.#random.chance(0.7)
      ? {}
      : { retry: randomRetry(this.#random) };
    return createEvent({ id: `e${this.#count++}`, kind, at: this.time(), ...own });
  }
}
