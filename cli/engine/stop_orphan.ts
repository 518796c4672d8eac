/**
 * Ends a run whose process has died, and records that: as going on with it does, but that nothing is asked for.
 *
 * - Nobody else works on the run meanwhile.
 * - What is left of it has ended before its records change; where that cannot be had, they stay as they are.
 */
import { reasonOf } from "../../_internal/text.ts";
import { lastRuntimeOf } from "../../capture/bundle/records.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { RunEngine } from "../../run/engine/run_engine.ts";
import type { HeldRun, NodeAttempt, RunsRoot } from "../../run/types.ts";
import { describeNode } from "../flow/node_event.ts";
import { endLeft } from "../process/orphan_processes.ts";
import { processLinesOf } from "../process/process_log.ts";
import { HOLD_TIMEOUT_MS } from "../process/run_holder.ts";
import { readLogOf } from "../../run/engine/run_log.ts";

/** What the log says of the end. */
const REASON = "cancelled by taffrail stop";

/** How to end it. */
export interface StopOrphanOptions {
  /** The root. */
  runs: RunsRoot;
  /** The run. */
  runId: string;
  /** How long what is left of it may take to end, in milliseconds. */
  graceMs: number;
  /** Says what is done. */
  note: (text: string) => void;
}

/** What came of that. */
export interface StoppedOrphan {
  /** The processes that were left of the run. */
  left: number[];
  /** Why its end cannot be recorded; undefined where it was. */
  unrecorded?: string;
}

/**
 * Ends it. Where its journal tells nothing, what is left of it is ended all the same.
 *
 * @throws {LeftProcessesError} When what is left of it cannot be ended, or found out.
 */
export async function stopOrphan(options: StopOrphanOptions): Promise<StoppedOrphan> {
  const { runs, runId, graceMs, note } = options;
  const { name: root } = runs;
  await using held = await runs.hold(runId, { timeoutMs: HOLD_TIMEOUT_MS });
  const never = new AbortController().signal;
  let left: number[] = [];
  const endLeftovers = async (attempts: readonly NodeAttempt[]) => {
    const processes = await processLinesOf(held.view);
    const ending = { graceMs, kill: never, assumesEnded: false, note };
    left = await endLeft({ root, runId, attempts, wholeRun: true, processes, ...ending });
  };
  const { fold, damaged } = await readLogOf(held.view);
  const recovered = await recoverCapture(held.view.raw("capture")).catch(unreadable);
  if (typeof recovered === "string") {
    // Nobody can tell which attempts have no end: what bears a mark is ended.
    await endLeftovers([]);
    return { left, unrecorded: recovered };
  }
  const { bundle } = recovered;
  const nodes = fold.state().nodes.map(({ id }) => id);
  const engine = await goOn(held, { bundle, fold, nodes }, { endLeftovers, damaged });
  try {
    await engine.withdrawDeferred();
    await engine.end({ reason: REASON });
  } catch (error) {
    await engine.breakOff(error);
    throw error;
  }
  return { left };
}

/** Why a journal tells nothing. */
function unreadable(error: unknown): string {
  if (error instanceof CaptureJournalError) return reasonOf(error);
  throw error;
}

/** Ends what is left of a run that has an end: it was killed behind that, or nothing looked for it. */
export async function endLeftOfEnded(
  { runs, ...run }: StopOrphanOptions,
): Promise<StoppedOrphan> {
  const kill = new AbortController().signal;
  const of = { attempts: [], wholeRun: true, processes: [], assumesEnded: true };
  return { left: await endLeft({ ...run, ...of, root: runs.name, kill }) };
}

async function goOn(
  held: HeldRun,
  { bundle, fold, nodes }: {
    bundle: CaptureBundle;
    fold: RunFold;
    nodes: readonly string[];
  },
  left: Parameters<typeof RunEngine.goOn>[1],
): Promise<RunEngine> {
  const { engine } = await RunEngine.goOn({
    held,
    name: bundle.graph_id,
    nodes,
    constraints: bundle.config,
    runtimeProvenance: lastRuntimeOf(bundle),
    invoke: () => Promise.reject(new Error("Cannot begin anything in a run that is stopped")),
    isOutside: true,
    // What is decided to begin now never is.
    mayBegin: () => false,
    describe: describeNode,
    onDecided: () => {},
    observer: { attemptBegan: () => {}, attemptEnded: () => {} },
    fold,
    signal: new AbortController().signal,
  }, { ...left, changed: [] });
  return engine;
}
