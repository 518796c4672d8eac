import { atomicReplace } from "../../_internal/atomic_replace.ts";
import { resolve } from "../files.ts";
import { denoFilePort } from "../../_internal/file_port.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import type { Constraints } from "../../supervisor/types.ts";
import type { Flow, FlowNode } from "./flow.ts";
import { type CommandRecord, commandRecordOf, flowProvenance, recordedNode } from "./node_event.ts";

/** A flow as the run that it belongs to keeps it, in `flow.json`. */
export interface FlowRecord {
  /** The format, 1. */
  format: 1;
  /** The path of the flow file; null when the flow was made from a command. */
  path: string | null;
  /** The name. */
  name: string;
  /** What the recording says that was run: the digest of the nodes. */
  provenance: string;
  /** The constraints. */
  constraints: Constraints;
  /** The nodes. */
  nodes: NodeRecord[];
}

/** A node in a {@linkcode FlowRecord}. */
interface NodeRecord extends CommandRecord {
  /** Its name. */
  id: string;
  /** The nodes that it needs. */
  needs: string[];
}

/**
 * Keeps a flow with its run, mode 0600, on disk before this returns. Killed in between, there is
 * none.
 *
 * @throws If it cannot be written, as the system says it.
 */
export async function writeFlowRecord(
  run: { root: string; runId: string },
  flow: Flow,
): Promise<void> {
  const text = `${JSON.stringify(await recordOf(flow), null, 2)}\n`;
  await atomicReplace(denoFilePort, {
    path: runPaths(run.root, run.runId).flow,
    bytes: encodeUtf8(text),
    toError: ({ cause }) => cause instanceof Error ? cause : new Error(String(cause)),
  });
}

/** Reads the flow of a run; undefined when it has none. */
export async function readFlowRecord(
  root: string,
  runId: string,
): Promise<FlowRecord | undefined> {
  const path = runPaths(root, runId).flow;
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const record = parse(text);
  if (record === undefined) throw new Error(`Cannot use ${path}: it is no flow of a run`);
  const { format } = record;
  if (format === 1) return record;
  throw new Error(
    `Cannot use ${path}: its format is ${format}, and 1 is known; use a newer taffrail`,
  );
}

function parse(text: string): FlowRecord | undefined {
  try {
    const record: FlowRecord = JSON.parse(text);
    const isWhole = Number.isSafeInteger(record.format) && Array.isArray(record.nodes) &&
      typeof record.name === "string" && typeof record.constraints === "object";
    return isWhole ? record : undefined;
  } catch {
    return undefined;
  }
}

async function recordOf(flow: Flow): Promise<FlowRecord> {
  const { path, name, constraints, nodes } = flow;
  return {
    format: 1,
    path: path === undefined ? null : resolve(path),
    name,
    provenance: await flowProvenance(flow),
    constraints,
    nodes: nodes.map(nodeRecordOf),
  };
}

function nodeRecordOf(node: FlowNode): NodeRecord {
  const { run, env, cwd, ...timeout } = commandRecordOf(node);
  return { id: node.id, run, needs: node.needs, env: env.toSorted(), cwd, ...timeout };
}

/** The flow of a command: nothing of it is in a file. */
export function flowOfRecord({ name, constraints, nodes }: FlowRecord): Flow {
  return {
    name,
    constraints,
    nodes: nodes.map((record) => recordedNode(record.id, record, { needs: record.needs })),
  };
}

/**
 * The first thing in which a flow is not the recorded one, in words; undefined when there is none.
 * Where a flow file lies now is no difference, and so where its nodes run.
 */
export function flowDifference(record: FlowRecord, flow: Flow): string | undefined {
  if (record.name !== flow.name) return `its name is ${flow.name} instead of ${record.name}`;
  const isMoved = flow.path === undefined || record.path !== resolve(flow.path);
  const nodes = new Map(flow.nodes.map((node) => [node.id, nodeRecordOf(node)]));
  for (const recorded of record.nodes) {
    const node = nodes.get(recorded.id);
    if (node === undefined) return `node ${recorded.id} is no longer in it`;
    nodes.delete(recorded.id);
    const { cwd } = isMoved ? recorded : node;
    const difference = nodeDifference(recorded, { ...node, cwd });
    if (difference !== undefined) return `node ${recorded.id} has another ${difference}`;
  }
  const [added] = nodes.keys();
  if (added !== undefined) return `node ${added} is new in it`;
  const constraint = Object.entries(record.constraints)
    .find(([name, value]) => !isSame(value, flow.constraints[name as keyof Constraints]));
  return constraint === undefined ? undefined : `its constraint ${constraint[0]} is another one`;
}

/** What a flow file calls the members of a node. */
const MEMBER_NAMES = [
  ["run", '"run"'],
  ["needs", '"needs"'],
  ["env", 'list of names in "env"'],
  ["cwd", '"cwd"'],
  ["timeout_ms", '"timeout"'],
] as const;

/** The first member that differs. */
function nodeDifference(recorded: NodeRecord, node: NodeRecord): string | undefined {
  return MEMBER_NAMES.find(([member]) => !isSame(recorded[member], node[member]))?.[1];
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
