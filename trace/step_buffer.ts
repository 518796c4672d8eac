import type { RecordedStep, RecordedValue } from "./recorded_step.ts";
import type { NodeEvent } from "./types.ts";

/** A character of a JavaScript string takes two bytes, or one; two is what it may cost. */
const BYTES_PER_CHARACTER = 2;

/** The bounds of a {@linkcode StepBuffer}. */
export interface StepBounds {
  /** How many ended steps are kept. */
  readonly bufferSize: number;
  /** How many bytes of text all steps hold at most. */
  readonly bufferBytes: number;
  /** Whether giving up the text of an input loses anything. */
  readonly captureInputs: boolean;
}

/**
 * The newest steps that have ended (TRC-10), in the order in which they did, and the account of all text
 * that steps hold, those in flight too. One bound drops steps, the other texts; a text that is given up
 * leaves its digest.
 */
export class StepBuffer {
  /** How many steps are no longer here. */
  droppedSteps = 0;
  /** How many bytes of captured input were given up. */
  droppedBytes = 0;
  readonly #bounds: StepBounds;
  /** The step that was pushed as number n is in slot n modulo the size. */
  readonly #slots: RecordedStep[] = [];
  #pushed = 0;
  /** All steps that were pushed before this one have no text. */
  #firstWithText = 0;
  #heldBytes = 0;

  constructor(bounds: StepBounds) {
    this.#bounds = bounds;
  }

  /** How many bytes of text the steps hold. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** How many steps are here. */
  get size(): number {
    return this.#slots.length;
  }

  /**
   * Lets a step hold the text of its input or output. Older texts make room for it; if they cannot, since
   * the rest belongs to steps in flight, it is itself given up.
   */
  hold(step: RecordedStep, value: RecordedValue, text: string): void {
    const bytes = text.length * BYTES_PER_CHARACTER;
    value.text = text;
    this.#heldBytes += bytes;
    if (this.#heldBytes > this.#bounds.bufferBytes) this.#makeRoom(step, value);
  }

  /** Takes a step that has ended. */
  push(step: RecordedStep): void {
    const { bufferSize } = this.#bounds;
    if (bufferSize === 0) return this.#drop(step);
    const slot = this.#pushed % bufferSize;
    const oldest = this.#slots[slot];
    if (oldest !== undefined) this.#drop(oldest);
    this.#slots[slot] = step;
    this.#pushed++;
  }

  /** The steps, the oldest first. */
  all(): RecordedStep[] {
    const start = this.#pushed % Math.max(1, this.#bounds.bufferSize);
    if (this.#slots.length < this.#bounds.bufferSize) return [...this.#slots];
    return [...this.#slots.slice(start), ...this.#slots.slice(0, start)];
  }

  /** Computes all digests, and gives up the texts that were needed for them only. */
  settle(steps: readonly RecordedStep[]): void {
    for (const step of steps) {
      if (!this.#bounds.captureInputs) this.#discard(step, step.input);
      if (step.output !== undefined) this.#discard(step, step.output);
    }
  }

  #makeRoom(step: RecordedStep, value: RecordedValue): void {
    const { bufferSize, bufferBytes } = this.#bounds;
    const oldest = this.#pushed - this.#slots.length;
    this.#firstWithText = Math.max(this.#firstWithText, oldest);
    while (this.#heldBytes > bufferBytes && this.#firstWithText < this.#pushed) {
      this.#strip(this.#slots[this.#firstWithText++ % bufferSize]!);
    }
    if (this.#heldBytes > bufferBytes) this.#discardCounted(step, value);
  }

  #strip(step: RecordedStep): void {
    if (step.output !== undefined) this.#discard(step, step.output);
    this.#discardCounted(step, step.input);
  }

  #discardCounted(step: RecordedStep, value: RecordedValue): void {
    if (this.#bounds.captureInputs && value === step.input && value.text !== undefined) {
      this.droppedBytes += value.text.length * BYTES_PER_CHARACTER;
      step.inputDropped = true;
    }
    this.#discard(step, value);
  }

  #discard(step: RecordedStep, value: RecordedValue): void {
    this.#release(value);
    const problem = value.discard();
    if (problem !== undefined) step.addIssues([problem]);
  }

  #drop(step: RecordedStep): void {
    this.droppedSteps++;
    this.#release(step.input);
    if (step.output !== undefined) this.#release(step.output);
  }

  #release(value: RecordedValue): void {
    if (value.text !== undefined) this.#heldBytes -= value.text.length * BYTES_PER_CHARACTER;
  }
}

/** The steps that have started and not ended, by what their events say about them (W-TRC-7). */
export class StepsInFlight {
  /** Steps with an execution id, by that; those of one id as they started, and so in all lists here. */
  readonly #byExecution = new Map<string, RecordedStep[]>();
  /** Steps without one, by node. */
  readonly #byNode = new Map<string, RecordedStep[]>();
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** Takes a step that has started with an event. */
  add(step: RecordedStep, event: NodeEvent): void {
    const { map, key } = this.#placeOf(step);
    const steps = map.get(key);
    if (steps === undefined) map.set(key, [step]);
    else steps.push(step);
    if (step.executionId === undefined) step.event = event;
    this.#size++;
  }

  /** The step that an event is about; of several that it may be about the one that started last. */
  find(event: NodeEvent): RecordedStep | undefined {
    if (event.execution_id !== undefined) return this.#byExecution.get(event.execution_id)?.at(-1);
    const steps = this.#byNode.get(event.node_id) ?? [];
    return steps.findLast((step) => step.event === event) ??
      steps.findLast((step) => step.attempt === event.context.attempt);
  }

  /** Takes out a step that is here. */
  remove(step: RecordedStep): void {
    const { map, key } = this.#placeOf(step);
    const steps = map.get(key)!;
    if (steps.length === 1) map.delete(key);
    else steps.splice(steps.lastIndexOf(step), 1);
    step.event = undefined;
    this.#size--;
  }

  /** All of them, as they started. */
  all(): RecordedStep[] {
    return [...this.#byExecution.values(), ...this.#byNode.values()].flat()
      .sort((a, b) => a.number - b.number);
  }

  #placeOf({ executionId, nodeId }: RecordedStep): {
    map: Map<string, RecordedStep[]>;
    key: string;
  } {
    return executionId === undefined
      ? { map: this.#byNode, key: nodeId }
      : { map: this.#byExecution, key: executionId };
  }
}
