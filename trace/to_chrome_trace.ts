import { checkArray, checkObject, defined, describe } from "../_internal/errors.ts";
import { checkTraceShape } from "./read_trace.ts";
import type { TraceEnvelope, TraceStep } from "./types.ts";

/** One event of the Trace Event Format; times are microseconds since the first step started. */
export type ChromeTraceEvent =
  | {
    /** Names a process or thread. */
    ph: "M";
    /** What is named. */
    name: "process_name" | "thread_name" | "thread_sort_index";
    /** The process: always 1. */
    pid: number;
    /** The lane, from 1. */
    tid: number;
    /** The name, or the place among the threads. */
    args: { name: string } | { sort_index: number };
  }
  | {
    /** A step, from its start to its end. */
    ph: "X";
    /** The node. */
    name: string;
    /** `step`, for one that had not ended `step,in_flight`. */
    cat: string;
    /** When it started. */
    ts: number;
    /** How long it took. */
    dur: number;
    /** The process: always 1. */
    pid: number;
    /** The lane, from 1. */
    tid: number;
    /** The members of the step but for its payload. */
    args: Record<string, unknown>;
  }
  | {
    /** The error of a step, when it ended. */
    ph: "i";
    /** The error's code. */
    name: string;
    /** `error`. */
    cat: string;
    /** When the step ended. */
    ts: number;
    /** It concerns one thread. */
    s: "t";
    /** The process: always 1. */
    pid: number;
    /** The lane, from 1. */
    tid: number;
    /** The node, the message and the details. */
    args: Record<string, unknown>;
  }
  | {
    /** How many steps are in flight from now on. */
    ph: "C";
    /** `steps in flight`. */
    name: string;
    /** Since when. */
    ts: number;
    /** The process: always 1. */
    pid: number;
    /** The first lane; counters belong to the process. */
    tid: number;
    /** The number. */
    args: { steps: number };
  };

/** A trace in the Trace Event Format: `JSON.stringify` makes a file of it that Perfetto opens. */
export interface ChromeTrace {
  /** The events, in the order of time. */
  traceEvents: ChromeTraceEvent[];
  /** How times are shown. */
  displayTimeUnit: "ms";
  /** What is known of the whole trace. */
  otherData: Record<string, unknown>;
}

const PID = 1;
const COUNTER = "steps in flight";

/**
 * Converts a trace to the Trace Event Format, which Perfetto (ui.perfetto.dev), `chrome://tracing` and
 * others open. There is one lane for as many steps as ran at the same time, a step called by another is
 * drawn inside it, errors are marked, and a counter shows how many steps were in flight.
 *
 * A step that had not ended reaches up to when the trace was written, and says `in_flight`. If not all
 * steps say when they started, as in a file of the v1 format without extras, they are drawn one after the other. Times are
 * exact to the millisecond; where that makes a step end a millisecond behind the one that it is part of,
 * it is drawn so that both end together. Payloads are not copied.
 *
 * Permissions: none.
 *
 * @param trace The trace.
 * @returns The same in the other format, to be written as JSON.
 * @throws {TypeError} When a `started_at` is no time, a `duration_ms` no duration, or the trace none.
 *
 * @example Usage
 * ```ts
 * import { hashValue, toChromeTrace } from "@taffrail/taffrail/trace";
 * import { assertEquals } from "@std/assert";
 *
 * const step = (node_id: string, started_at: string, duration_ms: number) => ({
 *   node_id,
 *   component_id: "upper",
 *   operation: "run",
 *   input_hash: hashValue(null),
 *   duration_ms,
 *   started_at,
 * });
 * const { traceEvents } = toChromeTrace({
 *   trace_version: 1,
 *   pack: { pack_ref: "demo" },
 *   flow: { id: "demo.flow", version: "0.0.0" },
 *   steps: [
 *     step("a", "2026-11-21T00:00:00.000Z", 5),
 *     step("b", "2026-11-21T00:00:00.002Z", 5),
 *     step("c", "2026-11-21T00:00:00.006Z", 1),
 *   ],
 * });
 * const drawn = traceEvents.filter((event) => event.ph === "X");
 * assertEquals(drawn.map(({ name, ts, dur, tid }) => [name, ts, dur, tid]), [
 *   ["a", 0, 5000, 1],
 *   ["b", 2000, 5000, 2],
 *   ["c", 6000, 1000, 1],
 * ]);
 * ```
 */
export function toChromeTrace(trace: TraceEnvelope): ChromeTrace {
  checkArray(checkObject(trace, "trace").steps, "trace.steps", checkObject);
  const origin = originOf(trace.steps);
  const drawn = drawSteps(trace.steps, origin);
  checkTraceShape(trace);
  const events = [...drawn.map(stepEvent), ...drawn.flatMap(errorEvents), ...counterEvents(drawn)];
  // Sorting keeps the order of what is at the same time, so that a step comes before those inside it.
  events.sort((a, b) => a.ts - b.ts);
  return {
    traceEvents: [...nameEvents(trace, drawn), ...events],
    displayTimeUnit: "ms",
    otherData: otherDataOf(trace, origin),
  };
}

type NameEvent = Extract<ChromeTraceEvent, { ph: "M" }>;
type TimedEvent = Exclude<ChromeTraceEvent, { ph: "M" }>;

function nameEvents({ flow, run_id }: TraceEnvelope, drawn: readonly DrawnStep[]): NameEvent[] {
  const name = run_id === undefined ? flow.id : `${flow.id} (${run_id})`;
  const events: NameEvent[] = [
    { ph: "M", name: "process_name", pid: PID, tid: 1, args: { name } },
  ];
  const lanes = drawn.reduce((count, { lane }) => Math.max(count, lane + 1), 0);
  for (let tid = 1; tid <= lanes; tid++) {
    events.push(
      { ph: "M", name: "thread_name", pid: PID, tid, args: { name: `lane ${tid}` } },
      { ph: "M", name: "thread_sort_index", pid: PID, tid, args: { sort_index: tid } },
    );
  }
  return events;
}

function stepEvent({ step, start, end, lane }: DrawnStep): TimedEvent {
  return {
    ph: "X",
    name: step.node_id,
    cat: step.status === "in_flight" ? "step,in_flight" : "step",
    ts: start,
    dur: end - start,
    pid: PID,
    tid: lane + 1,
    args: argsOf(step),
  };
}

/** What a step says of itself. A payload can be large, and is no business of a time line. */
function argsOf(
  { node_id: _, invocation_json: __, input_hash, output_hash, ...rest }: TraceStep,
): Record<string, unknown> {
  return {
    ...rest,
    input_hash: input_hash.value,
    ...defined({ output_hash: output_hash?.value }),
  };
}

function errorEvents({ step, end, lane }: DrawnStep): TimedEvent[] {
  if (step.error === undefined) return [];
  const { code, message, details } = step.error;
  const args = { node_id: step.node_id, message, details };
  return [{ ph: "i", name: code, cat: "error", ts: end, s: "t", pid: PID, tid: lane + 1, args }];
}

/** One event wherever the number changes. */
function counterEvents(drawn: readonly DrawnStep[]): TimedEvent[] {
  const changes = new Map<number, number>();
  const change = (ts: number, by: number) => changes.set(ts, (changes.get(ts) ?? 0) + by);
  for (const { step, start, end } of drawn) {
    change(start, 1);
    if (step.status !== "in_flight") change(end, -1);
  }
  let steps = 0;
  return Array.from(changes).sort(([a], [b]) => a - b).map(([ts, by]) => {
    steps += by;
    return { ph: "C", name: COUNTER, ts, pid: PID, tid: 1, args: { steps } };
  });
}

function otherDataOf(
  { steps: _, pack, flow, ...rest }: TraceEnvelope,
  origin: number | undefined,
): Record<string, unknown> {
  return {
    pack_ref: pack.pack_ref,
    flow_id: flow.id,
    flow_version: flow.version,
    ...rest,
    ...(origin === undefined ? {} : { first_step_at: new Date(origin).toISOString() }),
  };
}

/** Microseconds in the milliseconds that traces count in. */
const MICROSECONDS = 1000;

/** A step as it is drawn: from when to when, in microseconds, and in which lane, from 0. */
interface DrawnStep {
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
function drawSteps(steps: readonly TraceStep[], origin: number | undefined): DrawnStep[] {
  const slots = new Map<string, Slot>();
  /** Where the last step of each lane ends. */
  const lanes: number[] = [];
  return spansOf(steps, origin).map((span) => {
    const { execution_id: id, parent_execution_id: parentId } = span.step;
    const parent = parentId === undefined ? undefined : slots.get(parentId);
    const slot = (parent && insideOf(parent, span)) ?? inFreeLane(lanes, span);
    if (id !== undefined) slots.set(id, slot);
    return slot;
  });
}

/** When the first step started, in milliseconds since 1970; undefined if not all steps say. */
function originOf(steps: readonly TraceStep[]): number | undefined {
  if (steps.length === 0 || steps.some(({ started_at }) => started_at === undefined)) {
    return undefined;
  }
  return steps.reduce((first, step, index) => Math.min(first, startOf(step, index)), Infinity);
}

function startOf({ started_at }: TraceStep, index: number): number {
  const start = typeof started_at === "string" ? Date.parse(started_at) : NaN;
  if (!Number.isNaN(start)) return start;
  throw new TypeError(
    `Cannot convert the trace: $.steps[${index}].started_at is ${
      describe(started_at)
    }, which is no time`,
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
    `Cannot convert the trace: $.steps[${index}].duration_ms is ${
      describe(duration_ms)
    }, which is no duration`,
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
