import { directoryOfId, type RuntimePaths } from "../../_internal/root_layout.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { workerIdOf } from "../state/store_state.ts";
import { storeCorruptError } from "../store_errors.ts";
import type { Finding } from "./store_problem.ts";

/**
 * Compares the counters of a runtime with the last number that was found of what they count. Opening
 * finds it in the last line of each log and goes on with it, verifying in all lines: so each finding
 * is also the error that opening tells, which says how it goes on.
 */

/** What does not fit, as verifying and as opening say it. */
export interface CounterFinding extends Finding {
  error: RuntimeStoreError;
}

/** What was found, and the counter that must be greater by one. */
export interface Count {
  last: number;
  next: number;
}

/** How many missing workers are named. */
const NAMED_MISSING = 100;

/** Compares the events with `next_event_id`. */
export function eventCounterFindings(
  paths: RuntimePaths,
  { last, next, isThere = true }: Count & { isThere?: boolean },
): CounterFinding[] {
  if (last === next - 1) return [];
  const path = paths.log(paths.events);
  const place = { operation: "read events", path } as const;
  const behind = `the last event is ${last}, and runtime.json knows of ${next - 1}`;
  if (last < next) {
    const lost = isThere ? `the last event is ${last}` : "there is no such file";
    const error = storeCorruptError(place, {
      problem: `${lost}, and events up to ${next - 1} were recorded`,
      remedy: "new events go on behind the gap",
    });
    return [{ kind: "lost", path, message: behind, error }];
  }
  return [{
    kind: "counter",
    path: paths.snapshot,
    message: `next_event_id is ${next}, and there is an event ${last}`,
    fix: {
      action: "change-runtime",
      path: paths.snapshot,
      changes: { next_event_id: last + 1 },
    },
    error: storeCorruptError(place, { problem: `${behind}: its journal was lost` }),
  }];
}

/** Compares a transcript with the `next_transcript_sequence` of its worker. */
export function transcriptCounterFindings(
  paths: RuntimePaths,
  { last, next, workerId, directory }: Count & { workerId: string; directory: string },
): CounterFinding[] {
  if (last === next - 1) return [];
  const path = paths.transcriptIn(directory);
  const message = `the last entry is ${last}, and worker.json knows of ${next - 1}`;
  const isBehind = last < next;
  const error = storeCorruptError({ operation: "read transcript", path }, {
    problem: message,
    remedy: isBehind ? "new entries go on behind the gap" : "new entries go on behind it",
  });
  if (isBehind) return [{ kind: "lost", path, message, error }];
  const snapshot = paths.snapshotIn(directory);
  return [{
    kind: "counter",
    path: snapshot,
    message: `next_transcript_sequence is ${next}, and there is an entry ${last}`,
    fix: {
      action: "change-worker",
      path: snapshot,
      workerId,
      changes: { next_transcript_sequence: last + 1 },
    },
    error,
  }];
}

/**
 * Compares the numbers of the workers with `next_worker_sequence`: every number below it has been given
 * to a worker, and none from it on.
 */
export function workerCounterFindings(
  { workers: path, snapshot }: RuntimePaths,
  { last, next, numbers }: Count & { numbers: ReadonlySet<number> },
): CounterFinding[] {
  const place = { operation: "read workers", path } as const;
  const findings: CounterFinding[] = [];
  if (last >= next) {
    findings.push({
      kind: "counter",
      path: snapshot,
      message: `next_worker_sequence is ${next}, and there was a worker ${last}`,
      fix: {
        action: "change-runtime",
        path: snapshot,
        changes: { next_worker_sequence: last + 1 },
      },
      error: storeCorruptError(place, {
        problem: `there is ${workerIdOf(last)}, and runtime.json knows of ${next - 1} workers`,
        remedy: "new workers are numbered behind it",
      }),
    });
  }
  for (const number of missingIn(numbers, Math.max(last + 1, next))) {
    const id = workerIdOf(number);
    findings.push({
      kind: "lost",
      path,
      message: `there is no directory of ${id} (${directoryOfId(id)}), which was created`,
      error: storeCorruptError(place, {
        problem: `there is no directory of ${id}, which was created`,
        remedy: "its number is not given out again",
      }),
    });
  }
  return findings;
}

/** The first numbers from 1 on that are missing; the common case, none, costs no walk. */
function missingIn(numbers: ReadonlySet<number>, next: number): number[] {
  const missing: number[] = [];
  // A foreign id counts as 0.
  const known = numbers.size - (numbers.has(0) ? 1 : 0);
  for (let number = 1; number < next && missing.length < NAMED_MISSING; number++) {
    if (known >= next - 1) break;
    if (!numbers.has(number)) missing.push(number);
  }
  return missing;
}
