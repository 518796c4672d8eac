import { openEventLogSync } from "../../eventlog/mod.ts";
import { type SampleEvent, sampleEvent } from "./sample_events.ts";

/** The run that {@linkcode writeSampleLog} writes. */
export const RUN_ID = "bench";

const CHUNK = 10_000;

/** Writes a log of so many events, and returns the path of its file. */
export function writeSampleLog(root: string, events: number): string {
  using log = openEventLogSync<SampleEvent>({ root, runId: RUN_ID });
  for (let first = 0; first < events; first += CHUNK) {
    const length = Math.min(CHUNK, events - first);
    log.appendAllSync(Array.from({ length }, (_, index) => sampleEvent(first + index)));
  }
  return log.path;
}
