import { basename } from "../../_internal/path.ts";
import { RuntimePaths } from "../../_internal/root_layout.ts";
import { eventLog, transcriptLog } from "../files/log_codecs.ts";
import { LogBytes } from "../files/log_lines.ts";
import type { RuntimeSnapshot } from "../files/snapshots.ts";
import { isFresh, type RuntimeFiles } from "../runtime/load_runtime.ts";
import { type LogView, viewLog } from "../runtime/recover_logs.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { workerNumberOf } from "../state/store_state.ts";
import type { RuntimeEvent } from "../types.ts";
import {
  eventCounterFindings,
  transcriptCounterFindings,
  workerCounterFindings,
} from "./counters.ts";
import { EventReferences } from "./event_references.ts";
import { type Finding, findingOf } from "./store_problem.ts";
import { verifyLayout } from "./verify_layout.ts";
import { scanLog } from "./verify_log.ts";
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
  if (isFresh(files)) return reportOf(scan, { records: 0, last: 0 });
  const { error } = files.unapplied;
  if (error !== undefined) findings.push(journalFinding(error));
  const scanned = await scanEvents(scan);
  if (scanned !== undefined) findings.push(...references.finish());
  for (const worker of state.workers.values()) await scanTranscript(worker, scan);
  const report = reportOf(scan, scanned ?? { records: 0, last: 0 });
  // What a damaged journal would have said of the counters nobody knows.
  if (error === undefined) findings.push(...verifyCounters(report, files));
  return report;
}

/** A runtime while its logs are gone through. */
interface Scan {
  files: RuntimeFiles;
  state: CurrentState;
  references: EventReferences;
  findings: Finding[];
}

function reportOf(
  { findings, state, references: { isStopped, lastWorker } }: Scan,
  { records, last }: { records: number; last: number },
): RuntimeReport {
  const totals = { lastEventId: last, isStopped, lastWorker };
  return { findings, state, events: records, totals };
}

function journalFinding(error: RuntimeStoreError): Finding {
  const { path = "", line, byteOffset } = error.details;
  const finding = findingOf(error, path);
  if (error.kind !== "store-corrupt") {
    return { kind: error.kind === "symlink" ? "symlink" : "io", ...finding };
  }
  if (byteOffset === undefined) return { kind: "journal", ...finding };
  const number = RuntimePaths.journalNumberOf(basename(path));
  if (line === 1 && number !== undefined) {
    return { kind: "journal", ...finding, fix: { action: "mend-journal", path, number } };
  }
  return { kind: "journal", ...finding, fix: { action: "cut-journal", path, byteOffset } };
}

/** Goes through the events; undefined when there are none to compare with. */
async function scanEvents({ files, state, references, findings }: Scan) {
  const { folder, events } = files;
  const name = folder.events;
  const path = folder.log(name);
  // Something else than a file stands there, which is reported already.
  if (events.error !== undefined) return undefined;
  const log = openLog(files, { name, path, size: events.found });
  if (log === undefined || log.bytes.size === 0) {
    findings.push(missingEvents(path, { runtime: state.runtime, isThere: log !== undefined }));
    log?.bytes.close();
    return undefined;
  }
  try {
    return await scanLog(log, {
      codec: eventLog,
      name,
      findings,
      onRecord: (event, place) => references.add(event, place),
    });
  } finally {
    log.bytes.close();
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
  const log = openLog(files, { name, path, size: workerFiles?.transcript.found });
  const eventIds: number[] = [];
  let last = 0;
  if (log !== undefined) {
    try {
      const scanned = await scanLog(log, {
        codec: transcriptLog,
        name,
        findings,
        onRecord: ({ worker_ref: { runtime_id, worker_id }, event_id }, place) => {
          eventIds.push(event_id);
          if (runtime_id === folder.runtimeId && worker_id === workerId) return;
          const message = runtime_id === folder.runtimeId
            ? `transcript entry belongs to worker ${worker_id}, expected ${workerId}`
            : `worker ${worker_id} belongs to runtime ${runtime_id}, not runtime ` +
              folder.runtimeId;
          findings.push({ kind: "foreign-record", path, ...place, message });
        },
      });
      last = scanned.last;
    } finally {
      log.bytes.close();
    }
  }
  findings.push(...references.compareEntries(workerId, eventIds, path));
  if (files.unapplied.error !== undefined) return;
  findings.push(...transcriptCounterFindings(folder, { last, next, workerId, directory }));
}

/**
 * Opens a log as opening the runtime would leave it. `name` is that of the journal; the file may be in a
 * directory that has another name than it should. Undefined when there is neither file nor lines.
 */
function openLog(
  { folder, unapplied: read }: RuntimeFiles,
  { name, path, size }: { name: string; path: string; size: number | undefined },
): LogView & { bytes: LogBytes } | undefined {
  const unapplied = read.found?.logs.get(name);
  if (unapplied === undefined && size === undefined) return undefined;
  const view = viewLog(folder, path, { size: size ?? 0, unapplied });
  return { ...view, bytes: LogBytes.open({ port: folder.port, path, ...view }) };
}

/** Compares counters and states with what they count. */
function verifyCounters(
  { state: { runtime, workers, broken }, totals }: RuntimeReport,
  { folder, runtime: read }: RuntimeFiles,
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
  for (const { snapshot, files } of workers.values()) {
    if (runtime.status !== "stopped" || snapshot.status !== "running") continue;
    const { worker_id: workerId } = snapshot;
    const path = folder.snapshotIn(files?.directory ?? folder.workerDirectory(workerId));
    const message = "the worker is running, and its runtime is stopped";
    const changes = { status: "stopped" } as const;
    const fix = { action: "change-worker", path, workerId, changes } as const;
    findings.push({ kind: "status", path, message, fix });
  }
  return findings;
}
