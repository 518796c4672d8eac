/**
 * What the journal of a run tells of its course that its log does not: since when each attempt could have begun,
 * how often what was decided and why, what waited for how long, and when nobody worked on the run.
 */
import { millisecondsOf } from "../../_internal/event_time.ts";
import type { CaptureLine } from "../../capture/session/read_capture_lines.ts";
import type { WaitedRecord, WaitRecord } from "../../capture/types.ts";
import { nodeOfEvent } from "../../run/engine/asks.ts";

/** A gate or a sleep, with times in milliseconds since 1970. */
export interface WaitSpan extends Pick<WaitRecord, "id" | "kind"> {
  /** Since when. */
  fromMs: number;
  /** Until when at the latest. */
  untilMs?: number;
  /** When that was over. */
  toMs?: number;
  /** How. */
  how?: WaitedRecord["how"];
  /** Who said so. */
  by?: string;
}

/** A decision and its reason, as the supervisor names them, and how often. */
export interface DecisionCount {
  decision: string;
  reason: string;
  count: number;
}

/** Takes a journal line by line. */
export class JournalFacts {
  /** When nodes were asked for, each in order, in milliseconds since 1970. */
  readonly #asked = new Map<string, number[]>();
  readonly #decisions = new Map<string, DecisionCount>();
  readonly #waits: WaitSpan[] = [];
  readonly #gates = new Set<string>();
  readonly #waiting = new Map<string, WaitSpan>();
  readonly #pauses: [fromMs: number, toMs: number][] = [];
  #lastMs: number | undefined;
  #leftMs: number | undefined;

  /** Takes the next line that counts. */
  takeLine(line: CaptureLine): void {
    const atMs = timeOf(line);
    if (line.type === "session" || line.type === "resumed") this.#leftMs = this.#lastMs;
    if (atMs !== undefined) this.#takeTime(atMs);
    switch (line.type) {
      case "event":
        if (line.kind !== "Pump") this.#ask(nodeOfEvent(line.event_id), atMs!);
        break;
      case "decision":
        this.#decide(line.decision, line.reason);
        break;
      case "wait":
        this.#wait(line, atMs!);
        break;
      case "waited":
        this.#waited(line, atMs!);
    }
  }

  #takeTime(atMs: number): void {
    if (this.#leftMs !== undefined && atMs > this.#leftMs) this.#pauses.push([this.#leftMs, atMs]);
    this.#leftMs = undefined;
    this.#lastMs = Math.max(atMs, this.#lastMs ?? atMs);
  }

  #ask(nodeId: string, atMs: number): void {
    const asked = this.#asked.get(nodeId);
    if (asked === undefined) this.#asked.set(nodeId, [atMs]);
    else asked.push(atMs);
  }

  #decide(decision: string, reason: string): void {
    const key = `${decision} ${reason}`;
    const known = this.#decisions.get(key);
    if (known === undefined) this.#decisions.set(key, { decision, reason, count: 1 });
    else known.count++;
  }

  #wait({ id, kind, until }: WaitRecord, fromMs: number): void {
    const span = { id, kind, fromMs, ...(until && { untilMs: millisecondsOf(until) }) };
    this.#waits.push(span);
    if (kind === "gate") this.#gates.add(id);
    this.#waiting.set(id, span);
  }

  #waited({ id, how, by }: WaitedRecord, toMs: number): void {
    const span = this.#waiting.get(id);
    if (span === undefined) return;
    Object.assign(span, { toMs, how, ...(by !== undefined && { by }) });
    this.#waiting.delete(id);
  }

  /** When a node was asked for last before it began; undefined where no journal tells. */
  askedBefore(nodeId: string, beganMs: number): number | undefined {
    return this.#asked.get(nodeId)?.findLast((atMs) => atMs <= beganMs);
  }

  /** Whether something waited, or waits, for somebody to let it pass. */
  isGate(nodeId: string): boolean {
    return this.#gates.has(nodeId);
  }

  /** What was decided and why, what came most often first. */
  get decisions(): DecisionCount[] {
    return [...this.#decisions.values()].toSorted((a, b) => b.count - a.count);
  }

  /** Gates and sleeps, the oldest first. */
  get waits(): readonly WaitSpan[] {
    return this.#waits;
  }

  /** When nobody worked on the run. */
  get pauses(): readonly (readonly [fromMs: number, toMs: number])[] {
    return this.#pauses;
  }
}

function timeOf(line: CaptureLine): number | undefined {
  if (line.type === "event") return millisecondsOf(line.event_time);
  return "at" in line ? millisecondsOf(line.at) : undefined;
}
