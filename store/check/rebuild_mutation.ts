import { eventLog, type LogCodec, transcriptLog } from "../files/log_codecs.ts";
import { LogBytes, logLines, parseLine } from "../files/log_lines.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import type { RuntimeCounters, WorkerChange, WorkerSnapshot } from "../files/snapshots.ts";
import { findRecordBehind, lastNumberIn } from "../journal/check_journal.ts";
import { encodeMutation, type LogLines } from "../journal/mutation_record.ts";
import type { UnappliedMutations } from "../journal/unapplied_mutations.ts";
import type { RuntimeFiles } from "../runtime/load_runtime.ts";
import { EventEffects } from "../state/event_effects.ts";
import { changeOf } from "../state/store_state.ts";

/**
 * Makes, of what logs have and a damaged journal lost, the mutation that it lost: one line that stands
 * for all of them. What left nothing in the logs nobody knows: stored config bundles, and what new
 * workers were made from.
 */

/** A mutation for the end of a journal. */
interface RebuiltMutation {
  /** Its line; undefined when the logs have nothing that the journal lacks. */
  line: Uint8Array | undefined;
  /** The logs that have something; their files are cut and written again when the journal is redone. */
  logs: string[];
}

/** Undefined when nobody knows what the runtime was before. */
export function rebuildMutation(
  files: RuntimeFiles,
  { evidence }: { evidence: string },
): RebuiltMutation | undefined {
  const unapplied = files.unapplied.found;
  const base = files.runtime.found ?? unapplied?.createdRuntime;
  if (unapplied === undefined || base === undefined) return undefined;
  const { folder } = files;
  const { status, next_worker_sequence, next_event_id, next_diagnostic_id } = unapplied.counters ??
    base;
  const late = new LateRecords(folder, unapplied);
  const last = next_event_id - 1;
  const effects = new EventEffects({ lastEventId: last, lastWorker: next_worker_sequence - 1 });
  const events = late.take(eventLog, { name: folder.events, size: files.events.found, last });
  for (const event of events) effects.add(event);
  const sizes = new Map(files.workers.map(({ directoryId, transcript: { found } }) => {
    return [folder.transcript(directoryId), found];
  }));
  const unclaimed = new Set(unapplied.logs.keys());
  unclaimed.delete(folder.events);
  const workers = currentWorkers(files, unapplied).map((worker): WorkerChange => {
    const changed = { ...changeOf(worker), ...effects.changesOf(worker) };
    const { worker_id, next_transcript_sequence: next } = worker;
    const name = folder.transcript(worker_id);
    const size = sizes.get(name);
    unclaimed.delete(name);
    for (const entry of late.take(transcriptLog, { name, size, last: next - 1 })) {
      effects.lastEventId = Math.max(effects.lastEventId, entry.event_id);
      changed.next_transcript_sequence = Math.max(next, entry.sequence + 1);
    }
    const isStopped = effects.isStopped && changed.status === "running";
    return isStopped ? { ...changed, status: "stopped" } : changed;
  });
  // The transcript of a worker whose snapshot was lost as well: until it is quarantined it counts.
  for (const name of unclaimed) {
    late.take(transcriptLog, { name, size: sizes.get(name), last: lastNumberIn(name, unapplied) });
  }
  if (late.logs.length === 0) return { line: undefined, logs: [] };
  const runtime: RuntimeCounters = {
    status: effects.isStopped ? "stopped" : status,
    next_worker_sequence: effects.lastWorker + 1,
    next_event_id: effects.lastEventId + 1,
    next_diagnostic_id: next_diagnostic_id + 1,
  };
  const message =
    "the journal was damaged: what the logs have of its last mutations was kept, and " +
    `the journal as it was is ${evidence}`;
  const code = "runtime.journal_rebuilt";
  const { count } = unapplied;
  const line = encodeMutation({
    sequence: count + 1,
    synced: count,
    runtime,
    diagnostics: [{ id: next_diagnostic_id, severity: "warning", code, message }],
    workers,
  }, late.logs);
  return { line, logs: late.logs.map(({ file }) => file) };
}

/** The workers as the journal leaves them. */
function currentWorkers(
  { folder, workers }: RuntimeFiles,
  { createdWorkers, changedWorkers }: UnappliedMutations,
): WorkerSnapshot[] {
  const snapshots = new Map(createdWorkers);
  for (const { directoryId, snapshot: { found } } of workers) {
    if (found?.worker_id === directoryId && found.worker_ref.runtime_id === folder.runtimeId) {
      snapshots.set(directoryId, found);
    }
  }
  return Array.from(snapshots, ([id, snapshot]) => ({ ...snapshot, ...changedWorkers.get(id) }));
}

/** What logs have behind what snapshots and journal know of. */
class LateRecords {
  readonly #folder: RuntimeFolder;
  readonly #known: UnappliedMutations["logs"];
  /** As a mutation has them. */
  readonly logs: LogLines<string>[] = [];

  constructor(folder: RuntimeFolder, { logs }: UnappliedMutations) {
    this.#folder = folder;
    this.#known = logs;
  }

  /** The records of one log with numbers above `last`; the log is `size` bytes long. */
  take<T>(
    codec: LogCodec<T>,
    { name, size: fileEnd = 0, last }: { name: string; size: number | undefined; last: number },
  ): T[] {
    const folder = this.#folder;
    const known = this.#known.get(name);
    const log = LogBytes.open({ folder, path: folder.log(name), fileEnd });
    return log.use(() => {
      const start = findRecordBehind(log, { codec, last });
      if (start === undefined) return [];
      const records: T[] = [];
      for (const line of logLines(log, codec, { start })) {
        const verdict = parseLine(line, codec);
        if ("record" in verdict) records.push(verdict.record);
      }
      const offset = known === undefined ? start : known.start + known.bytes.length;
      this.logs.push({ file: name, offset, lines: records.map((record) => codec.print(record)) });
      return records;
    });
  }
}
