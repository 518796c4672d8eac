import { type DrawnStep, drawSteps, originOf } from "./chrome_lanes.ts";
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
 * steps say when they started, as in a file of the seed, they are drawn one after the other. Times are
 * exact to the millisecond; where that makes a step end a millisecond behind the one that it is part of,
 * it is drawn so that both end together. Payloads are not copied.
 *
 * Permissions: none.
 *
 * @param trace The trace.
 * @returns The same in the other format, to be written as JSON.
 * @throws {TypeError} When a `started_at` is no time, or a `duration_ms` no duration.
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
  const origin = originOf(trace.steps);
  const drawn = drawSteps(trace.steps, origin);
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
    ...(output_hash === undefined ? {} : { output_hash: output_hash.value }),
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
