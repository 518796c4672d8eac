import { idOfDirectory } from "../../_internal/root_layout.ts";
import { compareUtf8 } from "../../_internal/text.ts";
import {
  type CounterFinding,
  eventCounterFindings,
  transcriptCounterFindings,
  workerCounterFindings,
} from "../check/counters_against_logs.ts";
import { eventLog, type LogCodec, transcriptLog } from "../files/log_codecs.ts";
import { logLines, parseLine, readLogEnd } from "../files/log_lines.ts";
import type { DirectoryEntry, RuntimeFolder } from "../files/runtime_folder.ts";
import type { WorkerSnapshot } from "../files/snapshots.ts";
import type { UnappliedMutations } from "../journal/unapplied_mutations.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { entryOf, StoreState, workerNumberOf } from "../state/store_state.ts";
import {
  REPAIR,
  storeCorruptError,
  storeMissingError,
  symlinkError,
  wrapIo,
} from "../store_errors.ts";
import { type RuntimeFiles, usableRuntimeSnapshot, workerProblem } from "./load_runtime.ts";
import type { RecoveredLogs } from "./recover_logs.ts";

/**
 * Makes the state of a runtime that is opened from its files. What cannot be opened is thrown; what
 * stands in the way of a single worker or log only becomes one of the `problems`, and the rest works.
 */

/** What the journal has on top of the files; throws what keeps a runtime from being opened. */
export function checkUsable(files: RuntimeFiles): UnappliedMutations {
  const { folder, events, workers, workersError, unapplied } = files;
  usableRuntimeSnapshot(files.runtime, folder);
  // What the file system refuses now it may not refuse later: that is no damage of a worker.
  const refused = workers.find(({ snapshot }) => snapshot.error?.kind === "store-io");
  const error = events.error ?? workersError ?? refused?.snapshot.error ?? unapplied.error;
  if (error !== undefined) throw error;
  return unapplied.found!;
}

/**
 * Whether all that is missing is the very first event: the original program was interrupted behind its
 * first snapshot, or nobody did anything but store config bundles.
 */
export function isUnstarted({ runtime, events, workers, unapplied }: RuntimeFiles): boolean {
  return runtime.found?.next_event_id === 2 && runtime.found.next_worker_sequence === 1 &&
    (unapplied.found?.isEmpty ?? false) && (events.found ?? 0) === 0 && workers.length === 0;
}

/** The state that the files hold; what is wrong with them is added to the problems. */
export function buildState(files: RuntimeFiles, logs: RecoveredLogs): StoreState {
  const { folder, runtime, strays } = files;
  const { unapplied, problems } = logs.parts;
  const base = runtime.found ?? unapplied.createdRuntime;
  if (base === undefined) {
    const place = { operation: "read runtime snapshot", path: folder.snapshot } as const;
    throw storeMissingError(place, { remedy: REPAIR });
  }
  const state = StoreState.of(base, unapplied);
  const workers = new Map<string, WorkerSnapshot>(unapplied.createdWorkers);
  const sizes = new Map<string, number>();
  for (const stray of strays) {
    const id = idOfDirectory(stray.name);
    if (id === undefined || stray.isDirectory) problems.push(strayError(stray));
    else if (!workers.has(id)) state.broken.set(id, strayError(stray));
  }
  for (const worker of files.workers) {
    const { directoryId: id, snapshot, transcript } = worker;
    if (transcript.found !== undefined) sizes.set(id, transcript.found);
    const problem = transcript.error ?? workerProblem(worker, folder);
    if (problem === undefined) workers.set(id, snapshot.found!);
    else if (!workers.has(id)) state.broken.set(id, problem);
  }
  problems.push(...state.broken.values());
  const ends = new LogEnds(logs);
  ends.addEvents(state, files.events.found);
  const ids = [...workers.keys()].sort(compareUtf8);
  for (const id of ids) {
    const worker = { ...workers.get(id)!, ...unapplied.changedWorkers.get(id) };
    ends.addWorker(state, worker, sizes.get(id) ?? 0);
  }
  ends.checkWorkerNumbers(state);
  return state;
}

function strayError({ path, isDirectory, isSymlink }: DirectoryEntry): RuntimeStoreError {
  if (isSymlink) return symlinkError({ operation: "read worker", path });
  return storeCorruptError({ operation: "read workers", path }, {
    problem: isDirectory
      ? "the directory's name is not that of a worker"
      : "worker path exists but is not a directory",
    remedy: "it is left alone; move it away",
  });
}

/**
 * Compares the counters with the last line of each log. Where the events are ahead, a journal was lost
 * with all that it knew of workers: that is refused. Where a transcript is ahead, the counter follows it,
 * so that no number is given out twice; where a log is behind, lines are missing, which is a problem to
 * report.
 */
class LogEnds {
  readonly #folder: RuntimeFolder;
  readonly #logs: RecoveredLogs;
  readonly #problems: RuntimeStoreError[];

  constructor(logs: RecoveredLogs) {
    this.#folder = logs.parts.folder;
    this.#problems = logs.parts.problems;
    this.#logs = logs;
  }

  addEvents(state: StoreState, fileSize: number | undefined): void {
    const { events } = this.#folder;
    const { next_event_id: next } = state.counters;
    const { end, lastNumber: last = next - 1 } = this.#read(events, fileSize ?? 0, eventLog);
    state.eventsEnd = end;
    const isThere = fileSize !== undefined;
    const findings = eventCounterFindings(this.#folder, { last, next, isThere });
    if (last >= next) throw findings[0]!.error;
    this.#add(findings);
  }

  addWorker(state: StoreState, worker: WorkerSnapshot, fileSize: number): void {
    const { worker_id: workerId, next_transcript_sequence: next } = worker;
    const name = this.#folder.transcript(workerId);
    const { end, lastNumber: last = next - 1 } = this.#read(name, fileSize, transcriptLog);
    if (last === next - 1) return state.setWorker(entryOf(worker, { length: next - 1, end }));
    const directory = this.#folder.workerDirectory(workerId);
    this.#add(transcriptCounterFindings(this.#folder, { last, next, workerId, directory }));
    const length = this.#countEntries(name, end);
    const sequence = Math.max(next, last + 1);
    state.setWorker(entryOf({ ...worker, next_transcript_sequence: sequence }, { length, end }));
  }

  checkWorkerNumbers(state: StoreState): void {
    const numbers = new Set<number>();
    for (const { worker_id } of state.workers()) numbers.add(workerNumberOf(worker_id));
    for (const id of state.broken.keys()) numbers.add(workerNumberOf(id));
    let last = 0;
    for (const number of numbers) last = Math.max(last, number);
    const { next_worker_sequence: next } = state.counters;
    this.#add(workerCounterFindings(this.#folder, { last, next, numbers }));
    if (last >= next) state.counters = { ...state.counters, next_worker_sequence: last + 1 };
  }

  #add(findings: readonly CounterFinding[]): void {
    this.#problems.push(...findings.map(({ error }) => error));
  }

  /** Where the next line of a log begins, and the number in the last one, if it can be read. */
  #read<T>(
    name: string,
    fileSize: number,
    codec: LogCodec<T>,
  ): { end: number; lastNumber: number | undefined } {
    const size = this.#logs.sizeOf(name, fileSize);
    if (size === 0) return { end: 0, lastNumber: 0 };
    const place = { operation: codec.operation, path: this.#folder.log(name) };
    const found = wrapIo(place, () => {
      return this.#logs.read(name, size).use((log) => readLogEnd(log, codec));
    });
    if (found.problem !== undefined) this.#problems.push(found.problem);
    const end = found.tail === "none" ? size : this.#logs.mendTail(name, size, found);
    return { end, lastNumber: found.lastNumber };
  }

  /** Counts the entries of a transcript whose numbers cannot be relied on. */
  #countEntries(name: string, end: number): number {
    return this.#logs.read(name, end).use((log) => {
      let count = 0;
      for (const line of logLines(log, transcriptLog)) {
        if ("record" in parseLine(line, transcriptLog)) count++;
      }
      return count;
    });
  }
}
