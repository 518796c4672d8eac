import { printable } from "./read_trace.ts";
import type { RecordedStep, RecordedValue } from "./recorded_step.ts";
import type { NodeEvent } from "./types.ts";

/** A character of a JavaScript string takes two bytes, or one; two is what it may cost. */
const BYTES_PER_CHARACTER = 2;

/** The bounds of a {@linkcode StepBuffer}. */
interface StepBounds {
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
  /** How many bytes of text the steps hold. */
  heldBytes = 0;
  readonly #bounds: StepBounds;
  /** The step that was pushed as number n is in slot n modulo the size. */
  readonly #slots: RecordedStep[] = [];
  #pushed = 0;
  /** All steps that were pushed before this one have no text. */
  #firstWithText = 0;

  constructor(bounds: StepBounds) {
    this.#bounds = bounds;
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
    this.heldBytes += bytes;
    if (this.heldBytes > this.#bounds.bufferBytes) this.#makeRoom(step, value);
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
    while (this.heldBytes > bufferBytes && this.#firstWithText < this.#pushed) {
      this.#strip(this.#slots[this.#firstWithText++ % bufferSize]!);
    }
    if (this.heldBytes > bufferBytes) this.#discardCounted(step, value);
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
    if (value.text !== undefined) this.heldBytes -= value.text.length * BYTES_PER_CHARACTER;
  }
}

/** The steps that have started and not ended, by what their events say about them (W-TRC-7). */
export class StepsInFlight {
  /** By execution id, without one by node; those of one key as they started. */
  readonly #steps = new Map<string, RecordedStep[]>();
  /** How many there are. */
  size = 0;

  /** Takes a step that has started with an event. */
  add(step: RecordedStep, event: NodeEvent): void {
    const key = keyOf(step.executionId, step.nodeId);
    const steps = this.#steps.get(key);
    if (steps === undefined) this.#steps.set(key, [step]);
    else steps.push(step);
    if (step.executionId === undefined) step.event = event;
    this.size++;
  }

  /** The step that an event is about; of several that it may be about the one that started last. */
  find(event: NodeEvent): RecordedStep | undefined {
    const steps = this.#steps.get(keyOf(event.execution_id, event.node_id)) ?? [];
    if (event.execution_id !== undefined) return steps.at(-1);
    return steps.findLast((step) => step.event === event) ??
      steps.findLast((step) => step.attempt === event.context.attempt);
  }

  /** Takes out a step that is here. */
  remove(step: RecordedStep): void {
    const key = keyOf(step.executionId, step.nodeId);
    const steps = this.#steps.get(key)!;
    if (steps.length === 1) this.#steps.delete(key);
    else steps.splice(steps.lastIndexOf(step), 1);
    step.event = undefined;
    this.size--;
  }

  /** All of them, as they started. */
  all(): RecordedStep[] {
    return [...this.#steps.values()].flat().sort((a, b) => a.number - b.number);
  }
}

/** An execution and a node of the same name are two keys. */
function keyOf(executionId: string | undefined, nodeId: string): string {
  return executionId === undefined
    ? `node ${printable(nodeId)}`
    : `execution ${printable(executionId)}`;
}
