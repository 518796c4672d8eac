/** Programs that do work of known lengths on timers of their own: what really happens under given limits. */
import { compareTimes, durationOfMs } from "../../../_internal/event_time.ts";
import { CapturingSession, type TaffrailCaptureBundle } from "../../../capture/mod.ts";
import {
  type ConstraintsInit,
  createEvent,
  type DecisionLogEntry,
  type EventRetry,
  ManualTimers,
  MemoryDecisionLog,
  PumpDriver,
  type RunTermination,
  Supervisor,
  type SupervisorOptions,
} from "../../../supervisor/mod.ts";

/** What is to be done: as in a flow, when all that it needs has completed. */
export interface Work {
  id: string;
  needs?: readonly string[];
  /** When it is asked for at the earliest, in milliseconds. */
  fromMs?: number;
  /** The attempts in order: how long each takes, in milliseconds, and how it ends. */
  attempts: readonly (readonly [ms: number, termination: RunTermination])[];
  retry?: EventRetry;
}

/** The options that a program takes. */
export interface ProgramOptions {
  constraints: ConstraintsInit;
  /** When it is interrupted, in milliseconds. */
  stopAtMs?: number;
  /** Whether nothing more is begun once something has failed. */
  stopsOnFailure?: boolean;
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  return new Supervisor(options);
}

/** The needs of work, as `whatIf` asks for them. */
export function needsOf(works: readonly Work[]): (eventId: string) => readonly string[] {
  const needs = new Map(works.map((work) => [work.id, work.needs ?? []]));
  return (eventId) => needs.get(eventId) ?? [];
}

/** Does the work under these limits, and records it. */
export async function record(
  works: readonly Work[],
  options: ProgramOptions,
): Promise<TaffrailCaptureBundle> {
  return await new Program(works, options).run();
}

class Program {
  readonly #works: Map<string, Work>;
  readonly #options: ProgramOptions;
  readonly #timers = new ManualTimers();
  readonly #stop = new AbortController();
  readonly #completed = new Set<string>();
  readonly #asked = new Set<string>();
  /** When the timers have to be looked at. */
  readonly #alarms: number[] = [];
  #hasFailed = false;

  constructor(works: readonly Work[], options: ProgramOptions) {
    this.#works = new Map(works.map((work) => [work.id, work]));
    this.#options = options;
    for (const { fromMs = 0 } of works) this.#alarms.push(fromMs);
    if (options.stopAtMs !== undefined) this.#alarms.push(options.stopAtMs);
  }

  async run(): Promise<TaffrailCaptureBundle> {
    const timers = this.#timers;
    const session = new CapturingSession<Supervisor>({
      graphId: "g",
      mode: "concurrent",
      constraints: this.#options.constraints,
      decisionLog: new ObservedLog((entry) => this.#take(entry)),
      invoker: {
        run: ({ eventId, attempt, signal, deadline }) =>
          new Promise((resolve) => {
            if (this.#isGivenUp) return resolve("Aborted");
            const [ms, termination] = this.#works.get(eventId)!.attempts[attempt - 1]!;
            signal.addEventListener("abort", () => {
              resolve(signal.reason?.name === "TimeoutError" ? "TimedOut" : "Aborted");
            });
            this.#alarms.push(this.#nowMs + ms);
            if (deadline !== undefined) this.#alarms.push(this.#nowMs + deadline.secs * 1000);
            timers.setTimer(durationOfMs(this.#nowMs + ms), () => resolve(termination));
          }),
      },
      createSupervisor,
      runtimeProvenance: "rpv1:sha256:test",
      timers,
      signal: this.#stop.signal,
    });
    const { supervisor } = session;
    // Called before the pump is, which must not start what waits once something has failed.
    supervisor.subscribe(() => this.#isGivenUp && pump.stop());
    using pump = new PumpDriver({ supervisor, timers });
    for (;;) {
      await settle();
      if (this.#isGivenUp) {
        for (const { episodeId } of supervisor.deferred) await supervisor.withdraw({ episodeId });
      }
      await this.#askForReady(session);
      await settle();
      const next = this.#nextAlarm(supervisor);
      if (next === undefined) break;
      timers.advance(durationOfMs(next - this.#nowMs));
      await settle();
      if (next !== this.#options.stopAtMs) continue;
      pump.stop();
      this.#stop.abort();
      break;
    }
    await session.close();
    for (const { episodeId } of supervisor.deferred) await supervisor.withdraw({ episodeId });
    return session.intoBundle() as TaffrailCaptureBundle;
  }

  async #askForReady(session: CapturingSession<Supervisor>): Promise<void> {
    for (const { id, needs = [], fromMs = 0, retry } of this.#works.values()) {
      const isReady = needs.every((need) => this.#completed.has(need)) && fromMs <= this.#nowMs;
      const isOver = this.#stop.signal.aborted || this.#isGivenUp;
      if (!isReady || isOver || this.#asked.has(id)) continue;
      this.#asked.add(id);
      const at = this.#timers.now();
      await session.onEvent(
        createEvent({ id, kind: "Command", at, ...(retry !== undefined && { retry }) }),
      );
    }
  }

  #take({ decision, termination, originEventId }: DecisionLogEntry): void {
    if (decision !== "Finish" || originEventId === null) return;
    if (termination === "Completed") this.#completed.add(originEventId);
    else if (termination !== "Aborted") this.#hasFailed = true;
  }

  /** Nothing more is begun, retries included. */
  get #isGivenUp(): boolean {
    return this.#hasFailed && this.#options.stopsOnFailure === true;
  }

  get #nowMs(): number {
    const { secs, nanos } = this.#timers.now();
    return secs * 1000 + nanos / 1e6;
  }

  /** The next time at which something may happen. */
  #nextAlarm(supervisor: Supervisor): number | undefined {
    const now = this.#timers.now();
    const pumpAt = supervisor.nextPumpAt(now);
    const later = this.#alarms.filter((ms) => ms > this.#nowMs);
    if (pumpAt !== null && compareTimes(pumpAt, now) > 0) {
      later.push(pumpAt.secs * 1000 + pumpAt.nanos / 1e6);
    }
    return later.length === 0 ? undefined : Math.min(...later);
  }
}

class ObservedLog extends MemoryDecisionLog {
  readonly #observe: (entry: DecisionLogEntry) => void;

  constructor(observe: (entry: DecisionLogEntry) => void) {
    super();
    this.#observe = observe;
  }

  override log(entry: DecisionLogEntry): void {
    super.log(entry);
    this.#observe(entry);
  }
}

/** Lets everything go on that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
