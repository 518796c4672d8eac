import { checkDuration, checkFunction, checkInteger, checkObject } from "../../_internal/errors.ts";
import { checkEvent } from "../core/create_event.ts";
import { checkTermination, readRules } from "../core/rules.ts";
import { readState, writeState } from "../core/saved_state.ts";
import { type Attempt, SupervisorCore } from "../core/supervisor_core.ts";
import type { SupervisorState } from "../state.ts";
import type {
  AttemptRef,
  Completion,
  CompletionInput,
  DecisionLogEntry,
  DeferredRef,
  EventTime,
  ExternalEvent,
  Leftovers,
  SupervisorOptions,
  SupervisorPorts,
  Withdrawal,
} from "../types.ts";
import { type Answer, AttemptRunner, readEnd, refOf } from "./attempt_runner.ts";
import { InputLoop } from "./input_loop.ts";
import { InsideRun } from "./inside_run.ts";

/**
 * Decides what runs when, has it run, and logs every decision with its reason.
 *
 * A supervisor has no clock: time is what events say. An event asks for a run of the graph. It is
 * invoked at once, deferred until a limit allows it, or skipped when the queue is full; each `Pump`
 * event starts the first deferred episode that is due, unless {@linkcode Supervisor.withdraw} took it out
 * before. {@linkcode PumpDriver} sends Pumps by itself.
 *
 * - `"serial"` mode: one run at a time, and one entry an event, logged when its run is over. These are
 *   the rules SCH-1 to SCH-18 and INV-1 to INV-6.
 * - `"concurrent"` mode: runs overlap. An event is decided on at once, the end of each attempt is an
 *   input of its own, and each input has its entry. SCH-1 to SCH-18 hold with in-flight counts that
 *   mean something, and the clock moves with completions too.
 *
 * | What goes wrong | What follows |
 * | --- | --- |
 * | the invoker throws, or answers what is no `RunTermination` or `RunAnswer`, or an `end` that is not JSON | the attempt ends as `{ Failed: "RuntimeError" }`; `onInvokerError` gets what was thrown |
 * | it does not answer by its deadline | its signal aborts; after `deadlineGraceMs` more the attempt ends as `TimedOut` |
 * | it answers after that, or once more | `onLate` is called, and nothing else changes |
 * | it never answers and has no deadline | its run lasts until `signal` aborts |
 * | it calls `idle` or `close`, or in `"serial"` mode `onEvent` or `withdraw` | they reject with a `TypeError`, as waiting would never end |
 * | `decisionLog`, `inputLog`, `beforeRun` or a callback throws | the supervisor stops: everything pending and every later call rejects with that error, and the signals of running attempts abort |
 * | `signal` aborts | events that wait and events to come are rejected with its reason; the signals of running attempts abort; those that do not answer within `deadlineGraceMs`, without timers at once, end as `Aborted`; no invoker is called any more |
 *
 * Whether a call comes from inside `run` is known from the engine's stack of waiting functions. It reaches
 * through `await`, `then` and `Promise.all`, but not through the callback of a timer or of an event,
 * nor through a promise that several wait for: a serial run that waits for the supervisor behind one of
 * those still waits for ever; so does every such call in an engine other than V8. While a serial run lasts the look at the stack costs `onEvent` some
 * microseconds.
 *
 * Permissions: none.
 *
 * @example One run in ten seconds
 * ```ts
 * import { createEvent, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const log = new MemoryDecisionLog();
 * const supervisor = new Supervisor({
 *   graphId: "nightly",
 *   constraints: { max_per_window: 1, rate_window: { secs: 10, nanos: 0 }, max_retries: 2 },
 *   decisionLog: log,
 *   invoker: { run: ({ eventId }) => eventId === "e1" ? "Completed" : { Failed: "SemanticError" } },
 * });
 * const at = (secs: number) => ({ secs, nanos: 0 });
 *
 * await supervisor.onEvent(createEvent({ id: "e1", kind: "Command", at: at(0) }));
 * await supervisor.onEvent(createEvent({ id: "e2", kind: "Command", at: at(3) }));
 * await supervisor.onEvent(createEvent({ id: "p1", kind: "Pump", at: at(10) }));
 *
 * assertEquals(
 *   log.entries.map(({ event_id, decision, reason, originEventId }) => [
 *     event_id,
 *     decision,
 *     reason,
 *     originEventId,
 *   ]),
 *   [
 *     ["e1", "Invoke", "admitted", "e1"],
 *     ["e2", "Defer", "rate_limited", "e2"],
 *     ["p1", "Invoke", "due", "e2"],
 *   ],
 * );
 * assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
 * ```
 */
export class Supervisor {
  readonly #core: SupervisorCore;
  readonly #ports: SupervisorPorts;
  readonly #loop: InputLoop;
  readonly #runner: AttemptRunner;
  readonly #inside = new InsideRun();
  /** Attempts that were in flight when the state was written: attempt by episode. */
  readonly #restored = new Map<number, number>();
  #isClosed = false;
  /** Callers that wait until nothing more happens by itself. */
  #idleWaiters: PromiseWithResolvers<Leftovers>[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #onAbort = () => this.#abort();

  /**
   * A supervisor that has seen nothing yet.
   *
   * @param options Rules and ports.
   * @throws {TypeError} When an option has the wrong shape, or a deadline above 0 in `"concurrent"`
   * mode has no timers.
   * @throws {RangeError} When a number is out of range. The message names the field.
   */
  constructor(options: SupervisorOptions) {
    checkObject(options, "options");
    this.#ports = { ...options };
    this.#core = new SupervisorCore(readRules(options));
    this.#loop = new InputLoop(this.#core, this.#ports, {
      start: (attempt) => this.#runner.start(attempt),
      onRest: (failure) => this.#onRest(failure),
    });
    this.#runner = new AttemptRunner(this.#core.rules, this.#ports, {
      inside: this.#inside,
      onEnd: (attempt, answer) => this.#onEnd(attempt, answer),
      onFailure: (error) => this.#loop.fail(error),
    });
    options.signal?.addEventListener("abort", this.#onAbort);
  }

  /**
   * A supervisor that goes on from a state: it decides exactly as the one would that wrote it. No
   * attempt is made again: those in flight are listed in {@linkcode Supervisor.inFlight}, and each
   * needs a call of {@linkcode Supervisor.complete}.
   *
   * @param state What {@linkcode Supervisor.toJSON} gave.
   * @param ports The ports, as for a new supervisor.
   * @returns The supervisor.
   * @throws {TypeError} When something in the state has the wrong shape, or in `"concurrent"` mode a deadline
   * above 0 has no timers.
   * @throws {RangeError} When a number in the state is out of range.
   */
  static from(state: SupervisorState, ports: SupervisorPorts): Supervisor {
    const { rules, state: coreState } = readState(state);
    const supervisor = new Supervisor({ ...ports, ...rules });
    for (const { origin } of [...coreState.deferred, ...coreState.inFlight]) {
      supervisor.#runner.checkDeadline(origin);
    }
    supervisor.#core.restore(coreState);
    for (const { episodeId, attempt } of coreState.inFlight) {
      supervisor.#restored.set(episodeId, attempt);
    }
    return supervisor;
  }

  /**
   * The logical clock: the latest time that an event, a withdrawal or a concurrent completion had (SCH-2).
   */
  get clock(): EventTime {
    return this.#core.clock;
  }

  /** What stopped it for good, when a port failed that may not fail; null as long as nothing has. */
  get failure(): { error: unknown } | null {
    return this.#loop.failure;
  }

  /** How many inputs were taken. */
  get inputCount(): number {
    return this.#core.inputs;
  }

  /** The attempts in flight, those included that wait for `beforeRun`. */
  get inFlight(): AttemptRef[] {
    return this.#core.state().inFlight.map(refOf);
  }

  /** The deferred episodes, in the order in which they come due. */
  get deferred(): DeferredRef[] {
    return this.#core.state().deferred.map(({ origin, episodeId, attempts }) => ({
      eventId: origin.id,
      episodeId,
      attempts,
    }));
  }

  /**
   * Hands an event over. Events are taken in the order of the calls; a `"serial"` run is over before
   * the next one is taken.
   *
   * @param event The event. In `"concurrent"` mode its own deadline, if it has one above 0, needs timers.
   * @returns A promise that resolves when the event's decision is logged: in `"serial"` mode after its
   * run, in `"concurrent"` mode when the run has begun.
   */
  onEvent(event: ExternalEvent): Promise<void> {
    try {
      const refusal = this.#refusal();
      if (refusal !== null) throw refusal.error;
      if (this.#core.isOccupied) this.#inside.checkOutside("take an event");
      checkEvent(event);
      this.#runner.checkDeadline(event);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#loop.addEvent({ type: "event", event });
  }

  /**
   * Ends an attempt in flight from outside: one that was in flight when the state was written, or one
   * whose end is known from a recording. If its invoker answers too, that answer is late.
   *
   * @param completion The attempt and how it ended.
   * @returns A promise that resolves when what follows from it is decided; it rejects with a
   * `TypeError` when the attempt is not in flight.
   */
  complete(completion: Completion): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#loop.failure !== null) throw this.#loop.failure.error;
      this.#loop.addCompletion(this.#takeOut(completion), { resolve, reject });
    });
  }

  /**
   * Takes a deferred episode out of the queue, so that no Pump starts it any more: an input like events and
   * completions, whose entry is a `Skip` of reason `withdrawn`. It goes before the events that wait, also
   * those that were handed over before it, and is taken when no serial run is under way. It is taken after
   * {@linkcode Supervisor.close} and after an abort too. To have the work done after all, hand over an event.
   *
   * @param withdrawal The episode: see {@linkcode Supervisor.deferred}.
   * @returns A promise that resolves when the withdrawal is logged; it rejects with a `TypeError` that names
   * the episode when that is not deferred, and then nothing has happened.
   *
   * @example Nothing of what waits is to be done
   * ```ts
   * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
   * import { assertEquals } from "@std/assert";
   *
   * const decisionLog = new MemoryDecisionLog();
   * const supervisor = new Supervisor({
   *   graphId: "g",
   *   constraints: { max_in_flight: 0, max_retries: 0 },
   *   decisionLog,
   *   invoker: new FaultInvoker(),
   * });
   * for (const id of ["e1", "e2"]) {
   *   await supervisor.onEvent(createEvent({ id, kind: "Command", at: { secs: 0, nanos: 0 } }));
   * }
   * for (const { episodeId } of supervisor.deferred) await supervisor.withdraw({ episodeId });
   *
   * assertEquals(await supervisor.close(), { deferred: 0, inFlight: 0 });
   * assertEquals(
   *   decisionLog.entries.map(({ event_id, decision, reason }) => [event_id, decision, reason]),
   *   [
   *     ["e1", "Defer", "saturated"],
   *     ["e2", "Defer", "saturated"],
   *     ["e1", "Skip", "withdrawn"],
   *     ["e2", "Skip", "withdrawn"],
   *   ],
   * );
   * ```
   */
  withdraw(withdrawal: Withdrawal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#loop.failure !== null) throw this.#loop.failure.error;
      if (this.#core.isOccupied) this.#inside.checkOutside("withdraw an episode");
      const { episodeId, at } = checkObject(withdrawal, "withdrawal");
      this.#loop.addWithdrawal({
        type: "withdraw",
        episode_id: checkInteger(episodeId, "withdrawal.episodeId"),
        at: at === undefined ? this.#now() : checkDuration(at, "withdrawal.at"),
      }, { resolve, reject });
    });
  }

  /**
   * Waits until every input is handled and no invoker is at work.
   *
   * @returns What is left: deferred episodes need Pumps, attempts in flight need
   * {@linkcode Supervisor.complete}.
   */
  async idle(): Promise<Leftovers> {
    if (!this.#isIdle()) this.#inside.checkOutside("wait for the supervisor");
    if (this.#loop.failure !== null) throw this.#loop.failure.error;
    if (this.#isIdle()) return this.#leftovers();
    const waiter = Promise.withResolvers<Leftovers>();
    this.#idleWaiters.push(waiter);
    return await waiter.promise;
  }

  /**
   * Takes no more events, then waits like {@linkcode Supervisor.idle}. To end sooner, abort `signal`.
   *
   * @returns What is left for good, unless {@linkcode Supervisor.toJSON} keeps it.
   */
  async close(): Promise<Leftovers> {
    if (!this.#isIdle()) this.#inside.checkOutside("close the supervisor");
    this.#isClosed = true;
    this.#notify();
    try {
      return await this.idle();
    } finally {
      this.#ports.signal?.removeEventListener("abort", this.#onAbort);
    }
  }

  /**
   * The entry that an event would get if it came now, without anything being done: its decision, why,
   * and the numbers behind that. As nothing is run, `termination` is `null`.
   *
   * @param event The event; its time is looked at too.
   * @returns The entry.
   */
  explain(event: ExternalEvent): DecisionLogEntry {
    checkEvent(event);
    return this.#core.explain(event);
  }

  /**
   * When a Pump would next start an episode.
   *
   * @param now The time now.
   * @returns The time, `now` meaning at once; `null` when nothing is deferred, when only a completion
   * can make room, or when no more events are taken.
   */
  nextPumpAt(now: EventTime): EventTime | null {
    return this.#refusal() === null ? this.#core.nextPumpAt(checkDuration(now, "now")) : null;
  }

  /**
   * Has a function called each time when the inputs that were there are handled, and on closing.
   *
   * @param listener The function. It must not throw.
   * @returns A function that ends this.
   */
  subscribe(listener: () => void): () => void {
    checkFunction(listener, "listener");
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The rules and the state as JSON, for {@linkcode Supervisor.from}. Inputs that still wait for their
   * turn are not part of it.
   *
   * @returns The state.
   */
  toJSON(): SupervisorState {
    return writeState(this.#core);
  }

  #onEnd({ episodeId, attempt }: Attempt, { termination, end }: Answer): void {
    try {
      const at = this.#now();
      const ended = {
        type: "completion",
        episode_id: episodeId,
        attempt,
        termination,
        at,
      } as const;
      this.#loop.addCompletion(end === undefined ? ended : { ...ended, end });
    } catch (error) {
      this.#loop.fail(error);
    }
  }

  /** The input that a completion makes, once nothing else can end the same attempt. */
  #takeOut(completion: Completion): CompletionInput {
    checkObject(completion, "completion");
    const { episodeId, attempt, termination, at, end } = completion;
    const input = {
      type: "completion",
      episode_id: checkInteger(episodeId, "completion.episodeId"),
      attempt: checkInteger(attempt, "completion.attempt"),
      termination: checkTermination(termination, "completion.termination"),
      at: at === undefined ? this.#now() : checkDuration(at, "completion.at"),
      ...readEnd(end, "completion.end"),
    } as const;
    if (this.#runner.end(episodeId, attempt)) return input;
    if (this.#restored.get(episodeId) !== attempt) {
      const name = `attempt ${attempt} of episode ${episodeId}`;
      throw new TypeError(`Cannot complete ${name}: it is not in flight`);
    }
    this.#restored.delete(episodeId);
    return input;
  }

  #abort(): void {
    const reason = this.#ports.signal?.reason;
    this.#loop.rejectEvents(reason);
    this.#runner.abort(reason);
  }

  #onRest(failure: { error: unknown } | null): void {
    if (failure !== null) this.#stop(failure.error);
    else if (this.#idleWaiters.length > 0 && this.#isIdle()) {
      for (const { resolve } of this.#takeWaiters()) resolve(this.#leftovers());
    }
    this.#notify();
  }

  #stop(error: unknown): void {
    this.#ports.signal?.removeEventListener("abort", this.#onAbort);
    this.#runner.abandon(error);
    for (const { reject } of this.#takeWaiters()) reject(error);
  }

  /** Why no more events are taken; null while they are. */
  #refusal(): { error: unknown } | null {
    const { signal } = this.#ports;
    if (this.#loop.failure !== null) return this.#loop.failure;
    if (signal?.aborted) return { error: signal.reason };
    if (!this.#isClosed) return null;
    return { error: new TypeError("Cannot take an event: the supervisor is closed") };
  }

  #isIdle(): boolean {
    return this.#loop.isAtRest && this.#runner.size === 0;
  }

  #leftovers(): Leftovers {
    return { deferred: this.#core.deferredCount, inFlight: this.#core.inFlightCount };
  }

  #takeWaiters(): PromiseWithResolvers<Leftovers>[] {
    return this.#idleWaiters.splice(0);
  }

  #notify(): void {
    this.#listeners.forEach((listener) => listener());
  }

  /** Without timers time stands where the last input left it. */
  #now(): EventTime {
    const { timers } = this.#ports;
    return timers === undefined ? this.#core.clock : checkDuration(timers.now(), "timers.now()");
  }
}
