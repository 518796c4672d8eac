import { createEvent, type EventTime, type ExternalEvent } from "../../supervisor/mod.ts";
import type { Flow, FlowNode } from "./flow.ts";
import { nodeEventId } from "./node_attempt.ts";

/** What is recorded of a node that is to run: enough to run it again, but for secrets. */
export interface NodePayload {
  /** The node. */
  node: string;
  /** Its command. */
  run: string[];
  /** Where it runs. */
  cwd: string;
  /** The names of the variables that the flow gives it; their values are never recorded. */
  env: string[];
  /** How long an attempt may take. */
  timeout_ms?: number;
}

/** A node that has all it needs is an event from outside, which leads to this attempt and retries of it. */
export function nodeEvent(
  { id, run, cwd, env, timeoutMs }: FlowNode,
  { attempt, at }: { attempt: number; at: EventTime },
): ExternalEvent {
  const payload: NodePayload = {
    node: id,
    run,
    cwd,
    env: Object.keys(env),
    ...(timeoutMs !== undefined && { timeout_ms: timeoutMs }),
  };
  const eventId = nodeEventId({ nodeId: id, attempt });
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
  const text = new TextEncoder().encode(JSON.stringify({ name, nodes: parts }));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  return `rpv1:sha256:${digest.toHex()}`;
}
