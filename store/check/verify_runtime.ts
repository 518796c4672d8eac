import { lookAtSync } from "../../_internal/file_port.ts";
import { basename } from "../../_internal/path.ts";
import { RuntimePaths } from "../../_internal/root_layout.ts";
import { eventLog, transcriptLog } from "../files/log_codecs.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import type { RuntimeSnapshot, WorkerSnapshot } from "../files/snapshots.ts";
import { isFresh, type RuntimeFiles } from "../runtime/load_runtime.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { isNoFile, USE_NEWER } from "../store_errors.ts";
import { EventEffects } from "../state/event_effects.ts";
import { workerNumberOf } from "../state/store_state.ts";
import type { RuntimeEvent } from "../types.ts";
import {
  eventCounterFindings,
  transcriptCounterFindings,
  workerCounterFindings,
} from "./counters_against_logs.ts";
import {
  type Finding,
  findingOf,
  type Fix,
  type LinePlace,
  type StoreProblemKind,
} from "./store_problem.ts";
import { verifyLayout } from "./verify_layout.ts";
import { scanLog, type ScannedLog } from "./verify_log.ts";
import { type CurrentState, type CurrentWorker, verifySnapshots } from "./verify_snapshots.ts";

/** Everything that is wrong with one runtime, what its files say of each other included. */

/** The event that a runtime begins with, if its log was lost before a second one was written. */
const FIRST_EVENT: RuntimeEvent = {
  id: 1,
  kind: { kind: "runtime_started" },
  message: "runtime started",
};

/** What is known of one runtime. */
export interface RuntimeReport {
  findings: Finding[];
  state: CurrentState;
  /** How many events there are. */
  events: number;
  /** What the events say of the runtime, for a runtime.json that has to be made anew. */
  totals: { lastEventId: number; isStopped: boolean; lastWorker: number };
}

/** A report of what could not be looked at. */
export function emptyReport(finding: Finding): RuntimeReport {
  return {
    findings: [finding],
    state: { runtime: undefined, workers: new Map(), broken: new Set() },
    events: 0,
    totals: { lastEventId: 0, isStopped: false, lastWorker: 0 },
  };
}

/** Looks at everything in a runtime that was loaded, its logs line by line. */
export async function verifyRuntime(files: RuntimeFiles): Promise<RuntimeReport> {
  const layout = verifyLayout(files);
  const { state, findings: inSnapshots } = verifySnapshots(files);
  const findings = [...layout, ...inSnapshots];
  const references = new EventReferences(files.folder, state);
  const scan = { files, findings, state, references };
  if (isFresh(files)) return reportOf(scan, undefined);
  const { error } = files.unapplied;
  // What is only in a journal of a newer version may be anything, and nothing else can be compared with it.
  if (error?.remedy === USE_NEWER) {
    return reportOf({ ...scan, findings: journalFindings(error, files.folder) }, undefined);
  }
  if (error !== undefined) findings.push(...journalFindings(error, files.folder));
  const scanned = await scanEvents(scan);
  if (scanned !== undefined) findings.push(...references.finish());
  for (const worker of state.workers.values()) await scanTranscript(worker, scan);
  const report = reportOf(scan, scanned);
  // What a damaged journal would have said of the counters nobody knows.
  if (error === undefined) {
    findings.push(...verifyCounters(report, { files, effects: references.effects }));
  }
  return { ...report, findings: leftAlone(findings, files.folder) };
}

/** Of what is wrong with a runtime.json, what leaves the rest of it right. */
const HARMLESS: readonly StoreProblemKind[] = ["bundle"];

/** A runtime that another program understands better is left to that one: nothing in it is repaired. */
function leftAlone(findings: Finding[], { snapshot }: RuntimeFolder): Finding[] {
  const isForeign = findings.some(({ kind, path, fix }) =>
    path === snapshot && fix === undefined && !HARMLESS.includes(kind)
  );
  return isForeign ? findings.map(({ fix: _, ...finding }) => finding) : findings;
}

/** A runtime while its logs are gone through. */
interface Scan {
  files: RuntimeFiles;
  state: CurrentState;
  references: EventReferences;
  findings: Finding[];
}

function reportOf(
  { findings, state, references: { effects: { isStopped, lastWorker } } }: Scan,
  events: ScannedLog | undefined,
): RuntimeReport {
  const totals = { lastEventId: events?.last ?? 0, isStopped, lastWorker };
  return { findings, state, events: events?.records ?? 0, totals };
}

/** What is no file is reported where the directory is looked at. */
function journalFindings(error: RuntimeStoreError, folder: RuntimeFolder): Finding[] {
  if (isNoFile(error)) return [];
  const { path = "", line, byteOffset, actual } = error.details;
  const finding: Finding = { kind: "journal", ...findingOf(error, path) };
  if (error.kind !== "store-corrupt") return [{ ...finding, kind: "io" }];
  if (error.remedy === USE_NEWER) return [{ ...finding, kind: "schema" }];
  const number = RuntimePaths.journalNumberOf(basename(path));
  // A copy of another one, or one of an older state, has nothing that is not elsewhere.
  const isForeign = actual !== undefined &&
    (line === undefined || lookAtSync(folder.port, folder.journal(Number(actual))) !== undefined);
  if (isForeign) return [{ ...finding, fix: { action: "quarantine", path } }];
  if (byteOffset === undefined || number === undefined) return [finding];
  const fix: Fix = line === 1
    ? { action: "mend-journal", path, number }
    : { action: "cut-journal", path, byteOffset };
  return [{ ...finding, fix }];
}

/** Goes through the events; undefined when there are none to compare with. */
async function scanEvents(
  { files, state, references, findings }: Scan,
): Promise<ScannedLog | undefined> {
  const { folder, events } = files;
  const path = folder.log(folder.events);
  // Something else than a file stands there, which is reported already.
  if (events.error !== undefined) return undefined;
  const scanned = await scanLog(files, {
    codec: eventLog,
    name: folder.events,
    path,
    size: events.found,
    findings,
    onRecord: (event, place, id) => references.add({ ...event, id }, place),
  });
  if (scanned !== undefined && scanned.size > 0) return scanned;
  findings.push(missingEvents(path, { runtime: state.runtime, isThere: scanned !== undefined }));
  return undefined;
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

async function scanTranscript(
  { snapshot, files: workerFiles }: CurrentWorker,
  { files, references, findings }: Scan,
): Promise<void> {
  if (workerFiles?.transcript.error !== undefined) return;
  const { folder } = files;
  const { worker_id: workerId, next_transcript_sequence: next } = snapshot;
  const directory = workerFiles?.directory ?? folder.workerDirectory(workerId);
  const path = folder.transcriptIn(directory);
  const name = folder.transcript(workerFiles?.directoryId ?? workerId);
  const eventIds: number[] = [];
  const scanned = await scanLog(files, {
    codec: transcriptLog,
    name,
    path,
    size: workerFiles?.transcript.found,
    findings,
    onRecord: ({ worker_ref: { runtime_id, worker_id }, event_id }, place) => {
      eventIds.push(event_id);
      if (runtime_id === folder.runtimeId && worker_id === workerId) return;
      const message = runtime_id === folder.runtimeId
        ? `transcript entry belongs to worker ${worker_id}, expected ${workerId}`
        : `worker ${worker_id} belongs to runtime ${runtime_id}, not runtime ${folder.runtimeId}`;
      findings.push({ kind: "foreign-record", path, ...place, message });
    },
  });
  const last = scanned?.last ?? 0;
  findings.push(...references.compareEntries(workerId, eventIds, path));
  if (files.unapplied.error !== undefined) return;
  findings.push(...transcriptCounterFindings(folder, { last, next, workerId, directory }));
}

/** Compares counters and states with what they count. */
function verifyCounters(
  { state: { runtime, workers, broken }, totals }: RuntimeReport,
  { files: { folder, runtime: read }, effects }: { files: RuntimeFiles; effects: EventEffects },
): Finding[] {
  if (runtime === undefined) {
    if (read.error !== undefined) return [];
    const path = folder.snapshot;
    const message = "there is no such file";
    return [{ kind: "missing", path, message, fix: { action: "rebuild-runtime", path } }];
  }
  const findings: Finding[] = [];
  if (totals.lastEventId > 0) {
    const count = { last: totals.lastEventId, next: runtime.next_event_id };
    findings.push(...eventCounterFindings(folder, count));
  }
  const numbers = new Set([...workers.keys(), ...broken].map(workerNumberOf));
  const last = Math.max(totals.lastWorker, ...numbers);
  const next = runtime.next_worker_sequence;
  findings.push(...workerCounterFindings(folder, { last, next, numbers }));
  const isStopped = runtime.status === "stopped";
  if (effects.isStopped && !isStopped) {
    const path = folder.snapshot;
    const message = "the runtime is running, and an event tells that it was stopped";
    const fix = { action: "change-runtime", path, changes: { status: "stopped" } } as const;
    findings.push({ kind: "status", path, message, fix });
  }
  for (const { snapshot, files } of workers.values()) {
    const path = folder.snapshotIn(files?.directory ?? folder.workerDirectory(snapshot.worker_id));
    findings.push(...verifyWorkerState(snapshot, { path, effects, isStopped }));
  }
  return findings;
}

/** Compares a worker's state with what the events say of it, and with its runtime's. */
function verifyWorkerState(
  snapshot: WorkerSnapshot,
  { path, effects, isStopped }: { path: string; effects: EventEffects; isStopped: boolean },
): Finding[] {
  const { worker_id: workerId, status, last_event_id } = snapshot;
  const fix = (changes: Partial<WorkerSnapshot>): Fix => {
    return { action: "change-worker", path, workerId, changes };
  };
  const changes = effects.changesOf(snapshot);
  if (changes?.status !== undefined) {
    const message = `the worker is running, and an event tells that it was ${changes.status}`;
    return [{ kind: "status", path, message, fix: fix(changes) }];
  }
  const findings: Finding[] = [];
  if (changes !== undefined) {
    const message = `last_event_id is ${last_event_id}, and event ${changes.last_event_id} is ` +
      "about the worker";
    findings.push({ kind: "counter", path, message, fix: fix(changes) });
  }
  if (isStopped && status === "running") {
    const message = "the worker is running, and its runtime is stopped";
    findings.push({ kind: "status", path, message, fix: fix({ status: "stopped" }) });
  }
  return findings;
}

/**
 * What events, workers and transcripts say of each other: a worker names its last event, an entry of a
 * transcript the event of its input.
 */
class EventReferences {
  readonly #folder: RuntimeFolder;
  readonly #state: CurrentState;
  /** The workers whose last event each of these is, as long as it was not seen. */
  readonly #lastEvents = new Map<number, Set<string>>();
  /** The events of inputs, by worker. */
  readonly #inputs = new Map<string, Set<number>>();
  readonly #findings: Finding[] = [];
  readonly effects = new EventEffects();
  #isOver = false;

  constructor(folder: RuntimeFolder, state: CurrentState) {
    this.#folder = folder;
    this.#state = state;
    for (const [id, { snapshot }] of state.workers) {
      addTo(this.#lastEvents, snapshot.last_event_id, id);
    }
  }

  add(event: RuntimeEvent, place: LinePlace): void {
    const { id, worker_ref, kind: { kind } } = event;
    if (worker_ref === undefined) return this.effects.add(event);
    const { runtime_id, worker_id } = worker_ref;
    if (runtime_id !== this.#folder.runtimeId) {
      const path = this.#folder.log(this.#folder.events);
      const message = `event ${id} belongs to runtime ${runtime_id}`;
      this.#findings.push({ kind: "foreign-record", path, ...place, message });
      return;
    }
    this.effects.add(event);
    this.#lastEvents.get(id)?.delete(worker_id);
    if (kind === "worker_input_accepted") addTo(this.#inputs, worker_id, id);
  }

  /** All events were added. */
  finish(): Finding[] {
    this.#isOver = true;
    for (const [eventId, workers] of this.#lastEvents) {
      for (const id of workers) {
        const { files } = this.#state.workers.get(id)!;
        const directory = files?.directory ?? this.#folder.workerDirectory(id);
        this.#findings.push({
          kind: "dangling",
          path: this.#folder.snapshotIn(directory),
          message: `last_event_id is ${eventId}, and there is no such event about the worker`,
        });
      }
    }
    return this.#findings;
  }

  /** Compares the events of a worker's inputs with those that its transcript names. */
  compareEntries(workerId: string, eventIds: readonly number[], path: string): Finding[] {
    if (!this.#isOver) return [];
    const missing = new Set(this.#inputs.get(workerId));
    const dangling = eventIds.filter((id) => !missing.delete(id));
    const findings: Finding[] = [];
    if (missing.size > 0) {
      const message = `${missing.size} of the inputs that events tell of are missing, the first ` +
        `one that of event ${Math.min(...[...missing].slice(0, 1000))}`;
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

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}
