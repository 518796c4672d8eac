import type { CapturingSession } from "../../capture/session/capturing_session.ts";
import type { RecoveredCapture } from "../../capture/session/recover_capture.ts";
import { errorKindOf } from "../../run/attempt_key.ts";
import type { RunRecorder } from "../../run/run_recorder.ts";
import type { AttemptEnd, NodeAttempt } from "../../run/types.ts";
import type { Supervisor } from "../../supervisor/driver/supervisor.ts";
import type {
  Decision,
  DecisionLog,
  DecisionLogEntry,
  RunTermination,
} from "../../supervisor/types.ts";
import { type Flow, type FlowNode, nextReadyNode } from "../flow/flow.ts";
import { nodeAttemptOf, nodeOfEvent } from "../flow/node_attempt.ts";
import type { CommandInvoker, RunView } from "../process/command_invoker.ts";
import type { PastAttempts } from "./past_attempts.ts";

/** What a {@linkcode Progress} works with. */
export interface ProgressOptions {
  /** The flow. */
  flow: Flow;
  /** Knows how attempts ended. */
  invoker: CommandInvoker;
  /** Records how they ended. */
  recorder: RunRecorder;
  /** Shows it. */
  view: RunView;
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

/** What has become of the nodes, as the supervisor decides it. */
export class Progress implements DecisionLog {
  /** The first node that did not complete, and will not. */
  failed: { id: string; termination: Exclude<RunTermination, "Completed"> } | undefined;
  readonly #options: ProgressOptions;
  readonly #started = new Set<string>();
  readonly #completed = new Set<string>();
  /** How often each node was tried. */
  readonly #attempts = new Map<string, number>();
  /** Outputs of completed nodes that the capture has not yet, by the index of their decision. */
  readonly #outputs = new Map<number, string>();
  #decisions = 0;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  get isDone(): boolean {
    return this.#completed.size === this.#options.flow.nodes.length;
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
    const done = { started: this.#started, completed: this.#completed };
    const node = nextReadyNode(this.#options.flow.nodes, done);
    if (node === undefined) return undefined;
    this.#started.add(node.id);
    return { node, attempt: (this.#attempts.get(node.id) ?? 0) + 1 };
  }

  /** Takes over what was decided before this process went on with the run. */
  restore({ bundle }: RecoveredCapture): void {
    if (!("inputs" in bundle)) return;
    for (const [index, record] of bundle.decisions.entries()) {
      const { decision, origin_event_id: eventId, retry_count: retryCount } = record;
      this.#decisions = index + 1;
      if (eventId === null) continue;
      this.#take({ decision, eventId, termination: record.attempt_termination, retryCount });
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
    this.#tellDeferral(nodeOfEvent(eventId), entry);
    if (termination !== null) {
      // A retry counts itself already.
      const attempt = retryCount + (decision === "Finish" ? 1 : 0);
      await this.#attemptEnded(index, nodeAttemptOf(eventId, attempt), termination);
    }
    this.#take({ decision, eventId, termination, retryCount });
  }

  #tellDeferral(id: string, { decision, reason, schedule_at: at }: DecisionLogEntry): void {
    if (decision !== "Defer" || at === null) return;
    const until = new Date(at.secs * 1000 + Math.ceil(at.nanos / 1e6));
    this.#options.view.nodeDeferred?.(id, { reason, until });
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

  /** Attempts whose ends nobody decides on any more, as the capture cannot be written. */
  async recordUndecidedEnds(): Promise<void> {
    const { invoker, recorder, view } = this.#options;
    for (const { nodeId, attempt, end } of invoker.takeEnds()) {
      await recorder.nodeEnded({ nodeId, attempt }, end);
      view.nodeEnded(this.#nodeOf(nodeId), end);
    }
  }

  #take({ decision, eventId, termination, retryCount }: NodeDecision): void {
    const id = nodeOfEvent(eventId);
    this.#started.add(id);
    if (decision === "Invoke") {
      this.#attempts.set(id, nodeAttemptOf(eventId, retryCount + 1).attempt);
    }
    if (decision !== "Finish" || termination === null) return;
    if (termination === "Completed") this.#completed.add(id);
    // Its end is not its own: whoever goes on with the run has to run it again.
    else if (termination === "Aborted") this.#started.delete(id);
    else this.failed ??= { id, termination };
  }

  async #attemptEnded(
    index: number,
    attempt: NodeAttempt,
    termination: RunTermination,
  ): Promise<void> {
    const { recorder, view, past } = this.#options;
    const hash = past?.outputHash(attempt);
    if (hash !== undefined) this.#outputs.set(index, hash);
    const end = past?.takeOpenEnd(attempt, termination) ?? this.#takeEnd(attempt, termination);
    if (end === undefined) return;
    if (end.outputHash !== undefined) this.#outputs.set(index, end.outputHash);
    await recorder.nodeEnded(attempt, end);
    view.nodeEnded(this.#nodeOf(attempt.nodeId), end);
  }

  /** One that was refused has no begin in the log, and so no end. */
  #takeEnd(
    { nodeId, attempt }: NodeAttempt,
    termination: RunTermination,
  ): AttemptEnd | undefined {
    const { invoker } = this.#options;
    if (!invoker.hasBegun(nodeId, attempt)) return undefined;
    return { durationMs: 0, ...invoker.takeEnd(nodeId, attempt), termination };
  }

  #nodeOf(nodeId: string): FlowNode {
    return this.#options.flow.nodes.find(({ id }) => id === nodeId)!;
  }
}
