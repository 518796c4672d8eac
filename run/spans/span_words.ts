/**
 * What spans say of a run, its nodes and attempts: names and words of the semantic conventions for CI/CD systems, and
 * for what those have none for, names that begin with `taffrail.`.
 */
import { endOfReason, failureText } from "../../_internal/text.ts";
import { attemptKey, errorKindOf } from "../attempt_key.ts";
import type { AttemptEnd, NodeAttempt } from "../types.ts";
import type { SpanEnd } from "./span_maker.ts";
import type { Attributes } from "./telemetry.ts";

/** The words for how a pipeline or a task can have ended. */
export type SpanResult = "success" | "failure" | "timeout" | "cancellation" | "error";

/** The run whose spans are made. */
export interface NamedRun {
  runId: string;
  /** The name of what is run. */
  name: string;
}

/** What the span of a run is called. */
export function runName({ name }: NamedRun): string {
  return `RUN ${name}`;
}

/** What is told of a sitting of a run: the first is 1. */
export function runAttributes({ runId, name }: NamedRun, sitting: number): Attributes {
  return {
    "cicd.pipeline.name": name,
    "cicd.pipeline.run.id": runId,
    "cicd.pipeline.action.name": "RUN",
    "taffrail.run.sitting": sitting,
  };
}

/** What is told of a node, or, with its number, of an attempt at it. */
export function taskAttributes(
  { runId, name }: NamedRun,
  { nodeId, attempt }: { nodeId: string; attempt?: number },
): Attributes {
  const task = attempt === undefined ? nodeId : attemptKey({ nodeId, attempt });
  return {
    "cicd.pipeline.name": name,
    "cicd.pipeline.run.id": runId,
    "cicd.pipeline.task.name": nodeId,
    "cicd.pipeline.task.run.id": `${runId}/${task}`,
    ...(attempt !== undefined && { "taffrail.attempt": attempt }),
  };
}

/** What the span of an attempt is called. */
export function attemptName({ nodeId, attempt }: NodeAttempt): string {
  return attempt === 1 ? nodeId : `${nodeId} (attempt ${attempt})`;
}

/** The words for how a run ended that did not complete. */
const ABORTED_RESULTS = {
  failed: "failure",
  cancelled: "cancellation",
  "timed-out": "timeout",
  unfinished: "cancellation",
} as const;

/** How a run ended, by the reason for which it did not complete. */
export function runEnd(reason: string | undefined, to: number): SpanEnd {
  if (reason === undefined) return { attributes: { "cicd.pipeline.result": "success" }, to };
  const result = ABORTED_RESULTS[endOfReason(reason)];
  return { attributes: { "cicd.pipeline.result": result }, error: { type: result, reason }, to };
}

/** How an attempt ended, and with its last one a node. */
export function taskEnd({ termination, end }: AttemptEnd, to: number): SpanEnd {
  const { exit_code: exitCode, signal, worker, error } = end;
  const attributes = {
    ...(exitCode !== undefined && { "process.exit.code": exitCode }),
    ...(signal !== undefined && { "taffrail.signal": signal }),
    ...(worker !== undefined && { "cicd.worker.name": worker }),
  };
  if (termination === "Completed") return endAs("success", { attributes, to });
  const kind = errorKindOf(termination, end);
  // Only what was thrown has a name.
  const thrown = error?.name === undefined ? undefined : error;
  const how = thrown?.name ?? failureText({ kind, exit_code: exitCode, signal });
  const reason = error?.message ? `${how}: ${error.message}` : how;
  const wasLost = error?.code === "worker-lost";
  const result = wasLost ? "error" : resultOfKind(kind);
  return endAs(result, { attributes, error: { type: thrown?.name ?? kind, reason }, thrown, to });
}

/** How something ended whose end nobody has seen. */
export function cutOffEnd(to: number): SpanEnd {
  const error = { type: "cut_off", reason: "cut off: nobody has seen its end" };
  return endAs("error", { attributes: {}, error, to });
}

/** How a wait at a gate, or for a time, ended. */
export function waitEnd(how: "passed" | "denied" | "due" | "timeout", to: number): SpanEnd {
  const attributes = {};
  if (how === "passed" || how === "due") return endAs("success", { attributes, to });
  const isLate = how === "timeout";
  const reason = isLate ? "nobody passed it in time" : "it was denied";
  const result = isLate ? "timeout" : "failure";
  return endAs(result, { attributes, error: { type: "gate_failed", reason }, to });
}

function endAs(result: SpanResult, end: SpanEnd): SpanEnd {
  return { ...end, attributes: { "cicd.pipeline.task.run.result": result, ...end.attributes } };
}

function resultOfKind(kind: string): SpanResult {
  if (kind === "timeout") return "timeout";
  return kind === "cancelled" ? "cancellation" : "failure";
}
