import { isStringArray } from "../../_internal/errors.ts";
import { encodeUtf8, toHex } from "../../_internal/text.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import type { NodeAttempt } from "../../run/types.ts";
import { createEvent } from "../../supervisor/core/create_event.ts";
import type { EventTime, ExternalEvent } from "../../supervisor/types.ts";
import type { Flow, FlowNode } from "./flow.ts";

/**
 * The id of the event that asks for a node: the node's own, and when the run was resumed and the node
 * has to be run again, with the number of the first attempt that the event leads to: `test#3`.
 */
export function nodeEventId({ nodeId, attempt }: NodeAttempt): string {
  return attempt === 1 ? nodeId : `${nodeId}#${attempt}`;
}

/** The node that an event asks for. */
export function nodeOfEvent(eventId: string): string {
  return firstAttemptOf(eventId).nodeId;
}

/** The attempt at a node that an attempt of an event's episode is. */
export function nodeAttemptOf(eventId: string, attempt: number): NodeAttempt {
  const first = firstAttemptOf(eventId);
  return { nodeId: first.nodeId, attempt: first.attempt + attempt - 1 };
}

/** Node ids have no `#`. */
function firstAttemptOf(eventId: string): NodeAttempt {
  const [nodeId = "", number = "1"] = eventId.split("#");
  return { nodeId, attempt: Number(number) };
}

/** What is recorded of a command: enough to run it again, but for secrets. */
export interface CommandRecord {
  /** The program and its arguments. */
  run: string[];
  /** Where it runs. */
  cwd: string;
  /** The names of the variables that the flow gives it; their values are never recorded. */
  env: string[];
  /** How long an attempt may take, in milliseconds. */
  timeout_ms?: number;
}

/** What is recorded of the command of a node. */
export function commandRecordOf({ run, cwd, env, timeoutMs }: FlowNode): CommandRecord {
  const timeout = timeoutMs === undefined ? {} : { timeout_ms: timeoutMs };
  return { run, cwd, env: Object.keys(env), ...timeout };
}

/** Whether anything that was recorded is a command. */
export function isCommandRecord(value: unknown): value is CommandRecord {
  if (typeof value !== "object" || value === null) return false;
  const { run, cwd, env } = value as Partial<CommandRecord>;
  return isStringArray(run) && run.length > 0 && typeof cwd === "string" && isStringArray(env);
}

/** The node that a recorded command is of; what only a flow knows of it may be given. */
export function recordedNode(
  id: string,
  { run, cwd, timeout_ms: timeoutMs }: CommandRecord,
  { needs = [], env = {} }: Partial<Pick<FlowNode, "needs" | "env">> = {},
): FlowNode {
  return { id, run, needs, env, cwd, ...(timeoutMs !== undefined && { timeoutMs }) };
}

/** A node that has all it needs is an event from outside, which leads to this attempt and retries of it. */
export function nodeEvent(
  node: FlowNode,
  { attempt, at }: { attempt: number; at: EventTime },
): ExternalEvent {
  const payload = { node: node.id, ...commandRecordOf(node) };
  const eventId = nodeEventId({ nodeId: node.id, attempt });
  return createEvent({ id: eventId, kind: "Command", at, payload: JSON.stringify(payload) });
}

/** The names of Pumps cannot be those of nodes. */
export function pumpEventId(inputCount: number): string {
  return `:pump-${inputCount}`;
}

/**
 * What a flow is made of, as a digest (PRV-2): strict replay against the flow needs the same. Where
 * the flow's file lies is no part of it, nor are the values of variables.
 */
export async function flowProvenance({ name, nodes }: Flow): Promise<string> {
  const parts = nodes.map(({ id, run, needs, env, timeoutMs }) => {
    return { id, run, needs, env: Object.keys(env).sort(), timeout_ms: timeoutMs ?? null };
  });
  parts.sort((a, b) => a.id < b.id ? -1 : 1);
  const text = encodeUtf8(JSON.stringify({ name, nodes: parts }));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  return `rpv1:sha256:${toHex(digest)}`;
}

/**
 * The flow that a recording is of, where that says all of it: commands that need no others, and have no
 * variables whose values are only in a file. Its digest tells.
 */
export async function flowOfCapture(bundle: CaptureBundle): Promise<Flow | undefined> {
  if (!("inputs" in bundle)) return undefined;
  const nodes = new Map<string, FlowNode>();
  for (const input of bundle.inputs) {
    if (input.type !== "event" || input.kind !== "Command") continue;
    const command: unknown = JSON.parse(input.payload);
    if (!isCommandRecord(command) || command.env.length > 0) return undefined;
    const { nodeId } = nodeAttemptOf(input.event_id, 1);
    nodes.set(nodeId, recordedNode(nodeId, command));
  }
  const { graph_id: name, config: constraints, runtime_provenance: digest } = bundle;
  const flow = { name, constraints, nodes: [...nodes.values()] };
  return await flowProvenance(flow) === digest ? flow : undefined;
}
