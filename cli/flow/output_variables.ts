/**
 * Where a command finds what the nodes that it needs have printed: the path of each in a variable. An
 * aggregate prints nothing, and stands for its members; a gate prints nothing.
 */
import { quoted } from "../text/printable.ts";
import { type FlowNode, isAggregate, nodesById } from "./flow.ts";
import { type Fail, OUTPUT_VARIABLE } from "./flow_values.ts";

/** The variable in which others find what a node printed. */
export function outputVariable(nodeId: string): string {
  return OUTPUT_VARIABLE + nodeId.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
}

/** Finds for each node the ones whose output it is told of, in the order in which it needs them. */
export class NeededOutputs {
  readonly #nodes: ReadonlyMap<string, FlowNode>;
  /** Of aggregates: one may stand for many, and be needed by many. */
  readonly #members = new Map<string, readonly string[]>();

  /** The needs must lead to nodes, and to none in a cycle. */
  constructor(nodes: ReadonlyMap<string, FlowNode>) {
    this.#nodes = nodes;
  }

  /** The ids of these nodes. */
  of(node: FlowNode): readonly string[] {
    // Aggregates may stand for each other more deeply than calls can nest.
    const open = [node];
    for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
      const missing = at.needs.map((id) => this.#nodes.get(id))
        .filter((need) => need !== undefined)
        .filter((need) => isAggregate(need) && !this.#members.has(need.id));
      if (missing.length > 0) {
        open.push(...missing);
        continue;
      }
      open.pop();
      if (at !== node) this.#members.set(at.id, this.#direct(at));
    }
    return this.#direct(node);
  }

  #direct({ needs }: FlowNode): string[] {
    const prints = (id: string) => this.#nodes.get(id)?.run.length !== 0;
    return [...new Set(needs.flatMap((id) => this.#members.get(id) ?? (prints(id) ? [id] : [])))];
  }
}

/** Refuses two needs of a node whose outputs it would find in the same variable. */
export function checkOutputVariables(nodes: readonly FlowNode[], fail: Fail): void {
  const outputs = new NeededOutputs(nodesById(nodes));
  for (const node of nodes) {
    // Nothing is told to what runs nothing.
    if (node.run.length === 0) continue;
    const seen = new Map<string, string>();
    for (const id of outputs.of(node)) {
      const variable = outputVariable(id);
      const other = seen.get(variable);
      seen.set(variable, id);
      if (other === undefined) continue;
      fail(
        `node ${quoted(node.id)} needs ${quoted(other)} and ${quoted(id)}, and would find what ` +
          `both printed in ${variable}: call one of them something else`,
      );
    }
  }
}
