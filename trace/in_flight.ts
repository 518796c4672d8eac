import type { RecordedStep } from "./recorded_step.ts";
import type { NodeEvent } from "./types.ts";

/** The steps that have started and not ended, by what their events say about them (W-TRC-7). */
export class InFlight {
  /** Steps with an execution id: the newest of each, with the older ones behind it. */
  readonly #byExecution = new Map<string, RecordedStep>();
  /** Steps without one, by node. */
  readonly #byNode = new Map<string, RecordedStep>();
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** Takes a step that has started with an event. */
  add(step: RecordedStep, event: NodeEvent): void {
    const { map, key } = step.executionId === undefined
      ? { map: this.#byNode, key: step.nodeId }
      : { map: this.#byExecution, key: step.executionId };
    const older = map.get(key);
    step.older = older;
    if (older !== undefined) older.newer = step;
    if (step.executionId === undefined) step.event = event;
    map.set(key, step);
    this.#size++;
  }

  /** The step that an event is about. */
  find(event: NodeEvent): RecordedStep | undefined {
    if (event.execution_id !== undefined) return this.#byExecution.get(event.execution_id);
    const newest = this.#byNode.get(event.node_id);
    if (newest === undefined) return undefined;
    return findOlder(newest, (step) => step.event === event) ??
      findOlder(newest, (step) => step.attempt === event.context.attempt);
  }

  /** Takes out the step that an event is about. */
  take(event: NodeEvent): RecordedStep | undefined {
    const step = this.find(event);
    if (step !== undefined) this.remove(step);
    return step;
  }

  /** Takes out a step. */
  remove(step: RecordedStep): void {
    const { map, key } = step.executionId === undefined
      ? { map: this.#byNode, key: step.nodeId }
      : { map: this.#byExecution, key: step.executionId };
    if (step.older === undefined && step.newer === undefined) map.delete(key);
    else if (step.newer === undefined) map.set(key, step.older!);
    else step.newer.older = step.older;
    if (step.older !== undefined) step.older.newer = step.newer;
    step.older = undefined;
    step.newer = undefined;
    step.event = undefined;
    this.#size--;
  }

  /** All of them, as they started. */
  all(): RecordedStep[] {
    const steps: RecordedStep[] = [];
    for (const map of [this.#byExecution, this.#byNode]) {
      for (const newest of map.values()) {
        for (let step: RecordedStep | undefined = newest; step; step = step.older) steps.push(step);
      }
    }
    return steps.sort((a, b) => a.number - b.number);
  }
}

function findOlder(
  newest: RecordedStep,
  isWanted: (step: RecordedStep) => boolean,
): RecordedStep | undefined {
  for (let step: RecordedStep | undefined = newest; step; step = step.older) {
    if (isWanted(step)) return step;
  }
}
