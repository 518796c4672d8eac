import { atomicReplace } from "../../_internal/atomic_replace.ts";
import { resolve } from "../files.ts";
import { mapConstraints } from "../../_internal/constraints.ts";
import { defined, isOneOf, isStringArray, TaffrailError } from "../../_internal/errors.ts";
import { denoFilePort } from "../../_internal/file_port.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { decodeUtf8, encodeUtf8 } from "../../_internal/text.ts";
import type { Constraints } from "../../supervisor/types.ts";
import { documentPlace, type RunPlace } from "../reading/open_root.ts";
import {
  type Flow,
  type FlowNode,
  makeFlow,
  makeNode,
  type Maker,
  MAKERS,
  nodeIdProblem,
  type NodeRetry,
  ON_FAILURE,
  type TaskRequest,
  WHEN,
} from "./flow.ts";
import { type Fail, readerOf } from "./flow_values.ts";
import {
  type CommandRecord,
  commandRecordOf,
  flowProvenance,
  type FlowRules,
  flowRules,
  type NodeRules,
  nodeRules,
  type RetryRecord,
  taskOfRecord,
} from "./node_event.ts";
import { type Json, parseJsonc } from "./parse_jsonc.ts";
import type { ValueDigests } from "./value_digests.ts";
import { checkNeeds } from "./ready_nodes.ts";

/** A flow as the run that it belongs to keeps it, in `flow.json`. */
export interface FlowRecord extends FlowRules {
  /** The format, 1. */
  format: 1;
  /** The path of the flow file; null when the flow was made from a command. */
  path: string | null;
  /** What the flow was made by, where it has no file. */
  made_by?: Maker;
  /** What it was made of, where it was made of tasks. */
  tasks?: TaskRequest;
  /** What its file was given, where that is a program. */
  args?: string[];
  /** The nodes of its file that were asked for, with what they need; all when undefined. */
  only?: string[];
  /** The nodes of its file that were left out. */
  skip?: string[];
  /** Where there is a terminal, the output of its command is left to that, and not recorded. */
  terminal?: true;
  /** The name. */
  name: string;
  /** What the recording says that was run: the digest of the nodes. */
  provenance: string;
  /** The constraints. */
  constraints: Constraints;
  /** The nodes. */
  nodes: NodeRecord[];
  /** What it is for, to people. */
  description?: string;
  /** The names of variables whose values nobody may read in what is recorded. */
  secret?: string[];
  /** What the key is called that digests of values were made with. */
  digest_key?: string;
}

/** A node in a {@linkcode FlowRecord}. */
export interface NodeRecord extends CommandRecord, NodeRules {
  /** Its name. */
  id: string;
  /** What it is for, to people. */
  description?: string;
  /** The nodes that it needs. */
  needs: string[];
  /** Keyed digests of the values of its variables, by their names. */
  env_digests?: Record<string, string>;
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

/** What `flow.json` has of a flow; `digests`: those of the values of its variables. */
export async function flowRecordText(flow: Flow, digests?: ValueDigests): Promise<string> {
  return `${JSON.stringify(await recordOf(flow, digests), null, 2)}\n`;
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
export async function readFlowRecord({ root, view }: RunPlace): Promise<FlowRecord | undefined> {
  const bytes = await view.document("flow.json");
  return bytes && parseFlowRecord(bytes, documentPlace({ root, runId: view.runId }, "flow.json"));
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

/** What a flow record has to be, as `docs/format` says; members that later versions add are passed over. */
function recordFrom(record: Map<string, Json>, fail: Fail): FlowRecord {
  const path = record.get("path");
  const madeBy = MAKERS.find((maker) => path === null && maker === record.get("made_by"));
  const nodes = record.get("nodes");
  if (!Array.isArray(nodes)) return fail('"nodes" is no list');
  const read = {
    format: 1,
    path: path === null ? null : textIn(path, '"path"', fail),
    ...defined({ made_by: madeBy, terminal: record.get("terminal") === true || undefined }),
    name: textIn(record.get("name"), '"name"', fail),
    provenance: textIn(record.get("provenance"), '"provenance"', fail),
    constraints: constraintsFrom(record.get("constraints"), fail),
    nodes: nodes.map((node, index) =>
      nodeFrom(node, (problem) => fail(`nodes[${index}]${problem}`))
    ),
    ...flowMembers(record, fail),
  } as const;
  const ids = new Set(read.nodes.map(({ id }) => id.toLowerCase()));
  if (ids.size !== read.nodes.length) fail("two of its nodes have the same id");
  checkNeeds(flowOfRecord(read).nodes, fail);
  return read;
}

/** The members that a flow has where they are not the usual. */
function flowMembers(record: Map<string, Json>, fail: Fail) {
  const read = readerOf(record, fail);
  return defined({
    tasks: read("tasks", (value) => taskRequestFrom(value, fail)),
    description: read("description", (value) => textIn(value, '"description"', fail)),
    on_failure: read("on_failure", (value) => wordIn(value, ON_FAILURE, '"on_failure"', fail)),
    deadline_ms: read("deadline_ms", (value) => countIn(value, '"deadline_ms"', fail)),
    args: read("args", (value) => textsIn(value, '"args"', fail)),
    only: read("only", (value) => textsIn(value, '"only"', fail)),
    skip: read("skip", (value) => textsIn(value, '"skip"', fail)),
    secret: read("secret", (value) => textsIn(value, '"secret"', fail)),
    digest_key: read("digest_key", (value) => textIn(value, '"digest_key"', fail)),
  });
}

function taskRequestFrom(json: Json, fail: Fail): TaskRequest {
  const request = objectIn(json, '"tasks"', fail);
  const read = readerOf(request, fail);
  return {
    names: textsIn(request.get("names"), '"tasks.names"', fail),
    arguments: textsIn(request.get("arguments"), '"tasks.arguments"', fail),
    cwd: textIn(request.get("cwd"), '"tasks.cwd"', fail),
    ...defined({
      recursive: read("recursive", (value) => flagIn(value, '"tasks.recursive"', fail)),
      filter: read("filter", (value) => textIn(value, '"tasks.filter"', fail)),
    }),
  };
}

function nodeFrom(json: Json, fail: Fail): NodeRecord {
  const node = objectIn(json, "", fail);
  const id = node.get("id");
  const problem = nodeIdProblem(id);
  if (problem !== undefined) fail(`.id ${problem}`);
  const read = readerOf(node, fail);
  const command = {
    id: id as string,
    run: textsIn(node.get("run"), ".run", fail),
    needs: textsIn(node.get("needs"), ".needs", fail),
    env: textsIn(node.get("env"), ".env", fail),
    cwd: textIn(node.get("cwd"), ".cwd", fail),
    ...defined({
      timeout_ms: read("timeout_ms", (value) => countIn(value, ".timeout_ms", fail)),
      task: read("task", (value) => textIn(value, ".task", fail)),
      task_text: read("task_text", (value) => textIn(value, ".task_text", fail)),
      task_file: read("task_file", (value) => textIn(value, ".task_file", fail)),
      description: read("description", (value) => textIn(value, ".description", fail)),
      when: read("when", (value) => wordIn(value, WHEN, ".when", fail)),
      allow_failure: read("allow_failure", (value) => flagIn(value, ".allow_failure", fail)),
      retry: read("retry", (value) => retryFrom(value, fail)),
      gate: read("gate", (value) => textIn(value, ".gate", fail)),
      on: read("on", (value) => textsIn(value, ".on", fail)),
      masked: read("masked", (value) => flagIn(value, ".masked", fail) || undefined),
      env_digests: read("env_digests", (value) => digestsFrom(value, fail)),
    }),
  };
  const { run, needs, gate } = command as NodeRecord;
  if (run.length === 0 && needs.length === 0 && gate === undefined) fail(".run is empty");
  return command;
}

function digestsFrom(json: Json, fail: Fail): Record<string, string> {
  const digests = objectIn(json, ".env_digests", fail);
  return Object.fromEntries(
    Array.from(digests, ([name, value]) => [name, textIn(value, `.env_digests.${name}`, fail)]),
  );
}

function retryFrom(json: Json, fail: Fail): RetryRecord {
  const retry = objectIn(json, ".retry", fail);
  const factor = retry.get("factor");
  if (typeof factor !== "number") return fail(".retry.factor is no number");
  const notOn = retry.get("not_on");
  if (!Array.isArray(notOn) || !notOn.every(isCount)) {
    return fail(".retry.not_on is no list of whole numbers");
  }
  const longest = readerOf(retry, fail)("max_delay_ms", (value) => {
    return countIn(value, ".retry.max_delay_ms", fail);
  });
  return {
    max: countIn(retry.get("max"), ".retry.max", fail),
    delay_ms: countIn(retry.get("delay_ms"), ".retry.delay_ms", fail),
    factor,
    ...defined({ max_delay_ms: longest }),
    not_on: notOn,
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

function countIn(value: Json | undefined, place: string, fail: Fail): number {
  return isCount(value) ? value : fail(`${place} is no whole number`);
}

function flagIn(value: Json, place: string, fail: Fail): boolean {
  return typeof value === "boolean" ? value : fail(`${place} is neither true nor false`);
}

function wordIn<Word extends string>(
  value: Json,
  known: readonly Word[],
  place: string,
  fail: Fail,
): Word {
  return isOneOf(known, value) ? value : fail(`${place} is none of ${known.join(", ")}`);
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

async function recordOf(flow: Flow, digests: ValueDigests | undefined): Promise<FlowRecord> {
  const { path, madeBy, terminal, tasks, name, constraints, nodes, secrets } = flow;
  const { args, only, skip, description } = flow;
  const digestsOf = (node: FlowNode) => {
    const isGiven = digests !== undefined && Object.keys(node.env).length > 0;
    return isGiven ? { env_digests: digests.ofNode(node) } : {};
  };
  return {
    format: 1,
    path: path === undefined ? null : resolve(path),
    ...defined({ made_by: madeBy, terminal, tasks }),
    name,
    provenance: await flowProvenance(flow),
    constraints,
    nodes: nodes.map((node) => ({ ...nodeRecordOf(node), ...digestsOf(node) })),
    ...defined({
      digest_key: digests?.keyId,
      description,
      args,
      only,
      skip,
      secret: secrets.length === 0 ? undefined : secrets,
    }),
    ...flowRules(flow),
  };
}

/** What `flow.json` has of a node. */
export function nodeRecordOf(node: FlowNode): NodeRecord {
  const { run, env, cwd, ...others } = commandRecordOf(node);
  const { id, needs, description } = node;
  const command = { id, run, needs, env: env.toSorted(), cwd, ...others };
  return { ...command, ...defined({ description }), ...nodeRules(node) };
}

/** A flow as it is recorded: without the values of variables, and without its file. */
export function flowOfRecord(record: Omit<FlowRecord, "format" | "path" | "provenance">): Flow {
  const { name, constraints, nodes, ...others } = record;
  const members = {
    madeBy: others.made_by,
    tasks: others.tasks,
    terminal: others.terminal,
    description: others.description,
    onFailure: others.on_failure,
    deadlineMs: others.deadline_ms,
    secrets: others.secret,
    args: others.args,
    only: others.only,
    skip: others.skip,
  };
  return makeFlow({ name, constraints, nodes: nodes.map(nodeOfRecord), ...defined(members) });
}

/** The digest of what a record says, to be compared with the one that stands in it. */
export async function provenanceOfRecord(record: FlowRecord): Promise<string> {
  const flow = flowOfRecord(record);
  // The names of variables count, which a flow of a record does not have.
  const nodes = flow.nodes.map((node, index) => {
    const names = record.nodes[index]!.env;
    return { ...node, env: Object.fromEntries(names.map((name) => [name, ""])) };
  });
  return await flowProvenance({ ...flow, nodes });
}

function nodeOfRecord(record: NodeRecord): FlowNode {
  const { id, run, needs, cwd, gate, description, when, allow_failure, on } = record;
  const recordedRun = record.masked && run;
  return makeNode({
    ...{ id, run, needs, cwd },
    ...taskOfRecord(record),
    ...defined({
      recordedRun,
      gate,
      description,
      timeoutMs: record.timeout_ms,
      when,
      allowFailure: allow_failure,
      retry: record.retry && retryOfRecord(record.retry),
      labels: on,
    }),
  });
}

function retryOfRecord({ max, delay_ms, factor, max_delay_ms, not_on }: RetryRecord): NodeRetry {
  const longest = defined({ maxDelayMs: max_delay_ms });
  return { maxRetries: max, delayMs: delay_ms, factor, ...longest, notOn: not_on };
}
