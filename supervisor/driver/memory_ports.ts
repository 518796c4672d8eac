import { episodeRecordOf } from "../../_internal/episode_record.ts";
import type { EpisodeInvocationRecord } from "../../capture/types.ts";
import { Fifo } from "../core/deferred_queue.ts";
import { checkTermination } from "../core/rules.ts";
import type {
  DecisionLog,
  DecisionLogEntry,
  RunRequest,
  RunTermination,
  RuntimeInvoker,
} from "../types.ts";

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
 * assertEquals(decisionLog.records()[0]?.termination, "Completed");
 * ```
 */
export class MemoryDecisionLog implements DecisionLog {
  readonly #entries: DecisionLogEntry[] = [];

  /** Every entry so far, in order. */
  get entries(): readonly DecisionLogEntry[] {
    return this.#entries;
  }

  /**
   * Every entry so far, in order, as capture's format v3 records it: without its event, its reason and
   * effects. The records are copies.
   *
   * @returns The records.
   */
  records(): EpisodeInvocationRecord[] {
    return this.#entries.map(episodeRecordOf);
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

/**
 * An invoker for tests that gives the answers that are pushed into it (INV-3). It looks at the event id alone: each
 * has its own outcomes, used up one a run, and the default outcome after them. A deadline of exactly 0
 * is answered `Aborted` and uses up nothing. Whoever has the invoker shares its outcomes.
 *
 * @example One retry
 * ```ts
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const invoker = new FaultInvoker();
 * invoker.pushOutcomes("e1", ["TimedOut", "Completed"]);
 * const decisionLog = new MemoryDecisionLog();
 * const constraints = { max_retries: 3 };
 * const supervisor = new Supervisor({ graphId: "g", constraints, decisionLog, invoker });
 * await supervisor.onEvent(createEvent({ id: "e1", kind: "Command", at: { secs: 0, nanos: 0 } }));
 * assertEquals(decisionLog.entries[0]?.termination, "Completed");
 * assertEquals(decisionLog.entries[0]?.retry_count, 1);
 * ```
 */
export class FaultInvoker implements RuntimeInvoker {
  readonly #defaultOutcome: RunTermination;
  readonly #outcomes = new Map<string, Fifo<RunTermination>>();

  /**
   * An invoker without outcomes of its own.
   *
   * @param defaultOutcome What it answers when an event has no outcomes left.
   */
  constructor(defaultOutcome: RunTermination = "Completed") {
    this.#defaultOutcome = checkTermination(defaultOutcome, "defaultOutcome");
  }

  /**
   * Adds outcomes for the runs of an event, behind those that it has.
   *
   * @param eventId The event that the episodes are made for.
   * @param outcomes What its next runs answer.
   */
  pushOutcomes(eventId: string, outcomes: readonly RunTermination[]): void {
    const queue = this.#outcomes.get(eventId) ?? new Fifo<RunTermination>();
    for (const outcome of outcomes) queue.push(checkTermination(outcome, "outcomes"));
    this.#outcomes.set(eventId, queue);
  }

  /**
   * Answers.
   *
   * @param request What is to be run.
   * @returns The outcome.
   */
  run(request: RunRequest): RunTermination {
    const { deadline, eventId } = request;
    if (deadline !== undefined && deadline.secs === 0 && deadline.nanos === 0) return "Aborted";
    return this.#outcomes.get(eventId)?.shift() ?? this.#defaultOutcome;
  }
}
