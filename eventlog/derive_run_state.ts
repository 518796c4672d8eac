import { type ErrorKind, isKnownRunEvent, type NodeKind, type RunEvent } from "./run_event.ts";

/** What became of a run. */
export type PipeState = "Running" | "Completed" | { Aborted: { reason: string } };

/** What became of a node. */
export type NodeStatus =
  | "Pending"
  | "Running"
  | "Completed"
  | { Failed: { kind: ErrorKind; message?: string } };

/** A node of a run, as its last event left it. */
export interface NodeInfo {
  /** The node. */
  id: string;
  /** What it is; known once it has started. */
  kind?: NodeKind;
  /** What became of it. */
  status: NodeStatus;
  /** The time of its last event. */
  last_ts?: string;
  /** The last attempt, from 1. */
  attempt?: number;
  /** How long the last ended attempt took, in milliseconds, where that is known. */
  duration_ms?: number;
  /** The process of the last attempt, as long as that has no end. */
  pid?: number;
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

/**
 * Derives the state of a run from its events, and from nothing else (OST-3). Events of unknown
 * types count for the time only. What follows the terminal event changes no state.
 *
 * @param events The events, in order; gaps are left out by the caller.
 * @param options `live`: whether somebody has the run open, as {@linkcode isLive} tells; a run
 * without a terminal event that is not live is an orphan.
 * @returns The state.
 *
 * @example Usage
 * ```ts
 * import { deriveRunState } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "ci-1" };
 * const state = deriveRunState([
 *   { ...base, type: "pipe.started", pipe: "ci", inputs: [], distro_version: "2.0.0" },
 *   { ...base, type: "node.started", node_id: "lint", kind: "command" },
 * ], { live: false });
 * assertEquals(state.state, "Running");
 * assertEquals(state.nodes[0]?.status, "Running");
 * assertEquals(state.is_orphan, true);
 * ```
 */
export function deriveRunState(
  events: Iterable<RunEvent>,
  options: { live?: boolean } = {},
): RunState {
  const nodes = new Map<string, NodeInfo>();
  const run: RunState = {
    run_id: "",
    pipe: "",
    state: "Running",
    nodes: [],
    is_orphan: false,
    last_ts: null,
  };
  for (const event of events) {
    if (run.run_id === "") run.run_id = event.run_id ?? "";
    run.last_ts = event.ts ?? run.last_ts;
    if (run.state === "Running") applyEvent(run, nodes, event);
  }
  run.nodes = [...nodes.values()];
  run.is_orphan = run.state === "Running" && options.live === false;
  return run;
}

/** No schema has seen the events: what one lacks, in spite of its type, must not hide the others. */
function applyEvent(run: RunState, nodes: Map<string, NodeInfo>, event: RunEvent): void {
  if (!isKnownRunEvent(event)) return;
  switch (event.type) {
    case "pipe.started":
      run.pipe = event.pipe ?? "";
      if (!Array.isArray(event.nodes)) break;
      for (const id of event.nodes) nodes.set(id, { id, status: "Pending" });
      break;
    case "pipe.completed":
      run.state = "Completed";
      break;
    case "pipe.aborted":
      run.state = { Aborted: { reason: event.reason ?? "" } };
      break;
    case "node.started":
      updateNode(nodes, event, { kind: event.kind, status: "Running" });
      break;
    case "node.spawned":
      updateNode(nodes, event, typeof event.pid === "number" ? { pid: event.pid } : {});
      break;
    case "node.completed":
      updateNode(nodes, event, { status: "Completed" });
      break;
    case "node.failed": {
      const kind = event.error?.kind ?? "crash";
      const message = event.message;
      updateNode(nodes, event, { status: { Failed: message ? { kind, message } : { kind } } });
      break;
    }
    case "gate.passed":
    case "iteration.started":
      updateNode(nodes, event, {});
  }
}

function updateNode(
  nodes: Map<string, NodeInfo>,
  event: { node_id: string; ts: string; attempt?: number; duration_ms?: number },
  change: Partial<NodeInfo>,
): void {
  if (typeof event.node_id !== "string") return;
  const known = nodes.get(event.node_id) ?? { id: event.node_id, status: "Running" };
  // A process belongs to one attempt: another one, or its end, leaves it behind.
  const { pid, duration_ms: lastMs, ...others } = known;
  const isChanged = change.status !== undefined;
  const isEnd = isChanged && change.status !== "Running";
  nodes.set(event.node_id, {
    ...others,
    ...(!isChanged && pid !== undefined && { pid }),
    ...(!isEnd && lastMs !== undefined && { duration_ms: lastMs }),
    last_ts: event.ts,
    ...(event.attempt !== undefined && { attempt: event.attempt }),
    ...(event.duration_ms !== undefined && { duration_ms: event.duration_ms }),
    ...change,
  });
}
