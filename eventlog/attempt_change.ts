/** What one event of a run tells of an attempt: the only place that knows which member says what. */
import { defined } from "../_internal/errors.ts";
import { isKnownRunEvent, type KnownRunEvent, type NodeError, type RunEvent } from "./run_event.ts";
import type { AttemptChange, AttemptInfo } from "./run_state.ts";

/**
 * What an event tells of an attempt. {@linkcode RunFold} puts these together; alone it is for those who
 * look at one event, as when a log is followed.
 *
 * @param event The event.
 * @returns The members that the event has, of the types that they should be; undefined when it is about no
 * node.
 *
 * @example Usage
 * ```ts
 * import { attemptChange } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "ci-1" };
 * const failed = attemptChange({
 *   ...base,
 *   type: "node.failed",
 *   node_id: "lint",
 *   error: { kind: "crash", exit_code: 1 },
 *   attempt: 2,
 * });
 * assertEquals(failed, {
 *   node_id: "lint",
 *   attempt: 2,
 *   status: { Failed: { kind: "crash" } },
 *   exit_code: 1,
 * });
 * ```
 */
export function attemptChange(event: RunEvent): AttemptChange | undefined {
  if (!isKnownRunEvent(event) || !("node_id" in event)) return undefined;
  if (typeof event.node_id !== "string") return undefined;
  return { ...numbersOf(event), ...detailsOf(event) };
}

type NodeRunEvent = Extract<KnownRunEvent, { node_id: string }>;

function numbersOf(event: NodeRunEvent & { attempt?: number; duration_ms?: number }) {
  const { node_id, attempt, duration_ms } = event;
  return defined({ node_id, attempt: numberOf(attempt), duration_ms: numberOf(duration_ms) });
}

function detailsOf(event: NodeRunEvent): Omit<AttemptChange, "node_id"> {
  switch (event.type) {
    case "node.started": {
      const kind = textOf(event.task) === undefined ? textOf(event.kind) : "task";
      const { name, ts } = event;
      return defined({ status: "Running", started_ts: textOf(ts), kind, name: textOf(name) });
    }
    case "node.completed":
      return { status: "Completed", exit_code: 0, ...outputOf(event) };
    case "node.failed": {
      const { kind: recorded, cancelled, exit_code, signal }: Partial<NodeError> = event.error ??
        {};
      // Earlier versions had a word of their own for it.
      const kind = cancelled === true ? "cancelled" : textOf(recorded) ?? "crash";
      const failed = defined({ kind, message: textOf(event.message) || undefined });
      const end = {
        exit_code: numberOf(exit_code),
        signal: textOf(signal),
        started_ts: textOf(event.since),
      };
      return { status: { Failed: failed }, ...defined(end), ...outputOf(event) };
    }
    case "gate.passed":
      // One that stands behind a node says nothing of how that ended.
      if (event.node_id !== event.gate) return {};
      return { status: "Completed", ...defined({ started_ts: textOf(event.since) }) };
    case "iteration.started":
      return {};
  }
}

function outputOf(
  event: Pick<
    AttemptInfo,
    | "output_hash"
    | "error_hash"
    | "output_cut"
    | "error_cut"
    | "output_masked"
    | "terminal"
  >,
) {
  return defined({
    output_hash: textOf(event.output_hash),
    error_hash: textOf(event.error_hash),
    output_cut: numberOf(event.output_cut),
    terminal: event.terminal === true || undefined,
    error_cut: numberOf(event.error_cut),
    output_masked: event.output_masked === true || undefined,
  });
}

/** The text that a member should be; undefined for anything else, as any program may have written it. */
export function textOf<Text extends string>(value: Text | null | undefined): Text | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The number that a member should be. */
export function numberOf(value: number | undefined): number | undefined {
  return typeof value === "number" && !Number.isNaN(value) ? value : undefined;
}
