import type { FilePort } from "../../_internal/file_port.ts";
import { basename, join } from "../../_internal/path.ts";
import { eventLog, transcriptLog } from "../files/log_codecs.ts";
import type { RuntimeSnapshot } from "../files/snapshots.ts";
import { directoryOfId, journalNumberOf, workerIdOf, workerNumberOf } from "../layout.ts";
import { findingTextOf } from "../store_errors.ts";
import type { RuntimeEvent } from "../types.ts";
import { openLogView, type RuntimeView, sizeIn } from "./runtime_view.ts";
import type { Finding } from "./store_problem.ts";
import { type RecordPlace, scanLog } from "./verify_log.ts";
import {
  isUnborn,
  type RuntimeState,
  verifyLayout,
  verifySnapshots,
  type WorkerState,
} from "./verify_snapshots.ts";

/** Everything that is wrong with one runtime, what its files say of each other included. */

/** The events that a runtime begins with, if its log was lost before a second one was written. */
const FIRST_EVENT: RuntimeEvent = {
  id: 1,
  kind: { kind: "runtime_started" },
  message: "runtime started",
};
const NAMED_MISSING = 100;

/** What is known of one runtime. */
export interface RuntimeReport {
  findings: Finding[];
  state: RuntimeState;
  /** How many events there are. */
  events: number;
  /** What the events say, for a runtime.json that has to be made anew. */
  told: EventsTold;
}

/** What the events say of the runtime as a whole. */
export interface EventsTold {
  lastEventId: number;
  isStopped: boolean;
  /** The greatest number of a worker that an event names. */
  lastWorker: number;
}

/** Looks at everything in a runtime that has been looked at. */
export async function verifyRuntime(port: FilePort, view: RuntimeView): Promise<RuntimeReport> {
  const { state, findings: inSnapshots } = verifySnapshots(view);
  const report: RuntimeReport = {
    findings: [...verifyLayout(view, Date.now()), ...inSnapshots],
    state,
    events: 0,
    told: { lastEventId: 0, isStopped: false, lastWorker: 0 },
  };
  if (isUnborn(view)) return report;
  const { findings } = report;
  const { error } = view.journal;
  if (error !== undefined) findings.push(journalFinding(error));
  const checker = new EventChecker(view, state, report.told);
  if (await scanEvents(port, { view, report, checker })) findings.push(...checker.finish());
  for (const worker of state.workers.values()) {
    await scanTranscript(port, { view, worker, checker, findings });
  }
  // What a damaged journal would have said of the counters nobody knows.
  if (error === undefined) findings.push(...verifyCounters(view, report));
  return report;
}

function journalFinding(error: NonNullable<RuntimeView["journal"]["error"]>): Finding {
  const { path = "", line, byteOffset, kind } = error;
  const place = {
    path,
    message: findingTextOf(error),
    ...(line !== undefined && { line }),
    ...(byteOffset !== undefined && { byteOffset }),
  };
  if (kind !== "store-corrupt") return { kind: kind === "symlink" ? kind : "io", ...place };
  if (byteOffset === undefined) return { kind: "journal", ...place };
  const number = journalNumberOf(basename(path));
  if (line === 1 && number !== undefined) {
    return { kind: "journal", ...place, fix: { action: "mend-journal", path, number } };
  }
  return { kind: "journal", ...place, fix: { action: "cut-journal", path, byteOffset } };
}

/** Goes through the events; tells whether there are any to compare with. */
async function scanEvents(
  port: FilePort,
  { view, report, checker }: {
    view: RuntimeView;
    report: RuntimeReport;
    checker: EventChecker;
  },
): Promise<boolean> {
  const { paths } = view;
  const name = paths.events;
  const path = paths.log(name);
  if (isOdd(view.entries, name)) return false;
  const size = sizeIn(view.entries, path);
  const log = openLogView(port, { view, path, name, size });
  const { runtime } = report.state;
  if (log === undefined || log.log.size === 0) {
    report.findings.push(missingEvents(path, { runtime, isThere: log !== undefined }));
    log?.log.close();
    return false;
  }
  try {
    const { findings } = report;
    const onRecord = (event: RuntimeEvent, place: RecordPlace) => checker.add(event, place);
    const scanned = await scanLog(log, { codec: eventLog, name, path, findings, onRecord });
    report.events = scanned.records;
    report.told.lastEventId = scanned.last;
    return true;
  } finally {
    log.log.close();
  }
}

/** Of a log that never got its second line nothing is lost: its first one is always the same. */
function missingEvents(
  path: string,
  { runtime, isThere }: { runtime: RuntimeSnapshot | undefined; isThere: boolean },
): Finding {
  const isFirst = runtime?.next_event_id === 2;
  const text = isFirst ? `${eventLog.print(FIRST_EVENT)}\n` : "";
  const message = isThere ? "there are no events in it" : "there is no such file";
  if (isThere && !isFirst) return { kind: "lost", path, message };
  return { kind: "missing", path, message, fix: { action: "create-log", path, text } };
}

/** Whether something else than a file stands there, which is told already. */
function isOdd(entries: RuntimeView["entries"], name: string): boolean {
  return entries.some((entry) => entry.name === name && (entry.isSymlink || entry.isDirectory));
}

async function scanTranscript(
  port: FilePort,
  { view, worker, checker, findings }: {
    view: RuntimeView;
    worker: WorkerState;
    checker: EventChecker;
    findings: Finding[];
  },
): Promise<void> {
  const { snapshot, view: files } = worker;
  const { worker_id: id, next_transcript_sequence: next } = snapshot;
  const directory = files?.directory ?? view.paths.workerDirectory(id);
  const path = join(directory, "transcript.jsonl");
  const entries = files?.entries ?? [];
  if (isOdd(entries, "transcript.jsonl")) return;
  const name = view.paths.transcript(files?.directoryId ?? id);
  const log = openLogView(port, { view, path, name, size: sizeIn(entries, path) });
  const eventIds: number[] = [];
  let last = 0;
  if (log !== undefined) {
    try {
      const scanned = await scanLog(log, {
        codec: transcriptLog,
        name,
        path,
        findings,
        onRecord: ({ worker_ref, event_id }, place) => {
          eventIds.push(event_id);
          const { runtime_id, worker_id } = worker_ref;
          if (runtime_id === view.runtimeId && worker_id === id) return;
          const message = runtime_id === view.runtimeId
            ? `transcript entry belongs to worker ${worker_id}, expected ${id}`
            : `worker ${worker_id} belongs to runtime ${runtime_id}, not runtime ${view.runtimeId}`;
          findings.push({ kind: "foreign-record", path, ...place, message });
        },
      });
      last = scanned.last;
    } finally {
      log.log.close();
    }
  }
  findings.push(...checker.compareEntries(id, eventIds, path));
  if (view.journal.error !== undefined || last === next - 1) return;
  if (last < next - 1) {
    const message = `the last entry is ${last}, and worker.json knows of ${next - 1}`;
    return void findings.push({ kind: "lost", path, message });
  }
  const snapshotPath = join(directory, "worker.json");
  findings.push({
    kind: "counter",
    path: snapshotPath,
    message: `next_transcript_sequence is ${next}, and there is an entry ${last}`,
    fix: {
      action: "change-worker",
      path: snapshotPath,
      workerId: id,
      changes: { next_transcript_sequence: last + 1 },
    },
  });
}

/** Compares counters and states with what they count. */
function verifyCounters(
  { paths, runtime: read }: RuntimeView,
  { state, told }: RuntimeReport,
): Finding[] {
  const { runtime, workers, broken } = state;
  const path = paths.snapshot;
  const findings: Finding[] = [];
  if (runtime === undefined) {
    if (read.error !== undefined) return [];
    const message = "there is no such file";
    return [{ kind: "missing", path, message, fix: { action: "rebuild-runtime", path } }];
  }
  const { next_event_id, next_worker_sequence, status } = runtime;
  if (told.lastEventId >= next_event_id) {
    const changes = { next_event_id: told.lastEventId + 1 };
    const message = `next_event_id is ${next_event_id}, and there is an event ${told.lastEventId}`;
    findings.push({ kind: "counter", path, message, fix: changeRuntime(path, changes) });
  } else if (told.lastEventId > 0 && told.lastEventId < next_event_id - 1) {
    const message = `the last event is ${told.lastEventId}, and runtime.json knows of ` +
      `${next_event_id - 1}`;
    findings.push({ kind: "lost", path: paths.log(paths.events), message });
  }
  const numbers = new Set([...workers.keys(), ...broken].map(workerNumberOf));
  const last = Math.max(told.lastWorker, ...numbers);
  if (last >= next_worker_sequence) {
    const changes = { next_worker_sequence: last + 1 };
    const message =
      `next_worker_sequence is ${next_worker_sequence}, and there was a worker ${last}`;
    findings.push({ kind: "counter", path, message, fix: changeRuntime(path, changes) });
  }
  findings.push(
    ...missingWorkers(paths.workers, numbers, Math.max(last + 1, next_worker_sequence)),
  );
  for (const { snapshot, view } of workers.values()) {
    if (status !== "stopped" || snapshot.status !== "running") continue;
    const { worker_id: workerId } = snapshot;
    const place = join(view?.directory ?? paths.workerDirectory(workerId), "worker.json");
    const message = "the worker is running, and its runtime is stopped";
    const changes = { status: "stopped" } as const;
    const fix = { action: "change-worker", path: place, workerId, changes } as const;
    findings.push({ kind: "status", path: place, message, fix });
  }
  return findings;
}

function changeRuntime(path: string, changes: Partial<RuntimeSnapshot>) {
  return { action: "change-runtime", path, changes } as const;
}

/** Every number below the counter has been given to a worker. */
function missingWorkers(path: string, numbers: ReadonlySet<number>, next: number): Finding[] {
  const findings: Finding[] = [];
  for (let number = 1; number < next; number++) {
    if (numbers.has(number)) continue;
    if (findings.length === NAMED_MISSING) break;
    const id = workerIdOf(number);
    const message = `there is no directory of ${id} (${directoryOfId(id)}), which was created`;
    findings.push({ kind: "lost", path, message });
  }
  return findings;
}

/** The rules that hold between events, workers and transcripts. */
class EventChecker {
  readonly #view: RuntimeView;
  readonly #told: EventsTold;
  /** The workers whose last event each of these is. */
  readonly #lastEvents = new Map<number, string[]>();
  /** The events that tell of an input, by worker. */
  readonly #inputs = new Map<string, number[]>();
  readonly #state: RuntimeState;
  readonly #findings: Finding[] = [];
  #isOver = false;

  constructor(view: RuntimeView, state: RuntimeState, told: EventsTold) {
    this.#view = view;
    this.#state = state;
    this.#told = told;
    for (const [id, { snapshot }] of state.workers) {
      const ids = this.#lastEvents.get(snapshot.last_event_id) ?? [];
      this.#lastEvents.set(snapshot.last_event_id, [...ids, id]);
    }
  }

  add({ id, worker_ref, kind: { kind } }: RuntimeEvent, place: RecordPlace): void {
    if (kind === "runtime_stopped") this.#told.isStopped = true;
    if (worker_ref === undefined) return;
    const { runtime_id, worker_id } = worker_ref;
    const path = this.#view.paths.log(this.#view.paths.events);
    if (runtime_id !== this.#view.runtimeId) {
      const message = `event ${id} belongs to runtime ${runtime_id}`;
      this.#findings.push({ kind: "foreign-record", path, ...place, message });
      return;
    }
    this.#told.lastWorker = Math.max(this.#told.lastWorker, workerNumberOf(worker_id));
    const waiting = this.#lastEvents.get(id);
    if (waiting !== undefined) {
      this.#lastEvents.set(id, waiting.filter((worker) => worker !== worker_id));
    }
    if (kind !== "worker_input_accepted") return;
    const ids = this.#inputs.get(worker_id);
    if (ids === undefined) this.#inputs.set(worker_id, [id]);
    else ids.push(id);
  }

  /** All events were told. */
  finish(): Finding[] {
    this.#isOver = true;
    for (const [eventId, workers] of this.#lastEvents) {
      for (const id of workers) {
        const { view } = this.#state.workers.get(id)!;
        const directory = view?.directory ?? this.#view.paths.workerDirectory(id);
        this.#findings.push({
          kind: "dangling",
          path: join(directory, "worker.json"),
          message: `last_event_id is ${eventId}, and there is no such event about the worker`,
        });
      }
    }
    return this.#findings;
  }

  /** Compares the events of a worker's inputs with those that its transcript names. */
  compareEntries(workerId: string, eventIds: readonly number[], path: string): Finding[] {
    if (!this.#isOver) return [];
    const told = new Set(this.#inputs.get(workerId));
    const findings: Finding[] = [];
    const dangling = eventIds.filter((id) => !told.delete(id));
    if (told.size > 0) {
      const message = `${told.size} of the inputs that events tell of are missing, the first one ` +
        `that of event ${Math.min(...[...told].slice(0, 1000))}`;
      findings.push({ kind: "lost", path, message });
    }
    if (dangling.length > 0) {
      const message =
        `${dangling.length} of the entries name no event of an input, the first one ` +
        `event ${dangling[0]}`;
      findings.push({ kind: "dangling", path, message });
    }
    return findings;
  }
}
