/**
 * One run of a flow at a time, where that is asked for. A flow is known by its name in its root.
 *
 * - Who asks holds the lock of a file until its run is over: the system gives it up for a process that dies.
 * - A run for which nobody asked is not held up, but who asks waits for it too: its `live.lock` tells. One that
 *   begins in the moment behind that look is not seen.
 */
import { TaffrailError } from "../../_internal/errors.ts";
import { denoFilePort, type FileHandle } from "../../_internal/file_port.ts";
import {
  closeLock,
  openerOf,
  openOwnerFileSync,
  parseOpener,
  readOwnerSync,
  writeOwnerSync,
} from "../../_internal/lock.ts";
import { flowLockPaths, isRunOf } from "../../_internal/root_layout.ts";
import { isLive, listRuns } from "../../eventlog/runs_directory.ts";
import { wait } from "./end_processes.ts";

/** What is done where another run of the flow is at work. */
export const EXCLUSIVE = ["wait", "refuse"] as const;

/** One of them. */
export type Exclusive = (typeof EXCLUSIVE)[number];

const LOOK_EVERY_MS = 100;

/** Another run of the flow is at work, and nobody is to wait for it. */
export class FlowBusyError extends TaffrailError<"busy", { flow: string }> {
  /** The name of the class. */
  override readonly name = "FlowBusyError";
}

/** How a flow is run alone. */
interface ExclusiveOptions {
  /** The directory that holds the runs; it is there. */
  root: string;
  /** The name of the flow. */
  flow: string;
  /** Whether to wait for others. */
  exclusive: Exclusive;
  /** Told for whom it waits, whenever that is another one. */
  onWait: (text: string) => void;
  /** Ends the wait. */
  stop: AbortSignal;
}

/**
 * Makes sure that no other run of a flow is at work, until it is disposed of; undefined where the wait was ended.
 *
 * @throws {FlowBusyError} If one is, and nobody is to wait for it.
 */
export async function holdFlow(options: ExclusiveOptions): Promise<Disposable | undefined> {
  const { root, flow } = options;
  const { directory, lock } = flowLockPaths(root, flow);
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  const file = openOwnerFileSync(denoFilePort, lock);
  const held = { [Symbol.dispose]: () => closeLock(file) };
  try {
    const isAlone = await pass(options, () => whoHolds(file)) &&
      await pass(options, async () => {
        const runId = await liveRunOf(root, flow);
        return runId && `run ${runId} is at work`;
      });
    if (isAlone) return held;
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
  held[Symbol.dispose]();
  return undefined;
}

/** Waits until nothing stands in the way any more; false where the wait was ended. */
async function pass(
  { flow, exclusive, onWait, stop }: ExclusiveOptions,
  look: () => string | undefined | Promise<string | undefined>,
): Promise<boolean> {
  let told: string | undefined;
  for (let obstacle = await look(); obstacle !== undefined; obstacle = await look()) {
    if (exclusive === "refuse") {
      const remedy = "--exclusive wait waits for it";
      const message = `Cannot run ${flow}, which is to run alone: ${obstacle}; ${remedy}`;
      throw new FlowBusyError("busy", message, { details: { flow }, remedy });
    }
    if (obstacle !== told) onWait(`waits, as ${flow} is to run alone: ${obstacle}`);
    told = obstacle;
    await wait(LOOK_EVERY_MS, stop);
    if (stop.aborted) return false;
  }
  return true;
}

/** Takes the lock; or says who has it. */
function whoHolds(file: FileHandle): string | undefined {
  if (file.tryLockSync(true)) {
    writeOwnerSync(file, JSON.stringify(openerOf(file)));
    return undefined;
  }
  const pid = parseOpener(readOwnerSync(file))?.pid;
  return `${pid === undefined ? "another process" : `process ${pid}`} runs it, or is about to`;
}

async function liveRunOf(root: string, flow: string): Promise<string | undefined> {
  for (const runId of await listRuns(root)) {
    if (isRunOf(flow, runId) && await isLive(root, runId)) return runId;
  }
  return undefined;
}
