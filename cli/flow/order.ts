import type { FlowNode } from "./flow.ts";

/** Refuses needs that lead to no node, and cycles. */
export function checkNeeds(nodes: FlowNode[], fail: (problem: string) => never): void {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  for (const { id, needs } of nodes) {
    const unknown = needs.find((need) => !byId.has(need));
    if (unknown === undefined) continue;
    const known = [...byId.keys()].filter((other) => other !== id).join(", ");
    const remedy = known === "" ? "there is no other node" : `the other nodes are ${known}`;
    fail(
      `node ${JSON.stringify(id)} needs ${JSON.stringify(unknown)}, which is no node: ${remedy}`,
    );
  }
  const cycle = findCycle(byId);
  if (cycle === undefined) return;
  const steps = cycle.map((id, index) => {
    return `${JSON.stringify(id)} needs ${JSON.stringify(cycle[(index + 1) % cycle.length])}`;
  });
  fail(`its nodes need each other in a cycle: ${steps.join(", ")}; remove one of these needs`);
}

/**
 * The nodes of a cycle. Nodes that need nothing that is left are taken away again and again; a walk
 * along the needs of what remains must come back to a node that it has seen.
 */
function findCycle(byId: Map<string, FlowNode>): string[] | undefined {
  const left = new Map(byId);
  for (let size = -1; size !== left.size;) {
    size = left.size;
    for (const { id, needs } of left.values()) {
      if (!needs.some((need) => left.has(need))) left.delete(id);
    }
  }
  const walk: string[] = [];
  let [at] = left.keys();
  while (at !== undefined && !walk.includes(at)) {
    walk.push(at);
    at = left.get(at)!.needs.find((need) => left.has(need));
  }
  return at === undefined ? undefined : walk.slice(walk.indexOf(at));
}

/** The first node that has not been started and has all it needs. */
export function nextReadyNode(
  nodes: FlowNode[],
  done: { started: ReadonlySet<string>; completed: ReadonlySet<string> },
): FlowNode | undefined {
  return nodes.find(({ id, needs }) =>
    !done.started.has(id) && needs.every((need) => done.completed.has(need))
  );
}
