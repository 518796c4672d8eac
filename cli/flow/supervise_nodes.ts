import { CapturingSession, openCaptureJournal, writeCaptureBundle } from "../../capture/mod.ts";
import {
  type DecisionLogEntry,
  PumpDriver,
  type RunTermination,
  Supervisor,
  systemTimers,
} from "../../supervisor/mod.ts";
import type { CommandInvoker, RunView } from "./command_invoker.ts";
import type { Flow, FlowNode } from "./flow.ts";
import { giveUpMs } from "./give_up.ts";
import { flowProvenance, nodeEvent, pumpEventId } from "./node_event.ts";
import { nextReadyNode } from "./order.ts";
import { RecordingError } from "./recording_error.ts";
import { type AttemptEnd, errorKindOf, type RunRecorder } from "./run_recorder.ts";
import { capturePaths } from "./capture_paths.ts";

/** What {@linkcode superviseNodes} works with. */
export interface SuperviseOptions {
  /** The flow. */
  flow: Flow;
  /** The directory that holds the runs. */
  root: string;
  /** The run. */
  runId: string;
  /** Runs the commands. */
  invoker: CommandInvoker;
  /** Records how attempts ended. */
  recorder: RunRecorder;
  /** Shows it. */
  view: RunView;
  /** The wish of the user to end it, or that something cannot be recorded. */
  stop: AbortSignal;
  /** The time between SIGTERM and SIGKILL. */
  graceMs: number;
}

/**
 * Has the supervisor run the nodes of a flow, each when those it needs have completed and the
 * constraints allow it, in a session that is captured in the run's journal. The first node that
 * does not complete ends it: nothing more is started, and what runs is waited for.
 *
 * @returns Why not all has completed; undefined when it has.
 */
export async function superviseNodes(options: SuperviseOptions): Promise<string | undefined> {
  const { flow, root, runId, invoker } = options;
  const progress = new Progress(options);
  const paths = capturePaths(root, runId);
  try {
    const session: Session = new CapturingSession({
      graphId: flow.name,
      mode: "concurrent",
      constraints: flow.constraints,
      decisionLog: progress,
      // After the first failure nothing more is started, retries included.
      invoker: { run: (request) => progress.failed ? "Aborted" : invoker.run(request) },
      createSupervisor: (supervisorOptions) => new Supervisor(supervisorOptions),
      runtimeProvenance: await flowProvenance(flow),
      journal: openCaptureJournal(paths.journal, { durability: "disk" }),
      timers: systemTimers,
      deadlineGraceMs: giveUpMs(options.graceMs),
      signal: options.stop,
    });
    await feed(session, progress, options.stop).finally(() => session.close());
    await writeCaptureBundle(paths.bundle, session.intoBundle());
  } catch (cause) {
    await invoker.settled();
    if (cause instanceof RecordingError) throw cause;
    await progress.recordUndecidedEnds();
    throw new RecordingError("capture", { of: `the decisions of run ${runId}`, cause });
  }
  return progress.reason;
}

type Session = CapturingSession<Supervisor>;

/** Hands over each node that becomes ready, until nothing more can become so. */
async function feed(session: Session, progress: Progress, stop: AbortSignal): Promise<void> {
  const { supervisor } = session;
  const stopped = new Promise<boolean>((resolve) => {
    stop.addEventListener("abort", () => resolve(true), { once: true });
  });
  let rest = Promise.withResolvers<void>();
  // Told before the pump is, which must not start what waits once a node has failed.
  supervisor.subscribe(() => {
    if (progress.failed !== undefined) pump.stop();
    rest.resolve();
    rest = Promise.withResolvers();
  });
  using pump = new PumpDriver({ supervisor, timers: systemTimers, eventId: pumpEventId });
  while (!stop.aborted && progress.failed === undefined) {
    const rested = rest.promise;
    await progress.recordOutputs(session);
    const node = progress.takeReady();
    if (node !== undefined) await session.onEvent(nodeEvent(node)).catch(unlessAborted(stop));
    else if (progress.isDone || await Promise.race([stopped, quiet(pump, rested)])) break;
  }
  pump.stop();
  await supervisor.idle();
  await progress.recordOutputs(session);
}

/** Waits until the supervisor has decided on something; true when nothing more happens by itself. */
async function quiet(pump: PumpDriver, rested: Promise<void>): Promise<boolean> {
  return await Promise.race([
    rested.then(() => false),
    pump.drained().then(() => true),
  ]);
}

function unlessAborted(stop: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!stop.aborted) throw error;
  };
}

/** What has become of the nodes, as the supervisor decides it. */
class Progress {
  /** The first node that did not complete. */
  failed: { id: string; termination: Exclude<RunTermination, "Completed"> } | undefined;
  readonly #options: SuperviseOptions;
  readonly #started = new Set<string>();
  readonly #completed = new Set<string>();
  /** Outputs of completed nodes that the capture has not yet, by the index of their decision. */
  readonly #outputs = new Map<number, string>();
  #decisions = 0;

  constructor(options: SuperviseOptions) {
    this.#options = options;
  }

  get isDone(): boolean {
    return this.#completed.size === this.#options.flow.nodes.length;
  }

  /** Why not all nodes have completed; undefined when they have. */
  get reason(): string | undefined {
    if (this.failed !== undefined && this.failed.termination !== "Aborted") {
      return `node ${this.failed.id} failed: ${errorKindOf(this.failed.termination)}`;
    }
    return this.isDone ? undefined : "cancelled";
  }

  takeReady(): FlowNode | undefined {
    const done = { started: this.#started, completed: this.#completed };
    const node = nextReadyNode(this.#options.flow.nodes, done);
    if (node !== undefined) this.#started.add(node.id);
    return node;
  }

  /**
   * Takes a decision. When an end is decided on, the capture journal has it; only then it goes to
   * the event log.
   */
  async log(entry: DecisionLogEntry): Promise<void> {
    const index = this.#decisions++;
    const { originEventId: nodeId, attemptTermination: termination } = entry;
    this.#tellDeferral(entry);
    if (nodeId === null || termination === null) return;
    const node = this.#options.flow.nodes.find(({ id }) => id === nodeId)!;
    await this.#attemptEnded(node, { index, entry, termination });
    if (entry.decision !== "Finish") return;
    if (termination === "Completed") this.#completed.add(nodeId);
    else this.failed ??= { id: nodeId, termination };
  }

  #tellDeferral({ decision, originEventId, reason, schedule_at: at }: DecisionLogEntry): void {
    if (decision !== "Defer" || originEventId === null || at === null) return;
    const until = new Date(at.secs * 1000 + Math.ceil(at.nanos / 1e6));
    this.#options.view.nodeDeferred?.(originEventId, { reason, until });
  }

  /** Gives the capture the digests of outputs whose decisions it has taken. */
  async recordOutputs(session: Session): Promise<void> {
    for (const [index, hash] of this.#outputs) {
      if (index >= session.decisionCount) continue;
      this.#outputs.delete(index);
      const value = { String: hash };
      await session.setEffects(index, [{ kind: "output", writes: [{ key: "stdout", value }] }]);
    }
  }

  /** Attempts whose ends nobody decides on any more, as the capture cannot be written. */
  async recordUndecidedEnds(): Promise<void> {
    const { invoker, recorder, view, flow } = this.#options;
    for (const { nodeId, attempt, end } of invoker.takeEnds()) {
      const node = flow.nodes.find(({ id }) => id === nodeId)!;
      await recorder.nodeEnded(node, attempt, end);
      view.nodeEnded(node, end);
    }
  }

  async #attemptEnded(
    node: FlowNode,
    end: { index: number; entry: DecisionLogEntry; termination: RunTermination },
  ): Promise<void> {
    const { invoker, recorder, view } = this.#options;
    const { index, entry, termination } = end;
    // A retry counts itself already.
    const attempt = entry.retry_count + (entry.decision === "Finish" ? 1 : 0);
    // One that was refused has no begin in the log either.
    if (!invoker.hasBegun(node.id, attempt)) return;
    const known = invoker.takeEnd(node.id, attempt);
    const attemptEnd: AttemptEnd = { durationMs: 0, ...known, termination };
    if (attemptEnd.outputHash !== undefined) this.#outputs.set(index, attemptEnd.outputHash);
    await recorder.nodeEnded(node, attempt, attemptEnd);
    view.nodeEnded(node, attemptEnd);
  }
}
