import {
  checkFunction,
  checkInteger,
  checkKeys,
  checkMethods,
  isObject,
} from "../../_internal/errors.ts";
import { payloadObject } from "../../_internal/event_payload.ts";
import { compareTimes, durationOfMs, ZERO } from "../../_internal/event_time.ts";
import { copyOfJsonObject } from "../../_internal/wire_json/json_value.ts";
import { checkTermination, retryRulesOf, type Rules } from "../core/rules.ts";
import type { Attempt } from "../core/supervisor_core.ts";
import type {
  AttemptRef,
  Duration,
  ExternalEvent,
  JsonObject,
  RunAnswer,
  RunRequest,
  SupervisorPorts,
} from "../types.ts";
import { type RunningAttempt, RunningAttempts } from "./attempt_timeouts.ts";
import type { InsideRun } from "./inside_run.ts";

/** An answer as it was read: what is to be recorded is JSON, and a copy. */
export interface Answer extends RunAnswer {
  readonly end?: JsonObject;
}

/** What an {@linkcode AttemptRunner} reports. */
interface AttemptListener {
  /** An attempt ended: by its answer, by running out of time, or by not being made. */
  onEnd: (attempt: Attempt, answer: Answer) => void;
  /** A port failed that may not fail. */
  onFailure: (error: unknown) => void;
}

const DEFAULT_GRACE_MS = 5_000;
const ANSWER = "the invoker's answer";
const ANSWER_FIELDS = ["termination", "end"];
const RUNTIME_ERROR: Answer = Object.freeze({
  termination: Object.freeze({ Failed: "RuntimeError" }),
});
const ABORTED: Answer = Object.freeze({ termination: "Aborted" });
/** Only with `beforeRun`: without it every decision to start is followed by the call at once. */
const NOT_BEGUN: Answer = Object.freeze({
  termination: "Aborted",
  end: Object.freeze({ begun: false }),
});

/**
 * Has attempts made by the invoker: `beforeRun`, if there is one, then the call, then its answer. Each
 * attempt ends once; whatever comes after that is a late answer. What happens when one times out is in
 * `attempt_timeouts.ts`.
 *
 * An attempt has a signal when its invoker is called, and not before: so what has none when it ends was
 * never begun.
 */
export class AttemptRunner {
  readonly #rules: Rules;
  readonly #ports: SupervisorPorts;
  readonly #listener: AttemptListener;
  readonly #inside: InsideRun;
  readonly #running: RunningAttempts;

  constructor(
    rules: Rules,
    ports: SupervisorPorts,
    { inside, ...listener }: AttemptListener & { inside: InsideRun },
  ) {
    this.#inside = inside;
    this.#rules = rules;
    this.#ports = ports;
    this.#listener = listener;
    this.#running = new RunningAttempts({
      grace: checkPorts(ports, rules),
      deadlineOf: ({ origin }) => {
        const { deadline } = retryRulesOf(rules, origin);
        return ports.timers === undefined || !passes(deadline) ? null : deadline;
      },
      timers: ports.timers && (ports.attemptTimers ?? ports.timers),
      onExpired: ({ attempt, controller }, termination) =>
        listener.onEnd(attempt, controller === null ? NOT_BEGUN : { termination }),
    });
  }

  /** How many attempts are being made. */
  get size(): number {
    return this.#running.size;
  }

  /** Refuses an event with a deadline that nobody could keep. */
  checkDeadline({ retry }: ExternalEvent): void {
    checkTimers(this.#ports, this.#rules, { ...retry, name: "event.retry.deadline" });
  }

  /** Makes an attempt. Once the signal has aborted no invoker is called: it ends as `Aborted`. */
  start(attempt: Attempt): void {
    const { beforeRun, signal } = this.#ports;
    if (signal?.aborted) {
      return this.#listener.onEnd(attempt, beforeRun === undefined ? ABORTED : NOT_BEGUN);
    }
    const running: RunningAttempt = { attempt, controller: null };
    if (beforeRun === undefined) return this.#call(running);
    // What ends it from now on, be it `beforeRun` itself, keeps its invoker from being called.
    this.#running.add(running);
    let ready: void | PromiseLike<unknown>;
    try {
      ready = beforeRun.call(this.#ports, refOf(attempt));
    } catch (error) {
      return this.#listener.onFailure(error);
    }
    if (isPromiseLike(ready)) void this.#callAfter(ready, running);
    else this.#callIfWanted(running);
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

  async #callAfter(ready: PromiseLike<unknown>, running: RunningAttempt): Promise<void> {
    try {
      await ready;
      this.#callIfWanted(running);
    } catch (error) {
      this.#listener.onFailure(error);
    }
  }

  /** Calls the invoker, unless the attempt was ended or aborted while `beforeRun` was under way. */
  #callIfWanted(running: RunningAttempt): void {
    if (!this.#running.has(running)) return;
    if (this.#ports.signal?.aborted) this.#settle(running, NOT_BEGUN);
    else this.#call(running);
  }

  /**
   * Calls the invoker. An attempt that is running already stays so during the call, or the supervisor would
   * seem idle to what is called; one that the call itself ended has nothing more to wait for.
   */
  #call(running: RunningAttempt): void {
    const { attempt } = running;
    const { signal } = running.controller = new AbortController();
    const isRunning = this.#running.has(running);
    const end = (answer: Answer, thrown?: { error: unknown }) => {
      if (isRunning) this.#settle(running, answer, thrown);
      else this.#end(attempt, answer, thrown);
    };
    let answer: Answer | PromiseLike<unknown>;
    try {
      const given = this.#inside.call(this.#ports.invoker, this.#requestOf(attempt, signal));
      answer = isPromiseLike(given) ? given : readAnswer(given);
    } catch (error) {
      return end(RUNTIME_ERROR, { error });
    }
    if (!isPromiseLike(answer)) return end(answer);
    void this.#inside.awaitAnswer(answer, {
      onAnswer: (answer) => this.#onAnswer(running, answer),
      onThrown: (error) => this.#onThrown(running, error),
    });
    if (isRunning && !this.#running.has(running)) return;
    this.#running.startDeadline(running);
    if (!isRunning) this.#running.add(running);
  }

  #requestOf({ origin, episodeId, attempt }: Attempt, signal: AbortSignal): RunRequest {
    const { graphId } = this.#rules;
    const { deadline } = retryRulesOf(this.#rules, origin);
    const { id: eventId, context, payload: bytes } = origin;
    let payload: RunRequest["payload"] | undefined;
    const request = {
      graphId,
      eventId,
      episodeId,
      attempt,
      context,
      // Read when it is asked for: most never ask, and one that is no JSON keeps nothing from being run. It is
      // read anew for each attempt, which may change what it gets.
      get payload() {
        return payload ??= payloadObject(bytes);
      },
      signal,
    };
    return deadline === null ? request : Object.assign(request, { deadline });
  }

  #onAnswer(running: RunningAttempt, answer: unknown): void {
    let read: Answer;
    try {
      read = readAnswer(answer);
    } catch (error) {
      return this.#onThrown(running, error);
    }
    this.#settle(running, read);
  }

  #onThrown(running: RunningAttempt, error: unknown): void {
    this.#settle(running, RUNTIME_ERROR, { error });
  }

  /** Ends an attempt by its answer, unless it has ended before. */
  #settle(running: RunningAttempt, answer: Answer, thrown?: { error: unknown }): void {
    const { attempt } = running;
    if (this.#running.end(running)) return this.#end(attempt, answer, thrown);
    this.#callBack(() => this.#ports.onLate?.({ ...refOf(attempt), ...answer, ...thrown }));
  }

  #end(attempt: Attempt, answer: Answer, thrown?: { error: unknown }): void {
    this.#listener.onEnd(attempt, answer);
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

/** What an invoker has answered; a `TypeError` when that is no answer. */
function readAnswer(answer: unknown): Answer {
  if (!isObject(answer) || !("termination" in answer)) {
    return { termination: checkTermination(answer, ANSWER) };
  }
  checkKeys(answer, ANSWER, ANSWER_FIELDS);
  const termination = checkTermination(answer.termination, `${ANSWER}.termination`);
  return { termination, ...readEnd(answer.end, `${ANSWER}.end`) };
}

/** What is to be recorded of an end, if anything is: a copy, which does not change any more. */
export function readEnd(end: unknown, name: string): { end?: JsonObject } {
  return end === undefined ? {} : { end: copyOfJsonObject(end, name) };
}

/** An attempt as the outside knows it. */
export function refOf({ episodeId, attempt, origin }: Attempt): AttemptRef {
  return { eventId: origin.id, episodeId, attempt };
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}

/** Refuses ports that would fail later, and says how long attempts may take to answer after an abort. */
function checkPorts(ports: SupervisorPorts, rules: Rules): Duration {
  const { decisionLog, invoker, inputLog, timers, attemptTimers, signal } = ports;
  checkMethods(decisionLog, "decisionLog", ["log"]);
  checkMethods(invoker, "invoker", ["run"]);
  if (inputLog !== undefined) checkMethods(inputLog, "inputLog", ["record"]);
  if (timers !== undefined) checkMethods(timers, "timers", ["now", "setTimer"]);
  if (attemptTimers !== undefined) {
    checkMethods(attemptTimers, "attemptTimers", ["now", "setTimer"]);
  }
  if (signal !== undefined) checkMethods(signal, "signal", ["addEventListener"]);
  for (const name of ["beforeRun", "onLate", "onInvokerError"] as const) {
    if (ports[name] !== undefined) checkFunction(ports[name], name);
  }
  const { deadlineGraceMs = DEFAULT_GRACE_MS } = ports;
  const grace = durationOfMs(checkInteger(deadlineGraceMs, "deadlineGraceMs"));
  checkTimers(ports, rules, { ...rules.constraints, name: "constraints.deadline" });
  return grace;
}

/** Whether a deadline passes by itself: one of exactly 0 is only told to the invoker. */
function passes(deadline: Duration | null): deadline is Duration {
  return deadline !== null && compareTimes(deadline, ZERO) > 0;
}

function checkTimers(
  { timers }: SupervisorPorts,
  { mode }: Rules,
  { deadline = null, name }: { deadline?: Duration | null; name: string },
): void {
  if (timers !== undefined || mode !== "concurrent" || !passes(deadline)) return;
  throw new TypeError(`Cannot keep ${name}: give timers, such as systemTimers`);
}
