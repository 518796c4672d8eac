import type { Constraints } from "../../supervisor/mod.ts";

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
export const DEFAULT_CONSTRAINTS: Constraints = {
  max_in_flight: 1,
  max_per_window: null,
  rate_window: null,
  deadline: null,
  max_retries: 0,
};
