import { MAX_RUN_NAME_LENGTH } from "../../_internal/root_layout.ts";
import { isWindowsDevice } from "../../_internal/text.ts";
import { mapConstraints } from "../../_internal/constraints.ts";
import type { Constraints } from "../../supervisor/types.ts";
import { listed } from "../text/printable.ts";

/** The verbs that make a flow of what stands on their command line, without a file. */
export const MAKERS = ["exec", "tasks"] as const;

/** `taffrail exec`, or `taffrail run --tasks`: output and exit code are then those of what runs. */
export type Maker = typeof MAKERS[number];

/** What `taffrail run --tasks` was asked for. */
export interface TaskRequest {
  /** The names of tasks; in a pattern `*` stands for any text. */
  names: string[];
  /** What is given to each of them, and not to what they depend on. */
  arguments: string[];
  /** Where they are looked for; absolute. */
  cwd: string;
  /** Whether they are looked for in all members of the workspace. */
  recursive?: boolean;
  /** The members in which they are looked for: those whose name contains this. */
  filter?: string;
}

/** A flow: commands, and which of them need which. */
export interface Flow {
  /** The path of its file; one that was made from a command has none. */
  path?: string;
  /** What it was made by, where it has no file. */
  madeBy?: Maker;
  /** What it was made of, where it was made of tasks. */
  tasks?: TaskRequest;
  /** What its file was given, where that is a program. */
  args?: string[];
  /** The nodes of its file that were asked for, with what they need; all when undefined. */
  only?: string[];
  /** The nodes of its file that were left out. */
  skip?: string[];
  /** Whether the output of its command is left to the terminal, and not recorded. */
  terminal?: true;
  /** Its name; the ids of its runs begin with it. */
  name: string;
  /** What it is for, to people. */
  description?: string;
  /** What becomes of the others when a node fails. */
  onFailure: OnFailure;
  /** How long the whole run may take, in milliseconds. */
  deadlineMs?: number;
  /** The names of variables whose values nobody may read in what is recorded. */
  secrets: string[];
  /** Its nodes, in the order of the file. */
  nodes: FlowNode[];
  /** What the supervisor keeps to. */
  constraints: Constraints;
}

/** What a failure does to the rest of a flow: nothing more starts, all goes on, or all is ended. */
export const ON_FAILURE = ["stop", "keep_going", "cancel"] as const;

/** One of them. */
export type OnFailure = (typeof ON_FAILURE)[number];

/** When a node starts: when all that it needs is ok, when some of it is not, or whatever came of it. */
export const WHEN = ["success", "failure", "always"] as const;

/** One of them. */
export type When = (typeof WHEN)[number];

/** One command of a flow, or a gate, or an aggregate of other nodes. */
export interface FlowNode {
  /** Its name, unique in the flow; its output files begin with it. */
  id: string;
  /** The program and its arguments; empty where nothing is run. */
  run: string[];
  /** The same as it is recorded, where secret values stand in it that are not. */
  recordedRun?: string[];
  /** The task of `deno.json` that it runs; its program is then the Deno that runs this. */
  task?: string;
  /** The text of that task, where it was there when the flow was read. */
  taskText?: string;
  /** The file that has it. */
  taskFile?: string;
  /** The question of a gate, which somebody has to pass. */
  gate?: string;
  /** What it is for, to people. */
  description?: string;
  /** The nodes that must have ended before, and how, says `when`. */
  needs: string[];
  /** When it starts. */
  when: When;
  /** Whether its failure does nothing to the rest of the flow. */
  allowFailure: boolean;
  /** How long an attempt may take, in milliseconds. */
  timeoutMs?: number;
  /** How often it is tried again; as the constraints say where that is left out. */
  retry?: NodeRetry;
  /** Variables on top of the environment of this process. */
  env: Record<string, string>;
  /** The names of those whose values come from the `env_file`: a worker has a file of its own. */
  envFromFile?: string[];
  /** Where it runs; absolute. */
  cwd: string;
  /** The labels that a worker must have to run it. */
  labels: string[];
}

/** How often a node is tried again, and when. */
export interface NodeRetry {
  /** How many further attempts there are. */
  maxRetries: number;
  /** How long the first of them waits, in milliseconds. */
  delayMs: number;
  /** By how much each waits longer than the one before. */
  factor: number;
  /** The longest of these times, in milliseconds. */
  maxDelayMs?: number;
  /** Exit codes that are not tried again. */
  notOn: number[];
}

/** What a flow says that is not in a file, or of which nothing is left out. */
type GivenFlow = Partial<Flow> & Pick<Flow, "name" | "nodes">;

/** A flow, with what is left out as in a flow file that does not say it. */
export function makeFlow(given: GivenFlow): Flow {
  return { onFailure: "stop", secrets: [], constraints: DEFAULT_CONSTRAINTS, ...given };
}

/** What a node must say. */
type GivenNode = Partial<FlowNode> & Pick<FlowNode, "id" | "run" | "cwd">;

/** A node, with what is left out as in a flow file that does not say it. */
export function makeNode(given: GivenNode): FlowNode {
  return { needs: [], when: "success", allowFailure: false, env: {}, labels: [], ...given };
}

/**
 * As many nodes at a time as there are processors, none a second time: what a flow says nothing about. It is
 * what this machine has; a run keeps what it began with.
 */
export const DEFAULT_CONSTRAINTS: Constraints = {
  ...mapConstraints(({ flowDefault = null }) => flowDefault) as Constraints,
  max_in_flight: navigator.hardwareConcurrency,
};

const LONGEST_NODE_ID = 64;

/** What is wrong with the name of a flow, with which the ids of its runs begin. */
export function flowNameProblem(name: unknown): string | undefined {
  return nameProblem(name, MAX_RUN_NAME_LENGTH);
}

/** What is wrong with the id of a node. Those of tasks, packages and paths are none. */
export function nodeIdProblem(id: unknown): string | undefined {
  const problem = textProblem(id, LONGEST_NODE_ID);
  if (problem !== undefined) return problem;
  if (!/^[A-Za-z0-9._:/@-]+$/.test(id as string)) {
    return "may only have letters, digits, '.', '_', '-', ':', '/' and '@'";
  }
  if (/^[.:/-]|[.:/-]$/.test(id as string)) {
    return "may not begin or end with '.', '-', ':' or '/'";
  }
  return isWindowsDevice(id as string) ? "is the name of a Windows device" : undefined;
}

/** What is wrong with a name that a run, and the node of a single command, is called by. */
export function nameProblem(name: unknown, longest = LONGEST_NODE_ID): string | undefined {
  const problem = textProblem(name, longest);
  if (problem !== undefined) return problem;
  if (!/^[A-Za-z0-9._-]+$/.test(name as string)) {
    return "may only have letters, digits, '.', '_' and '-'";
  }
  if (/^[.-]|[.-]$/.test(name as string)) return "may not begin or end with '.' or '-'";
  return isWindowsDevice(name as string) ? "is the name of a Windows device" : undefined;
}

function textProblem(name: unknown, longest: number): string | undefined {
  if (typeof name !== "string") return "is no text";
  if (name === "") return "is empty: give it 1 character or more";
  if (name.length > longest) {
    return `has ${name.length} characters, and ${longest} is the most: choose a shorter one`;
  }
  return undefined;
}

/** A name made of any text, such as the file name of a program. */
export function nameFrom(text: string): string {
  const name = text.replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .slice(0, LONGEST_NODE_ID).replaceAll(/^[.-]+|[.-]+$/g, "");
  return nameProblem(name) === undefined ? name : "command";
}

/** The id of a node made of any text, such as the name of a task. */
export function nodeIdFrom(text: string): string {
  return nodeIdProblem(text) === undefined ? text : nameFrom(text);
}

/** The command that runs a task by its name, with what it depends on. */
export function taskCommand(name: string): string[] {
  return ["deno", "task", "--quiet", name];
}

/** The nodes of a flow by their ids; of several with one id the last. */
export function nodesById(nodes: readonly FlowNode[]): Map<string, FlowNode> {
  return new Map(nodes.map((node) => [node.id, node]));
}

/** Whether a node runs nothing, and stands for those that it needs. */
export function isAggregate({ run, gate }: Pick<FlowNode, "run" | "gate">): boolean {
  return run.length === 0 && gate === undefined;
}

/** The nodes of a flow that may fail: such an end of theirs stands. */
export function mayFail({ nodes }: Pick<Flow, "nodes">): Set<string> {
  return new Set(nodes.filter(({ allowFailure }) => allowFailure).map(({ id }) => id));
}

/** What people should know of a flow that is a part of its file. */
export function partNotes({ only, skip }: Flow): string[] {
  return [
    ...(only === undefined ? [] : [`only ${listed(only)} and what they need (--only)`]),
    ...(skip === undefined ? [] : [`skipped: ${listed(skip)} (--skip)`]),
  ];
}
