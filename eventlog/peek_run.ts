import { denoFilePort } from "../_internal/file_port.ts";
import { linePiecesSync } from "../_internal/json_lines.ts";
import { lastLineEndSync, readRangeSync } from "../_internal/tail.ts";
import { decodeLines } from "./decode_lines.ts";
import { wrapIo } from "./event_log_error.ts";
import type { RunEvent } from "./run_event.ts";
import { firstLines, openForReading, type OpenRun } from "./run_reader.ts";

/** The ends of a run's log. */
export interface RunPeek<E> {
  /** The first event, and the last ones, in order. */
  events: E[];
  /** Whether these are all lines of the log. */
  whole: boolean;
  /** Bytes of the log. */
  size: number;
}

const FIRST_BLOCK_BYTES = 4096;
const DEFAULT_TAIL_BYTES = 64 * 1024;
const NEWLINE = 10;

/**
 * Reads the first line of a run and the whole lines of its last 64 KiB, so that many runs can be
 * listed at a price that does not grow with them. Damaged lines are left out.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @typeParam E The events; by default the vocabulary of runs.
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @returns The events at both ends.
 * @throws {TypeError} If the run id is not allowed.
 * @throws {EventLogError} `io` when there is no such log, `format` when a newer version wrote it.
 *
 * @example Usage
 * ```ts
 * import { openEventLog, peekRun } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using log = await openEventLog<{ n: number }>({ root, runId: "demo" });
 * await log.appendAll([{ n: 1 }, { n: 2 }]);
 * const { events, whole } = await peekRun<{ n: number }>(root, "demo");
 * assertEquals(events, [{ n: 1 }, { n: 2 }]);
 * assertEquals(whole, true);
 * ```
 */
// deno-lint-ignore require-await -- two reads at once are faster; the signature stays free
export async function peekRun<E = RunEvent>(root: string, runId: string): Promise<RunPeek<E>> {
  const run = openForReading(denoFilePort, root, runId);
  try {
    return wrapIo(run.paths.events, () => peek<E>(run));
  } finally {
    run.file.close();
  }
}

function peek<E>({ file }: OpenRun): RunPeek<E> {
  const size = file.seekSync(0, Deno.SeekMode.End);
  const end = lastLineEndSync(file, size);
  const from = Math.max(0, end - DEFAULT_TAIL_BYTES);
  if (from === 0) return { events: eventsOf(readRangeSync(file, 0, end)), whole: true, size };
  // One byte more tells whether a line begins right there.
  const tail = readRangeSync(file, from - 1, end);
  const last = eventsOf<E>(tail.subarray(tail.indexOf(NEWLINE) + 1));
  return { events: [...firstEvent<E>(file), ...last], whole: false, size };
}

function firstEvent<E>(file: OpenRun["file"]): E[] {
  const piece = linePiecesSync(file, { start: 0, blockBytes: FIRST_BLOCK_BYTES }).next().value;
  return piece.kind === "lines" ? eventsOf<E>(firstLines(piece, 1).bytes) : [];
}

function eventsOf<E>(read: Uint8Array): E[] {
  // A failed append may have been cut back since the end was looked for.
  const bytes = read.subarray(0, read.lastIndexOf(NEWLINE) + 1);
  const block = { kind: "lines", bytes, byteOffset: 0, skippedNuls: 0 } as const;
  return decodeLines<E>(block, { firstSeq: 1 }).events.map(({ event }) => event);
}
