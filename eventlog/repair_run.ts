import { lookAtSync } from "../_internal/directories.ts";
import { denoFilePort } from "../_internal/file_port.ts";
import { ioError, wrapIo } from "./event_log_error.ts";
import { openEventLog } from "./open_event_log.ts";
import { runPaths } from "../_internal/root_layout.ts";
import type { Recovery } from "./types.ts";

/**
 * Mends the end of a log, as opening it for writing does: an unterminated last line gets its
 * newline if it is a whole JSON object; anything else is moved to `events.jsonl.torn-<n>`. Nothing
 * else is changed. The run must not be open anywhere.
 *
 * **Durability**: what was mended is on disk when this returns.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @returns What was mended.
 * @throws {TypeError} If the run id is not allowed.
 * @throws {EventLogError} `live` when the run is open, `io` when there is no such log.
 *
 * @example Usage
 * ```ts
 * import { openEventLog, repairRun } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const log = await openEventLog<{ n: number }>({ root, runId: "demo" });
 * await log.append({ n: 1 });
 * await log.close();
 * await Deno.writeTextFile(log.path, '{"n":', { append: true });
 *
 * const { tornFile } = await repairRun(root, "demo");
 * assertEquals(await Deno.readTextFile(tornFile!), '{"n":');
 * assertEquals(await Deno.readTextFile(log.path), '{"n":1}\n');
 * ```
 */
export async function repairRun(root: string, runId: string): Promise<Recovery> {
  const { events } = runPaths(root, runId);
  if (wrapIo(events, () => lookAtSync(denoFilePort, events)) === undefined) {
    throw ioError(events, new Deno.errors.NotFound("there is no such log"));
  }
  await using log = await openEventLog({ root, runId, exclusive: true });
  return log.recovery;
}
