import type { AttemptEnd } from "../../run/types.ts";
import type { DecisionReason } from "../../supervisor/types.ts";
import type { FlowNode } from "../flow/flow.ts";

/** Observes a run, as it happens. What it is told of attempts is on disk. */
export interface RunObserver {
  /** The run has its id. */
  runStarted(runId: string): void;
  /** An attempt begins. */
  nodeStarted(node: FlowNode): void;
  /** A node has to wait, at least until then. */
  nodeDeferred?(nodeId: string, why: { reason: DecisionReason; until: Date }): void;
  /** An attempt has ended. */
  nodeEnded(node: FlowNode, end: AttemptEnd): void;
  /** Something that people should know. */
  note(text: string): void;
}
