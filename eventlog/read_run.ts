import {
  denoFilePort,
  type FilePort,
  itemsOfSteps,
  itemsOfStepsSync,
  readRangeSync,
  Step,
} from "../_internal/file_port.ts";
import { firstLines, linePiecesSync, linePieceSteps } from "../_internal/json_lines.ts";
import { lastLineEndSync } from "../_internal/line_file.ts";
import { checkTypes } from "../_internal/check.ts";
import { NEWLINE } from "../_internal/text.ts";
import { decodeLines } from "./event_codec.ts";
import { wrapIo } from "./event_log_error.ts";
import type { RunEvent } from "./run_event.ts";
import { openForReading, type OpenRun, readingOf, RunReader } from "./run_reader.ts";
import type { EventPage, ReadAfter, ReadOptions, StandardSchema } from "./types.ts";

/** Options of {@linkcode readRun}. */
export interface ReadRunOptions<E> {
  /**
   * Where to begin.
   *
   * @default {0}
   */
  after?: ReadAfter;
  /**
   * Throw at the first bad line instead of returning gaps; blank lines are passed over.
   *
   * @default {false}
   */
  strict?: boolean;
  /** Checks each event; what it refuses is a gap. */
  schema?: StandardSchema<E>;
  /** Stops the reading, with its reason as the error. */
  signal?: AbortSignal;
}

const BLOCK_BYTES = 256 * 1024;

/**
 * Reads a whole run in pages of about 256 KiB. It streams: memory does not grow with the log. It
 * takes no lock, changes nothing, and never fails because of a writer beside it; a damaged line is
 * a gap of its page and costs nobody else (OLG-5 is what `strict` does).
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @typeParam E The events; by default the vocabulary of runs.
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @param options Where to begin, and what to do with bad lines.
 * @returns The pages.
 * @throws {TypeError} If the run id or the cursor is none.
 * @throws {EventLogError} `io` when there is no such log, `cursor` when it is not the cursor's log,
 * `malformed` in strict reading, `format` when a newer version wrote it.
 *
 * @example Usage
 * ```ts
 * import { openEventLog, readRun } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using log = await openEventLog<{ n: number }>({ root, runId: "demo" });
 * await log.appendAll([{ n: 1 }, { n: 2 }]);
 *
 * for await (const page of readRun<{ n: number }>(root, "demo")) {
 *   assertEquals(page.events, [{ seq: 1, event: { n: 1 } }, { seq: 2, event: { n: 2 } }]);
 * }
 * ```
 */
export function readRun<E = RunEvent>(
  root: string,
  runId: string,
  options: ReadRunOptions<E> = {},
): AsyncGenerator<EventPage<E>, void> {
  return itemsOfSteps(pageSteps({ root, runId }, options));
}

/**
 * {@linkcode readRun}, blocking: a tenth faster, for scripts and command lines.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @typeParam E The events; by default the vocabulary of runs.
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @param options Where to begin, and what to do with bad lines.
 * @returns The pages.
 * @throws {TypeError} If the run id or the cursor is none.
 * @throws {EventLogError} As {@linkcode readRun}.
 *
 * @example Usage
 * ```ts
 * import { openEventLogSync, readRunSync } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * using log = openEventLogSync<{ n: number }>({ root, runId: "demo" });
 * log.appendSync({ n: 1 });
 *
 * const pages = [...readRunSync<{ n: number }>(root, "demo")];
 * assertEquals(pages[0]?.events, [{ seq: 1, event: { n: 1 } }]);
 * ```
 */
export function readRunSync<E = RunEvent>(
  root: string,
  runId: string,
  options: ReadRunOptions<E> = {},
): Generator<EventPage<E>, void> {
  return itemsOfStepsSync(pageSteps({ root, runId }, options));
}

function* pageSteps<E>(
  { root, runId }: { root: string; runId: string },
  options: ReadRunOptions<E>,
): Generator<Step | EventPage<E>, void, void> {
  checkTypes(options, { strict: "boolean?", signal: "object?" });
  const opened = openForReading(denoFilePort, root, runId);
  try {
    options.signal?.throwIfAborted();
    const reader = new RunReader<E>(opened, options);
    const reading = readingOf(opened, reader.position.byteOffset, BLOCK_BYTES);
    for (const piece of linePieceSteps(opened.file, reading)) {
      if (piece instanceof Step) {
        yield piece;
        continue;
      }
      options.signal?.throwIfAborted();
      const page = wrapIo(opened.paths.events, () => reader.page(piece));
      if (page !== undefined) yield page;
      if (piece.kind === "end") return;
    }
  } finally {
    opened.file.close();
  }
}

const PAGE_BLOCK_BYTES = 32 * 1024;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;

/** Reads one page of a run, at the cost of the page. */
export function readPageSync<E>(
  port: FilePort,
  run: { root: string; runId: string; schema?: StandardSchema<E> | undefined },
  options: ReadOptions,
): EventPage<E> {
  checkTypes(options, { limit: "number?" });
  const limit = options.limit ?? DEFAULT_LIMIT;
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new RangeError(`Cannot read ${limit} lines: limit must be from 1 to ${MAX_LIMIT}`);
  }
  const opened = openForReading(port, run.root, run.runId);
  try {
    return wrapIo(opened.paths.events, () => {
      const reader = new RunReader<E>(opened, { after: options.after, schema: run.schema });
      const start = reader.position.byteOffset;
      const page: EventPage<E> = { events: [], gaps: [], next: "", hasMore: false };
      let left = limit;
      for (const piece of linePiecesSync(opened.file, { start, blockBytes: PAGE_BLOCK_BYTES })) {
        const wanted = piece.kind === "lines" ? firstLines(piece, left) : piece;
        const { events, gaps, lines } = reader.lines(wanted);
        page.events.push(...events);
        page.gaps.push(...gaps);
        left -= lines;
        if (left === 0 || piece.kind === "end") break;
      }
      page.next = reader.cursor();
      page.hasMore = left === 0 && reader.hasMore();
      if (left === 0 && !page.hasMore) page.gaps.push(...reader.tail());
      return page;
    });
  } finally {
    opened.file.close();
  }
}

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
