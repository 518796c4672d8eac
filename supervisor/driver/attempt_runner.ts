import { addDuration, compareTimes, durationOfMs, ZERO } from "../../_internal/event_time.ts";
import { checkInteger, checkTermination } from "../core/check.ts";
import type { Rules } from "../core/rules.ts";
import type { Attempt } from "../core/supervisor_core.ts";
import type {
  AttemptRef,
  Duration,
  EventTime,
  RunRequest,
  RunTermination,
  SupervisorPorts,
  Timers,
} from "../types.ts";
import { awaitAnswer, callInvoker } from "./inside_run.ts";

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

/** An attempt that an invoker is making. */
export interface RunningAttempt {
  readonly attempt: Attempt;
  readonly controller: AbortController;
}

/** What {@linkcode RunningAttempts} is given. */
export interface RunningAttemptsOptions {
  timers: Timers | undefined;
  /** How long an attempt may take; null = as long as it likes. */
  deadline: Duration | null;
  /** How long it may take to answer after its signal aborted; without timers that is no time. */
  grace: Duration;
  /** Told of an attempt that did not answer in time, and is no longer running. */
  onGivenUp: (given: RunningAttempt, termination: RunTermination) => void;
}

/** What an attempt meets when it does not end before. */
interface Alarm {
  readonly running: RunningAttempt;
  readonly at: EventTime;
}

/**
 * The attempts that invokers are making. When the deadline of one has passed its signal aborts; when
 * the grace has passed too it is given up. One timer serves them all: deadlines are equally long, and
 * so are graces, so each of these maps by episode is in the order of time. (A clock that is set back
 * breaks that order, and a deadline behind it may wait for the ones before.)
 */
export class RunningAttempts {
  readonly #options: RunningAttemptsOptions;
  readonly #running = new Map<number, RunningAttempt>();
  readonly #deadlines = new Map<number, Alarm>();
  readonly #graces = new Map<number, Alarm & { readonly termination: RunTermination }>();
  #aborted: { reason: unknown } | null = null;
  #timer: { at: EventTime; cancel: () => void } | null = null;

  constructor(options: RunningAttemptsOptions) {
    this.#options = options;
  }

  /** How many there are. */
  get size(): number {
    return this.#running.size;
  }

  /** The attempt with this number, if it is running. */
  find(episodeId: number, attempt: number): RunningAttempt | undefined {
    const running = this.#running.get(episodeId);
    return running?.attempt.attempt === attempt ? running : undefined;
  }

  /** Adds an attempt, whose deadline begins now. */
  add(running: RunningAttempt): void {
    const { episodeId } = running.attempt;
    this.#running.set(episodeId, running);
    if (this.#options.deadline !== null) {
      this.#deadlines.set(episodeId, { running, at: this.#after(this.#options.deadline) });
      this.#arm();
    }
    if (this.#aborted !== null) this.abort(this.#aborted.reason);
  }

  /** Takes an attempt out, and says whether it was still in. */
  end(running: RunningAttempt): boolean {
    const { episodeId } = running.attempt;
    if (this.#running.get(episodeId) !== running) return false;
    this.#running.delete(episodeId);
    if (this.#deadlines.delete(episodeId) || this.#graces.delete(episodeId)) this.#arm();
    return true;
  }

  /**
   * Aborts all signals, and those of attempts that are added later; what does not answer within the
   * grace is given up as `Aborted`.
   */
  abort(reason: unknown): void {
    this.#aborted = { reason };
    for (const running of [...this.#running.values()]) this.#abort(running, "Aborted", reason);
    this.#tick();
  }

  /** Aborts all signals and forgets the attempts. */
  abandon(reason: unknown): void {
    const abandoned = [...this.#running.values()];
    this.#running.clear();
    this.#deadlines.clear();
    this.#graces.clear();
    this.#arm();
    for (const { controller } of abandoned) controller.abort(reason);
  }

  #abort(running: RunningAttempt, termination: RunTermination, reason: unknown): void {
    const { episodeId } = running.attempt;
    if (this.#graces.has(episodeId)) return;
    this.#deadlines.delete(episodeId);
    this.#graces.set(episodeId, { running, at: this.#after(this.#options.grace), termination });
    running.controller.abort(reason);
  }

  /** Does what has come due. */
  #tick(): void {
    const now = this.#now();
    for (const { running, at } of this.#deadlines.values()) {
      if (compareTimes(at, now) > 0) break;
      const reason = new DOMException("The deadline of the attempt has passed", "TimeoutError");
      this.#abort(running, "TimedOut", reason);
    }
    for (const { running, at, termination } of this.#graces.values()) {
      if (this.#options.timers !== undefined && compareTimes(at, now) > 0) break;
      if (this.end(running)) this.#options.onGivenUp(running, termination);
    }
    this.#arm();
  }

  /** Sees to it that the timer rings in time. One that rings too early is left alone. */
  #arm(): void {
    const at = this.#earliest();
    if (this.#timer !== null && at !== null && compareTimes(this.#timer.at, at) <= 0) return;
    this.#timer?.cancel();
    this.#timer = null;
    if (at === null) return;
    const cancel = this.#options.timers?.setTimer(at, () => {
      this.#timer = null;
      this.#tick();
    });
    if (cancel !== undefined) this.#timer = { at, cancel };
  }

  #earliest(): EventTime | null {
    const [deadline] = this.#deadlines.values();
    const [grace] = this.#graces.values();
    if (deadline === undefined || grace === undefined) return (deadline ?? grace)?.at ?? null;
    return compareTimes(deadline.at, grace.at) <= 0 ? deadline.at : grace.at;
  }

  #after(duration: Duration): EventTime {
    return addDuration(this.#now(), duration);
  }

  #now(): EventTime {
    return this.#options.timers?.now() ?? ZERO;
  }
}
