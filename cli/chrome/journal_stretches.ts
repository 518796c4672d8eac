/**
 * What the journal of a run tells of its time that the log does not: which nodes could have begun and had to wait,
 * and for what; which waited to be tried again; at which gates and sleeps it waited; and where attempts were made.
 * What is always true:
 *
 * - A stretch ends with whatever was decided next about the same ask, and at the latest when its process was gone.
 *   Gates and sleeps go on without one.
 * - Nothing is kept of a node that never had to wait.
 */
import { millisecondsOf } from "../../_internal/event_time.ts";
import type { Constraints } from "../../_internal/constraints.ts";
import type { CaptureLine } from "../../capture/session/read_capture_lines.ts";
import type { DecisionRecord, InputRecord, WaitedRecord, WaitRecord } from "../../capture/types.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import { Asks } from "../../run/engine/asks.ts";
import type { NodeAttempt } from "../../run/types.ts";
import { deferralText } from "../reading/deferrals.ts";
import { gateEndText } from "../reading/run_outcome.ts";

/** Some time in which a node waited, in milliseconds since 1970. */
export interface Stretch extends NodeAttempt {
  /** Since when. */
  from: number;
  /** Until when; undefined as long as it does. */
  to: number | undefined;
  /** Why, or how that ended, for people. */
  text: string;
  /** Whether it ended as it should not: nobody has let it pass. */
  isBad?: boolean;
}

/** What a node can wait for: room for it, the time of a retry, somebody who lets it pass, or a time. */
export const STRETCH_KINDS = ["gate", "sleep", "backoff", "ready"] as const;

/** One of these. */
export type StretchKind = (typeof STRETCH_KINDS)[number];

/** A stretch whose end is not known yet. */
interface Open {
  kind: StretchKind;
  stretch: Stretch;
}

/** Takes a journal, line by line. */
export class JournalStretches {
  /** All of them, by what was waited for, in the order in which they began. */
  readonly of: Readonly<Record<StretchKind, Stretch[]>> = {
    gate: [],
    sleep: [],
    backoff: [],
    ready: [],
  };
  /** When attempts were begun, in milliseconds since 1970, as limits count them. */
  readonly begun: number[] = [];
  /** The nodes that are gates: what the log tells of them is no work. */
  readonly gates: Set<string> = new Set();
  #limits: Constraints | undefined;
  #asks = new Asks();
  readonly #events = new Map<number, string>();
  /** By event what its node waits for. */
  readonly #open = new Map<string, Open>();
  /** The gates and sleeps that wait. */
  readonly #waits = new Map<string, Open>();
  readonly #waited = new Map<string, number>();
  /** By attempt the worker that made it. */
  readonly #workers = new Map<string, string>();
  readonly #texts = new Map<string, string>();
  #lastMs = 0;

  /** What the run keeps to; undefined where it has recorded nothing. */
  get limits(): Constraints | undefined {
    return this.#limits;
  }

  /** The worker that made an attempt; undefined of one that was made where the run is. */
  workerOf(attempt: NodeAttempt): string | undefined {
    return this.#workers.get(attemptKey(attempt));
  }

  /** Takes the next line that counts. */
  take(line: CaptureLine): void {
    switch (line.type) {
      case "session":
        this.#begin(line.config);
        break;
      case "resumed":
        // The process that would have begun it is gone.
        for (const eventId of this.#open.keys()) this.#close(eventId, this.#lastMs);
        break;
      case "event":
        this.#takeEvent(line);
        break;
      case "completion":
        this.#takeCompletion(line);
        break;
      case "decision":
        this.#decide(line, this.#passTime(millisecondsOf(line.numbers.now)));
        break;
      case "wait":
        this.#wait(line, this.#passTime(millisecondsOf(line.at)));
        break;
      case "waited":
        this.#endWait(line, this.#passTime(millisecondsOf(line.at)));
    }
  }

  /** A journal may hold several sessions one behind the other, of which the last counts. */
  #begin(limits: Constraints): void {
    this.#limits = limits;
    this.#asks = new Asks();
    for (const kept of [this.#events, this.#open, this.#waits, this.#waited, this.#workers]) {
      kept.clear();
    }
    for (const kind of STRETCH_KINDS) this.of[kind].length = 0;
    this.begun.length = 0;
    this.gates.clear();
  }

  #passTime(atMs: number): number {
    return this.#lastMs = Math.max(atMs, this.#lastMs);
  }

  #takeEvent(event: InputRecord & { type: "event" }): void {
    const { event_id: eventId, first_attempt: firstAttempt = 1 } = event;
    if (firstAttempt !== 1) this.#asks.add({ eventId, firstAttempt });
  }

  #takeCompletion({ episode_id, attempt, end }: InputRecord & { type: "completion" }): void {
    const worker = end?.worker;
    const eventId = this.#events.get(episode_id);
    if (typeof worker !== "string" || eventId === undefined) return;
    this.#workers.set(attemptKey(this.#asks.attemptOf(eventId, attempt)), this.#once(worker));
  }

  #decide(decided: DecisionRecord, at: number): void {
    const { decision, reason, origin_event_id: eventId, episode_id, retry_count } = decided;
    if (eventId === null) return;
    this.#close(eventId, at);
    if (decision === "Invoke") this.begun.push(at);
    if (decision === "Finish" || decision === "Skip") {
      this.#events.delete(episode_id);
      return;
    }
    this.#events.set(episode_id, eventId);
    if (decision !== "Defer") return;
    // What is deferred by an event was not begun yet, and a retry comes behind the attempt that has ended.
    const next = decided.attempt_termination === null ? 1 : retry_count + 2;
    const attempt = this.#asks.attemptOf(eventId, next);
    const text = this.#once(deferralText(decided, this.#limits!));
    const kind = reason === "backoff" ? "backoff" : "ready";
    this.#open.set(eventId, this.#put(kind, { ...attempt, from: at, to: undefined, text }));
  }

  #put(kind: StretchKind, stretch: Stretch): Open {
    this.of[kind].push(stretch);
    return { kind, stretch };
  }

  #close(eventId: string, at: number): void {
    const open = this.#open.get(eventId);
    if (open === undefined) return;
    this.#open.delete(eventId);
    open.stretch.to = at;
  }

  #wait({ id, kind, until }: WaitRecord, from: number): void {
    const attempt = (this.#waited.get(id) ?? 0) + 1;
    this.#waited.set(id, attempt);
    if (kind === "gate") this.gates.add(id);
    const text = until === undefined
      ? "waits"
      : `waits until ${new Date(millisecondsOf(until)).toISOString()}`;
    this.#waits.set(id, this.#put(kind, { nodeId: id, attempt, from, to: undefined, text }));
  }

  #endWait(waited: WaitedRecord, at: number): void {
    const { id, how } = waited;
    const open = this.#waits.get(id);
    if (open === undefined) return;
    this.#waits.delete(id);
    open.stretch.to = at;
    open.stretch.isBad = how === "denied" || how === "timeout";
    open.stretch.text = how === "due" ? "its time has come" : gateEndText(waited);
  }

  /** Many wait for the same. */
  #once(text: string): string {
    const known = this.#texts.get(text);
    if (known === undefined) this.#texts.set(text, text);
    return known ?? text;
  }
}
