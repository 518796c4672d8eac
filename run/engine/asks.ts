/**
 * Who asks for what: an event asks for a node, and its episode leads to attempts. A node that is asked for
 * again, when a run is gone on with, is asked for by another event: `test`, then `test#2`, `test#3`. The
 * attempts of a node are counted on over all of its events, so each event says which its first one is.
 */
import { defined } from "../../_internal/errors.ts";
import { durationOfMs } from "../../_internal/event_time.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import type { ConstraintsInit, EventRetry } from "../../supervisor/types.ts";
import type { NodeAttempt } from "../types.ts";

/** The event that asks for a node. */
export interface Ask {
  /** Its id. */
  eventId: string;
  /** The number of the first attempt that it leads to. */
  firstAttempt: number;
}

const REPEATED = /^(.*)#(\d+)$/s;

/** The node that an event asks for. */
export function nodeOfEvent(eventId: string): string {
  return REPEATED.exec(eventId)?.[1] ?? eventId;
}

const MOST_ID_LENGTH = 1000;

/** What keeps a text from being the id of something that a program asks for; undefined if nothing does. */
export function idProblem(id: string): string | undefined {
  if (typeof id !== "string" || id.trim() === "") return "an id is a text that is not blank";
  if (id.startsWith(":")) return "what begins with ':' is for the supervisor";
  if (id.length > MOST_ID_LENGTH) return `an id has at most ${MOST_ID_LENGTH} characters`;
  if (REPEATED.test(id)) return "what ends with '#' and digits is for work that is asked for again";
  return id.isWellFormed() ? undefined : "it has a lone surrogate";
}

/** The id of a Pump, which cannot be that of a node. */
export function pumpEventId(inputCount: number): string {
  return `:pump-${inputCount}`;
}

/**
 * What the event of an ask says beside what it asks for: which attempt its first one is, where it is not the first
 * ask, and how it is tried where that is not as the constraints say.
 */
export function membersOf(
  { eventId, firstAttempt }: Ask,
  { retry, maxAttempts, constraints }: {
    retry?: EventRetry;
    /** How many attempts all asks of the node may lead to. */
    maxAttempts?: number;
    constraints: Pick<ConstraintsInit, "max_retries">;
  },
): { firstAttempt?: number; retry?: EventRetry } {
  const repeated = REPEATED.test(eventId) ? { firstAttempt } : {};
  if (maxAttempts === undefined) return { ...repeated, ...defined({ retry }) };
  const { max_retries: most } = { ...constraints, ...retry };
  const left = Math.max(0, Math.min(most, maxAttempts - firstAttempt));
  return { ...repeated, retry: { ...retry, max_retries: left } };
}

/** The longest time between two attempts where nobody says one. */
const LONGEST_DELAY_MS = 24 * 60 * 60 * 1000;

/** How attempts wait for each other, from times in milliseconds; undefined where they do not. */
export function backoffOf(
  { delayMs, factor, maxDelayMs = Math.max(delayMs, LONGEST_DELAY_MS) }: {
    delayMs: number;
    factor: number;
    maxDelayMs?: number;
  },
): EventRetry["backoff"] {
  if (delayMs === 0) return undefined;
  return { initial: durationOfMs(delayMs), factor, max: durationOfMs(maxDelayMs) };
}

/** All asks of a run and the attempts that they have led to. */
export class Asks {
  /** By the id of the event, where it is not 1. */
  readonly #firstAttempts = new Map<string, number>();
  /** How often each node was asked for, and the highest number of an attempt that was or may have been begun. */
  readonly #nodes = new Map<string, { asks: number; attempts: number }>();

  /** The asks of a recording; the original format says of none that it is a further one. */
  static of(bundle: CaptureBundle): Asks {
    const asks = new Asks();
    for (const input of "inputs" in bundle ? bundle.inputs : []) {
      if (input.type !== "event") continue;
      asks.add({ eventId: input.event_id, firstAttempt: input.first_attempt ?? 1 });
    }
    return asks;
  }

  /** The event that asks for a node next. It counts once it is {@linkcode Asks.add added}. */
  next(nodeId: string): Ask {
    const { asks, attempts } = this.#nodes.get(nodeId) ?? { asks: 0, attempts: 0 };
    return {
      eventId: asks === 0 ? nodeId : `${nodeId}#${asks + 1}`,
      firstAttempt: attempts + 1,
    };
  }

  /** Forgets all. */
  clear(): void {
    this.#firstAttempts.clear();
    this.#nodes.clear();
  }

  /** How many nodes were asked for. */
  get nodeCount(): number {
    return this.#nodes.size;
  }

  /** An event has asked for a node. */
  add({ eventId, firstAttempt }: Ask): void {
    if (firstAttempt !== 1) this.#firstAttempts.set(eventId, firstAttempt);
    const nodeId = nodeOfEvent(eventId);
    const { asks, attempts } = this.#nodes.get(nodeId) ?? { asks: 0, attempts: 0 };
    this.#nodes.set(nodeId, { asks: asks + 1, attempts });
  }

  /** An attempt has been begun, or may have been. */
  begun({ nodeId, attempt }: NodeAttempt): void {
    const node = this.#nodes.get(nodeId);
    if (node !== undefined) node.attempts = Math.max(node.attempts, attempt);
  }

  /** The attempt at a node that the `number`th attempt of an event's episode is. */
  attemptOf(eventId: string, number: number): NodeAttempt {
    const first = this.#firstAttempts.get(eventId) ?? 1;
    return { nodeId: nodeOfEvent(eventId), attempt: first + number - 1 };
  }
}
