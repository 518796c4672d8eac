import type { NodeKind } from "../eventlog/run_event.ts";
import type { RunTermination } from "../supervisor/types.ts";

/** One attempt at a node of a run, however often that was resumed. */
export interface NodeAttempt {
  /** The node. */
  nodeId: string;
  /** Which attempt at it: the first of the run is 1. */
  attempt: number;
}

/** How an attempt begins, as it is recorded. */
export interface AttemptBegin extends NodeAttempt {
  /** What the node is. */
  kind: NodeKind;
  /** The task that it runs, one of `deno.json` or a step of a program; its kind is then `command`. */
  task?: string;
  /** What it does, in words: a command line, or the name of a step. By default the node's id. */
  name?: string;
  /** What it is given: anything that JSON can say. Only the trace gets it, and writes it if it captures inputs. */
  input?: unknown;
}

/** How an attempt ended, as it is recorded. */
export interface AttemptEnd {
  /** How it ended. */
  termination: RunTermination;
  /** How many milliseconds it took, where that is known. */
  durationMs?: number;
  /** The exit code, where it was a command that ended by itself. */
  exitCode?: number;
  /** The signal that ended it. */
  signal?: Deno.Signal;
  /** Why it failed, for people. */
  message?: string;
  /** A digest of what it gave: of a command what it printed, as far as that is kept. */
  outputHash?: string;
  /** The same of what a command printed as errors. */
  errorHash?: string;
  /** What was thrown, where something was: the trace records it with its causes. */
  error?: unknown;
}
