import { defined, isStringArray } from "../../_internal/errors.ts";
import { encodeUtf8, toHex } from "../../_internal/text.ts";
import { lastRuntimeOf } from "../../capture/bundle/records.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import { backoffOf, nodeOfEvent } from "../../run/engine/asks.ts";
import type { NodeText } from "../../run/engine/lifecycle.ts";
import type { EventRetry } from "../../supervisor/types.ts";
import { commandLine } from "../text/printable.ts";
import {
  type Flow,
  type FlowNode,
  makeFlow,
  makeNode,
  type Maker,
  type NodeRetry,
  type OnFailure,
  type When,
} from "./flow.ts";

/** What is recorded of a command: enough to run it again, but for secrets. */
export interface CommandRecord {
  /** The program and its arguments. */
  run: string[];
  /** Whether secret values stood in them, in place of which they have `***`. */
  masked?: true;
  /** Where it runs. */
  cwd: string;
  /** The names of the variables that the flow gives it; their values are never recorded. */
  env: string[];
  /** How long an attempt may take, in milliseconds. */
  timeout_ms?: number;
  /** The task that it runs. */
  task?: string;
  /** The text of that task. */
  task_text?: string;
  /** The file that has the task. */
  task_file?: string;
}

/** How a node is tried again, as it is recorded. */
export interface RetryRecord {
  /** How many further attempts there are. */
  max: number;
  /** How long the first of them waits, in milliseconds. */
  delay_ms: number;
  /** By how much each waits longer than the one before. */
  factor: number;
  /** The longest of these times, in milliseconds. */
  max_delay_ms?: number;
  /** Exit codes that are not tried again. */
  not_on: number[];
}

/** When a node starts and what comes of its failure: what is recorded of it where that is not the usual. */
export interface NodeRules {
  /** When it starts, if not when all that it needs is ok. */
  when?: When;
  /** Whether its failure does nothing to the rest of the flow. */
  allow_failure?: boolean;
  /** How it is tried again. */
  retry?: RetryRecord;
  /** The question of a gate. */
  gate?: string;
  /** The labels that a worker must have to run it. */
  on?: string[];
}

/** The rules of a flow as a whole: what is recorded of them where they are not the usual. */
export interface FlowRules {
  /** What becomes of the others when a node fails, if not `stop`. */
  on_failure?: OnFailure;
  /** How long the whole run may take, in milliseconds. */
  deadline_ms?: number;
}

/** What is recorded of the rules of a flow. */
export function flowRules({ onFailure, deadlineMs }: Flow): FlowRules {
  return defined({
    on_failure: onFailure === "stop" ? undefined : onFailure,
    deadline_ms: deadlineMs,
  });
}

/** What is recorded of the rules of a node. */
export function nodeRules({ when, allowFailure, retry, gate, labels }: FlowNode): NodeRules {
  return defined({
    when: when === "success" ? undefined : when,
    allow_failure: allowFailure || undefined,
    retry: retry && retryRecord(retry),
    gate,
    on: labels.length === 0 ? undefined : labels,
  });
}

function retryRecord({ maxRetries, delayMs, factor, maxDelayMs, notOn }: NodeRetry): RetryRecord {
  const longest = defined({ max_delay_ms: maxDelayMs });
  return { max: maxRetries, delay_ms: delayMs, factor, ...longest, not_on: notOn };
}

/** What is recorded of the command of a node. */
export function commandRecordOf(node: FlowNode): CommandRecord {
  const { cwd, env, timeoutMs, recordedRun, task, taskText, taskFile } = node;
  const masked = recordedRun === undefined ? undefined : true as const;
  const more = { timeout_ms: timeoutMs, task, task_text: taskText, task_file: taskFile, masked };
  return { run: recordedRunOf(node), cwd, env: Object.keys(env), ...defined(more) };
}

/** The program and its arguments as whoever reads the records may see them. */
export function recordedRunOf({ run, recordedRun = run }: FlowNode): string[] {
  return recordedRun;
}

/** Whether anything that was recorded is a command. */
export function isCommandRecord(value: unknown): value is CommandRecord & { task?: unknown } {
  if (typeof value !== "object" || value === null) return false;
  const { run, cwd, env } = value as Partial<CommandRecord>;
  return isStringArray(run) && run.length > 0 && typeof cwd === "string" && isStringArray(env);
}

/** The node that a recorded command is of; what only a flow knows of it may be given. */
export function recordedNode(
  id: string,
  record: CommandRecord,
  { needs = [], env = {} }: Partial<Pick<FlowNode, "needs" | "env">> = {},
): FlowNode {
  const { run, cwd, timeout_ms: timeoutMs, masked } = record;
  const more = defined({ timeoutMs, recordedRun: masked && run });
  return makeNode({ id, run, needs, env, cwd, ...more, ...taskOfRecord(record) });
}

/** A command as people know it: of a task its own text, with what it is given. */
export function shownCommand({ run, taskText }: Pick<FlowNode, "run" | "taskText">): string {
  const at = taskText === undefined ? -1 : run.indexOf("--eval");
  if (at === -1) return commandLine(run);
  const [text, ...given] = run.slice(at + 1);
  return given.length === 0 ? text! : `${text} ${commandLine(given)}`;
}

/** What a record has of the task that a node runs. */
export function taskOfRecord({ task, task_text: taskText, task_file: taskFile }: CommandRecord) {
  return defined({ task, taskText, taskFile });
}

/** What the event that asks for a node carries: the text of its payload. */
export function nodePayload(node: FlowNode): string {
  return JSON.stringify({ node: node.id, ...commandRecordOf(node) });
}

/** How the event that asks for a node says that it is tried, where that is not as the constraints say. */
export function nodeRetry({ retry }: FlowNode): { retry?: EventRetry } {
  if (retry === undefined) return {};
  return { retry: { max_retries: retry.maxRetries, ...defined({ backoff: backoffOf(retry) }) } };
}

/** What the log of a run has of a node, by the payload of its event: its command line, or its name only. */
export function describeNode(nodeId: string, payload: Readonly<Record<string, unknown>>): NodeText {
  if (!isCommandRecord(payload)) return { kind: "command", task: nodeId };
  const task = typeof payload.task === "string" ? payload.task : undefined;
  return { kind: "command", ...defined({ task }), name: commandLine(payload.run) };
}

/**
 * What a flow is made of, as a digest (PRV-2): strict replay against the flow needs the same. Where
 * the flow's file lies is no part of it, nor are the values of variables. What a flow does not say is none
 * either, so that what it may say can become more.
 */
export async function flowProvenance(flow: Flow): Promise<string> {
  const { name, nodes } = flow;
  const parts = nodes.map((node) => {
    const { id, needs, env, timeoutMs = null, taskText } = node;
    const names = Object.keys(env).sort();
    const command = { id, run: recordedRunOf(node), needs, env: names, timeout_ms: timeoutMs };
    return { ...command, ...defined({ task_text: taskText }), ...nodeRules(node) };
  });
  parts.sort((a, b) => a.id < b.id ? -1 : 1);
  const text = encodeUtf8(JSON.stringify({ name, nodes: parts, ...flowRules(flow) }));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  return `rpv1:sha256:${toHex(digest)}`;
}

/** Whether what a recording asks for are commands, and not steps of a program; undefined when it asks for nothing. */
export function isOfCommands(bundle: CaptureBundle): boolean | undefined {
  if (!("inputs" in bundle)) return false;
  const event = bundle.inputs.find((input) => input.type === "event" && input.kind === "Command");
  if (event?.type !== "event") return undefined;
  try {
    return isCommandRecord(JSON.parse(event.payload));
  } catch {
    return false;
  }
}

/**
 * The flow that a recording is of, where that says all of it: commands that need no others, and have no
 * variables whose values are only in a file. Its digest tells.
 */
export async function flowOfCapture(bundle: CaptureBundle): Promise<Flow | undefined> {
  if (!("inputs" in bundle)) return undefined;
  const nodes = new Map<string, FlowNode>();
  let areTasks = true;
  for (const input of bundle.inputs) {
    if (input.type !== "event" || input.kind !== "Command") continue;
    const command: unknown = JSON.parse(input.payload);
    if (!isCommandRecord(command) || command.env.length > 0) return undefined;
    const nodeId = nodeOfEvent(input.event_id);
    nodes.set(nodeId, recordedNode(nodeId, command));
    areTasks &&= command.task !== undefined;
  }
  const { graph_id: name, config: constraints } = bundle;
  const isCommand = nodes.size === 1 && nodes.has(name);
  const madeBy: Maker | undefined = areTasks ? "tasks" : isCommand ? "exec" : undefined;
  const given = { name, constraints, nodes: [...nodes.values()] };
  const flow = makeFlow({ ...defined({ madeBy }), ...given });
  return await flowProvenance(flow) === lastRuntimeOf(bundle) ? flow : undefined;
}
