/**
 * The events of a run's log, made of what its journal has: the same functions make them while it runs, and
 * again when a log has to be brought up to its journal. Nothing here has a clock, or a state
 * that anybody could see.
 */
import { defined } from "../../_internal/errors.ts";
import { millisecondsOf } from "../../_internal/event_time.ts";
import { VERSION } from "../../_internal/version.ts";
import {
  newEventId,
  type NodeError,
  type NodeKind,
  type RunEvent,
} from "../../eventlog/run_event.ts";
import type { SittingSpan } from "../../eventlog/run_state.ts";
import type { WaitedRecord } from "../../capture/types.ts";
import type { EventTime, RunTermination } from "../../supervisor/types.ts";
import { errorKindOf } from "../attempt_key.ts";
import type { EndRecord, NodeAttempt } from "../types.ts";

/** An event without its id and its run. */
export type EventBody = { type: string; at: number } & Record<string, unknown>;

/** What an attempt does, in words that the log has. */
export interface NodeText {
  /** What the node is. */
  kind: NodeKind;
  /** The task that it runs, or the step of a program. */
  task?: string;
  /** What it does: a command line. */
  name?: string;
}

/** An attempt that has ended. */
export interface EndedAttempt extends NodeAttempt {
  /** How it ended. */
  termination: RunTermination;
  /** What is recorded of its end. */
  end: EndRecord | undefined;
  /** When, in milliseconds since 1970. */
  at: number;
  /** In which sitting of the run: the first is 1. */
  sitting: number;
}

/** Says what the event of a node asks for. */
export type DescribeNode = (nodeId: string, payload: Readonly<Record<string, unknown>>) => NodeText;

/** Lines of a log that were found damaged, each part from its first to its last. */
export type DamagedLines = readonly (readonly [first: number, last: number])[];

/** The begin of a run, or of its going on. */
export function pipeStarted(
  at: number,
  { name, nodes, resumed, damaged = [], span }: {
    name: string;
    nodes: readonly string[];
    resumed?: true | undefined;
    damaged?: DamagedLines;
    span?: SittingSpan | undefined;
  },
): EventBody {
  const body = { pipe: name, inputs: [], distro_version: VERSION, nodes };
  const known = damaged.length === 0 ? undefined : damaged;
  const spans = { traceparent: span?.traceparent, parent_span_id: span?.parentSpanId };
  const rest = defined({ resumed, damaged: known, ...spans });
  return { type: "pipe.started", at, ...body, ...rest };
}

/** The begin of an attempt. */
export function nodeStarted(
  at: number,
  { nodeId, attempt }: NodeAttempt,
  text: NodeText,
): EventBody {
  const { kind, task, name } = text;
  return { type: "node.started", at, node_id: nodeId, kind, task, name, attempt };
}

/** Said of an attempt without a record of its end: its process died, or a function was given up. */
const CUT_OFF = "cut off: nobody has seen its end";

/** The end of an attempt. One without a record of its end was cut off. */
export function nodeEnded(
  at: number,
  { nodeId, attempt }: NodeAttempt,
  { termination, end }: { termination: RunTermination; end: EndRecord | undefined },
): EventBody {
  const { output_hash, error_hash, output_cut, error_cut, output_masked, terminal, duration_ms } =
    end ?? {};
  const { result: output, result_hash } = end ?? {};
  const kept = { output_hash, error_hash, output_cut, error_cut, output_masked, terminal };
  const rest = { node_id: nodeId, ...kept, duration_ms, attempt };
  if (termination === "Completed") {
    return { type: "node.completed", at, ...rest, ...defined({ output, result_hash }) };
  }
  const message = end === undefined ? cutOffMessage(termination) : end.error?.message;
  return {
    type: "node.failed",
    at,
    ...rest,
    error: errorOf(termination, end ?? {}),
    ...(message !== undefined && message !== "" && { message: message.toWellFormed() }),
  };
}

function cutOffMessage(termination: RunTermination): string | undefined {
  return termination === "Aborted" ? CUT_OFF : undefined;
}

function errorOf(
  termination: Exclude<RunTermination, "Completed">,
  end: EndRecord,
): NodeError {
  const { exit_code, signal } = end;
  const kind = errorKindOf(termination, end);
  const words = kind === "cancelled" ? { kind: "crash", cancelled: true } as const : { kind };
  return { ...words, ...defined({ exit_code, signal }) };
}

/** The end of a wait at a gate: somebody has passed it, or not; `since`: when the wait began. */
export function gateEnded(
  { nodeId, attempt }: NodeAttempt,
  { how, by, method = "hook", at: ended }: WaitedRecord,
  since: EventTime,
): EventBody {
  const [at, began] = [millisecondsOf(ended), millisecondsOf(since)];
  const waited = { since: new Date(began).toISOString(), duration_ms: Math.max(0, at - began) };
  const rest = { node_id: nodeId, attempt, ...waited, ...defined({ by }) };
  if (how === "passed") return { type: "gate.passed", at, gate: nodeId, method, ...rest };
  const message = how === "timeout"
    ? "nobody passed it in time"
    : `it was denied${by === undefined ? "" : ` by ${by}`}`;
  const error: NodeError = { kind: "gate_failed" };
  return { type: "node.failed", at, ...rest, error, message };
}

/** How a wait at a gate ended, as if it were an attempt. */
export function gateEnd({ how }: WaitedRecord): Pick<EndedAttempt, "termination" | "end"> {
  if (how === "passed") return { termination: "Completed", end: {} };
  const error = { message: how, kind: "gate_failed" };
  return { termination: { Failed: "ValidationFailed" }, end: { error } };
}

/** Whether an attempt was begun before it ended: the end of any other is told nowhere. */
export function wasBegun({ end }: { end: EndRecord | undefined }): boolean {
  return end?.begun !== false;
}

/** The end of a run. */
export function pipeEnded(
  at: number,
  { startedTs, reason, failed, skipped, output }: {
    startedTs: string | undefined;
    reason: string | undefined;
    failed: string | undefined;
    skipped?: Readonly<Record<string, string>> | undefined;
    output?: unknown;
  },
): EventBody {
  const begun = Date.parse(startedTs ?? "");
  const rest = { duration_ms: Number.isNaN(begun) ? undefined : Math.max(0, at - begun), skipped };
  if (reason === undefined) return { type: "pipe.completed", at, ...rest, ...defined({ output }) };
  return { type: "pipe.aborted", at, reason, failed_step: failed, ...rest };
}

/** Events of a run, with ids behind the last one that its log has. */
export function eventsOf(
  bodies: readonly EventBody[],
  { runId, after: last }: { runId: string; after: string | undefined },
): RunEvent[] {
  let after = last;
  return bodies.map(({ type, at, ...members }) => {
    after = newEventId(defined({ after }));
    return { type, id: after, ts: isoText(at), run_id: runId, ...defined(members) };
  });
}

/** What is told at once is often of one time. */
let lastTime = { at: 0, text: new Date(0).toISOString() };

function isoText(at: number): string {
  if (at !== lastTime.at) lastTime = { at, text: new Date(at).toISOString() };
  return lastTime.text;
}
