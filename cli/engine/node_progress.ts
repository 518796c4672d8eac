import type { CapturingSession } from "../../capture/session/capturing_session.ts";
import type { RecoveredCapture } from "../../capture/session/recover_capture.ts";
import { errorKindOf } from "../../run/attempt_key.ts";
import type { RunRecorder } from "../../run/run_recorder.ts";
import type { NodeAttempt } from "../../run/types.ts";
import type { Supervisor } from "../../supervisor/driver/supervisor.ts";
import type {
  Decision,
  DecisionLog,
  DecisionLogEntry,
  RunTermination,
} from "../../supervisor/types.ts";
import { type Flow, type FlowNode, nodesById } from "../flow/flow.ts";
import { nodeAttemptOf, nodeOfEvent } from "../flow/node_event.ts";
import { ReadyNodes } from "../flow/ready_nodes.ts";
import type { PastAttempts } from "./past_attempts.ts";
import type { AttemptPlace, RunObserver } from "./types.ts";

/** What a {@linkcode NodeProgress} works with. */
interface NodeProgressOptions {
  /** The flow. */
  flow: Flow;
  /** Knows how attempts ended. */
  place: AttemptPlace;
  /** Records how they ended. */
  recorder: RunRecorder;
  /** Observes it. */
  observer: RunObserver;
  /** The attempts that another process began, when the run is resumed. */
  past: PastAttempts | undefined;
}

/** What a decision says about a node. */
interface NodeDecision {
  decision: Decision;
  eventId: string;
  /** How the attempt ended whose end was decided on. */
  termination: RunTermination | null;
  retryCount: number;
}

/**
 * The state of the nodes, as the supervisor decides it: it is the decision log of the session.
 *
 * What is always true: a decision is here only after the capture journal has it, and an end is in the
 * event log only after its decision is here. So whatever the process is killed at, the journal knows at
 * least as much as the log, and {@linkcode PastAttempts} can bring the log up to it. A node counts as
 * completed when that was decided, not when its command ended, and what needs it starts only then.
 */
export class NodeProgress implements DecisionLog {
  /** The first node that did not complete, and will not. */
  failed: { id: string; termination: Exclude<RunTermination, "Completed"> } | undefined;
  readonly #options: NodeProgressOptions;
  readonly #nodes: ReadonlyMap<string, FlowNode>;
  readonly #ready: ReadyNodes;
  /** How often each node was tried. */
  readonly #attempts = new Map<string, number>();
  /** Outputs of completed nodes that the capture has not yet, by the index of their decision. */
  readonly #outputs = new Map<number, string>();
  #decisions = 0;

  constructor(options: NodeProgressOptions) {
    this.#options = options;
    this.#nodes = nodesById(options.flow.nodes);
    this.#ready = new ReadyNodes(options.flow.nodes);
  }

  /** Whether all nodes have completed. */
  get isDone(): boolean {
    return this.#ready.completedCount === this.#options.flow.nodes.length;
  }

  /** Why not all nodes have completed; undefined when they have. */
  get reason(): string | undefined {
    if (this.failed !== undefined) {
      return `node ${this.failed.id} failed: ${errorKindOf(this.failed.termination)}`;
    }
    return this.isDone ? undefined : "cancelled";
  }

  /** The next node to hand over, and the number of its next attempt. */
  takeReady(): { node: FlowNode; attempt: number } | undefined {
    const node = this.#ready.take();
    return node && { node, attempt: (this.#attempts.get(node.id) ?? 0) + 1 };
  }

  /** Takes over what was decided before this process went on with the run. */
  restore({ bundle }: RecoveredCapture): void {
    if (!("inputs" in bundle)) return;
    for (const [index, record] of bundle.decisions.entries()) {
      const { decision, origin_event_id: eventId, retry_count: retryCount } = record;
      this.#decisions = index + 1;
      if (eventId === null) continue;
      this.#apply({ decision, eventId, termination: record.attempt_termination, retryCount });
      if (record.termination !== "Completed" || record.effects.length > 0) continue;
      const hash = this.#options.past?.outputHash(nodeAttemptOf(eventId, retryCount + 1));
      if (hash !== undefined) this.#outputs.set(index, hash);
    }
  }

  /**
   * Takes a decision. When an end is decided on, the capture journal has it; only then it goes to
   * the event log.
   */
  async log(entry: DecisionLogEntry): Promise<void> {
    const index = this.#decisions++;
    const { decision, originEventId: eventId, retry_count: retryCount } = entry;
    const { attemptTermination: termination } = entry;
    if (eventId === null) return;
    this.#showDeferral(nodeOfEvent(eventId), entry);
    if (termination !== null) {
      // A retry counts itself already.
      const attempt = retryCount + (decision === "Finish" ? 1 : 0);
      await this.#attemptEnded(index, nodeAttemptOf(eventId, attempt), termination);
    }
    this.#apply({ decision, eventId, termination, retryCount });
  }

  #showDeferral(id: string, { decision, reason, schedule_at: at }: DecisionLogEntry): void {
    if (decision !== "Defer" || at === null) return;
    const until = new Date(at.secs * 1000 + Math.ceil(at.nanos / 1e6));
    this.#options.observer.nodeDeferred?.(id, { reason, until });
  }

  /** Gives the capture the digests of outputs whose decisions it has taken. */
  async recordOutputs(session: CapturingSession<Supervisor>): Promise<void> {
    for (const [index, hash] of this.#outputs) {
      if (index >= session.decisionCount) continue;
      this.#outputs.delete(index);
      const value = { String: hash };
      await session.setEffects(index, [{ kind: "output", writes: [{ key: "stdout", value }] }]);
    }
  }

  /** Attempts whose ends nobody takes any more: what follows from them was decided, or cannot be. */
  async recordUntakenEnds(): Promise<void> {
    const { place, recorder, observer } = this.#options;
    for (const { nodeId, attempt, end } of await place.takeEnds()) {
      await recorder.nodeEnded({ nodeId, attempt }, end);
      observer.nodeEnded(this.#nodeOf(nodeId), end);
    }
  }

  #apply({ decision, eventId, termination, retryCount }: NodeDecision): void {
    const id = nodeOfEvent(eventId);
    this.#ready.start(id);
    if (decision === "Invoke") {
      this.#attempts.set(id, nodeAttemptOf(eventId, retryCount + 1).attempt);
    }
    if (decision !== "Finish" || termination === null) return;
    if (termination === "Completed") this.#ready.complete(id);
    // Its end is not its own: whoever goes on with the run has to run it again.
    else if (termination === "Aborted") this.#ready.putBack(id);
    else this.failed ??= { id, termination };
  }

  async #attemptEnded(
    index: number,
    attempt: NodeAttempt,
    termination: RunTermination,
  ): Promise<void> {
    const { place, recorder, observer, past } = this.#options;
    const takeOutput = (hash: string | undefined) => {
      if (termination === "Completed" && hash !== undefined) this.#outputs.set(index, hash);
    };
    takeOutput(past?.outputHash(attempt));
    // One that was refused has no begin in the log, and so no end.
    const end = place.hasBegun(attempt)
      ? { durationMs: 0, ...place.takeEnd(attempt), termination }
      : past?.openEnd(attempt, termination);
    if (end === undefined) return;
    takeOutput(end.outputHash);
    await recorder.nodeEnded(attempt, end);
    observer.nodeEnded(this.#nodeOf(attempt.nodeId), end);
  }

  #nodeOf(nodeId: string): FlowNode {
    return this.#nodes.get(nodeId)!;
  }
}
