/** What is told of a run, its nodes and its attempts. */
import type { ErrorKind, NodeKind } from "./run_event.ts";

/** What became of a run. */
export type PipeState = "Running" | "Completed" | { Aborted: { reason: string } };

/** A node of a run, as its last event left it. */
export interface NodeInfo {
  /** The node. */
  id: string;
  /** What it is; known once it has started. */
  kind?: NodeKind | "task";
  /** What became of it. */
  status: NodeStatus;
  /** The time of its last event. */
  last_ts?: string;
  /** The last attempt, from 1. */
  attempt?: number;
  /** How long the last ended attempt took, in milliseconds, where that is known. */
  duration_ms?: number;
  /** Why it was skipped when the run ended: it has not begun since the run was begun, or gone on with. */
  skipped?: string;
}

/** The state of a run, derived from its events. */
export interface RunState {
  /** The run; empty when there is no event. */
  run_id: string;
  /** The name of the flow; empty when its first event is missing. */
  pipe: string;
  /** What became of it. */
  state: PipeState;
  /** Its nodes, in the order of the flow where that is recorded, otherwise of their start. */
  nodes: NodeInfo[];
  /** No terminal event, and nobody has the run open (OST-4). */
  is_orphan: boolean;
  /** The time of the last event. */
  last_ts: string | null;
}

/** What became of a node. */
export type NodeStatus =
  | "Pending"
  | "Running"
  | "Completed"
  | { Failed: { kind: ErrorKind | "cancelled"; message?: string } };

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
  /** A digest of what it printed as errors, where it was a command. */
  error_hash?: string;
  /** How many bytes of its output were left out of what is kept. */
  output_cut?: number;
  /** The same of what it printed as errors. */
  error_cut?: number;
  /** Whether secret values stood in its output, which are not kept. */
  output_masked?: boolean;
  /** What it printed went to the terminal that it shared, and was not recorded. */
  terminal?: true;
}

/** What one event tells of an attempt: its node, and the members that the event has. */
export interface AttemptChange extends Partial<AttemptInfo> {
  /** The node. */
  node_id: string;
  /** What the node is. */
  kind?: NodeKind | "task";
  /** What the attempt does, for people. */
  name?: string;
}

/** The span of a sitting of a run, as the log has it. */
export interface SittingSpan {
  /** The span, as W3C Trace Context writes it; any program may have written something else. */
  traceparent: string;
  /** The span that it is a part of, where others began that. */
  parentSpanId?: string;
}
