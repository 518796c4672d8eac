import { mapConstraints } from "../../_internal/constraints.ts";
import type { Constraints } from "../../supervisor/types.ts";

/** A flow: commands, and which of them need which. */
export interface Flow {
  /** The path of its file; one that was made from a command has none. */
  path?: string;
  /** Its name; the ids of its runs begin with it. */
  name: string;
  /** Its nodes, in the order of the file. */
  nodes: FlowNode[];
  /** What the supervisor keeps to. */
  constraints: Constraints;
}

/** One command of a flow. */
export interface FlowNode {
  /** Its name, unique in the flow; its output files begin with it. */
  id: string;
  /** The program and its arguments. */
  run: string[];
  /** The task of `deno.json` that it runs; its program is then the Deno that runs this. */
  task?: string;
  /** The nodes that must have completed before. */
  needs: string[];
  /** How long an attempt may take. */
  timeoutMs?: number;
  /** Variables on top of the environment of this process. */
  env: Record<string, string>;
  /** Where it runs; absolute. */
  cwd: string;
}

/** One node at a time, none a second time: what a flow says nothing about. */
export const DEFAULT_CONSTRAINTS: Constraints = mapConstraints(
  ({ flowDefault = null }) => flowDefault,
) as Constraints;

const LONGEST_NODE_ID = 64;
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i;

/** What is wrong with the name of a flow or a node, which become names of files. */
export function nameProblem(name: unknown, longest = LONGEST_NODE_ID): string | undefined {
  if (typeof name !== "string") return "is no text";
  if (name.length < 1 || name.length > longest) return `must have 1 to ${longest} characters`;
  if (!/^[A-Za-z0-9._-]+$/.test(name)) return "may only have letters, digits, '.', '_' and '-'";
  if (/^[.-]|[.-]$/.test(name)) return "may not begin or end with '.' or '-'";
  if (WINDOWS_DEVICE.test(name)) return "is the name of a Windows device";
  return undefined;
}

/** A name made of any text, such as the file name of a program. */
export function nameFrom(text: string): string {
  const name = text.replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .slice(0, LONGEST_NODE_ID).replaceAll(/^[.-]+|[.-]+$/g, "");
  return nameProblem(name) === undefined ? name : "command";
}

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
