import type { FilePort } from "../_internal/file_port.ts";
import { damagedMutationError } from "./journal_file.ts";
import type { JournalOverlay } from "./journal_overlay.ts";
import { openLogBytes } from "./log_bytes.ts";
import { eventLog } from "./log_codecs.ts";
import { readLogEnd } from "./log_end.ts";
import type { RuntimeSnapshot } from "./snapshot_types.ts";
import type { StorePaths } from "./store_paths.ts";

/**
 * Refuses a journal whose torn end was acknowledged. The events of a mutation are written only when the
 * journal's line is on disk: a newer event than the journal tells of was in the line that is torn.
 * `eventsSize` is how many bytes of events there were before the journal was read.
 */
export function checkTornEndSync(
  port: FilePort,
  paths: StorePaths,
  { overlay, runtime, eventsSize }: {
    overlay: JournalOverlay;
    runtime: RuntimeSnapshot | undefined;
    eventsSize: number | undefined;
  },
): void {
  if (overlay.torn === undefined || !eventsSize) return;
  const path = paths.log(paths.events);
  const log = openLogBytes({ port, path, fileEnd: eventsSize });
  try {
    const { lastNumber = 0 } = readLogEnd(log, eventLog);
    const next = (overlay.counters ?? runtime)?.next_event_id ?? 1;
    if (lastNumber >= next) throw damagedMutationError(overlay.torn);
  } finally {
    log.close();
  }
}
