import { checkFunction, checkMethods, checkObject } from "../../_internal/errors.ts";
import { compareTimes } from "../../_internal/event_time.ts";
import { createEvent } from "../core/create_event.ts";
import type { EventTime, ExternalEvent, Leftovers, Timers } from "../types.ts";
import type { Supervisor } from "./supervisor.ts";

/** What a {@linkcode PumpDriver} is given. */
export interface PumpDriverOptions {
  /** Whose deferred episodes to start. */
  supervisor: Supervisor;
  /** Time, with the same origin as the times of the events. */
  timers: Timers;
  /**
   * Takes the Pumps and hands them to the supervisor.
   *
   * @default {the supervisor's onEvent}
   */
  onEvent?: (event: ExternalEvent) => Promise<void>;
  /**
   * Names a Pump; the number is that of the inputs before it, so that names stay unique when a
   * supervisor is restored.
   *
   * @default {(inputCount) => `pump-${inputCount}`}
   */
  eventId?: (inputCount: number) => string;
}

/**
 * Sends a supervisor Pumps by itself: one exactly when a deferred episode is due and the limits let it
 * start, so at its time, or as soon as a place is free. Pumps are events like all others, recorded and
 * logged. There is no polling: one timer is set while an episode waits for its time, none otherwise, so
 * a program whose work is done ends.
 *
 * The times of the events must come from the same clock as the timers: `timers.now()`. When a Pump is
 * not taken the driver stops, and {@linkcode PumpDriver.drained} says why.
 *
 * Permissions: none.
 *
 * @example Ten seconds apart
 * ```ts
 * import {
 *   createEvent,
 *   FaultInvoker,
 *   ManualTimers,
 *   MemoryDecisionLog,
 *   PumpDriver,
 *   Supervisor,
 * } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const timers = new ManualTimers();
 * const decisionLog = new MemoryDecisionLog();
 * const supervisor = new Supervisor({
 *   graphId: "g",
 *   constraints: { max_per_window: 1, rate_window: { secs: 10, nanos: 0 }, max_retries: 0 },
 *   decisionLog,
 *   invoker: new FaultInvoker(),
 * });
 * using pump = new PumpDriver({ supervisor, timers });
 * for (const id of ["e1", "e2"]) {
 *   await supervisor.onEvent(createEvent({ id, kind: "Command", at: timers.now() }));
 * }
 * timers.advance({ secs: 10, nanos: 0 });
 * assertEquals(await pump.drained(), { deferred: 0, inFlight: 0 });
 * assertEquals(decisionLog.entries.at(-1)?.originEventId, "e2");
 * ```
 */
export class PumpDriver implements Disposable {
  readonly #options: PumpDriverOptions;
  readonly #unsubscribe: () => void;
  #timer: { at: EventTime; cancel: () => void } | null = null;
  #isSending = false;
  #isStopped = false;
  #failure: { error: unknown } | null = null;
  #waiters: (() => void)[] = [];

  /**
   * A driver at work.
   *
   * @param options The supervisor and the timers.
   */
  constructor(options: PumpDriverOptions) {
    const { supervisor, timers, onEvent, eventId } = checkObject(options, "options");
    checkMethods(supervisor, "supervisor", ["subscribe", "nextPumpAt", "onEvent", "idle"]);
    checkMethods(timers, "timers", ["now", "setTimer"]);
    if (onEvent !== undefined) checkFunction(onEvent, "onEvent");
    if (eventId !== undefined) checkFunction(eventId, "eventId");
    this.#options = options;
    this.#unsubscribe = options.supervisor.subscribe(() => this.#look());
    this.#look();
  }

  /**
   * Waits until nothing more happens by itself: no input waits, no invoker is at work, and no deferred
   * episode has a time at which it could start.
   *
   * @returns What is left. The promise rejects when a Pump was not taken.
   */
  async drained(): Promise<Leftovers> {
    for (;;) {
      const leftovers = await this.#options.supervisor.idle();
      if (this.#failure !== null) throw this.#failure.error;
      if (!this.#isSending && this.#timer === null) return leftovers;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  /** Sends no more Pumps. */
  stop(): void {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#setTimer(null);
    this.#look();
  }

  /** Sends no more Pumps. */
  [Symbol.dispose](): void {
    this.stop();
  }

  #look(): void {
    if (!this.#isSending && !this.#isStopped) this.#plan();
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  /** Sends the next Pump, or sets the timer for it. */
  #plan(): void {
    const { supervisor, timers } = this.#options;
    const now = timers.now();
    const at = supervisor.nextPumpAt(now);
    const isDue = at !== null && compareTimes(at, now) <= 0;
    this.#setTimer(isDue ? null : at);
    if (isDue) void this.#send(now);
  }

  async #send(at: EventTime): Promise<void> {
    const { supervisor, eventId = defaultEventId } = this.#options;
    const { onEvent = (event) => supervisor.onEvent(event) } = this.#options;
    const before = supervisor.inputCount;
    this.#isSending = true;
    try {
      await onEvent(createEvent({ id: eventId(before), kind: "Pump", at }));
      if (supervisor.inputCount === before) {
        throw new TypeError("Cannot pump: onEvent did not hand the Pump to the supervisor");
      }
    } catch (error) {
      this.#failure = { error };
      this.stop();
    }
    this.#isSending = false;
    this.#look();
  }

  #setTimer(at: EventTime | null): void {
    if (at !== null && this.#timer !== null && compareTimes(at, this.#timer.at) === 0) return;
    this.#timer?.cancel();
    this.#timer = null;
    if (at === null) return;
    const cancel = this.#options.timers.setTimer(at, () => {
      this.#timer = null;
      this.#look();
    });
    this.#timer = { at, cancel };
  }
}

function defaultEventId(inputCount: number): string {
  return `pump-${inputCount}`;
}
