import { checkTypes } from "../_internal/errors.ts";
import {
  denoFilePort,
  type FilePort,
  itemsOfSteps,
  itemsOfStepsSync,
  readRangeSync,
  sizeOf,
  Step,
} from "../_internal/file_port.ts";
import { firstLines, linePiecesSync, linePieceSteps } from "../_internal/json_lines.ts";
import { lastLineEndSync } from "../_internal/line_file.ts";
import { leadsToSync } from "../_internal/lock.ts";
import { absoluteRoot } from "../_internal/root_layout.ts";
import { NEWLINE } from "../_internal/text.ts";
import { decodeLines, inOrder, isBlankLine, leavable } from "../_internal/event_codec.ts";
import { malformedError, wrapIo } from "./event_log_error.ts";
import type { RunEvent } from "./run_event.ts";
import { isLive } from "./runs_directory.ts";
import {
  ChangeWatcher,
  locateSync,
  openForReading,
  openInPlaceOf,
  type OpenRun,
  type OtherLines,
  readingOf,
  readingToEndOf,
  RunReader,
  sleep,
} from "./run_reader.ts";
import type {
  Cursor,
  EventPage,
  FollowOptions,
  Gap,
  ReadAfter,
  ReadOptions,
  StandardSchema,
  Stored,
} from "./types.ts";

/** The ways to read a run: whole, by pages, only its ends, and as it grows. */

/** Options of {@linkcode readRun}. */
export interface ReadRunOptions<E> {
  /**
   * Where to begin.
   *
   * @default {0}
   */
  after?: ReadAfter;
  /**
   * Throw at the first bad line instead of returning gaps; blank lines are passed over, and a last line
   * that is whole but for its newline is delivered, though `next` stands before it.
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
 * a gap of its page and costs nobody else (OLG-5 is what `strict` does). It ends where the log ended when
 * it began: what others append meanwhile is behind `next` of the last page.
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
    const reading = readingToEndOf(opened, reader.position.byteOffset, BLOCK_BYTES);
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
/** A page of more lines is read as a whole run is. */
const SMALL_PAGE = 1000;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;

/** A run, and which of its files of lines is meant: its events by default. */
export interface LinesOf {
  root: string;
  runId: string;
  lines?: OtherLines | undefined;
}

/** Reads one page of a run, at the cost of the page. */
export function readPageSync<E>(
  port: FilePort,
  run: LinesOf & { schema?: StandardSchema<E> | undefined },
  options: ReadOptions,
): EventPage<E> {
  checkTypes(options, { limit: "number?" });
  const limit = options.limit ?? DEFAULT_LIMIT;
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new RangeError(`Cannot read ${limit} lines: limit must be from 1 to ${MAX_LIMIT}`);
  }
  const opened = openForReading(port, run.root, run.runId, run.lines);
  try {
    return wrapIo(opened.paths.events, () => {
      const reader = new RunReader<E>(opened, { after: options.after, schema: run.schema });
      const start = reader.position.byteOffset;
      const page: EventPage<E> = { events: [], gaps: [], next: "", hasMore: false };
      let left = limit;
      const blockBytes = limit > SMALL_PAGE ? BLOCK_BYTES : PAGE_BLOCK_BYTES;
      for (const piece of linePiecesSync(opened.file, { start, blockBytes })) {
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
  const size = sizeOf(file);
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

/** Options of {@linkcode followRun}. */
export interface FollowRunOptions<E> extends FollowOptions {
  /** Checks each event; what it refuses is a gap. */
  schema?: StandardSchema<E>;
  /**
   * End at the end of the run: behind a terminal event that no `pipe.started` follows, or when nobody has
   * the run open any more. A run that is gone on with later has to be followed anew.
   *
   * @default {false}
   */
  untilEnd?: boolean;
}

/**
 * Delivers the lines of a run that are there, then those that come, each once and in order. It
 * opens the log for reading only, so the run does not count as live because of it. A line that is
 * still being written is waited for. Nothing is polled busily: the file is watched, with a look
 * every second in case the file system tells nothing.
 *
 * Where an append fails halfway, on a full disk, lines of it may have been delivered before they
 * were taken back; what follows is then an error of kind `cursor`. What is delivered is what anybody
 * who begins to read finds: when another program moves, removes or replaces the file (`sed -i`, a
 * rotation of logs), it fails with kind `replaced`, unless the file that is there then says the same
 * as far as was delivered, with which it goes on; when the file is cut or written over where it is, with
 * kind `cursor`.
 *
 * It ends, without an error, when the signal aborts or the loop is left, and with `untilEnd` when the run
 * is over.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @typeParam E The events; by default the vocabulary of runs.
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @param options Where to begin, and when to end.
 * @returns The events, and the gaps between them.
 * @throws {TypeError} If the run id or the cursor is none.
 * @throws {EventLogError} `io` when there is no such log, `cursor` when the log is not the cursor's
 * or is rewound meanwhile, `replaced` when another file takes its place, `malformed` in strict reading.
 *
 * @example Usage
 * ```ts
 * import { followRun, openEventLog } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using log = await openEventLog<{ n: number }>({ root, runId: "demo" });
 * await log.append({ n: 1 });
 * for await (const item of followRun<{ n: number }>(root, "demo")) {
 *   assertEquals(item, { seq: 1, event: { n: 1 } });
 *   break;
 * }
 * ```
 */
export function followRun<E = RunEvent>(
  root: string,
  runId: string,
  options: FollowRunOptions<E> = {},
): AsyncIterableIterator<Stored<E> | Gap> {
  return followOnPort(denoFilePort, { root, runId }, options);
}

/** {@linkcode followRun} on a given file system. */
export function followOnPort<E>(
  port: FilePort,
  run: LinesOf,
  options: FollowRunOptions<E>,
): AsyncIterableIterator<Stored<E> | Gap> {
  checkTypes(options, { strict: "boolean?", signal: "object?", untilEnd: "boolean?" });
  const root = absoluteRoot(run.root);
  const open = () => openForReading(port, root, run.runId, run.lines);
  const isOpen = () => isLive(root, run.runId);
  return leavable((signal) => follow<E>(open, { ...options, signal, isOpen }), options.signal);
}

async function* follow<E>(
  open: () => OpenRun,
  options: FollowRunOptions<E> & { signal: AbortSignal; isOpen: () => Promise<boolean> },
): AsyncGenerator<Stored<E> | Gap, void> {
  let run = open();
  let after = options.after ?? 0;
  try {
    await using end = options.untilEnd ? new FollowedEnd(options.isOpen) : null;
    for (;;) {
      const come = yield* followFile(run, { ...options, after, end });
      if (come === undefined) return;
      const next = openInPlaceOf(run, open, come.byteOffset);
      run.file.close();
      run = next;
      after = come.cursor;
    }
  } finally {
    run.file.close();
  }
}

/** Follows a file until there is no more to follow, or another file has its place: returns how far it came. */
async function* followFile<E>(
  run: OpenRun,
  options: FollowRunOptions<E> & { signal: AbortSignal; end: FollowedEnd | null },
): AsyncGenerator<Stored<E> | Gap, { cursor: Cursor; byteOffset: number } | undefined> {
  const { signal, end } = options;
  const change = end === null ? signal : AbortSignal.any([signal, end.closed]);
  const path = run.paths.events;
  const opened = wrapIo(path, () => run.file.statSync());
  using watcher = new ChangeWatcher(path);
  const reader = new RunReader<E>(run, { ...options, strict: false });
  let cursor = reader.cursor();
  const isInPlace = () => wrapIo(path, () => leadsToSync(run.port, path, opened));
  while (!signal.aborted) {
    end?.check();
    // Asked before it reads, so that all that was written until then is read.
    const isClosed = end?.closed.aborted;
    const reading = readingOf(run, reader.position.byteOffset, BLOCK_BYTES);
    for (const piece of linePiecesSync(run.file, reading)) {
      // Both behind the read: then it was read from the log, and before a failed append was cut back.
      if (!isInPlace()) return { cursor, byteOffset: reader.position.byteOffset };
      wrapIo(path, () => locateSync(run.file, { path, after: cursor }));
      if (piece.kind === "end") break;
      const decoded = wrapIo(path, () => reader.lines(piece));
      cursor = reader.cursor();
      for (const item of inOrder(decoded)) {
        if (options.strict && "reason" in item && !isBlankLine(item)) {
          throw malformedError(path, item);
        }
        end?.take(item);
        yield item;
        if (signal.aborted) return undefined;
      }
    }
    if (isClosed) yield* wrapIo(path, () => reader.tail());
    if (end !== null && (isClosed || end.hasEnd)) return await end.finish();
    await watcher.wait(change);
  }
  return undefined;
}

/** How often to ask whether anybody still works on a run: the system notifies nobody. */
const LIVE_POLL_MS = 500;

/** Knows when there is nothing more to follow: the run has its end, or nobody has it open any more. */
class FollowedEnd implements AsyncDisposable {
  readonly #over = new AbortController();
  readonly #closed = new AbortController();
  readonly #watching: Promise<void>;
  #hasEnd = false;
  #failure: { error: unknown } | undefined;

  /** `isOpen`: whether anybody has the run open. */
  constructor(isOpen: () => Promise<boolean>) {
    this.#watching = this.#watch(isOpen);
  }

  /** Aborts when nobody has the run open any more: what is there then is all that comes. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Whether the last thing that an event said of the run as a whole is that it has ended. */
  get hasEnd(): boolean {
    return this.#hasEnd;
  }

  /** Takes what was delivered. */
  take(item: Stored<unknown> | Gap): void {
    if (!("event" in item)) return;
    const { type } = item.event as { type?: unknown };
    if (type === "pipe.started") this.#hasEnd = false;
    if (type === "pipe.completed" || type === "pipe.aborted") this.#hasEnd = true;
  }

  /** Throws when it could not be found out whether anybody has the run open. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** There is nothing more to follow; throws as {@linkcode FollowedEnd.check} does. */
  async finish(): Promise<undefined> {
    await this[Symbol.asyncDispose]();
    this.check();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#watching;
  }

  async #watch(isOpen: () => Promise<boolean>): Promise<void> {
    const { signal } = this.#over;
    try {
      while (!signal.aborted && await isOpen()) await sleep(LIVE_POLL_MS, signal);
    } catch (error) {
      this.#failure = { error };
    }
    this.#closed.abort();
  }
}
