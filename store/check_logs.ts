import { workerIdOf, workerNumberOf } from "./id_directory.ts";
import { eventLog, type LogCodec, transcriptLog } from "./log_codecs.ts";
import { type LogEnd, readLogEnd } from "./log_end.ts";
import { logLines, parseLine } from "./log_lines.ts";
import type { LogSource } from "./log_source.ts";
import type { RuntimeStoreError } from "./runtime_store_error.ts";
import type { WorkerSnapshot } from "./snapshot_types.ts";
import { asStoreError, storeCorruptError } from "./store_errors.ts";
import type { StorePaths } from "./store_paths.ts";
import { entryOf, type StoreState } from "./store_state.ts";

const SCAN_BLOCK_BYTES = 256 * 1024;
/** How many missing workers are named. */
const NAMED_MISSING = 100;

/** What the ends of the logs are compared with. */
export interface CheckLogsOptions {
  paths: StorePaths;
  logs: LogSource;
  /** Gets what does not fit. */
  problems: RuntimeStoreError[];
  workers: readonly WorkerSnapshot[];
  eventsSize: number | undefined;
  transcriptSizes: ReadonlyMap<string, number>;
}

/**
 * Compares the counters with the last line of each log, and gives the workers to the state. Where a
 * log is ahead, the counter follows it, so that no number is given out twice; where it is behind,
 * lines are missing, which is told.
 */
export function checkLogs(state: StoreState, options: CheckLogsOptions): void {
  checkEvents(state, options);
  for (const worker of options.workers) checkWorker(state, worker, options);
  checkWorkerNumbers(state, options);
}

/** What was found in one log. */
interface Looked {
  /** Where the next line begins. */
  end: number;
  lastNumber: number | undefined;
}

function look<T>(
  name: string,
  { codec, fileSize, options }: {
    codec: LogCodec<T>;
    fileSize: number;
    options: CheckLogsOptions;
  },
): Looked {
  const { logs, paths, problems } = options;
  const size = logs.sizeOf(name, fileSize);
  if (size === 0) return { end: 0, lastNumber: 0 };
  let found: LogEnd;
  try {
    const log = logs.read(name, size);
    try {
      found = readLogEnd(log, codec);
    } finally {
      log.close();
    }
  } catch (error) {
    throw asStoreError({ operation: codec.operation, path: paths.log(name) }, error);
  }
  if (found.problem !== undefined) problems.push(found.problem);
  const end = found.tail === "none" ? size : logs.mendTail(name, size, found);
  return { end, lastNumber: found.lastNumber };
}

function checkEvents(state: StoreState, options: CheckLogsOptions): void {
  const { paths, problems, eventsSize } = options;
  const { end, lastNumber } = look(paths.events, {
    codec: eventLog,
    fileSize: eventsSize ?? 0,
    options,
  });
  state.eventsEnd = end;
  const { next_event_id: next } = state.counters;
  if (lastNumber === undefined || lastNumber === next - 1) return;
  const place = { operation: eventLog.operation, path: paths.log(paths.events) };
  if (lastNumber < next) {
    problems.push(storeCorruptError(place, {
      problem: eventsSize === undefined
        ? `there is no such file, and events up to ${next - 1} were recorded`
        : `the last event is ${lastNumber}, and events up to ${next - 1} were recorded`,
      remedy: "new events go on behind the gap",
    }));
  } else {
    problems.push(storeCorruptError(place, {
      problem: `the last event is ${lastNumber}, and runtime.json knows of ${next - 1}`,
      remedy: "new events go on behind the last one",
    }));
    state.counters = { ...state.counters, next_event_id: lastNumber + 1 };
  }
}

function checkWorker(
  state: StoreState,
  worker: WorkerSnapshot,
  options: CheckLogsOptions,
): void {
  const { worker_id: id, next_transcript_sequence: next } = worker;
  const { paths, problems, logs } = options;
  const name = paths.transcript(id);
  const fileSize = options.transcriptSizes.get(id) ?? 0;
  const { end, lastNumber = next - 1 } = look(name, { codec: transcriptLog, fileSize, options });
  if (lastNumber === next - 1) {
    return state.setWorker(entryOf(worker, { length: next - 1, end }));
  }
  problems.push(storeCorruptError({
    operation: transcriptLog.operation,
    path: paths.log(name),
  }, {
    problem: `the last entry is ${lastNumber}, and worker.json knows of ${next - 1}`,
    remedy: lastNumber < next ? "new entries go on behind the gap" : "new entries go on behind it",
  }));
  const length = countEntries(logs, name, end);
  const sequence = Math.max(next, lastNumber + 1);
  state.setWorker(entryOf({ ...worker, next_transcript_sequence: sequence }, { length, end }));
}

/** Counts what the numbers do not tell. */
function countEntries(logs: LogSource, name: string, end: number): number {
  const log = logs.read(name, end);
  try {
    let count = 0;
    const { operation } = transcriptLog;
    for (const line of logLines(log, { start: 0, blockBytes: SCAN_BLOCK_BYTES, operation })) {
      if ("record" in parseLine(line, transcriptLog)) count++;
    }
    return count;
  } finally {
    log.close();
  }
}

/** Every number below the counter has been given to a worker, and none from the counter on. */
function checkWorkerNumbers(state: StoreState, { paths, problems }: CheckLogsOptions): void {
  const numbers = new Set<number>();
  for (const { worker_id } of state.workers()) numbers.add(workerNumberOf(worker_id));
  for (const id of state.broken.keys()) numbers.add(workerNumberOf(id));
  let last = 0;
  for (const number of numbers) last = Math.max(last, number);
  const place = { operation: "read workers" as const, path: paths.workers };
  const { next_worker_sequence: next } = state.counters;
  if (last >= next) {
    problems.push(storeCorruptError(place, {
      problem: `there is ${workerIdOf(last)}, and runtime.json knows of ${next - 1} workers`,
      remedy: "new workers are numbered behind it",
    }));
    state.counters = { ...state.counters, next_worker_sequence: last + 1 };
  }
  let missing = 0;
  for (let number = 1; number < next && numbers.size < next - 1; number++) {
    if (numbers.has(number)) continue;
    if (++missing > NAMED_MISSING) break;
    problems.push(storeCorruptError(place, {
      problem: `there is no directory of ${workerIdOf(number)}, which was created`,
      remedy: "its number is not given out again",
    }));
  }
}
