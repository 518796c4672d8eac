import {
  type ErrorKind,
  isKnownRunEvent,
  type KnownRunEvent,
  type NodeKind,
  type RunEvent,
} from "./run_event.ts";

/** What became of a node. */
export type NodeStatus =
  | "Pending"
  | "Running"
  | "Completed"
  | { Failed: { kind: ErrorKind; message?: string } };

/** The process of an attempt, as `node.spawned` has it. */
export interface ProcessInfo {
  /** Its id. */
  pid: number;
  /** When it began, as the system counts it. */
  start_time?: number;
  /** Which boot of the system that was. */
  boot_id?: string;
}

/** An attempt at a node, as its events tell it. */
export interface AttemptInfo {
  /** Which, from 1. */
  attempt: number;
  /** What became of it. */
  status: Exclude<NodeStatus, "Pending">;
  /** When it began. */
  started_ts?: string;
  /** How long it took, in milliseconds. */
  duration_ms?: number;
  /** The exit code, where its command ended by itself. */
  exit_code?: number;
  /** The signal that ended it. */
  signal?: string;
  /** A digest of what it gave. */
  output_hash?: string;
  /** Its process. */
  process?: ProcessInfo;
}

/** What one event tells of an attempt: its node, and the members that the event has. */
export interface AttemptChange extends Partial<AttemptInfo> {
  /** The node. */
  node_id: string;
  /** What the node is. */
  kind?: NodeKind;
  /** What the attempt does, for people. */
  name?: string;
}

/**
 * What an event tells of an attempt. {@linkcode RunFold} puts these together; alone it is for those who
 * look at one event, as when a log is followed.
 *
 * @param event The event.
 * @returns The members that the event has; undefined when it is about no node.
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
  return {
    node_id,
    ...(attempt !== undefined && { attempt }),
    ...(typeof duration_ms === "number" && { duration_ms }),
  };
}

function detailsOf(event: NodeRunEvent): Omit<AttemptChange, "node_id"> {
  switch (event.type) {
    case "node.started": {
      const { kind, name, ts } = event;
      const named = typeof name === "string" ? { name } : {};
      return { status: "Running", started_ts: ts, ...(kind !== undefined && { kind }), ...named };
    }
    case "node.spawned": {
      const { pid, start_time, boot_id } = event;
      if (typeof pid !== "number") return {};
      const began = start_time === undefined ? {} : { start_time };
      return { process: { pid, ...began, ...(boot_id !== undefined && { boot_id }) } };
    }
    case "node.completed": {
      const { output_hash } = event;
      const hash = output_hash === undefined ? {} : { output_hash };
      return { status: "Completed", exit_code: 0, ...hash };
    }
    case "node.failed": {
      const { kind = "crash", exit_code, signal } = event.error ?? {};
      const failed = event.message ? { kind, message: event.message } : { kind };
      return {
        status: { Failed: failed },
        ...(exit_code !== undefined && { exit_code }),
        ...(signal !== undefined && { signal }),
      };
    }
    case "gate.passed":
    case "iteration.started":
      return {};
  }
}
