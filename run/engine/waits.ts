/**
 * Waits for a time, at a gate for somebody to pass it, or for somebody to stop the run. A wait is no episode, so none
 * takes a place that work could have.
 *
 * What is always true:
 * - **That something waits, and what ended that, is appended to the journal before anything follows from it.**
 * - A message stays where it is in the inbox: who is killed before the line that uses it up reads it again.
 * - A message that is there counts, also when the time of the gate is over: its sender was told that it is
 *   recorded. One whose value cannot be used is told, and the wait goes on.
 * - Until when at the latest is fixed when it is first asked for, and stays when the run is gone on with.
 * - Nothing is polled while nothing waits; only where the holder is asked to stop by a message, it looks for that.
 */
import { defined, isObject } from "../../_internal/errors.ts";
import { durationOfMs, millisecondsOf } from "../../_internal/event_time.ts";
import { reasonOf } from "../../_internal/text.ts";
import { GATE_METHODS } from "../../_internal/wire_names.ts";
import type { NoteRecord, WaitedRecord, WaitRecord } from "../../capture/types.ts";
import type { Timers } from "../../supervisor/types.ts";
import { MOST_INPUT_BYTES, textForLine } from "../program_json.ts";
import type { HeldRun } from "../types.ts";
import { gateEnded } from "./lifecycle.ts";
import type { Tale } from "./teller.ts";
import type { EngineObserver } from "./types.ts";
import { refusalId, WaitHistory } from "./wait_history.ts";

/** How often the inbox is looked into. */
const POLL_MS = 200;
/** The same, for nothing but that somebody stops the run. */
const STOP_POLL_MS = 1000;
const PAGE = 1000;

/** What {@linkcode Waits} works with. */
interface WaitsOptions {
  held: Pick<HeldRun, "token" | "lost"> & { readonly view: Pick<HeldRun["view"], "lines"> };
  /** Told when somebody asks this holder to stop; undefined where nobody does that by a message. */
  onStopAsked?: ((signal: Deno.Signal) => void) | undefined;
  /** What the journal had of waits when the run was gone on with. */
  past: WaitHistory | undefined;
  /** Whether whatever is slept for has come. */
  sleepsAreDue?: boolean;
  /** Records a line in the journal. */
  note: (note: NoteRecord) => Promise<void>;
  /** Tells something when the journal is on disk. */
  tell: (tale: Tale) => void;
  observer: Pick<EngineObserver, "gateWaits" | "gateEnded" | "waitEnded">;
  timers: Timers;
  /** Ends the run: what is to be recorded cannot be, or the inbox cannot be read. */
  fail: (error: unknown) => void;
  /** Aborts when the run ends. */
  stop: AbortSignal;
}

/** How to wait. */
interface WaitOptions {
  /** Called when its end is on disk; `asks`: how often it was asked for. */
  onTold?: (waited: WaitedRecord, asks: number) => void;
}

/** How to wait at a gate. */
interface GateOptions extends WaitOptions {
  /** How long at most, in milliseconds. */
  timeoutMs?: number | undefined;
  /** Says what is wrong with the value that came with a message. */
  check?: ((value: unknown) => Promise<string | undefined>) | undefined;
}

/** A message for a gate. */
interface GateMessage {
  /** The line of the inbox. */
  line: number;
  /** What it says. */
  says: Pick<WaitedRecord, "how" | "value" | "by" | "method">;
}

/** A gate or a sleep that is waited for. */
interface Waiter extends GateOptions {
  kind: WaitRecord["kind"];
  /** Milliseconds since 1970; infinite where it waits for ever. */
  untilMs: number;
  ended: PromiseWithResolvers<WaitedRecord | undefined>;
}

/** By which a run can be stopped: as by the signal of that name. */
const STOPS = ["SIGINT", "SIGTERM", "SIGKILL"] as const;

/** All that a run waits for. */
export class Waits {
  readonly #options: WaitsOptions;
  readonly #history: WaitHistory;
  readonly #waiters = new Map<string, Waiter>();
  readonly #messages = new Map<string, GateMessage[]>();
  #next: number | string = 0;
  #watch: Promise<void> | undefined;
  #wake: () => void = () => {};
  #isLeft: boolean;
  readonly #onStop = () => this.leaveAll();

  constructor(options: WaitsOptions) {
    this.#options = options;
    this.#history = options.past ?? new WaitHistory();
    this.#isLeft = options.stop.aborted;
    options.stop.addEventListener("abort", this.#onStop, { once: true });
    this.#watchIfNeeded();
  }

  /** Whether the run waits for anything. */
  get isWaiting(): boolean {
    return this.#waiters.size > 0;
  }

  /** The gates at which it waits, and the sleeps. */
  get waiting(): string[] {
    return [...this.#waiters.keys()];
  }

  /**
   * Waits until somebody passes a gate or refuses to, or its time is over.
   *
   * @returns How it ended, which is in the journal and perhaps not yet on disk; undefined when it waits on,
   * as the run ends before.
   */
  async wait(gate: string, options: GateOptions = {}): Promise<WaitedRecord | undefined> {
    const { timeoutMs = Infinity } = options;
    return await this.#wait(gate, "gate", (nowMs) => nowMs + timeoutMs, options);
  }

  /**
   * Waits until a time, in milliseconds since 1970 and told by the time at which it is first asked for; it may
   * be past. Returns as {@linkcode Waits.wait} does.
   */
  async sleep(
    id: string,
    untilFrom: (nowMs: number) => number,
    options: WaitOptions = {},
  ): Promise<WaitedRecord | undefined> {
    const dueFrom = this.#options.sleepsAreDue ? (nowMs: number) => nowMs : untilFrom;
    return await this.#wait(id, "sleep", dueFrom, options);
  }

  async #wait(
    id: string,
    kind: WaitRecord["kind"],
    untilFrom: (nowMs: number) => number,
    options: GateOptions,
  ): Promise<WaitedRecord | undefined> {
    const { tell, observer } = this.#options;
    if (this.#isLeft) return undefined;
    const open = this.#history.of(id).open ?? this.#ask(id, kind, untilFrom);
    if (kind === "gate") tell({ then: () => observer.gateWaits?.(id, open) });
    const untilMs = open.until === undefined ? Infinity : millisecondsOf(open.until);
    const ended = Promise.withResolvers<WaitedRecord | undefined>();
    this.#waiters.set(id, { ...options, kind, untilMs, ended });
    // Whoever waits already may do so for longer.
    this.#wake();
    this.#watchIfNeeded();
    return await ended.promise;
  }

  /** Waits for something no more; whoever goes on with the run does. */
  leave(id: string): void {
    this.#waiters.get(id)?.ended.resolve(undefined);
    this.#waiters.delete(id);
    if (!this.isWaiting) this.#wake();
  }

  /** Waits for nothing any more. */
  leaveAll(): void {
    this.#isLeft = true;
    this.#options.stop.removeEventListener("abort", this.#onStop);
    for (const id of this.waiting) this.leave(id);
    this.#wake();
  }

  #ask(id: string, kind: WaitRecord["kind"], untilFrom: (nowMs: number) => number): WaitRecord {
    const at = this.#options.timers.now();
    const untilMs = untilFrom(millisecondsOf(at));
    const until = untilMs === Infinity ? {} : { until: durationOfMs(untilMs) };
    const open: WaitRecord = { type: "wait", id, kind, at, ...until };
    this.#record(open);
    return open;
  }

  #record(note: WaitRecord | WaitedRecord): void {
    this.#history.take(note);
    this.#options.note(note).catch(this.#options.fail);
  }

  /** Whether there is anything to look for. */
  get #watches(): boolean {
    return this.isWaiting || (this.#hearsStops && !this.#isLeft);
  }

  get #hearsStops(): boolean {
    return this.#options.onStopAsked !== undefined;
  }

  #watchIfNeeded(): void {
    if (this.#watches) this.#watch ??= this.#watchAll();
  }

  /** Looks as long as anything waits whether it still has to. */
  async #watchAll(): Promise<void> {
    try {
      while (this.#watches) {
        if (this.#waitsAtGate || this.#hearsStops) await this.#readInboxOrLater();
        for (const [id, waiter] of [...this.#waiters]) await this.#look(id, waiter);
        if (this.#watches) await this.#pause();
      }
    } catch (error) {
      this.#options.fail(error);
    } finally {
      // At once: whoever waits next would take one that is over for one that watches.
      this.#watch = undefined;
    }
  }

  get #waitsAtGate(): boolean {
    return this.#waiters.values().some(({ kind }) => kind === "gate");
  }

  /** What cannot be reached now is looked into again: whether the run is still held is not for this to say. */
  async #readInboxOrLater(): Promise<void> {
    try {
      await this.#readInbox();
    } catch (error) {
      if (!this.#hearsStops || this.#options.held.lost.aborted) throw error;
    }
  }

  async #readInbox(): Promise<void> {
    const { held: { view }, onStopAsked } = this.#options;
    for (let hasMore = true; hasMore;) {
      const page = await view.lines("inbox", { after: this.#next, limit: PAGE });
      for (const { event, seq } of page.events) {
        const stop = this.#stopIn(event);
        if (stop !== undefined) onStopAsked?.(stop);
        const message = messageFrom(event);
        if (message === undefined || seq <= this.#history.of(message.gate).usedUp) continue;
        const messages = this.#messages.get(message.gate) ?? [];
        this.#messages.set(message.gate, messages);
        messages.push({ line: seq, says: message.says });
      }
      this.#next = page.next;
      hasMore = page.hasMore;
    }
  }

  /** The signal by which a line asks this very holder to stop. */
  #stopIn(line: unknown): Deno.Signal | undefined {
    if (!isObject(line) || line.token !== String(this.#options.held.token)) return undefined;
    return STOPS.find((known) => known === line.stop);
  }

  /** Ends a wait, if a message or the time says so. */
  async #look(id: string, waiter: Waiter): Promise<void> {
    const message = waiter.kind === "gate" ? await this.#messageFor(id, waiter) : undefined;
    const at = this.#options.timers.now();
    // Left meanwhile, or its time has not come.
    if (this.#waiters.get(id) !== waiter) return;
    if (message === undefined && millisecondsOf(at) < waiter.untilMs) return;
    const timeUp = waiter.kind === "gate" ? "timeout" as const : "due" as const;
    const how = message === undefined
      ? { how: timeUp }
      : { ...message.says, inbox_line: message.line };
    this.#end({ type: "waited", id, at, ...how }, waiter);
  }

  #end(waited: WaitedRecord, { kind, ended, onTold }: Waiter): void {
    const { tell, observer } = this.#options;
    const { id } = waited;
    this.#waiters.delete(id);
    const { asks, open } = this.#history.of(id);
    const attempt = { nodeId: id, attempt: asks };
    const wait = open!;
    this.#record(waited);
    tell({
      ...(kind === "gate" && { event: () => gateEnded(attempt, waited, wait.at) }),
      then: () => {
        if (kind === "gate") observer.gateEnded?.(id, waited);
        observer.waitEnded?.(wait, waited);
        onTold?.(waited, asks);
      },
    });
    ended.resolve(waited);
  }

  /** The first message for a gate that can be used; what cannot be is recorded, for whoever has sent it. */
  async #messageFor(gate: string, { check }: Waiter): Promise<GateMessage | undefined> {
    const messages = this.#messages.get(gate) ?? [];
    for (let message; (message = messages.shift()) !== undefined;) {
      const { line, says: { how, value, by } } = message;
      const problem = how === "passed" ? problemOf(value) ?? await check?.(value) : undefined;
      if (problem === undefined) return message;
      const id = refusalId(gate, line);
      // Whoever had the run before may have told it.
      if (this.#history.records.has(id)) continue;
      this.#history.records.add(id);
      const data = { gate, inbox_line: line, ...defined({ by }), problem };
      const at = this.#options.timers.now();
      this.#options.note({ type: "record", id, at, data }).catch(this.#options.fail);
    }
    return undefined;
  }

  /** Until it is to be looked again, somebody else waits, or all is to end. */
  #pause(): Promise<void> {
    const { timers } = this.#options;
    const dueMs = Math.min(...Array.from(this.#waiters.values(), ({ untilMs }) => untilMs));
    const everyMs = this.#waitsAtGate ? POLL_MS : this.#hearsStops ? STOP_POLL_MS : Infinity;
    const pollMs = millisecondsOf(timers.now()) + everyMs;
    return new Promise((resolve) => {
      const cancel = timers.setTimer(durationOfMs(Math.min(pollMs, dueMs)), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** What keeps a value from being recorded, as any program may write to an inbox; undefined if nothing does. */
function problemOf(value: unknown): string | undefined {
  try {
    textForLine(value, { what: "its value", details: {}, mostBytes: MOST_INPUT_BYTES });
  } catch (error) {
    return reasonOf(error);
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
