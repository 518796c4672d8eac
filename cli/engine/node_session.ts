import { writeCaptureBundle } from "../../capture/bundle/write_capture_bundle.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import {
  CapturingSession,
  type CapturingSessionOptions,
} from "../../capture/session/capturing_session.ts";
import { openCaptureJournal } from "../../capture/session/journal.ts";
import type { RecoveredCapture } from "../../capture/session/recover_capture.ts";
import { resumeCapture } from "../../capture/session/resume_capture.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import type { RunRecorder } from "../../run/run_recorder.ts";
import { PumpDriver } from "../../supervisor/driver/pump_driver.ts";
import { Supervisor } from "../../supervisor/driver/supervisor.ts";
import { systemTimers } from "../../supervisor/driver/timers.ts";
import type { Timers } from "../../supervisor/types.ts";
import type { Flow } from "../flow/flow.ts";
import { flowProvenance, nodeEvent, pumpEventId } from "../flow/node_event.ts";
import { RecordingError } from "./errors.ts";
import { NodeProgress } from "./node_progress.ts";
import type { PastAttempts } from "./past_attempts.ts";
import type { AttemptPlace, RunObserver } from "./types.ts";

/** What {@linkcode superviseNodes} works with. */
interface NodeSessionOptions {
  /** The flow. */
  flow: Flow;
  /** The directory that holds the runs. */
  root: string;
  /** The run. */
  runId: string;
  /** Where the attempts are made. */
  place: AttemptPlace;
  /** Records how attempts ended. */
  recorder: RunRecorder;
  /** Observes what happens. */
  observer: RunObserver;
  /** Ends it: nothing more is started, and what runs is ended. */
  stop: AbortSignal;
  /** What another process left, when the run is resumed. */
  past: PastSession | undefined;
}

/** What a process left that began a run and died. */
export interface PastSession {
  /** The attempts that it began. */
  attempts: PastAttempts;
  /**
   * Called when the journal has been gone through and nothing new has begun. What it throws is thrown
   * as it is, and nothing begins.
   */
  onRecovered: (recovered: RecoveredCapture) => Promise<void>;
}

/** What came of the nodes. */
interface NodesEnd {
  /** Why not all has completed; undefined when it has. */
  reason: string | undefined;
  /** What the session was given and has decided. */
  bundle: CaptureBundle;
}

type Session = CapturingSession<Supervisor>;

/**
 * Has the supervisor run the nodes of a flow, each when those it needs have completed and the
 * constraints allow it, in a session that is captured in the run's journal. The first node that
 * does not complete ends it: nothing more is started, and what runs is waited for.
 *
 * What is always true:
 * - The session is the only one that decides. Nodes are handed over one at a time, in the order of the
 *   flow, and each only after everything that was decided before has been looked at: what is handed over
 *   next depends on nothing but the flow and the decisions.
 * - The digest of an output is recorded after the decision that took it, and before the next node is
 *   handed over or the session ends. Killed in between, it is recorded again from the log on resume.
 * - Once a node has failed, or `stop` has aborted, nothing that waits is started: the pump is stopped
 *   before it could look.
 * - Whatever goes wrong, this throws only when no attempt runs any more.
 *
 * @returns Why not all has completed, and the recording.
 */
export async function superviseNodes(options: NodeSessionOptions): Promise<NodesEnd> {
  const { runId, place, past } = options;
  const progress = new NodeProgress({ ...options, past: past?.attempts });
  let refusal: unknown;
  const onRecovered = async (recovered: RecoveredCapture) => {
    await past?.onRecovered(recovered).catch((error) => {
      refusal = error;
      throw error;
    });
    progress.restore(recovered);
  };
  try {
    const { session, timers } = await openSession(options, progress, onRecovered);
    await feed(session, progress, { stop: options.stop, timers }).finally(() => session.close());
    // What has begun only when its grace was over: the session has its end, and the log only its begin.
    await progress.recordUntakenEnds();
    const bundle = session.intoBundle();
    await writeCaptureBundle(runPaths(options.root, runId).bundle, bundle);
    return { reason: progress.reason, bundle };
  } catch (cause) {
    await place.settled();
    const isRefused = past !== undefined && (cause === refusal || cause === options.stop.reason);
    if (cause instanceof RecordingError || isRefused || cannotBeResumed(cause)) throw cause;
    await progress.recordUntakenEnds();
    throw new RecordingError("capture", { of: `the decisions of run ${runId}`, cause });
  }
}

/** Whether it is the journal that cannot be gone on with: nothing was begun. */
function cannotBeResumed(cause: unknown): boolean {
  const kinds = ["no-session", "damaged", "other-session", "diverged"];
  return cause instanceof CaptureJournalError && kinds.includes(cause.kind);
}

/** A new session, or the one that the run's journal has, which goes on. */
async function openSession(
  options: NodeSessionOptions,
  progress: NodeProgress,
  onRecovered: (recovered: RecoveredCapture) => Promise<void>,
): Promise<{ session: Session; timers: Timers }> {
  const { flow, place } = options;
  const journalPath = runPaths(options.root, options.runId).journal;
  let session: Session | undefined;
  const common: CapturingSessionOptions<Supervisor> = {
    graphId: flow.name,
    mode: "concurrent",
    constraints: flow.constraints,
    decisionLog: {
      // What is told, or begun, is on disk before.
      log: async (entry) => {
        await session?.barrier();
        await progress.log(entry);
      },
    },
    // After the first failure nothing more begins, retries included; what has no begin is not run.
    beforeRun: async (attempt) => {
      await session?.barrier();
      if (!progress.failed) await place.beforeRun(attempt);
    },
    invoker: place,
    createSupervisor: (supervisorOptions) => new Supervisor(supervisorOptions),
    runtimeProvenance: await flowProvenance(flow),
    timers: systemTimers,
    deadlineGraceMs: place.endWithinMs,
    signal: options.stop,
  };
  if (options.past === undefined) {
    const journal = openCaptureJournal(journalPath, { durability: "disk" });
    session = new CapturingSession({ ...common, journal });
    return { session, timers: systemTimers };
  }
  const resumed = await resumeCapture({ ...common, journalPath, durability: "disk", onRecovered });
  session = resumed.session;
  return { session, timers: resumed.timers ?? systemTimers };
}

/** Hands over each node that becomes ready, until nothing more can become so. */
async function feed(
  session: Session,
  progress: NodeProgress,
  { stop, timers }: { stop: AbortSignal; timers: Timers },
): Promise<void> {
  const { supervisor } = session;
  // A run that had failed already only gets its end: nothing that waits may be started.
  if (progress.failed !== undefined) return await progress.recordOutputs(session);
  const stopped = new Promise<boolean>((resolve) => {
    stop.addEventListener("abort", () => resolve(true), { once: true });
  });
  let rest = Promise.withResolvers<void>();
  // Called before the pump is, which must not start what waits once a node has failed.
  supervisor.subscribe(() => {
    if (progress.failed !== undefined) pump.stop();
    rest.resolve();
    rest = Promise.withResolvers();
  });
  using pump = new PumpDriver({ supervisor, timers, eventId: pumpEventId });
  const quiet = new Quiet(pump);
  while (!stop.aborted && progress.failed === undefined) {
    const rested = rest.promise;
    await progress.recordOutputs(session);
    const ready = progress.takeReady();
    if (ready !== undefined) {
      const event = nodeEvent(ready.node, { attempt: ready.attempt, at: timers.now() });
      await session.onEvent(event).catch((error) => {
        if (!stop.aborted) throw error;
      });
    } else if (progress.isDone || await Promise.race([stopped, quiet.comes(rested)])) break;
  }
  pump.stop();
  await supervisor.idle();
  await progress.recordOutputs(session);
}

/** Notices when nothing more happens by itself. */
class Quiet {
  readonly #pump: PumpDriver;
  /** Waited for by many looks: to begin waiting costs a walk over the stack. */
  #drained: Promise<boolean> | undefined;

  constructor(pump: PumpDriver) {
    this.#pump = pump;
  }

  /** Waits until the supervisor has decided on something; true when nothing more happens. */
  async comes(rested: Promise<void>): Promise<boolean> {
    const isDecided = rested.then(() => false);
    this.#drained ??= this.#drain().finally(() => this.#drained = undefined);
    if (!await Promise.race([isDecided, this.#drained])) return false;
    // That wait may have begun, and ended, before the last node was handed over.
    return await Promise.race([isDecided, this.#drain()]);
  }

  async #drain(): Promise<boolean> {
    await this.#pump.drained();
    return true;
  }
}
