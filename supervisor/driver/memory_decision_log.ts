import type { DecisionLog, DecisionLogEntry } from "../types.ts";

/**
 * A decision log in memory.
 *
 * @example Usage
 * ```ts
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const decisionLog = new MemoryDecisionLog();
 * const supervisor = new Supervisor({
 *   graphId: "g",
 *   constraints: { max_retries: 0 },
 *   decisionLog,
 *   invoker: new FaultInvoker(),
 * });
 * await supervisor.onEvent(createEvent({ id: "e1", kind: "Command", at: { secs: 0, nanos: 0 } }));
 * assertEquals(decisionLog.entries.map(({ decision }) => decision), ["Invoke"]);
 * ```
 */
export class MemoryDecisionLog implements DecisionLog {
  readonly #entries: DecisionLogEntry[] = [];

  /** Every entry so far, in order. */
  get entries(): readonly DecisionLogEntry[] {
    return this.#entries;
  }

  /**
   * Keeps an entry.
   *
   * @param entry The entry.
   */
  log(entry: DecisionLogEntry): void {
    this.#entries.push(entry);
  }
}
