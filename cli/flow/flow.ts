/** A flow: commands, and which of them need which. */
export interface Flow {
  /** The path of its file; one that was made from a command has none. */
  path?: string;
  /** Its name; the ids of its runs begin with it. */
  name: string;
  /** Its nodes, in the order of the file. */
  nodes: FlowNode[];
}

/** One command of a flow. */
export interface FlowNode {
  /** Its name, unique in the flow; its output files begin with it. */
  id: string;
  /** The program and its arguments. */
  run: string[];
  /** The nodes that must have completed before. */
  needs: string[];
  /** How long an attempt may take. */
  timeoutMs?: number;
  /** Variables on top of the environment of this process. */
  env: Record<string, string>;
  /** Where it runs; absolute. */
  cwd: string;
}

/** How an attempt failed, and so what `node.failed` says; the supervisor knows the same words. */
export type FailureKind = "RuntimeError" | "AdapterUnavailable";

/** How an attempt ended, in the words of the supervisor. */
export type Termination = "Completed" | "TimedOut" | "Aborted" | { Failed: FailureKind };

/** What an invoker is asked to do. */
export interface AttemptRequest {
  /** The node. */
  nodeId: string;
  /** The attempt, from 1. */
  attempt: number;
  /** Aborts when the attempt is to be ended. */
  signal: AbortSignal;
}

/** Makes an attempt at a node. Whoever decides what runs when knows nothing else about the work. */
export interface NodeInvoker {
  /** Resolves once nothing of the attempt runs any more. */
  run(request: AttemptRequest): Promise<Termination>;
}
