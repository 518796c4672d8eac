import { attemptChange } from "../eventlog/attempt_change.ts";
import { readRun } from "../eventlog/read_run.ts";
import { setRuntimeAside } from "../store/check/set_runtime_aside.ts";
import { RuntimeStoreError } from "../store/runtime_store_error.ts";
import type { WorkerStatus } from "../store/types.ts";
import { attemptKey } from "./attempt_key.ts";
import { endOf, isOfRun, RunWorkers, type RunWorkersOptions, workersIn } from "./run_workers.ts";

/** The store of a run, with all that its log has. */
export interface RestoredWorkers {
  /** The workers, open. */
  workers: RunWorkers;
  /** Where what was there before is kept, if it was made again; otherwise undefined. */
  kept: string | undefined;
}

/**
 * Opens the store of a run whose log is in order, and brings it up to the log. A store that cannot be
 * opened, in which something is damaged, or that has what the log has not, as a power cut may leave it, is
 * set aside and made again from the log; so is one that was stopped, while its run goes on.
 *
 * It may be killed at any moment, and be done again.
 *
 * **Durability**: `"os"`.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param options The directory that holds the runs, the run, and the name of what is run.
 * @param how `anew`: make it again, whatever is there.
 * @returns The workers, and where what was there before is kept.
 * @throws {TypeError} When an option is missing or of the wrong type; the message names it.
 * @throws {EventLogError} When the log cannot be read.
 * @throws {RuntimeStoreError} `owned` if somebody has it open, `symlink` if a link stands in its place,
 * `store-corrupt` if a newer version wrote it, `store-io` if the file system refuses.
 */
export async function restoreRunWorkers(
  options: RunWorkersOptions,
  { anew = false }: { anew?: boolean } = {},
): Promise<RestoredWorkers> {
  const sound = anew ? undefined : await openSound(options);
  const kept = sound === undefined ? await setRuntimeAside(options.root, options.runId) : undefined;
  const workers = sound ?? await RunWorkers.open(options);
  try {
    await workers.catchUp();
  } catch (error) {
    await workers.close().catch(() => {});
    throw error;
  }
  return { workers, kept };
}

/** Opens a store that need only be brought up to its log; undefined when there is none that can be. */
async function openSound(options: RunWorkersOptions): Promise<RunWorkers | undefined> {
  let workers: RunWorkers;
  try {
    workers = await RunWorkers.open(options);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
  const isSound = workers.runtime.problems.length === 0 &&
    await followsLog(workers, options).catch(async (error) => {
      await workers.close().catch(() => {});
      throw error;
    });
  if (isSound) return workers;
  // Whatever closing cannot write is not needed.
  await workers.close().catch(() => {});
  return undefined;
}

/** Whether a store cannot be opened since something in it is not what it was, or is not there. */
function isDamage(error: unknown): boolean {
  return error instanceof RuntimeStoreError &&
    (error.kind === "store-corrupt" || error.kind === "store-missing");
}

/** Whether a store has nothing that the log has not, and can take what the log has more. */
async function followsLog(
  { runtime }: RunWorkers,
  { root, runId }: RunWorkersOptions,
): Promise<boolean> {
  const { attempts, isCompleted } = await readAttempts(root, runId);
  const isStopped = runtime.summary().status === "stopped";
  if (isStopped && !isCompleted) return false;
  for (const { intent, status } of workersIn(runtime)) {
    if (intent.kind !== "task") return false;
    const logged = attempts.get(intent.objective);
    if (logged === undefined) return false;
    attempts.delete(intent.objective);
    // A runtime that is stopped has stopped those that had no end.
    const isStoppedAlong = isStopped && logged === "running" && status === "stopped";
    if (status !== "running" && status !== logged && !isStoppedAlong) return false;
  }
  return !isStopped || attempts.size === 0;
}

/** What workers the log asks for, by their objective, and whether the run is completed. */
async function readAttempts(
  root: string,
  runId: string,
): Promise<{ attempts: Map<string, WorkerStatus>; isCompleted: boolean }> {
  const attempts = new Map<string, WorkerStatus>();
  const ends = new Map<string, WorkerStatus>();
  let isCompleted = false;
  for await (const { events } of readRun(root, runId)) {
    for (const { event } of events) {
      if (isOfRun(event)) isCompleted = event.type === "pipe.completed";
      const change = attemptChange(event);
      if (change?.status === undefined) continue;
      const { node_id: nodeId, attempt = 1 } = change;
      const objective = attemptKey({ nodeId, attempt });
      if (change.status === "Running") attempts.set(objective, "running");
      else if (!ends.has(objective)) ends.set(objective, endOf(change).status);
    }
  }
  for (const [objective, status] of ends) {
    if (attempts.has(objective)) attempts.set(objective, status);
  }
  return { attempts, isCompleted };
}
