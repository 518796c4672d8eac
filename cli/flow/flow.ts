import { isWindowsDevice, MAX_RUN_NAME_LENGTH } from "../../_internal/root_layout.ts";
import { mapConstraints } from "../../_internal/constraints.ts";
import type { Constraints } from "../../supervisor/types.ts";

/** The verbs that make a flow of what stands on their command line, without a file. */
export const MAKERS = ["exec", "tasks"] as const;

/** `taffrail exec`, or `taffrail run --tasks`: output and exit code are then those of what runs. */
export type Maker = typeof MAKERS[number];

/** A flow: commands, and which of them need which. */
export interface Flow {
  /** The path of its file; one that was made from a command has none. */
  path?: string;
  /** What it was made by, where it has no file. */
  madeBy?: Maker;
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
  /** How long an attempt may take, in milliseconds. */
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

/** What is wrong with the name of a flow, with which the ids of its runs begin. */
export function flowNameProblem(name: unknown): string | undefined {
  return nameProblem(name, MAX_RUN_NAME_LENGTH);
}

/** What is wrong with the id of a node, with which the names of its files begin. */
export function nameProblem(name: unknown, longest = LONGEST_NODE_ID): string | undefined {
  if (typeof name !== "string") return "is no text";
  if (name === "") return "is empty: give it 1 character or more";
  if (name.length > longest) {
    return `has ${name.length} characters, and ${longest} is the most: choose a shorter one`;
  }
  if (!/^[A-Za-z0-9._-]+$/.test(name)) return "may only have letters, digits, '.', '_' and '-'";
  if (/^[.-]|[.-]$/.test(name)) return "may not begin or end with '.' or '-'";
  if (isWindowsDevice(name)) return "is the name of a Windows device";
  return undefined;
}

/** A name made of any text, such as the file name of a program. */
export function nameFrom(text: string): string {
  const name = text.replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .slice(0, LONGEST_NODE_ID).replaceAll(/^[.-]+|[.-]+$/g, "");
  return nameProblem(name) === undefined ? name : "command";
}

/** The nodes of a flow by their ids; of several with one id the last. */
export function nodesById(nodes: readonly FlowNode[]): Map<string, FlowNode> {
  return new Map(nodes.map((node) => [node.id, node]));
}
