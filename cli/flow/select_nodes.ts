/**
 * A part of a flow: some of its nodes and what they need, or all but some. What is left is a flow of its own,
 * so that whatever runs, records and goes on with flows need not know of it; which part it is is recorded.
 *
 * - A node that is skipped counts as ok. What needs it needs in its place what it needs itself, so that the
 *   order of what is left stays.
 * - A node that is there for a failure, or stands for others, and of whose needs none is left, goes with them.
 */
import { UsageError } from "../exit_codes.ts";
import { listed, quoted } from "../text/printable.ts";
import { type Flow, type FlowNode, isAggregate, nodesById } from "./flow.ts";
import { orderOf } from "./ready_nodes.ts";

/** Which part of a flow is wanted. */
export interface Selection {
  /** These nodes, and what they need; all when undefined. */
  only?: readonly string[];
  /** Not these. */
  skip?: readonly string[];
}

/**
 * The part of a flow that is wanted. Nodes that the flow does not have are passed over: it may be another one
 * now than when they were named.
 *
 * @throws {UsageError} If nothing is left.
 */
export function selectNodes(flow: Flow, { only, skip }: Selection): Flow {
  if (only === undefined && skip === undefined) return flow;
  const skipped = new Set(skip);
  const wanted = only === undefined ? undefined : withNeeds(flow, only, skipped);
  const left = new Map<string, FlowNode>();
  /** What stands in the place of a node that is not there. */
  const instead = new Map<string, readonly string[]>();
  for (const node of orderOf(flow.nodes)) {
    const needs = [...new Set(node.needs.flatMap((id) => instead.get(id) ?? [id]))];
    const isLost = needs.length === 0 && node.needs.length > 0 &&
      (node.when === "failure" || isAggregate(node));
    const isWanted = wanted === undefined || wanted.has(node.id);
    if (isWanted && !isLost && !skipped.has(node.id)) left.set(node.id, { ...node, needs });
    // What nobody asked for is not waited for either.
    else instead.set(node.id, isWanted ? needs : []);
  }
  if (left.size === 0) throw new UsageError("Cannot run nothing: --only and --skip leave no node");
  const nodes = flow.nodes.map(({ id }) => left.get(id)).filter((node) => node !== undefined);
  return { ...flow, nodes, ...(only && { only: [...only] }), ...(skip && { skip: [...skip] }) };
}

/** Refuses names that are those of no node. */
export function checkSelection({ nodes }: Flow, selection: Selection): void {
  const ids = nodes.map(({ id }) => id);
  for (const option of ["only", "skip"] as const) {
    const unknown = selection[option]?.find((id) => !ids.includes(id));
    if (unknown === undefined) continue;
    throw new UsageError(`Cannot use --${option} ${quoted(unknown)}: the flow has ${listed(ids)}`);
  }
}

/** These nodes and all that they need; what only a node that is skipped needs is not among it. */
function withNeeds(
  { nodes }: Flow,
  ids: readonly string[],
  skipped: ReadonlySet<string>,
): Set<string> {
  const byId = nodesById(nodes);
  const found = new Set<string>();
  const open = [...ids];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const node = byId.get(id);
    if (node === undefined || found.has(id)) continue;
    found.add(id);
    if (!skipped.has(id)) open.push(...node.needs);
  }
  return found;
}
