/**
 * Waits at the gates of a run for somebody to pass them. A wait is no episode, so none takes a place that
 * work could have.
 *
 * What is always true:
 * - **That a gate waits, and what ended that, is appended to the journal before anything follows from it.**
 * - A message stays where it is in the inbox: who is killed before the line that uses it up reads it again.
 * - A message that is there counts, also when the time of the gate is over: its sender was told that it is
 *   recorded.
 * - Nothing is polled while nothing waits.
 */
import { defined, isObject } from "../../_internal/errors.ts";
import { durationOfMs, millisecondsOf } from "../../_internal/event_time.ts";
import { GATE_METHODS } from "../../_internal/wire_names.ts";
import type { NoteRecord, WaitedRecord, WaitRecord } from "../../capture/types.ts";
import type { Timers } from "../../supervisor/types.ts";
import type { RunView } from "../types.ts";
import { GateHistory } from "./gate_history.ts";
import { gateEnded } from "./lifecycle.ts";
import type { Tale } from "./teller.ts";
import type { EngineObserver } from "./types.ts";

/** How often the inbox is looked into. */
const POLL_MS = 200;
const PAGE = 1000;

/** What {@linkcode GateWaits} works with. */
interface GateWaitsOptions {
  view: Pick<RunView, "lines">;
  /** What the journal had of gates when the run was gone on with. */
  past: GateHistory | undefined;
  /** Records a line in the journal. */
  note: (note: NoteRecord) => Promise<void>;
  /** Tells something when the journal is on disk. */
  tell: (tale: Tale) => void;
  observer: Pick<EngineObserver, "gateWaits" | "gateEnded">;
  timers: Timers;
  /** Ends the run: what is to be recorded cannot be, or the inbox cannot be read. */
  fail: (error: unknown) => void;
  /** Aborts when the run ends. */
  stop: AbortSignal;
}

/** A message for a gate. */
interface GateMessage {
  /** The line of the inbox. */
  line: number;
  /** What it says. */
  says: Pick<WaitedRecord, "how" | "value" | "by" | "method">;
}

/** A gate at which the run waits. */
interface Waiter {
  /** Milliseconds since 1970; infinite where it waits for ever. */
  untilMs: number;
  ended: PromiseWithResolvers<WaitedRecord | undefined>;
}

/** All that a run waits for. */
export class GateWaits {
  readonly #options: GateWaitsOptions;
  readonly #gates: GateHistory;
  readonly #waiters = new Map<string, Waiter>();
  readonly #messages = new Map<string, GateMessage[]>();
  #next: number | string = 0;
  #watch: Promise<void> | undefined;
  #wake: () => void = () => {};
  #isLeft: boolean;

  constructor(options: GateWaitsOptions) {
    this.#options = options;
    this.#gates = options.past ?? new GateHistory();
    this.#isLeft = options.stop.aborted;
    options.stop.addEventListener("abort", () => this.#leaveAll(), { once: true });
  }

  /** Whether the run waits at a gate. */
  get isWaiting(): boolean {
    return this.#waiters.size > 0;
  }

  /** The gates at which it waits. */
  get waiting(): string[] {
    return [...this.#waiters.keys()];
  }

  /**
   * Waits until somebody passes a gate or refuses to, or its time is over.
   *
   * @returns How it ended, which is in the journal and perhaps not yet on disk; undefined when it waits on,
   * as the run ends before.
   */
  async wait(
    gate: string,
    { timeoutMs }: { timeoutMs?: number | undefined } = {},
  ): Promise<WaitedRecord | undefined> {
    const { tell, observer } = this.#options;
    if (this.#isLeft) return undefined;
    const open = this.#gates.of(gate).open ?? this.#ask(gate, timeoutMs);
    tell({ then: () => observer.gateWaits?.(gate, open) });
    const untilMs = open.until === undefined ? Infinity : millisecondsOf(open.until);
    const ended = Promise.withResolvers<WaitedRecord | undefined>();
    this.#waiters.set(gate, { untilMs, ended });
    this.#watch ??= this.#watchInbox().finally(() => this.#watch = undefined);
    return await ended.promise;
  }

  /** Waits at a gate no more; whoever goes on with the run does. */
  leave(gate: string): void {
    this.#waiters.get(gate)?.ended.resolve(undefined);
    this.#waiters.delete(gate);
    if (!this.isWaiting) this.#wake();
  }

  #leaveAll(): void {
    this.#isLeft = true;
    for (const gate of this.waiting) this.leave(gate);
  }

  #ask(gate: string, timeoutMs: number | undefined): WaitRecord {
    const at = this.#options.timers.now();
    const until = timeoutMs === undefined ? undefined : millisecondsOf(at) + timeoutMs;
    const open: WaitRecord = {
      type: "wait",
      id: gate,
      kind: "gate",
      at,
      ...(until !== undefined && { until: durationOfMs(until) }),
    };
    this.#record(open);
    return open;
  }

  #record(note: WaitRecord | WaitedRecord): void {
    this.#gates.take(note);
    this.#options.note(note).catch(this.#options.fail);
  }

  /** Looks into the inbox as long as anything waits. */
  async #watchInbox(): Promise<void> {
    try {
      while (this.isWaiting) {
        await this.#readInbox();
        for (const [gate, waiter] of this.#waiters) this.#look(gate, waiter);
        if (this.isWaiting) await this.#pause();
      }
    } catch (error) {
      this.#options.fail(error);
    }
  }

  async #readInbox(): Promise<void> {
    const { view } = this.#options;
    for (let hasMore = true; hasMore;) {
      const page = await view.lines("inbox", { after: this.#next, limit: PAGE });
      for (const { event, seq } of page.events) {
        const message = messageFrom(event);
        if (message === undefined || seq <= this.#gates.of(message.gate).usedUp) continue;
        const messages = this.#messages.get(message.gate) ?? [];
        this.#messages.set(message.gate, messages);
        messages.push({ line: seq, says: message.says });
      }
      this.#next = page.next;
      hasMore = page.hasMore;
    }
  }

  /** Ends the wait at a gate, if a message or the time says so. */
  #look(gate: string, { untilMs, ended }: Waiter): void {
    const { timers, tell, observer } = this.#options;
    const at = timers.now();
    const message = this.#messages.get(gate)?.shift();
    if (message === undefined && millisecondsOf(at) < untilMs) return;
    const how = message === undefined
      ? { how: "timeout" as const }
      : { ...message.says, inbox_line: message.line };
    const waited: WaitedRecord = { type: "waited", id: gate, at, ...how };
    this.#waiters.delete(gate);
    const { asks, open } = this.#gates.of(gate);
    const attempt = { nodeId: gate, attempt: asks };
    const since = open!.at;
    this.#record(waited);
    tell({
      event: () => gateEnded(attempt, waited, since),
      then: () => observer.gateEnded?.(gate, waited),
    });
    ended.resolve(waited);
  }

  /** Until the inbox is to be looked into again, somebody else waits, or all is to end. */
  #pause(): Promise<void> {
    const { timers } = this.#options;
    const dueMs = Math.min(...Array.from(this.#waiters.values(), ({ untilMs }) => untilMs));
    const nextMs = Math.min(millisecondsOf(timers.now()) + POLL_MS, dueMs);
    return new Promise((resolve) => {
      const cancel = timers.setTimer(durationOfMs(nextMs), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** What a line of an inbox says of a gate; undefined for anything else, as any program may write there. */
function messageFrom(line: unknown): { gate: string; says: GateMessage["says"] } | undefined {
  if (!isObject(line) || typeof line.gate !== "string") return undefined;
  const { gate, denied, value, by, method } = line;
  return {
    gate,
    says: {
      how: denied === true ? "denied" : "passed",
      ...(value !== undefined && { value }),
      ...(typeof by === "string" && { by }),
      ...defined({ method: GATE_METHODS.find((known) => known === method) }),
    },
  };
}
