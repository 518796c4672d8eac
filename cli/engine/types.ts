import type { RunRecorder } from "../../run/run_recorder.ts";
import type { AttemptEnd, NodeAttempt } from "../../run/types.ts";
import type {
  AttemptRef,
  DecisionReason,
  RunTermination,
  RuntimeInvoker,
} from "../../supervisor/types.ts";
import type { FlowNode } from "../flow/flow.ts";

/** Observes a run, as it happens. */
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

/** What a place needs of the run whose attempts it makes. */
export interface PlacePorts {
  /** Records the begin of the attempts. */
  recorder: Pick<RunRecorder, "nodeStarted">;
  /** Called when something cannot be recorded, so that nothing more may be started. */
  onFatal: (error: unknown) => void;
}

/**
 * Where attempts are made. It records their begins itself, before anything is started, and keeps their
 * ends for whoever records that the supervisor has taken them.
 */
export interface AttemptPlace extends RuntimeInvoker {
  /** Records the begin of an attempt, before its deadline starts and `run` is called. */
  beforeRun(attempt: AttemptRef): Promise<void>;
  /** The time within which an attempt is over once it is asked to end. */
  readonly endWithinMs: number;
  /** Whether the begin of an attempt was recorded, and nobody has taken its end. */
  hasBegun(attempt: NodeAttempt): boolean;
  /** How an attempt ended; undefined when it was abandoned before it did. */
  takeEnd(attempt: NodeAttempt): AttemptEnd | undefined;
  /** The ends that nobody has taken; what has begun and was not run gets one. */
  takeEnds(): Promise<(NodeAttempt & { end: AttemptEnd })[]>;
  /** How an attempt ended that another process made, as far as that can still be read. */
  readPastEnd(attempt: NodeAttempt, termination: RunTermination): Promise<AttemptEnd>;
  /** Resolves when no attempt runs any more. */
  settled(): Promise<void>;
}
