import { checkString } from "../../_internal/errors.ts";
import {
  limitTooLargeError,
  storeCorruptError,
  wrongRuntimeCursorError,
  wrongRuntimeError,
} from "../store_errors.ts";
import type {
  EventCursor,
  RuntimeEvent,
  RuntimeEventBatch,
  TranscriptEntry,
  TranscriptProjection,
  TranscriptQuery,
  WorkerRef,
} from "../types.ts";
import { eventLog, transcriptLog } from "./log_codecs.ts";
import {
  badLineError,
  isBelow,
  type LogBytes,
  type LogLine,
  logLines,
  parseLine,
  seekNumber,
} from "./log_lines.ts";

const PAGE_BLOCK_BYTES = 16 * 1024;

/** Refuses another runtime's cursor, then a limit above the runtime's (FRS-8, WRT-14). */
export function checkEventQuery(
  cursor: EventCursor | undefined,
  { runtimeId, limit, max }: { runtimeId: string; limit: number; max: number },
): void {
  const { runtime_id, next_event_id } = cursor ?? {};
  const actual = checkString(runtime_id, "runtime_id of the cursor");
  if (actual !== runtimeId) throw wrongRuntimeCursorError({ expected: runtimeId, actual });
  checkLimit(limit, max);
  checkCount(next_event_id, "next_event_id");
}

/** Refuses a limit above the runtime's, then another runtime's worker (WRT-14). */
export function checkTranscriptQuery(
  ref: WorkerRef | undefined,
  { runtimeId, query, max }: {
    runtimeId: string;
    query: TranscriptQuery | undefined;
    max: number;
  },
): void {
  checkLimit(query?.limit, max);
  checkWorkerRef(ref, runtimeId);
  checkCount(query?.start, "start");
}

/** Refuses what names no worker of this runtime; JavaScript may give no reference at all. */
export function checkWorkerRef(ref: WorkerRef | undefined, runtimeId: string): void {
  const { runtime_id, worker_id } = ref ?? {};
  const actual = checkString(runtime_id, "runtime_id");
  const workerId = checkString(worker_id, "worker_id");
  if (actual !== runtimeId) throw wrongRuntimeError(workerId, { expected: runtimeId, actual });
}

function checkLimit(limit: number | undefined, max: number): void {
  checkCount(limit, "limit");
  if (limit > max) throw limitTooLargeError(limit, max);
}

function checkCount(count: number | undefined, name: string): asserts count is number {
  if (count === undefined || !Number.isSafeInteger(count) || count < 0) {
    throw new RangeError(`Cannot read with ${name} ${count}: it must be a whole number from 0 on`);
  }
}

/**
 * The first `limit` events from the cursor on, at the cost of the page (FRS-8). An empty page is asked
 * for with limit 0, and says that there is no more, so that nobody who polls spins (W-FRS-15).
 *
 * A line that holds no event ends the page, or is thrown where an event that is wanted may have
 * stood in it.
 */
export function readEventPage(
  log: LogBytes,
  { cursor, limit }: { cursor: EventCursor; limit: number },
): RuntimeEventBatch {
  const { runtime_id, next_event_id: wanted } = cursor;
  const events: RuntimeEvent[] = [];
  const page = (nextId: number, hasMore: boolean): RuntimeEventBatch => {
    const next = { runtime_id, next_event_id: nextId };
    return { runtime_id, cursor: next, events, has_more: hasMore };
  };
  if (limit === 0) return page(wanted, false);
  const { operation } = eventLog;
  const start = seekNumber(log, { codec: eventLog, wanted });
  let next = wanted;
  let damage: { line: LogLine; problem: string } | undefined;
  for (const line of logLines(log, eventLog, { start, blockBytes: PAGE_BLOCK_BYTES })) {
    const least = events.length === limit ? next : wanted;
    if (isBelow(line, eventLog, least)) {
      damage = undefined;
      continue;
    }
    const verdict = parseLine(line, eventLog);
    if ("blank" in verdict) continue;
    if ("problem" in verdict) {
      if (events.length > 0) return page(next, true);
      damage ??= { line, problem: verdict.problem };
      continue;
    }
    const { id } = verdict.record;
    if (damage !== undefined && id > wanted) break;
    damage = undefined;
    if (id < least) continue;
    if (events.length === limit) return page(next, true);
    events.push(verdict.record);
    next = id + 1;
  }
  if (damage !== undefined) {
    const { line, problem } = damage;
    throw badLineError(log, { byteOffset: line.start, problem, operation });
  }
  return page(next, false);
}

/**
 * Some entries of a transcript by their positions (FRS-10), at the cost of the page as long as each
 * entry's sequence is its position plus one, which only damage changes; else at that of a scan,
 * and then `total_items` is what was counted instead of `total`.
 */
export function readTranscriptPage(
  log: LogBytes,
  { ref, query, total }: { ref: WorkerRef; query: TranscriptQuery; total: number },
): TranscriptProjection {
  const { start, limit } = query;
  const found = readBySequence(log, { start, end: Math.min(start + limit, total), ref }) ??
    readByPosition(log, { query, ref });
  const { items, counted = total } = found;
  const end = start + limit;
  return {
    worker_ref: { runtime_id: ref.runtime_id, worker_id: ref.worker_id },
    start,
    limit,
    total_items: counted,
    items,
    next_start: end < counted ? end : null,
  };
}

interface FoundEntries {
  items: TranscriptEntry[];
  /** How many entries there are, where they were counted. */
  counted?: number;
}

/** The entries, if they stand where their sequences say. */
function readBySequence(
  log: LogBytes,
  { start, end, ref }: { start: number; end: number; ref: WorkerRef },
): FoundEntries | undefined {
  const items: TranscriptEntry[] = [];
  if (start >= end) return { items };
  const from = seekNumber(log, { codec: transcriptLog, wanted: start + 1 });
  for (const line of logLines(log, transcriptLog, { start: from, blockBytes: PAGE_BLOCK_BYTES })) {
    if (items.length === 0 && isBelow(line, transcriptLog, start + 1)) continue;
    const verdict = parseLine(line, transcriptLog);
    if ("blank" in verdict) continue;
    if ("problem" in verdict) {
      if (items.length === 0) continue;
      return undefined;
    }
    const { sequence } = verdict.record;
    if (items.length === 0 && sequence <= start) continue;
    if (sequence !== start + items.length + 1) return undefined;
    items.push(checkEntry(verdict.record, { log, ref }));
    if (start + items.length === end) return { items };
  }
  return undefined;
}

/** The entries by counting them from the first. */
function readByPosition(
  log: LogBytes,
  { query: { start, limit }, ref }: { query: TranscriptQuery; ref: WorkerRef },
): FoundEntries {
  const items: TranscriptEntry[] = [];
  const { operation } = transcriptLog;
  let counted = 0;
  for (const line of logLines(log, transcriptLog)) {
    const verdict = parseLine(line, transcriptLog);
    if ("blank" in verdict) continue;
    if ("problem" in verdict) {
      const { problem } = verdict;
      throw badLineError(log, { byteOffset: line.start, problem, operation });
    }
    if (counted >= start && items.length < limit) {
      items.push(checkEntry(verdict.record, { log, ref }));
    }
    counted++;
  }
  return { items, counted };
}

/** Refuses an entry that belongs elsewhere (FRS-5). */
function checkEntry(
  entry: TranscriptEntry,
  { log, ref }: { log: LogBytes; ref: WorkerRef },
): TranscriptEntry {
  const { worker_id } = entry.worker_ref;
  checkWorkerRef(entry.worker_ref, ref.runtime_id);
  if (worker_id !== ref.worker_id) {
    const place = { operation: transcriptLog.operation, path: log.path };
    throw storeCorruptError(place, {
      problem: `transcript entry belongs to worker ${worker_id}, expected ${ref.worker_id}`,
    });
  }
  return entry;
}
