import type { FilePort } from "../../_internal/file_port.ts";
import { joinBytes, openLogBytes } from "../files/log_bytes.ts";
import { eventLog } from "../files/log_codecs.ts";
import { readLogEnd } from "../files/log_lines.ts";
import type { RuntimeSnapshot, WorkerSnapshot } from "../files/snapshots.ts";
import { journalNumbersSync, type StorePaths } from "../layout.ts";
import { storeCorruptError } from "../store_errors.ts";
import type { ConfigBundle, RuntimeDiagnostic } from "../types.ts";
import { damagedMutationError, readJournalSync, type TornLine } from "./journal_file.ts";
import type { Mutation, RuntimeCounters, WorkerChange } from "./journal_lines.ts";
import { encodeUtf8 } from "../../_internal/text.ts";

/** The lines of one log that a journal holds. */
export interface JournaledLog {
  /** Where the first of them begins. */
  start: number;
  bytes: Uint8Array;
}

/** What a journal says of the state, whatever the snapshots say. */
export interface JournalOverlay {
  /** Whether it holds any mutation. */
  isEmpty: boolean;
  createdRuntime: RuntimeSnapshot | undefined;
  counters: RuntimeCounters | undefined;
  diagnostics: RuntimeDiagnostic[];
  bundles: ConfigBundle[];
  createdWorkers: Map<string, WorkerSnapshot>;
  changedWorkers: Map<string, WorkerChange>;
  logs: Map<string, JournaledLog>;
  /** What stands behind the newest mutation, in its journal or in a newer one. */
  torn: TornLine | undefined;
}

/**
 * Reads the journal that counts: the newest one with a mutation. An older one was made part of the
 * snapshots before the newer one got its first mutation; a newer one without any was begun by a
 * checkpoint that may not have come to its end.
 */
export function readOverlaySync(port: FilePort, paths: StorePaths): JournalOverlay {
  let newestTorn: TornLine | undefined;
  for (const number of journalNumbersSync(port, paths.directory)) {
    const path = paths.journal(number);
    const { mutations, torn } = readJournalSync(port, path);
    newestTorn ??= torn;
    if (mutations.length > 0) return overlayOf(mutations, { path, torn: newestTorn });
  }
  return overlayOf([], { path: paths.directory, torn: newestTorn });
}

/** What mutations say together; `path` is named where they do not fit. */
export function overlayOf(
  mutations: readonly Mutation[],
  { path, torn }: { path: string; torn: TornLine | undefined },
): JournalOverlay {
  const overlay: JournalOverlay = {
    isEmpty: mutations.length === 0,
    createdRuntime: mutations[0]?.created_runtime,
    counters: mutations.at(-1)?.runtime,
    diagnostics: mutations.flatMap(({ diagnostics = [] }) => diagnostics),
    bundles: mutations.flatMap(({ config_bundles = [] }) => config_bundles),
    createdWorkers: new Map(),
    changedWorkers: new Map(),
    logs: collectLogs(mutations, path),
    torn,
  };
  for (const { created_workers = [], workers = [] } of mutations) {
    for (const worker of created_workers) overlay.createdWorkers.set(worker.worker_id, worker);
    for (const change of workers) overlay.changedWorkers.set(change.worker_id, change);
  }
  return overlay;
}

function collectLogs(mutations: readonly Mutation[], path: string): Map<string, JournaledLog> {
  const chunks = new Map<string, { start: number; end: number; chunks: Uint8Array[] }>();
  for (const [index, { logs = [] }] of mutations.entries()) {
    for (const { file, offset, lines } of logs) {
      const bytes = encodeUtf8(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
      const log = chunks.get(file) ?? { start: offset, end: offset, chunks: [] };
      if (log.end !== offset) {
        const problem = `line ${index + 2}: ${file} goes on at ${offset} instead of ${log.end}`;
        throw storeCorruptError({ operation: "read journal", path }, { problem, line: index + 2 });
      }
      log.end += bytes.length;
      log.chunks.push(bytes);
      chunks.set(file, log);
    }
  }
  return new Map(
    Array.from(chunks, ([file, log]) => [
      file,
      { start: log.start, bytes: joinBytes(log.chunks) },
    ]),
  );
}

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
