import { listed, quoted } from "../text/printable.ts";
import { type FlowNode, nodesById } from "./flow.ts";

/**
 * Hands out the nodes of a flow in the order of their needs; of several of which all needs are over, the
 * one that stands first in the flow.
 *
 * What must always be true: `#missing` counts, for each node, the needs that are not over, so a
 * node is put into the queue exactly when its count falls to 0. A node may be queued more than once, as
 * when its attempt was cut off, and may have been started by somebody else meanwhile: whoever takes it
 * from the queue looks at `#started`. So every node and every need is looked at once, and a flow of
 * 100,000 nodes costs no more than reading it.
 */
export class ReadyNodes {
  readonly #nodes: readonly FlowNode[];
  /** Where each node stands in the flow. */
  readonly #places = new Map<string, number>();
  /** The nodes that need a node. */
  readonly #dependents = new Map<string, number[]>();
  readonly #missing: number[] = [];
  readonly #queue = new MinHeap();
  readonly #started = new Set<string>();
  readonly #settled = new Set<string>();

  /** The needs must lead to nodes; see {@linkcode checkNeeds}. */
  constructor(nodes: readonly FlowNode[]) {
    this.#nodes = nodes;
    for (const [place, { id, needs }] of nodes.entries()) {
      this.#places.set(id, place);
      this.#missing.push(needs.length);
      if (needs.length === 0) this.#queue.push(place);
      for (const need of needs) {
        const dependents = this.#dependents.get(need);
        if (dependents === undefined) this.#dependents.set(need, [place]);
        else dependents.push(place);
      }
    }
  }

  /** The next node all of whose needs are over and that has not been started; from now on it has. */
  take(): FlowNode | undefined {
    for (let place = this.#queue.pop(); place !== undefined; place = this.#queue.pop()) {
      const node = this.#nodes[place]!;
      if (this.#started.has(node.id)) continue;
      this.#started.add(node.id);
      return node;
    }
    return undefined;
  }

  /** A node has been started without being taken. */
  start(id: string): void {
    this.#started.add(id);
  }

  /** A node is over: what needs it lacks one need less. */
  settle(id: string): void {
    if (this.#settled.has(id)) return;
    this.#settled.add(id);
    for (const place of this.#dependents.get(id) ?? []) {
      if (--this.#missing[place]! === 0) this.#queue.push(place);
    }
  }

  /** A node that was started has to be started again. */
  putBack(id: string): void {
    const place = this.#places.get(id);
    if (place === undefined || !this.#started.delete(id)) return;
    if (this.#missing[place] === 0) this.#queue.push(place);
  }
}

/** Numbers, of which the smallest comes out first. */
class MinHeap {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let at = items.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= item) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): number | undefined {
    const items = this.#items;
    const [first] = items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= last) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return first;
  }
}

/** The nodes in an order in which they may run, each behind what it needs. */
export function orderOf(nodes: readonly FlowNode[]): FlowNode[] {
  const ready = new ReadyNodes(nodes);
  const order: FlowNode[] = [];
  for (let node = ready.take(); node !== undefined; node = ready.take()) {
    order.push(node);
    ready.settle(node.id);
  }
  return order;
}

/** Refuses needs that lead to no node, and cycles. */
export function checkNeeds(
  nodes: readonly FlowNode[],
  fail: (problem: string) => never,
): void {
  const byId = nodesById(nodes);
  for (const { id, needs } of nodes) {
    const unknown = needs.find((need) => !byId.has(need));
    if (unknown === undefined) continue;
    const known = listed([...byId.keys()].filter((other) => other !== id));
    const remedy = known === "" ? "there is no other node" : `the other nodes are ${known}`;
    fail(
      `node ${quoted(id)} needs ${quoted(unknown)}, which is no node: ${remedy}`,
    );
  }
  const cycle = findCycle(nodes);
  if (cycle === undefined) return;
  const steps = cycle.map((id, index) => {
    return `${quoted(id)} needs ${quoted(cycle[(index + 1) % cycle.length])}`;
  });
  fail(`its nodes need each other in a cycle: ${listed(steps)}; remove one of these needs`);
}

/**
 * The nodes of a cycle; undefined when there is none. A node that never becomes ready needs another one
 * that never does, so a walk along such needs must come back to a node that it has seen.
 */
function findCycle(nodes: readonly FlowNode[]): string[] | undefined {
  const stuck = nodesById(nodes);
  for (const { id } of orderOf(nodes)) stuck.delete(id);
  const walk = new Set<string>();
  let [at] = stuck.keys();
  while (at !== undefined && !walk.has(at)) {
    walk.add(at);
    at = stuck.get(at)!.needs.find((need) => stuck.has(need));
  }
  if (at === undefined) return undefined;
  const steps = [...walk];
  return steps.slice(steps.indexOf(at));
}
