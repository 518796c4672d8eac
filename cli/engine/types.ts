import type { WaitedRecord } from "../../capture/types.ts";
import type { AttemptEnd, NodeAttempt, RunView } from "../../run/types.ts";
import type { DecisionReason } from "../../supervisor/types.ts";
import type { FlowNode } from "../flow/flow.ts";

/** How an attempt ended, and which it was. */
export type EndOfAttempt = AttemptEnd & Pick<NodeAttempt, "attempt">;

/** Observes a run, as it happens. What it is told of attempts is on disk. */
export interface RunObserver {
  /** The run has its id, and can be read. */
  runStarted(view: RunView): void;
  /** An attempt begins. */
  nodeStarted(node: FlowNode): void;
  /** A node has to wait, at least until then. */
  nodeDeferred?(nodeId: string, why: { reason: DecisionReason; until: Date }): void;
  /** An attempt has ended. */
  nodeEnded(node: FlowNode, end: EndOfAttempt): void;
  /** The run waits at a gate, until this time where that is limited. */
  gateWaits?(node: FlowNode, until: Date | undefined): void;
  /** It does so no more. */
  gateEnded?(node: FlowNode, waited: WaitedRecord): void;
  /** Something that people should know. */
  note(text: string): void;
}
