/**
 * Runs a flow on the engine of runs, from its begin to its end, or goes on with one.
 *
 * What is always true:
 * - The supervisor is the only one that decides. Nodes are handed over one at a time, in the order of the
 *   flow, and each only after everything that was decided before has been looked at: what is handed over
 *   next depends on nothing but the flow and the decisions.
 * - What may begin after a failure, only {@linkcode FlowProgress} says. What may not, and waits for its place,
 *   its time or a retry, is withdrawn before anything more is handed over.
 * - Once `stop` has aborted, or the time of the run is over, nothing that waits is begun.
 * - Whatever goes wrong, this settles only when no attempt runs any more.
 */
import { defined } from "../../_internal/errors.ts";
import { millisecondsOf } from "../../_internal/event_time.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { DRILL_VARIABLE, runPaths } from "../../_internal/root_layout.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import type { Drill } from "../../run/drill_point.ts";
import { pumpEventId } from "../../run/engine/asks.ts";
import { finishAll, followed } from "../../run/engine/followed.ts";
import { RunEngine } from "../../run/engine/run_engine.ts";
import type {
  Decided,
  EngineOptions,
  LeftRun,
  RunEnding,
  RunFollower,
} from "../../run/engine/types.ts";
import { messageOf } from "../../run/error_record.ts";
import type { AttemptEnd, AttemptPlace, HeldRun, NodeAttempt } from "../../run/types.ts";
import { openTrace } from "../../run/run_trace.ts";
import { PumpDriver } from "../../supervisor/driver/pump_driver.ts";
import { traceConfigFromEnv } from "../../trace/trace_config.ts";
import type { TraceMode } from "../../trace/types.ts";
import { type Flow, type FlowNode, isAggregate, mayFail, nodesById } from "../flow/flow.ts";
import { flowRecordText } from "../flow/flow_record.ts";
import { describeNode, flowProvenance, nodePayload, nodeRetry } from "../flow/node_event.ts";
import type { ValueDigests } from "../flow/value_digests.ts";
import { awakeTimers, setAwakeTimeout } from "../process/awake_time.ts";
import { isOfFiles } from "../reading/open_root.ts";
import { RecordingError, ResumeError } from "./errors.ts";
import { FlowProgress } from "./flow_progress.ts";
import type { RunObserver } from "./types.ts";

/** How to run a flow in its run. */
export interface RunFlowOptions {
  /** The flow. */
  flow: Flow;
  /** The digests of the values of its variables. */
  digests?: ValueDigests | undefined;
  /** The name of the root: an absolute path, or a URL. */
  root: string;
  /** The run. */
  held: HeldRun;
  /** Observes what happens. */
  observer: RunObserver;
  /** Where attempts are made. */
  place: AttemptPlace & {
    readonly endWithinMs: number;
    endLeft(): Promise<void>;
    /** The end of an attempt is told, and so on disk. */
    told?(attempt: NodeAttempt): void;
  };
  /** When a trace is written; as `TAFFRAIL_TRACE` says where that is left out. */
  traceMode: TraceMode | undefined;
  /** Makes spans of the run, where somebody wants them. */
  spans?: RunFollower | undefined;
  /** Whether a failure leaves all that does not need it going on, whatever the flow says. */
  keepsGoing?: boolean | undefined;
  /** Ends the run: nothing more is started, and what runs is ended. */
  stop: AbortSignal;
  /** The signal that {@linkcode RunFlowOptions.stop} was aborted because of. */
  stoppedBy: () => Deno.Signal | undefined;
  /** Told when a message asks for an end; undefined where signals do. */
  onStopAsked?: ((signal: Deno.Signal) => void) | undefined;
  /** What the log has. */
  fold: RunFold;
  /** What another process has left of the run, when it is gone on with. */
  past: PastRun | undefined;
  /** How many lines its journal has of which nobody was told, when it is begun. */
  lostLines?: number;
}

/** A run that another process began, and that has a session. */
export interface PastRun extends LeftRun {
  /** Nodes that are asked for anew though they have completed. */
  rerun: ReadonlySet<string>;
  /** The only nodes that are asked for; all when undefined. */
  wanted: ReadonlySet<string> | undefined;
}

/** What came of a run that was not broken off. */
export interface RunFlowEnd {
  /** Its log, folded. */
  fold: RunFold;
  /** What was given to the supervisor, and what it has decided. */
  bundle: CaptureBundle;
  /** How many lines were given to the log. */
  logged: number;
  /** How the node ended that ended the run, the first in time; undefined where none did. */
  failure: AttemptEnd | undefined;
}

/**
 * Runs a flow, or what is left of it, and records it.
 *
 * @throws {RecordingError} If something cannot be recorded.
 * @throws {ResumeError} If the run cannot be gone on with; then nothing has begun.
 * @throws {CaptureJournalError} If its journal cannot be gone on with; then nothing has begun.
 */
export async function runFlow(options: RunFlowOptions): Promise<RunFlowEnd> {
  // Of a database it is made of the log and the journal.
  using opened = isOfFiles(options.root) ? openRunTrace(options) : undefined;
  const followers = [opened?.trace, options.spans].filter((one) => one !== undefined);
  const flowRun = new FlowRun(options, followers);
  try {
    const { ending: { reason }, ...end } = await flowRun.run();
    await finishAll(followers, reason);
    return { fold: options.fold, ...end };
  } catch (error) {
    // The records of a run that was not gone on with stay as they are.
    if (flowRun.isOpen) await finishAll(followers, messageOf(error));
    throw error;
  }
}

/** A flow that is run. */
class FlowRun {
  readonly #options: RunFlowOptions;
  readonly #followers: readonly RunFollower[];
  readonly #nodes: ReadonlyMap<string, FlowNode>;
  readonly #progress: FlowProgress;
  /** The last ends of the nodes that did not complete. */
  readonly #failures = new Map<string, AttemptEnd>();
  /** Ends the run when its time is over. */
  readonly #deadline = new AbortController();
  /** Ends what runs when a node fails, and nothing that begins later. */
  readonly #cut = new AbortController();
  /** What has failed for good by what another process had recorded, and not decided on. */
  readonly #failedBefore = new Set<string>();
  /** Whether what is decided is about what was asked for here, and not about what another process has left. */
  isOpen = false;

  constructor(options: RunFlowOptions, followers: readonly RunFollower[]) {
    this.#options = options;
    this.#followers = followers;
    this.#nodes = nodesById(options.flow.nodes);
    const { flow, past, keepsGoing } = options;
    const { wanted } = past ?? {};
    this.#progress = new FlowProgress(flow.nodes, {
      onFailure: keepsGoing ? "keep_going" : flow.onFailure,
      isWanted: wanted && ((id) => wanted.has(id)),
    });
  }

  /** Runs it to its end. */
  async run(): Promise<Omit<RunFlowEnd, "fold"> & { ending: RunEnding }> {
    const { place } = this.#options;
    const engine = await this.#open();
    try {
      await this.#feed(engine);
      await place.endLeft();
      const ending = this.#progress.ending(this.#stopReason());
      const bundle = await engine.end(ending);
      const failure = this.#failures.get(ending.failed ?? "");
      return { ending, bundle, logged: engine.logged, failure };
    } catch (cause) {
      await engine.breakOff(cause);
      await place.endLeft();
      for (const { nodeId, attempt } of engine.untold) {
        const what = `${nodeId} (attempt ${attempt}) has ended, and that could not be recorded`;
        this.#options.observer.note(
          `${what}: going on with the run finds out what is on disk of it`,
        );
      }
      throw this.#recordingError(engine.failure?.error ?? cause);
    }
  }

  /** Begins the run, or goes on with it. */
  async #open(): Promise<RunEngine> {
    const { held, flow, digests, past, lostLines } = this.#options;
    const options = followed(await this.#engineOptions(), this.#followers);
    if (past === undefined) {
      const flowJson = encodeUtf8(await flowRecordText(flow, digests));
      try {
        await held.putDocument("flow.json", flowJson);
        this.isOpen = true;
        return RunEngine.begin(options, lostLines);
      } catch (cause) {
        throw this.#recordingError(cause);
      }
    }
    const { engine, history } = await RunEngine.goOn(options, past).catch((cause) => {
      throw this.#resumeError(cause);
    });
    this.isOpen = true;
    // What has completed may be gone from the flow.
    const keeps = (ids: ReadonlySet<string>) =>
      ids.difference(past.rerun).intersection(this.#nodes);
    const allowed = keeps(history.failed.union(this.#failedBefore))
      .intersection(mayFail(flow));
    this.#progress.restore({ completed: keeps(history.completed), allowed });
    return engine;
  }

  /** What has stopped the run, if anything did. */
  #stopReason(): string | undefined {
    const signal = this.#options.stoppedBy();
    if (signal !== undefined) return `cancelled by ${signal}`;
    if (this.#deadline.signal.aborted) return "deadline";
    return this.#options.stop.aborted ? "cancelled" : undefined;
  }

  async #engineOptions(): Promise<EngineOptions> {
    const { held, flow, place, fold, stop, observer, onStopAsked } = this.#options;
    return {
      held,
      name: flow.name,
      nodes: flow.nodes.filter((node) => !isAggregate(node)).map(({ id }) => id),
      constraints: flow.constraints,
      runtimeProvenance: await flowProvenance(flow),
      invoke: ({ payload, signal }, attempt) => {
        return place.run({ ...attempt, payload, signal: this.#untilCut(signal) });
      },
      isOutside: true,
      mayBegin: ({ nodeId }) => this.#progress.mayBegin(nodeId),
      describe: describeNode,
      onDecided: (decided) => this.#take(decided),
      observer: {
        attemptBegan: (attempt) => {
          const node = this.#nodes.get(attempt.nodeId);
          if (node !== undefined) observer.nodeStarted(node);
        },
        attemptEnded: (attempt, end) => {
          const node = this.#nodes.get(attempt.nodeId);
          place.told?.(attempt);
          if (end.termination !== "Completed") this.#failures.set(attempt.nodeId, end);
          if (node !== undefined) {
            observer.nodeEnded(node, { ...end, attempt: attempt.attempt });
          }
        },
        gateWaits: (gate, { until }) => {
          const date = until && new Date(millisecondsOf(until));
          observer.gateWaits?.(this.#nodes.get(gate)!, date);
        },
        gateEnded: (gate, waited) => observer.gateEnded?.(this.#nodes.get(gate)!, waited),
      },
      fold,
      signal: AbortSignal.any([stop, this.#deadline.signal]),
      endWithinMs: place.endWithinMs,
      attemptTimers: awakeTimers,
      ...defined({ onStopAsked }),
      ...await this.#drill(),
    };
  }

  /** Nobody else loads anything for it. */
  async #drill(): Promise<Drill | undefined> {
    const { root, held: { view: { runId } } } = this.#options;
    if (!Deno.env.has(DRILL_VARIABLE) || !isOfFiles(root)) return undefined;
    return (await import("../../run/drill_point.ts")).takeDrill({ root, runId });
  }

  /** What begins before a failure cuts off what runs is ended by it. */
  #untilCut(signal: AbortSignal): AbortSignal {
    const { onFailure } = this.#options.flow;
    if (onFailure !== "cancel" || this.#cut.signal.aborted) return signal;
    return AbortSignal.any([signal, this.#cut.signal]);
  }

  #take(decided: Decided): void {
    const { nodeId, decision, reason, dueAt, termination } = decided;
    if (!this.isOpen) {
      const isOver = decision === "Finish" && termination !== "Aborted";
      if (isOver && termination !== "Completed") this.#failedBefore.add(nodeId);
      return;
    }
    this.#progress.take(decided);
    if (this.#progress.mustCancel) this.#cut.abort();
    if (decision !== "Defer" || dueAt === null) return;
    const until = new Date(dueAt.secs * 1000 + Math.ceil(dueAt.nanos / 1e6));
    this.#options.observer.nodeDeferred?.(nodeId, { reason, until });
  }

  /** Asks for each node that becomes ready, until nothing more can become so. */
  async #feed(engine: RunEngine): Promise<void> {
    const { session: { supervisor }, stop } = engine;
    const progress = this.#progress;
    const wake = new Wake();
    const onStop = () => {
      progress.end();
      wake.up();
    };
    stop.addEventListener("abort", onStop, { once: true });
    if (stop.aborted) onStop();
    using _deadline = this.#limitTime();
    for (;;) {
      await this.#feedUntilCut(engine, wake);
      if (!progress.mustTakeOut) break;
      progress.hasTakenOut();
      this.#leaveGates(engine);
      await engine.withdrawDeferred((nodeId) => !progress.mayBegin(nodeId));
    }
    await supervisor.idle();
    await engine.withdrawDeferred();
  }

  /** The same, until something that waits has to be taken out. */
  async #feedUntilCut(engine: RunEngine, wake: Wake): Promise<void> {
    const { session: { supervisor }, stop, timers } = engine;
    const progress = this.#progress;
    // Called before the pump is, which must not start what waits and may not begin any more.
    using stack = new DisposableStack();
    stack.defer(supervisor.subscribe(() => {
      if (progress.mustTakeOut) pump.stop();
      wake.up();
    }));
    const pump = stack.use(new PumpDriver({ supervisor, timers, eventId: pumpEventId }));
    const quiet = new Quiet(pump);
    while (!stop.aborted && !progress.mustTakeOut && supervisor.failure === null) {
      const woken = wake.next;
      const node = progress.takeReady();
      if (node?.gate !== undefined) this.#waitAt(node, engine, wake);
      else if (node !== undefined) {
        await engine.ask(node.id, nodePayload(node), nodeRetry(node)).catch((error) => {
          if (!stop.aborted) throw error;
        });
      } else if (progress.isDone) break;
      // What is open will end, and that is decided on.
      else if (engine.hasOpen) await woken;
      else if (await quiet.comes(woken)) break;
    }
  }

  /** Nothing waits here for a gate: it takes no place. */
  #waitAt({ id, timeoutMs }: FlowNode, engine: RunEngine, wake: Wake): void {
    void engine.waits.wait(id, { timeoutMs }).then((waited) => {
      if (waited === undefined) return;
      this.#progress.takeGate(id, waited.how);
      if (this.#progress.mustCancel) this.#cut.abort();
      wake.up();
    });
  }

  /** A gate that may not begin any more is not waited for; whoever goes on with the run does. */
  #leaveGates({ waits }: RunEngine): void {
    for (const id of waits.waiting.filter((id) => !this.#progress.mayBegin(id))) {
      waits.leave(id);
      this.#progress.takeGate(id, undefined);
    }
  }

  /** Ends the run when its time is over, counted from its begin, or from when it was gone on with. */
  #limitTime(): Disposable | undefined {
    const { deadlineMs } = this.#options.flow;
    if (deadlineMs === undefined) return undefined;
    // Time in which the run is suspended, by Ctrl-Z, is none in which it could get anything done.
    return { [Symbol.dispose]: setAwakeTimeout(() => this.#deadline.abort(), deadlineMs) };
  }

  #recordingError(cause: unknown): unknown {
    if (cause instanceof RecordingError) return cause;
    const { held: { view: { runId } }, root } = this.#options;
    const outputs = isOfFiles(root) ? runPaths(root, runId).nodes : undefined;
    return new RecordingError("run", { of: `run ${runId}`, cause, ...defined({ outputs }) });
  }

  /** What keeps a run from being gone on with is told as it is; nothing was begun. */
  #resumeError(cause: unknown): unknown {
    const { stop } = this.#options;
    const isRefusal = cause instanceof ResumeError || cause === stop.reason;
    return isRefusal || cannotBeResumed(cause) ? cause : this.#recordingError(cause);
  }
}

/** Whether it is the journal that cannot be gone on with. */
function cannotBeResumed(cause: unknown): boolean {
  const kinds = ["no-session", "damaged", "other-session", "diverged"];
  return cause instanceof CaptureJournalError && kinds.includes(cause.kind);
}

/**
 * Wakes whoever waits for the next of many things: a race between promises that last keeps something of
 * each wait for as long as they do, a kilobyte a node.
 */
class Wake {
  #next = Promise.withResolvers<void>();

  /** Resolves when the next thing happens. */
  get next(): Promise<void> {
    return this.#next.promise;
  }

  /** Something has happened. */
  up(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }
}

/** Notices when nothing more happens by itself, though nothing is open. */
class Quiet {
  readonly #pump: PumpDriver;
  /** Waited for by many looks: to begin waiting costs a walk over the stack. */
  #drained: Promise<boolean> | undefined;

  constructor(pump: PumpDriver) {
    this.#pump = pump;
  }

  /** Waits until something happens; true when nothing more does. */
  async comes(woken: Promise<void>): Promise<boolean> {
    const isWoken = woken.then(() => false);
    this.#drained ??= this.#drain().finally(() => this.#drained = undefined);
    if (!await Promise.race([isWoken, this.#drained])) return false;
    // That wait may have begun, and ended, before the last node was handed over.
    return await Promise.race([isWoken, this.#drain()]);
  }

  async #drain(): Promise<boolean> {
    await this.#pump.drained();
    return true;
  }
}

/** How many steps the trace of a run keeps, the newest. */
const TRACED_STEPS = 200;

function openRunTrace({ root, flow, held, observer, traceMode }: RunFlowOptions) {
  const { mode, gitSha } = traceConfigFromEnv();
  const { runId } = held.view;
  return openTrace({
    path: runPaths(root, runId).trace,
    runId,
    name: flow.name,
    trace: {
      mode: traceMode ?? mode,
      bufferSize: TRACED_STEPS,
      // Command lines stand in the log anyway, and a replay of the trace needs them.
      captureInputs: true,
      ...(gitSha !== undefined && { gitSha }),
    },
    // Its timeout is a matter of the flow.
    inputOf: ({ run, cwd, env }) => ({ run, cwd, env }),
    onTraceError: ({ message }) => {
      observer.note(`Cannot write the trace: ${message}; the run goes on without it`);
    },
    onSignal: "flush-only",
  });
}
