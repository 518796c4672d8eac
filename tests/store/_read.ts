/** Reading a runtime to its end, page by page, by whatever can be read. */
import { assert } from "@std/assert";
import type { WorkerRuntime } from "../../store/mod.ts";
import type {
  EventCursor,
  RuntimeEvent,
  TranscriptEntry,
  WorkerRef,
  WorkerSummary,
} from "../../store/types.ts";

/** What both the runtime and the store that is only read have. */
export type Readable = Pick<
  WorkerRuntime,
  "summary" | "listWorkers" | "listConfigBundles" | "workerDetail" | "readEvents" | "readTranscript"
>;

const PAGE = 100;

/** Every event. */
export async function readEvents(
  runtime: Pick<Readable, "readEvents">,
  runtimeId: string,
  page = PAGE,
): Promise<RuntimeEvent[]> {
  const events: RuntimeEvent[] = [];
  let cursor: EventCursor = { runtime_id: runtimeId, next_event_id: 1 };
  for (let more = true; more;) {
    const batch = await runtime.readEvents(cursor, page);
    events.push(...batch.events);
    cursor = batch.cursor;
    more = batch.has_more;
    assert(!more || batch.events.length > 0, "a page that says that there is more moves on");
  }
  return events;
}

/** Every entry of a transcript. */
export async function readTranscript(
  runtime: Pick<Readable, "readTranscript">,
  ref: WorkerRef,
  page = PAGE,
): Promise<TranscriptEntry[]> {
  const entries: TranscriptEntry[] = [];
  for (let start: number | null = 0; start !== null;) {
    const projection = await runtime.readTranscript(ref, { start, limit: page });
    entries.push(...projection.items);
    start = projection.next_start;
  }
  return entries;
}

/** Every worker. */
export async function readWorkers(
  runtime: Pick<Readable, "listWorkers">,
  page = PAGE,
): Promise<WorkerSummary[]> {
  const workers: WorkerSummary[] = [];
  let after: string | undefined;
  for (;;) {
    const some = await runtime.listWorkers({ limit: page, ...(after !== undefined && { after }) });
    workers.push(...some);
    if (some.length < page) return workers;
    after = some.at(-1)!.worker_id;
  }
}
