import { checkTypes } from "../_internal/errors.ts";
import { isUlid, ulidAfter } from "../_internal/root_layout.ts";

/** Members that every event of a run has. */
export interface RunEventBase {
  /** A lower-case ULID, unique and increasing within the run (OEV-1). */
  id: string;
  /** RFC 3339, UTC (OEV-2). */
  ts: string;
  /** `<name>-<lower-case ULID>` (OEV-3). */
  run_id: string;
}

/** One input of a run. */
export interface Input {
  /** Its name. */
  key: string;
  /** Its value. */
  value: string;
}

/** What a node is. */
export type NodeKind = "bash" | "command" | "prompt" | "loop" | "task";

/** Why a node failed. */
export type ErrorKind =
  | "crash"
  | "blocked"
  | "max_iterations_exceeded"
  | "host_missing"
  | "timeout"
  | "gate_failed"
  | "cancelled";

/** How a gate was passed. */
export type GateMethod = "hook" | "human_cli" | "mcp_tool";

/** The failure of a node. */
export interface NodeError {
  /** Why it failed. */
  kind: ErrorKind;
  /** The exit code of its process, where it ended by itself. */
  exit_code?: number;
  /** The signal that ended its process. */
  signal?: string;
}

/** A run begins. */
export interface PipeStarted extends RunEventBase {
  /** The tag. */
  type: "pipe.started";
  /** The name of the flow. */
  pipe: string;
  /** The inputs of the run. */
  inputs: Input[];
  /** The version of the program that runs it. */
  distro_version: string;
  /** The ids of all nodes, so that those that have not started are known too. */
  nodes?: string[];
}

/** A run ended well. */
export interface PipeCompleted extends RunEventBase {
  /** The tag. */
  type: "pipe.completed";
  /** How long it took, in milliseconds. */
  duration_ms?: number;
}

/** A run ended otherwise. */
export interface PipeAborted extends RunEventBase {
  /** The tag. */
  type: "pipe.aborted";
  /** Why, for people. */
  reason: string;
  /** How long it took, in milliseconds. */
  duration_ms?: number;
}

/** An attempt at a node begins. */
export interface NodeStarted extends RunEventBase {
  /** The tag. */
  type: "node.started";
  /** The node. */
  node_id: string;
  /** What it is. */
  kind: NodeKind;
  /** Its name for people. */
  name?: string | null;
  /** The model it uses. */
  model?: string | null;
  /** The attempt, from 1. */
  attempt?: number;
}

/** An attempt at a node ended well. */
export interface NodeCompleted extends RunEventBase {
  /** The tag. */
  type: "node.completed";
  /** The node. */
  node_id: string;
  /** A digest of what it gave. */
  output_hash?: string;
  /** How long it took, in milliseconds. */
  duration_ms?: number;
  /** The attempt, from 1. */
  attempt?: number;
}

/** An attempt at a node failed. */
export interface NodeFailed extends RunEventBase {
  /** The tag. */
  type: "node.failed";
  /** The node. */
  node_id: string;
  /** Why. */
  error: NodeError;
  /** The tail of its error output, for people. */
  message?: string | null;
  /** How long it took, in milliseconds. */
  duration_ms?: number;
  /** The attempt, from 1. */
  attempt?: number;
}

/** A gate behind a node was passed. */
export interface GatePassed extends RunEventBase {
  /** The tag. */
  type: "gate.passed";
  /** The node. */
  node_id: string;
  /** The name of the gate. */
  gate: string;
  /** How. */
  method: GateMethod;
}

/** A loop node begins a round. */
export interface IterationStarted extends RunEventBase {
  /** The tag. */
  type: "iteration.started";
  /** The node. */
  node_id: string;
  /** The round, from 1. */
  iteration: number;
  /** Where its output begins in the node's output file. */
  byte_offset: number;
}

/** The events that this version knows. */
export type KnownRunEvent =
  | PipeStarted
  | PipeCompleted
  | PipeAborted
  | NodeStarted
  | NodeCompleted
  | NodeFailed
  | GatePassed
  | IterationStarted;

/** An event of a later version: it is delivered, and never makes a run unreadable. */
export interface OtherRunEvent extends RunEventBase {
  /** A tag that this version does not know. */
  type: string;
  /** Whatever it carries. */
  [member: string]: unknown;
}

/** An event of a run: one of the known ones, told by its `type`, or any other. */
export type RunEvent = KnownRunEvent | OtherRunEvent;

const KNOWN_TYPES: ReadonlySet<string> = new Set<KnownRunEvent["type"]>([
  "pipe.started",
  "pipe.completed",
  "pipe.aborted",
  "node.started",
  "node.completed",
  "node.failed",
  "gate.passed",
  "iteration.started",
]);

/**
 * Tells whether an event has a type that this version knows, so that TypeScript can tell the known
 * ones apart. The members are not checked: that is what a schema is for.
 *
 * @param event The event.
 * @returns Whether its `type` is a known one.
 *
 * @example Usage
 * ```ts
 * import { isKnownRunEvent, type RunEvent } from "@taffrail/taffrail/eventlog";
 *
 * function failedNode(event: RunEvent): string | undefined {
 *   if (isKnownRunEvent(event) && event.type === "node.failed") return event.node_id;
 * }
 * ```
 */
export function isKnownRunEvent(event: RunEvent): event is KnownRunEvent {
  return KNOWN_TYPES.has(event.type);
}

let lastEventId: string | undefined;

/**
 * Makes the id of a new event: a lower-case ULID, greater than all that this function gave out
 * before in this process (OEV-1).
 *
 * @param options `after`: an id that the new one must be greater than, such as the last one of a
 * log that another process began.
 * @returns The id.
 * @throws {RangeError} If no greater ULID exists.
 *
 * @example Usage
 * ```ts
 * import { newEventId } from "@taffrail/taffrail/eventlog";
 * import { assert } from "@std/assert";
 *
 * const first = newEventId();
 * assert(newEventId() > first);
 * ```
 */
export function newEventId(options: { after?: string } = {}): string {
  checkTypes(options, { after: "string?" });
  const { after } = options;
  if (after !== undefined && !isUlid(after)) {
    throw new TypeError(`Cannot make an event id after "${after}": it is no lower-case ULID`);
  }
  const floor = after !== undefined && after > (lastEventId ?? "") ? after : lastEventId;
  lastEventId = ulidAfter(floor, Date.now());
  return lastEventId;
}
