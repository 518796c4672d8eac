import { checkInteger, checkTermination } from "../core/check.ts";
import { compareTimes, durationOfMs, ZERO } from "../core/event_time.ts";
import type { Rules } from "../core/rules.ts";
import type { Attempt } from "../core/supervisor_core.ts";
import type {
  AttemptRef,
  Duration,
  RunRequest,
  RunTermination,
  SupervisorPorts,
} from "../types.ts";
import { awaitAnswer, callInvoker } from "./inside_run.ts";
import { type RunningAttempt, RunningAttempts } from "./running_attempts.ts";

/** Whom an {@linkcode AttemptRunner} tells. */
export interface AttemptListener {
  /** An attempt ended: by its answer, by being given up, or by not being made. */
  onEnd: (attempt: Attempt, termination: RunTermination) => void;
  /** A port failed that may not fail. */
  onFailure: (error: unknown) => void;
}

const DEFAULT_GRACE_MS = 5_000;
const ANSWER = "the invoker's answer";
const RUNTIME_ERROR: RunTermination = Object.freeze({ Failed: "RuntimeError" });

/** Has attempts made by the invoker. Each ends once; whatever comes after that is a late answer. */
export class AttemptRunner {
  readonly #rules: Rules;
  readonly #ports: SupervisorPorts;
  readonly #listener: AttemptListener;
  readonly #running: RunningAttempts;

  constructor(rules: Rules, ports: SupervisorPorts, listener: AttemptListener) {
    this.#rules = rules;
    this.#ports = ports;
    this.#listener = listener;
    this.#running = new RunningAttempts({
      ...checkPorts(ports, rules),
      timers: ports.timers,
      onGivenUp: ({ attempt }, termination) => listener.onEnd(attempt, termination),
    });
  }

  /** How many attempts wait for their answers. */
  get size(): number {
    return this.#running.size;
  }

  /** Makes an attempt. Once the signal has aborted no invoker is called: it ends as `Aborted`. */
  start(attempt: Attempt): void {
    const { invoker, signal } = this.#ports;
    if (signal?.aborted) return this.#listener.onEnd(attempt, "Aborted");
    const controller = new AbortController();
    let answer: RunTermination | PromiseLike<RunTermination>;
    try {
      answer = callInvoker(invoker, this.#requestOf(attempt, controller.signal));
      if (!isPromiseLike(answer)) checkTermination(answer, ANSWER);
    } catch (error) {
      return this.#end(attempt, RUNTIME_ERROR, { error });
    }
    if (!isPromiseLike(answer)) return this.#end(attempt, answer);
    const running = { attempt, controller };
    awaitAnswer(answer, {
      onAnswer: (termination) => this.#onAnswer(running, termination),
      onThrown: (error) => this.#onThrown(running, error),
    });
    this.#running.add(running);
  }

  /** Ends an attempt from outside, and says whether it was being made. */
  end(episodeId: number, attempt: number): boolean {
    const running = this.#running.find(episodeId, attempt);
    return running !== undefined && this.#running.end(running);
  }

  /** Aborts all signals; what does not answer within the grace ends as `Aborted`. */
  abort(reason: unknown): void {
    this.#running.abort(reason);
  }

  /** Aborts all signals and waits for nothing. */
  abandon(reason: unknown): void {
    this.#running.abandon(reason);
  }

  #requestOf({ origin, episodeId, attempt }: Attempt, signal: AbortSignal): RunRequest {
    const { graphId, constraints: { deadline } } = this.#rules;
    const { id: eventId, context } = origin;
    const request = { graphId, eventId, episodeId, attempt, context, signal };
    return deadline === null ? request : { ...request, deadline };
  }

  #onAnswer(running: RunningAttempt, answer: unknown): void {
    let termination: RunTermination;
    try {
      termination = checkTermination(answer, ANSWER);
    } catch (error) {
      return this.#onThrown(running, error);
    }
    if (this.#running.end(running)) this.#end(running.attempt, termination);
    else this.#tellLate(running.attempt, termination);
  }

  #onThrown(running: RunningAttempt, error: unknown): void {
    if (this.#running.end(running)) this.#end(running.attempt, RUNTIME_ERROR, { error });
    else this.#tellLate(running.attempt, RUNTIME_ERROR, { error });
  }

  #tellLate(attempt: Attempt, termination: RunTermination, thrown?: { error: unknown }): void {
    this.#callBack(() => this.#ports.onLate?.({ ...refOf(attempt), termination, ...thrown }));
  }

  #end(attempt: Attempt, termination: RunTermination, thrown?: { error: unknown }): void {
    this.#listener.onEnd(attempt, termination);
    if (thrown === undefined) return;
    this.#callBack(() => this.#ports.onInvokerError?.({ ...refOf(attempt), ...thrown }));
  }

  /** What a callback throws stops the supervisor. */
  #callBack(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#listener.onFailure(error);
    }
  }
}

/** An attempt as the outside knows it. */
export function refOf({ episodeId, attempt, origin }: Attempt): AttemptRef {
  return { eventId: origin.id, episodeId, attempt };
}

function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === "object" && value !== null && "then" in value;
}

/** Refuses ports that would fail later, and says how long attempts may take. */
function checkPorts(
  ports: SupervisorPorts,
  { mode, constraints: { deadline } }: Rules,
): { deadline: Duration | null; grace: Duration } {
  const { decisionLog, invoker, timers, deadlineGraceMs = DEFAULT_GRACE_MS } = ports;
  checkMethods(decisionLog, "decisionLog", ["log"]);
  checkMethods(invoker, "invoker", ["run"]);
  if (ports.inputLog !== undefined) checkMethods(ports.inputLog, "inputLog", ["record"]);
  if (timers !== undefined) checkMethods(timers, "timers", ["now", "setTimer"]);
  const grace = durationOfMs(checkInteger(deadlineGraceMs, "deadlineGraceMs"));
  if (deadline === null || compareTimes(deadline, ZERO) === 0) return { deadline: null, grace };
  if (timers === undefined && mode === "concurrent") {
    throw new TypeError("Cannot keep constraints.deadline: give timers, such as systemTimers");
  }
  return { deadline: timers === undefined ? null : deadline, grace };
}

function checkMethods(port: object, name: string, methods: readonly string[]): void {
  for (const method of methods) {
    const found: unknown = (port as Record<string, unknown> | undefined)?.[method];
    if (typeof found !== "function") {
      throw new TypeError(`Cannot use ${name}: it has no method ${method}`);
    }
  }
}
