import { lookAtSync } from "../_internal/directories.ts";
import { denoFilePort } from "../_internal/file_port.ts";
import { wrapIo } from "./event_log_error.ts";
import { runIdProblem, runPaths, runsDirectory } from "../_internal/root_layout.ts";

/**
 * Lists the runs of a root (OLG-6): the folders below `runs/`, sorted by bytes. A run needs no log
 * to be listed. Files, and folders whose name could be no run id, are passed over.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @param root The directory that holds the runs.
 * @returns The run ids; none when the root does not exist.
 * @throws {EventLogError} `io` if the folder cannot be read.
 *
 * @example Usage
 * ```ts
 * import { listRuns, openEventLog } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using _b = await openEventLog({ root, runId: "b" });
 * await using _a = await openEventLog({ root, runId: "a" });
 * assertEquals(await listRuns(root), ["a", "b"]);
 * ```
 */
// deno-lint-ignore require-await -- reading a folder at once is faster; the signature stays free
export async function listRuns(root: string): Promise<string[]> {
  const runs = runsDirectory(root);
  return wrapIo(runs, () => {
    if (lookAtSync(denoFilePort, runs) === undefined) return [];
    return Array.from(denoFilePort.readDirSync(runs))
      .filter(({ name, isDirectory }) => isDirectory && runIdProblem(name) === undefined)
      .map(({ name }) => name)
      .sort();
  });
}

/**
 * Tells whether a run's folder exists (OLG-7).
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @returns Whether it exists.
 * @throws {TypeError} If the run id is not allowed.
 * @throws {EventLogError} `io` if that cannot be found out.
 *
 * @example Usage
 * ```ts
 * import { runExists } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await runExists(await Deno.makeTempDir(), "nightly"), false);
 * ```
 */
// deno-lint-ignore require-await -- see listRuns()
export async function runExists(root: string, runId: string): Promise<boolean> {
  const { directory } = runPaths(root, runId);
  return wrapIo(directory, () => lookAtSync(denoFilePort, directory)?.isDirectory === true);
}
