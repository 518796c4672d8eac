import type { TraceStep } from "./types.ts";

/** Microseconds in the milliseconds that traces count in. */
const MICROSECONDS = 1000;

/** A step as it is drawn: from when to when, in microseconds, and in which lane, from 0. */
export interface DrawnStep {
  step: TraceStep;
  start: number;
  end: number;
  lane: number;
}

/** A drawn step in which others may be drawn. */
interface Slot extends DrawnStep {
  /** Where the last of them ends. */
  insideUntil: number;
}

type Span = Pick<DrawnStep, "step" | "start" | "end">;

/**
 * Gives every step a lane, so that steps of one lane follow or contain each other and never overlap in
 * part: viewers demand that. A step is drawn inside the one that runs it, if that has room; all others
 * take the first lane that is free when they start.
 */
export function drawSteps(steps: readonly TraceStep[], origin: number | undefined): DrawnStep[] {
  const slots = new Map<string, Slot>();
  /** Where the last step of each lane ends. */
  const lanes: number[] = [];
  return spansOf(steps, origin).map((span) => {
    const { execution_id: id, parent_execution_id: parentId } = span.step;
    const parent = parentId === undefined ? undefined : slots.get(parentId);
    const slot = (parent && insideOf(parent, span)) ?? inFreeLane(lanes, span);
    if (id !== undefined) slots.set(id, slot);
    const { step, start, end, lane } = slot;
    return { step, start, end, lane };
  });
}

/** When the first step started, in milliseconds since 1970; undefined if not all steps say. */
export function originOf(steps: readonly TraceStep[]): number | undefined {
  if (steps.length === 0 || steps.some(({ started_at }) => started_at === undefined)) {
    return undefined;
  }
  return steps.reduce((first, step, index) => Math.min(first, startOf(step, index)), Infinity);
}

function startOf({ started_at }: TraceStep, index: number): number {
  const start = Date.parse(started_at!);
  if (!Number.isNaN(start)) return start;
  throw new TypeError(
    `Cannot convert the trace: $.steps[${index}].started_at is "${started_at}", which is no time`,
  );
}

/** When the steps ran, in the order in which they started; one after the other if nobody knows. */
function spansOf(steps: readonly TraceStep[], origin: number | undefined): Span[] {
  let next = 0;
  const spans = steps.map((step, index) => {
    const start = origin === undefined ? next : (startOf(step, index) - origin) * MICROSECONDS;
    next = start + lengthOf(step, index);
    return { step, start, end: next };
  });
  // A step and the one that runs it can start in the same millisecond.
  return spans.sort((a, b) => a.start - b.start || (a.step.step ?? 0) - (b.step.step ?? 0));
}

/** At least a microsecond: of two steps at one time, one of no length, viewers mistake the order. */
function lengthOf({ duration_ms }: TraceStep, index: number): number {
  if (Number.isFinite(duration_ms) && duration_ms >= 0) {
    return Math.max(1, duration_ms * MICROSECONDS);
  }
  throw new TypeError(
    `Cannot convert the trace: $.steps[${index}].duration_ms is ${duration_ms}, which is no duration`,
  );
}

/** The step inside the one that runs it; undefined where it does not fit. */
function insideOf(parent: Slot, { step, start, end }: Span): Slot | undefined {
  // Both were cut to milliseconds, so a step can seem to end behind the one that it is part of.
  if (end - parent.end > MICROSECONDS) return undefined;
  const fittedEnd = Math.min(end, parent.end);
  const fittedStart = Math.min(start, fittedEnd - 1);
  if (fittedStart < parent.insideUntil) return undefined;
  parent.insideUntil = fittedEnd;
  return {
    step,
    start: fittedStart,
    end: fittedEnd,
    lane: parent.lane,
    insideUntil: fittedStart,
  };
}

function inFreeLane(lanes: number[], { step, start, end }: Span): Slot {
  const free = lanes.findIndex((until) => until <= start);
  const lane = free === -1 ? lanes.length : free;
  lanes[lane] = end;
  return { step, start, end, lane, insideUntil: start };
}
