import type { Constraints } from "../../supervisor/types.ts";
import { resolve } from "../files.ts";
import { DEFAULT_CONSTRAINTS, type Flow } from "./flow.ts";
import { type FlowRecord, type NodeRecord, nodeRecordOf } from "./flow_record.ts";
import { flowRules } from "./node_event.ts";
import type { ValueDigests } from "./value_digests.ts";

/** In what a flow is not the recorded one. */
export interface FlowChanges {
  /** What is another one in which node, in words. */
  changed: ReadonlyMap<string, string>;
  /** Nodes that are no longer in it. */
  gone: readonly string[];
  /** Nodes that are new in it. */
  added: readonly string[];
  /** Constraints that are other ones. */
  constraints: readonly string[];
  /** Rules of the flow as a whole that are other ones. */
  rules: readonly string[];
  /** The variables of nodes that have another value now. */
  values: ReadonlyMap<string, readonly string[]>;
  /** Whether that cannot be told: their digests were made with another key. */
  areValuesUnknown: boolean;
}

/**
 * Compares a flow with the recorded one. Where a flow file lies now is no difference, and so where its
 * nodes run.
 */
export function flowChanges(
  record: FlowRecord,
  flow: Flow,
  digests?: ValueDigests,
): FlowChanges {
  const isMoved = flow.path === undefined || record.path !== resolve(flow.path);
  const recordedNodes = new Map(record.nodes.map((node) => [node.id, node]));
  const nodes = new Map(flow.nodes.map((node) => [node.id, nodeRecordOf(node)]));
  const changed = new Map<string, string>();
  const rules = flowRules(flow);
  for (const [id, node] of nodes) {
    const recorded = recordedNodes.get(id);
    if (recorded === undefined) continue;
    const { cwd } = isMoved ? recorded : node;
    const difference = nodeDifference(recorded, { ...node, cwd });
    if (difference !== undefined) changed.set(id, difference);
  }
  return {
    changed,
    gone: [...recordedNodes.keys()].filter((id) => !nodes.has(id)),
    added: [...nodes.keys()].filter((id) => !recordedNodes.has(id)),
    constraints: Object.entries(record.constraints)
      .filter(([name, value]) => {
        const now = flow.constraints[name as keyof Constraints];
        // What the flow leaves to the machine is no other one on another machine.
        const isOfMachine = name === "max_in_flight" && now === DEFAULT_CONSTRAINTS.max_in_flight;
        return !isOfMachine && !isSame(value, now);
      })
      .map(([name]) => name),
    rules: FLOW_RULE_NAMES.filter(([rule]) => !isSame(record[rule], rules[rule]))
      .map(([, name]) => name),
    ...valueChanges(record, flow, digests),
  };
}

/** A variable that a node did not have before, or has no more, is a change of the node. */
function valueChanges(record: FlowRecord, flow: Flow, digests: ValueDigests | undefined) {
  const values = new Map<string, string[]>();
  const hasDigests = record.digest_key !== undefined && digests !== undefined;
  if (!hasDigests || record.digest_key !== digests.keyId) {
    return { values, areValuesUnknown: hasDigests };
  }
  const recordedNodes = new Map(record.nodes.map((node) => [node.id, node]));
  for (const node of flow.nodes) {
    const recorded = recordedNodes.get(node.id)?.env_digests ?? {};
    const names = Object.entries(digests.ofNode(node))
      .filter(([name, digest]) => recorded[name] !== undefined && recorded[name] !== digest)
      .map(([name]) => name);
    if (names.length > 0) values.set(node.id, names);
  }
  return { values, areValuesUnknown: false };
}

/** What a flow file calls the rules of the flow as a whole. */
const FLOW_RULE_NAMES = [
  ["on_failure", '"on_failure"'],
  ["deadline_ms", '"deadline"'],
] as const;

/** What a flow file calls the members of a node. */
const MEMBER_NAMES = [
  ["task", '"task"'],
  ["task_text", "text of its task"],
  ["run", '"run"'],
  ["needs", '"needs"'],
  ["env", 'list of names in "env"'],
  ["cwd", '"cwd"'],
  ["timeout_ms", '"timeout"'],
  ["when", '"when"'],
  ["allow_failure", '"allow_failure"'],
  ["retry", '"retry"'],
  ["gate", '"gate"'],
  ["on", '"on"'],
] as const;

/** The first member that differs. */
function nodeDifference(recorded: NodeRecord, node: NodeRecord): string | undefined {
  return MEMBER_NAMES.find(([member]) => !isSame(recorded[member], node[member]))?.[1];
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
