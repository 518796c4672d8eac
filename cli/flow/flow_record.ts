import { atomicReplace } from "../../_internal/atomic_replace.ts";
import { resolve } from "../files.ts";
import { mapConstraints } from "../../_internal/constraints.ts";
import { defined, isStringArray, TaffrailError } from "../../_internal/errors.ts";
import { denoFilePort, isNotFound, readFileSync } from "../../_internal/file_port.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { decodeUtf8, encodeUtf8 } from "../../_internal/text.ts";
import type { Constraints } from "../../supervisor/types.ts";
import { type Flow, type FlowNode, type Maker, MAKERS, nameProblem } from "./flow.ts";
import { type CommandRecord, commandRecordOf, flowProvenance, recordedNode } from "./node_event.ts";
import { type Json, parseJsonc } from "./parse_jsonc.ts";
import { checkNeeds } from "./ready_nodes.ts";

/** A flow as the run that it belongs to keeps it, in `flow.json`. */
export interface FlowRecord {
  /** The format, 1. */
  format: 1;
  /** The path of the flow file; null when the flow was made from a command. */
  path: string | null;
  /** What the flow was made by, where it has no file. */
  made_by?: Maker;
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
  await atomicReplace(denoFilePort, {
    path: runPaths(run.root, run.runId).flow,
    bytes: encodeUtf8(await flowRecordText(flow)),
    toError: ({ cause }) => cause instanceof Error ? cause : new Error(String(cause)),
  });
}

/** What `flow.json` has of a flow. */
export async function flowRecordText(flow: Flow): Promise<string> {
  return `${JSON.stringify(await recordOf(flow), null, 2)}\n`;
}

/** The `flow.json` of a run cannot be used. */
export class FlowRecordError extends TaffrailError<"damaged" | "newer", { path: string }> {
  /** The name of the class. */
  override readonly name = "FlowRecordError";
}

/**
 * Reads the flow of a run; undefined when it has none.
 *
 * @throws {FlowRecordError} If it is none, or of a later version; the message says where it is wrong.
 */
export function readFlowRecord(root: string, runId: string): Promise<FlowRecord | undefined> {
  return Promise.try(() => {
    const path = runPaths(root, runId).flow;
    const bytes = readIfThere(path);
    return bytes === undefined ? undefined : parseFlowRecord(bytes, path);
  });
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return readFileSync(denoFilePort, path);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Reads the text of a flow record; `path` is for messages. */
export function parseFlowRecord(bytes: Uint8Array, path: string): FlowRecord {
  const details = { path };
  const fail = (problem: string, cause?: unknown): never => {
    const remedy = "restore it from a copy, or run the flow anew";
    const message = `Cannot use ${path}: it is no flow of a run: ${problem}; ${remedy}`;
    throw new FlowRecordError("damaged", message, { details, remedy, cause });
  };
  let json: Json;
  try {
    json = parseJsonc(decodeUtf8(bytes));
  } catch (error) {
    return fail(error instanceof SyntaxError ? error.message : "it is not UTF-8", error);
  }
  const record = objectIn(json, "it", fail);
  const format = record.get("format");
  if (!isCount(format)) return fail('"format" is no whole number');
  if (format === 1) return recordFrom(record, fail);
  const remedy = "use a newer taffrail";
  const message = `Cannot use ${path}: its format is ${format}, and 1 is known; ${remedy}`;
  throw new FlowRecordError("newer", message, { details, remedy });
}

type Fail = (problem: string) => never;

/** What a flow record has to be, as `docs/format` says; members that later versions add are passed over. */
function recordFrom(record: Map<string, Json>, fail: Fail): FlowRecord {
  const path = record.get("path");
  const madeBy = MAKERS.find((maker) => maker === record.get("made_by"));
  const nodes = record.get("nodes");
  if (!Array.isArray(nodes)) return fail('"nodes" is no list');
  const read = {
    format: 1,
    path: path === null ? null : textIn(path, '"path"', fail),
    ...defined({ made_by: madeBy }),
    name: textIn(record.get("name"), '"name"', fail),
    provenance: textIn(record.get("provenance"), '"provenance"', fail),
    constraints: constraintsFrom(record.get("constraints"), fail),
    nodes: nodes.map((node, index) =>
      nodeFrom(node, (problem) => fail(`nodes[${index}]${problem}`))
    ),
  } as const;
  const ids = new Set(read.nodes.map(({ id }) => id.toLowerCase()));
  if (ids.size !== read.nodes.length) fail("two of its nodes have the same id");
  checkNeeds(flowOfRecord(read).nodes, fail);
  return read;
}

function nodeFrom(json: Json, fail: Fail): NodeRecord {
  const node = objectIn(json, "", fail);
  const id = node.get("id");
  const problem = nameProblem(id);
  if (problem !== undefined) fail(`.id ${problem}`);
  const timeoutMs = node.get("timeout_ms");
  if (timeoutMs !== undefined && !isCount(timeoutMs)) fail(".timeout_ms is no whole number");
  const run = textsIn(node.get("run"), ".run", fail);
  if (run.length === 0) fail(".run is empty");
  return {
    id: id as string,
    run,
    needs: textsIn(node.get("needs"), ".needs", fail),
    env: textsIn(node.get("env"), ".env", fail),
    cwd: textIn(node.get("cwd"), ".cwd", fail),
    ...(timeoutMs !== undefined && { timeout_ms: timeoutMs as number }),
  };
}

function constraintsFrom(json: Json | undefined, fail: Fail): Constraints {
  const stated = objectIn(json, '"constraints"', fail);
  return mapConstraints(({ kind, isRequired }, name) => {
    const value = stated.get(name) ?? null;
    if (value === null && !isRequired) return null;
    const place = `"constraints" has a ${name}`;
    if (kind === "count") return isCount(value) ? value : fail(`${place} that is no whole number`);
    const duration = value instanceof Map ? value : new Map<string, Json>();
    const [secs, nanos] = [duration.get("secs"), duration.get("nanos")];
    if (isCount(secs) && isCount(nanos)) return { secs, nanos };
    return fail(`${place} that is no duration`);
  }) as unknown as Constraints;
}

function isCount(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function objectIn(value: Json | undefined, place: string, fail: Fail): Map<string, Json> {
  return value instanceof Map ? value : fail(`${place} is no object`);
}

function textIn(value: Json | undefined, place: string, fail: Fail): string {
  return typeof value === "string" ? value : fail(`${place} is no text`);
}

function textsIn(value: Json | undefined, place: string, fail: Fail): string[] {
  return isStringArray(value) ? value : fail(`${place} is no list of texts`);
}

async function recordOf(flow: Flow): Promise<FlowRecord> {
  const { path, madeBy, name, constraints, nodes } = flow;
  return {
    format: 1,
    path: path === undefined ? null : resolve(path),
    ...defined({ made_by: madeBy }),
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
export function flowOfRecord(
  { made_by: madeBy, name, constraints, nodes }: Pick<
    FlowRecord,
    "made_by" | "name" | "constraints" | "nodes"
  >,
): Flow {
  return {
    ...defined({ madeBy }),
    name,
    constraints,
    nodes: nodes.map((record) => recordedNode(record.id, record, { needs: record.needs })),
  };
}

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
}

/**
 * Compares a flow with the recorded one. Where a flow file lies now is no difference, and so where its
 * nodes run.
 */
export function flowChanges(record: FlowRecord, flow: Flow): FlowChanges {
  const isMoved = flow.path === undefined || record.path !== resolve(flow.path);
  const recordedNodes = new Map(record.nodes.map((node) => [node.id, node]));
  const nodes = new Map(flow.nodes.map((node) => [node.id, nodeRecordOf(node)]));
  const changed = new Map<string, string>();
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
      .filter(([name, value]) => !isSame(value, flow.constraints[name as keyof Constraints]))
      .map(([name]) => name),
  };
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
