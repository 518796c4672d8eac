import { eventLog, type LogCodec, transcriptLog } from "../files/log_codecs.ts";
import { LogBytes, logLines, parseLine, readLogEnd, seekNumber } from "../files/log_lines.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import type { RuntimeCounters } from "../files/snapshots.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { storeCorruptError } from "../store_errors.ts";
import { damagedMutationError } from "./journal_file.ts";
import type { UnappliedMutations } from "./unapplied_mutations.ts";

/**
 * Compares a journal with what else is on disk. Nothing reaches a log before its mutation is on disk in
 * the journal, and no snapshot is newer than the journal: what either knows and the journal does not was
 * acknowledged, and the journal has lost it.
 */

/** What else is on disk. */
export interface BesideJournal {
  /** What `runtime.json` says; undefined without one. */
  recorded: RuntimeCounters | undefined;
  /** How big the file of a log is; undefined when there is none. */
  sizeOf: (name: string) => number | undefined;
}

/** Refuses a journal that lacks what was acknowledged, or that belongs to an older state. */
export function checkJournal(
  folder: RuntimeFolder,
  unapplied: UnappliedMutations,
  { recorded, sizeOf }: BesideJournal,
): void {
  const { end, torn = end, counters, logs } = unapplied;
  // Without any journal the logs speak for themselves.
  if (end === undefined || torn === undefined) return;
  if (counters !== undefined && recorded !== undefined) checkAge(end.path, counters, recorded);
  const next = (counters ?? recorded)?.next_event_id ?? 1;
  if (hasRecordBehind(eventLog, { name: folder.events, last: next - 1 })) {
    throw damagedMutationError(torn);
  }
  for (const name of logs.keys()) {
    if (name === folder.events) continue;
    const last = lastNumberIn(name, unapplied);
    if (hasRecordBehind(transcriptLog, { name, last })) throw damagedMutationError(torn);
  }

  function hasRecordBehind(
    codec: LogCodec<unknown>,
    { name, last }: { name: string; last: number },
  ): boolean {
    const fileEnd = sizeOf(name) ?? 0;
    const log = logs.get(name);
    // A file that is no longer than the journal makes it has nothing of its own.
    if (fileEnd === 0 || (log !== undefined && fileEnd <= log.start + log.bytes.length)) {
      return false;
    }
    const bytes = LogBytes.open({ folder, path: folder.log(name), fileEnd });
    return bytes.use(() => findRecordBehind(bytes, { codec, last }) !== undefined);
  }
}

/** The number of the last record that the journal has for a log. */
export function lastNumberIn(name: string, { logs }: UnappliedMutations): number {
  const bytes = LogBytes.of(name, logs.get(name)!.bytes);
  return readLogEnd(bytes, transcriptLog).lastNumber ?? 0;
}

/**
 * Where the first record with a number above `last` begins; undefined without one. Where the log ends in
 * a record, as nearly always, its last line tells.
 */
export function findRecordBehind(
  log: LogBytes,
  { codec, last }: { codec: LogCodec<unknown>; last: number },
): number | undefined {
  const { lastNumber } = readLogEnd(log, codec);
  if (lastNumber !== undefined && lastNumber <= last) return undefined;
  const start = seekNumber(log, { codec, wanted: last + 1 });
  for (const line of logLines(log, codec, { start })) {
    const verdict = parseLine(line, codec);
    if ("record" in verdict && codec.numberOf(verdict.record) > last) return line.start;
  }
  return undefined;
}

/** A journal is made part of `runtime.json` only as a whole, and is never older than that. */
function checkAge(path: string, counters: RuntimeCounters, recorded: RuntimeCounters): void {
  const names = ["next_event_id", "next_worker_sequence", "next_diagnostic_id"] as const;
  const older = names.find((name) => counters[name] < recorded[name]);
  if (older !== undefined) throw staleJournalError(path, { name: older, counters, recorded });
}

function staleJournalError(
  path: string,
  { name, counters, recorded }: {
    name: Exclude<keyof RuntimeCounters, "status">;
    counters: RuntimeCounters;
    recorded: RuntimeCounters;
  },
): RuntimeStoreError {
  const [actual, expected] = [counters[name], recorded[name]];
  return storeCorruptError({ operation: "read journal", path }, {
    problem: `it ends with ${name} ${actual}, and runtime.json has ${expected} already: ` +
      "it is an older journal than the one that belongs here",
    expected,
    actual,
  });
}
