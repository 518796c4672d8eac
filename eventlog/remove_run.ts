import { lookAtSync, removeTreeSync, syncDirectorySync } from "../_internal/directories.ts";
import { denoFilePort, type FileHandle, type FilePort, runSteps } from "../_internal/file_port.ts";
import { closeLock } from "../_internal/lock.ts";
import { join } from "../_internal/path.ts";
import { asModuleError, wrapIo } from "./event_log_error.ts";
import { holdLiveSteps, isInPlaceSync, markRemovalSync } from "./live_lock.ts";
import { runPaths, runsDirectory } from "../_internal/root_layout.ts";
import { checkRunFormatSync, refuseLinksSync } from "./run_files.ts";

/** The folders of runs that are being removed; no run id begins with a dot. */
const REMOVED_PREFIX = ".removed-";
/** Another probe may hold the lock for a moment; a writer holds it for long. */
const LOCK_TIMEOUT_MS = 500;

/**
 * Removes a run with all that is in its folder. It is done under the run's live lock, held
 * exclusively, so a run that anybody has open stays as it is; whoever waits to open the run
 * meanwhile gets an error instead of a log that is no more.
 *
 * The folder is renamed first, so that there is a whole run or none: if the process dies before all
 * files are gone, {@linkcode sweepRemovedRuns} finishes that.
 *
 * **Durability**: that the run is gone is on disk when this returns.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @throws {TypeError} If the run id is not allowed, or the run is a symbolic link.
 * @throws {EventLogError} `live` when the run is open, `format` when a newer version wrote it, `io`
 * when there is no such run or the file system refuses.
 *
 * @example Usage
 * ```ts
 * import { listRuns, openEventLog, removeRun } from "@taffrail/taffrail/eventlog";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const log = await openEventLog({ root, runId: "demo" });
 * await assertRejects(() => removeRun(root, "demo"), Error, "needs it alone");
 * await log.close();
 * await removeRun(root, "demo");
 * assertEquals(await listRuns(root), []);
 * ```
 */
export async function removeRun(root: string, runId: string): Promise<void> {
  await removeOnPort(denoFilePort, root, runId);
}

/** {@linkcode removeRun} on a given file system. */
export async function removeOnPort(port: FilePort, root: string, runId: string): Promise<void> {
  const paths = runPaths(root, runId);
  const { directory, liveLock: path } = paths;
  wrapIo(directory, () => {
    refuseLinksSync(port, [runsDirectory(root), ...Object.values(paths)]);
    if (lookAtSync(port, directory)?.isDirectory !== true) {
      throw new Deno.errors.NotFound("there is no such run");
    }
    checkRunFormatSync(port, paths);
  });
  const live = await runSteps(
    holdLiveSteps(port, { path, exclusive: true, timeoutMs: LOCK_TIMEOUT_MS }),
  )
    .catch((error) => {
      throw asModuleError(path, error);
    });
  const moved = moveAway(port, { root, runId, live });
  wrapIo(moved, () => removeTreeSync(port, moved));
}

/** Takes the run out of the list, and gives up its lock; gives where its files are now. */
function moveAway(
  port: FilePort,
  { root, runId, live }: { root: string; runId: string; live: FileHandle },
): string {
  const { directory, liveLock } = runPaths(root, runId);
  const moved = join(runsDirectory(root), `${REMOVED_PREFIX}${crypto.randomUUID()}`);
  return wrapIo(directory, () => {
    try {
      markRemovalSync(live);
      // Another remover may have been faster, and another run have begun in that place.
      if (!isInPlaceSync(port, liveLock, live)) {
        throw new Deno.errors.NotFound("somebody else has removed it");
      }
      // Windows renames no folder with an open file in it, and so guards the run by itself.
      if (Deno.build.os === "windows") live.close();
      port.renameSync(directory, moved);
      syncDirectorySync(port, runsDirectory(root));
      return moved;
    } finally {
      if (Deno.build.os !== "windows") closeLock(live);
    }
  });
}

/**
 * Removes what is left of runs whose removal was cut short.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param root The directory that holds the runs.
 * @returns How many there were; 0 when the root does not exist.
 * @throws {TypeError} If the folder of the runs is a symbolic link.
 * @throws {EventLogError} `io` when the file system refuses.
 *
 * @example Usage
 * ```ts
 * import { sweepRemovedRuns } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.mkdir(`${root}/runs/.removed-1`, { recursive: true });
 * assertEquals(await sweepRemovedRuns(root), 1);
 * assertEquals(await sweepRemovedRuns(root), 0);
 * ```
 */
// deno-lint-ignore require-await -- the signature stays free for a port that is asynchronous
export async function sweepRemovedRuns(root: string): Promise<number> {
  return sweepOnPort(denoFilePort, root);
}

/** {@linkcode sweepRemovedRuns} on a given file system. */
export function sweepOnPort(port: FilePort, root: string): number {
  const runs = runsDirectory(root);
  return wrapIo(runs, () => {
    refuseLinksSync(port, [runs]);
    if (lookAtSync(port, runs) === undefined) return 0;
    const left = Array.from(port.readDirSync(runs))
      .filter(({ name, isDirectory }) => isDirectory && name.startsWith(REMOVED_PREFIX));
    for (const { name } of left) removeTreeSync(port, join(runs, name));
    return left.length;
  });
}
