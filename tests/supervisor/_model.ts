/**
 * The scheduler once more, slowly, written from the rules of the seed and of the design and not from
 * the code: lists that are searched and sorted, times as nanoseconds in a bigint, nothing forgotten.
 */
import type {
  Backoff,
  Constraints,
  DecisionLogEntry,
  Duration,
  ExternalEvent,
  RunTermination,
  SupervisorInput,
  SupervisorMode,
} from "../../supervisor/mod.ts";

/** The rules of a model; null = no such limit. */
export interface ModelRules {
  graphId: string;
  mode: SupervisorMode;
  constraints: Constraints;
  maxDeferred: number | null;
  backoff: Backoff | null;
}

/** An attempt that the model has started. */
export interface ModelAttempt {
  episode: number;
  attempt: number;
  origin: ExternalEvent;
  trigger: ExternalEvent;
  defers: number;
  /** The serial entry, as it will be but for its end. */
  entry: DecisionLogEntry;
}

interface Waiting {
  due: bigint;
  episode: number;
  origin: ExternalEvent;
  defers: number;
  attempts: number;
}

const SECOND = 1_000_000_000n;
/** SCH-18: where time saturates. */
const END = BigInt(Number.MAX_SAFE_INTEGER) * SECOND + SECOND - 1n;

function nanosOf({ secs, nanos }: Duration): bigint {
  return BigInt(secs) * SECOND + BigInt(nanos);
}

function timeOf(nanos: bigint): Duration {
  return { secs: Number(nanos / SECOND), nanos: Number(nanos % SECOND) };
}

function saturated(nanos: bigint): bigint {
  return nanos > END ? END : nanos;
}

/** See the head of the file. */
export class Model {
  readonly #rules: ModelRules;
  #clock = 0n;
  #episodes = 0;
  #starts: bigint[] = [];
  #waiting: Waiting[] = [];
  running: ModelAttempt[] = [];

  constructor(rules: ModelRules) {
    this.#rules = rules;
  }

  /** What one input leads to. */
  take(input: SupervisorInput): { entry?: DecisionLogEntry; start?: ModelAttempt } {
    if (input.type === "event") {
      this.#clock = this.#later(nanosOf(input.event.at));
      return input.event.kind === "Pump" ? this.#pump(input.event) : this.#admit(input.event);
    }
    if (input.type === "withdraw") {
      this.#clock = this.#later(nanosOf(input.at));
      return { entry: this.#withdraw(input.episode_id) };
    }
    if (this.#rules.mode === "concurrent") this.#clock = this.#later(nanosOf(input.at));
    const ended = this.running.find(({ episode }) => episode === input.episode_id);
    if (ended?.attempt !== input.attempt) throw new Error("the test ended what does not run");
    return this.#end(ended, input.termination);
  }

  #later(time: bigint): bigint {
    return time > this.#clock ? time : this.#clock;
  }

  /** SCH-15: the starts that the window still holds. */
  #inWindow(): bigint[] {
    const { max_per_window: max, rate_window: window } = this.#rules.constraints;
    if (max === null || window === null) return [];
    return this.#starts.filter((start) => this.#clock - start < nanosOf(window));
  }

  /** Why nothing may start, and until when: SCH-6, then SCH-7. */
  #obstacle(): { reason: "saturated" | "rate_limited"; until: bigint } | null {
    const { max_in_flight: slots, max_per_window: max, rate_window } = this.#rules.constraints;
    const occupied = this.#rules.mode === "serial" ? 0 : this.running.length;
    if (slots !== null && occupied >= slots) return { reason: "saturated", until: this.#clock };
    const [front, ...others] = this.#inWindow();
    if (front === undefined || 1 + others.length < max!) return null;
    const delay = nanosOf(rate_window!) - (this.#clock - front);
    return { reason: "rate_limited", until: saturated(this.#clock + delay) };
  }

  #admit(event: ExternalEvent): { entry?: DecisionLogEntry; start?: ModelAttempt } {
    const episode = this.#episodes++;
    const obstacle = this.#obstacle();
    const told = { event, origin: event, episode, attempts: 0 };
    if (obstacle === null) return this.#start({ ...told, defers: 0 }, "admitted");
    const { maxDeferred } = this.#rules;
    if (maxDeferred !== null && this.#waiting.length >= maxDeferred) {
      return { entry: this.#entry("Skip", { ...told, reason: "queue_full", defers: 0 }) };
    }
    const { reason, until } = obstacle;
    const entry = this.#entry("Defer", { ...told, reason, until, defers: 1 });
    this.#waiting.push({ due: until, episode, origin: event, defers: 1, attempts: 0 });
    return { entry };
  }

  #pump(event: ExternalEvent): { entry?: DecisionLogEntry; start?: ModelAttempt } {
    const due = this.#inOrder()[0];
    if (due === undefined || due.due > this.#clock) {
      const episode = this.#episodes++;
      const told = { event, origin: null, episode, attempts: 0, defers: 0 };
      return { entry: this.#entry("Defer", { ...told, reason: "nothing_due" }) };
    }
    const { episode, origin, attempts } = due;
    const obstacle = this.#obstacle();
    if (obstacle === null) {
      const result = this.#start({ event, origin, episode, attempts, defers: due.defers }, "due");
      this.#waiting = this.#waiting.filter((one) => one !== due);
      return result;
    }
    const { reason, until } = obstacle;
    const told = { event, origin, episode, attempts, reason, until, defers: due.defers + 1 };
    const entry = this.#entry("Defer", told);
    due.due = until;
    due.defers++;
    return { entry };
  }

  /** The ids of what waits, in no order. */
  get waiting(): number[] {
    return this.#waiting.map(({ episode }) => episode);
  }

  #withdraw(episode: number): DecisionLogEntry {
    const gone = this.#waiting.find((one) => one.episode === episode);
    if (gone === undefined) throw new Error("the test withdrew what does not wait");
    const { origin, attempts, defers } = gone;
    const told = { event: origin, origin, episode, attempts, defers, reason: "withdrawn" } as const;
    const entry = this.#entry("Skip", told);
    this.#waiting = this.#waiting.filter((one) => one !== gone);
    return entry;
  }

  #inOrder(): Waiting[] {
    return this.#waiting.toSorted((a, b) =>
      a.due < b.due ? -1 : a.due > b.due ? 1 : a.episode - b.episode
    );
  }

  #start(
    { event, origin, episode, attempts, defers }: {
      event: ExternalEvent;
      origin: ExternalEvent;
      episode: number;
      attempts: number;
      defers: number;
    },
    reason: "admitted" | "due",
  ): { entry?: DecisionLogEntry; start: ModelAttempt } {
    const told = { event, origin, episode, attempts: attempts + 1, defers, reason };
    const entry = this.#entry("Invoke", told);
    const start = { episode, attempt: attempts + 1, origin, trigger: event, defers, entry };
    const { max_per_window: max, rate_window: window } = this.#rules.constraints;
    if (max !== null && window !== null) this.#starts.push(this.#clock);
    this.running.push(start);
    return this.#rules.mode === "serial" ? { start } : { entry, start };
  }

  /** INV-1, INV-2, and the design's rules for what comes after an attempt. */
  #end(
    ended: ModelAttempt,
    answer: RunTermination,
  ): { entry?: DecisionLogEntry; start?: ModelAttempt } {
    const { mode, maxDeferred } = this.#rules;
    const backoff = ended.origin.retry?.backoff ?? this.#rules.backoff;
    const maxRetries = ended.origin.retry?.max_retries ?? this.#rules.constraints.max_retries;
    const { episode, attempt, origin, trigger: event, defers } = ended;
    const told = { event, origin, episode, attempts: attempt, defers, answer };
    const mechanical = answer === "TimedOut" || (typeof answer === "object" &&
      ["NetworkTimeout", "AdapterUnavailable", "RuntimeError"].includes(answer.Failed));
    const again = mechanical && attempt - 1 < maxRetries;
    if (!again) {
      const reason = answer === "Completed"
        ? "completed"
        : mechanical
        ? "retries_exhausted"
        : "not_retryable";
      const entry = mode === "serial"
        ? this.#serialEnd(ended, answer)
        : this.#entry("Finish", { ...told, reason, over: true });
      this.#leave(ended);
      return { entry };
    }
    if (backoff === null) {
      const attempts = attempt + 1;
      const entry = this.#entry("Invoke", { ...told, attempts, reason: "retry" });
      const start = { ...ended, attempt: attempts };
      this.running[this.running.indexOf(ended)] = start;
      return mode === "serial" ? { start } : { entry, start };
    }
    if (maxDeferred !== null && this.#waiting.length >= maxDeferred) {
      const entry = this.#entry("Skip", { ...told, reason: "queue_full", over: true });
      this.#leave(ended);
      return { entry };
    }
    let wait = nanosOf(backoff.initial);
    for (let retry = 1; retry < attempt; retry++) wait *= BigInt(backoff.factor);
    if (wait > nanosOf(backoff.max)) wait = nanosOf(backoff.max);
    const until = saturated(this.#clock + wait);
    const entry = this.#entry("Defer", { ...told, reason: "backoff", until, defers: defers + 1 });
    this.#leave(ended);
    this.#waiting.push({ due: until, episode, origin, defers: defers + 1, attempts: attempt });
    return { entry };
  }

  #leave(ended: ModelAttempt): void {
    this.running = this.running.filter((one) => one !== ended);
  }

  #serialEnd({ entry, attempt }: ModelAttempt, answer: RunTermination): DecisionLogEntry {
    return {
      ...entry,
      termination: answer,
      attemptTermination: answer,
      retry_count: attempt - 1,
    };
  }

  #entry(
    decision: DecisionLogEntry["decision"],
    told: {
      event: ExternalEvent;
      origin: ExternalEvent | null;
      episode: number;
      attempts: number;
      defers: number;
      reason: DecisionLogEntry["reason"];
      until?: bigint;
      answer?: RunTermination;
      over?: boolean;
    },
  ): DecisionLogEntry {
    const { event, origin, answer } = told;
    const next = this.#inOrder()[0];
    return {
      graph_id: this.#rules.graphId,
      event_id: event.id,
      event,
      decision,
      schedule_at: told.until === undefined ? null : timeOf(told.until),
      episode_id: told.episode,
      deadline: origin?.retry?.deadline ?? this.#rules.constraints.deadline,
      termination: told.over ? answer! : null,
      retry_count: told.attempts === 0 ? 0 : told.attempts - 1,
      attemptTermination: answer ?? null,
      reason: told.reason,
      numbers: {
        now: timeOf(this.#clock),
        in_flight: this.#rules.mode === "serial" ? 0 : this.running.length,
        in_window: this.#inWindow().length,
        deferred: this.#waiting.length,
        next_due: next === undefined ? null : timeOf(next.due),
        defer_count: told.defers,
        ...(origin?.retry?.max_retries !== undefined && {
          max_retries: origin.retry.max_retries,
        }),
      },
      originEventId: origin?.id ?? null,
    };
  }
}
