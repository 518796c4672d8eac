import { checkTypes } from "../_internal/errors.ts";
import {
  type FileHandle,
  type FilePort,
  isNotFound,
  lookAtSync,
  openRegularSync,
  readRangeSync,
  runStepsSync,
  sizeOf,
} from "../_internal/file_port.ts";
import {
  countLinesSync,
  endOfPiece,
  type LineBlock,
  type LinePiece,
  linePiecesSync,
  type LineReading,
  MAX_LINE_BYTES,
  startsWith,
} from "../_internal/json_lines.ts";
import { lastLineEndSync } from "../_internal/line_file.ts";
import { closeLock, tryUntilDeadline, unlock } from "../_internal/lock.ts";
import { isWindows } from "../_internal/path.ts";
import { lockBesidePath, type RunPaths, runPaths } from "../_internal/root_layout.ts";
import { crc32, encodeUtf8, joinBytes, NEWLINE } from "../_internal/text.ts";
import {
  checkSchema,
  type DecodedLines,
  decodeLines,
  type FileGap,
  isBlankLine,
  judgeLine,
  longLineGap,
  newlineRestGap,
  type Verdict,
} from "../_internal/event_codec.ts";
import {
  asModuleError,
  EventLogError,
  eventLogError,
  malformedError,
  wrapIo,
} from "./event_log_error.ts";
import { checkRunFormatSync, refuseLinksSync } from "../_internal/run_folder.ts";
import type { Cursor, EventPage, Gap, ReadAfter, StandardSchema } from "./types.ts";

/**
 * What all readers of a log share: opening it, finding a place in it, and turning lines into events and
 * gaps. Nothing here changes a file or waits for a writer longer than a moment.
 */

/** A run whose log is open for reading. */
export interface OpenRun {
  port: FilePort;
  paths: RunPaths;
  file: FileHandle;
}

/** The files of lines that a run has besides its events. */
export type OtherLines = "capture" | "processes" | "inbox";

/** Where the lines of a run are read from, as if they were its events. */
function linePaths(paths: RunPaths, lines: OtherLines): RunPaths {
  const path = { capture: paths.journal, processes: paths.processes, inbox: paths.inbox }[lines];
  return { ...paths, events: path, eventsLock: lockBesidePath(path) };
}

/**
 * Opens a run's log, or another of its files of lines, for reading, which changes nothing and waits for
 * nobody.
 */
export function openForReading(
  port: FilePort,
  root: string,
  runId: string,
  lines?: OtherLines,
): OpenRun {
  const run = runPaths(root, runId);
  const paths = lines === undefined ? run : linePaths(run, lines);
  return wrapIo(paths.events, () => {
    refuseLinksSync(port, [paths.directory]);
    checkRunFormatSync(port, paths);
    return { port, paths, file: openRegularSync(port, paths.events, { read: true }) };
  });
}

/**
 * Opens the file that has taken the place of an open one. It must say the same as far as was read, as a
 * copy does that a layered file system makes of a file when it is first written to.
 */
export function openInPlaceOf(old: OpenRun, open: () => OpenRun, byteOffset: number): OpenRun {
  const path = old.paths.events;
  const run = openAgain(path, open);
  try {
    if (wrapIo(path, () => beginAlikeSync(old.file, run.file, byteOffset))) return run;
    throw replacedError(path, "another file has taken its place");
  } catch (error) {
    run.file.close();
    throw error;
  }
}

function openAgain(path: string, open: () => OpenRun): OpenRun {
  try {
    return open();
  } catch (error) {
    const isGone = error instanceof EventLogError && isNotFound(error.cause);
    throw isGone ? replacedError(path, "it was moved or removed") : error;
  }
}

function replacedError(path: string, what: string): EventLogError {
  const problem = `Cannot go on reading ${path}: ${what}`;
  const remedy = "read what is there from the beginning";
  return eventLogError("replaced", problem, { details: { path }, remedy });
}

/** Whether both files have the same first bytes, so many of them. */
function beginAlikeSync(one: FileHandle, other: FileHandle, length: number): boolean {
  for (let at = 0; at < length; at += SCAN_BYTES) {
    const end = Math.min(length, at + SCAN_BYTES);
    const bytes = readRangeSync(one, at, end);
    if (bytes.length < end - at) return false;
    if (!startsWith(readRangeSync(other, at, end), bytes)) return false;
  }
  return true;
}

/** How to read the lines of an open log; what the file system refuses is an error of this module. */
export function readingOf({ paths }: OpenRun, start: number, blockBytes: number): LineReading {
  return { start, blockBytes, failed: (cause) => asModuleError(paths.events, cause) };
}

/** {@linkcode readingOf} up to where the log ends now, as others may append faster than it is read. */
export function readingToEndOf(run: OpenRun, start: number, blockBytes: number): LineReading {
  const end = wrapIo(run.paths.events, () => sizeOf(run.file));
  return { ...readingOf(run, start, blockBytes), end };
}

/** A place in a log file: behind the line `seq`, where the next line begins. */
interface Position {
  seq: number;
  byteOffset: number;
}

const CHECKED_BYTES = 4096;
const SCAN_BYTES = 256 * 1024;

/**
 * A cursor carries the position and a checksum of it and of the line before, so that a log which was
 * rewound, another log, or a cursor that was edited, is noticed instead of read from a wrong place.
 */
function toCursor(file: FileHandle, position: Position): Cursor {
  const { seq, byteOffset } = position;
  const checksum = checksumAt(file, position) >>> 0;
  return `${seq}-${byteOffset}-${checksum.toString(16)}`;
}

/** The CRC-32 of a place and of the line before, or of its last 4 KiB; -1, which is none, where no line ends. */
function checksumAt(file: FileHandle, { seq, byteOffset }: Position): number {
  const bytes = readRangeSync(file, Math.max(0, byteOffset - CHECKED_BYTES), byteOffset);
  if (byteOffset > 0 && bytes.at(-1) !== NEWLINE) return -1;
  const lineStart = bytes.subarray(0, -1).lastIndexOf(NEWLINE) + 1;
  return crc32(joinBytes([encodeUtf8(`${seq}-${byteOffset}-`), bytes.subarray(lineStart)]));
}

/** The place before the first line of any log. */
export function startCursor(): Cursor {
  return `0-0-${(crc32(encodeUtf8("0-0-")) >>> 0).toString(16)}`;
}

/** Finds where to begin to read. */
export function locateSync(
  file: FileHandle,
  options: { path: string; after: ReadAfter | undefined },
): Position {
  const after = options.after ?? 0;
  if (after === "end") {
    const { lines, lineEnd } = countLinesSync(file, 0);
    return { seq: lines, byteOffset: lineEnd };
  }
  if (typeof after === "string") return fromCursor(file, { path: options.path, cursor: after });
  checkTypes({ after }, { after: "number" });
  if (!Number.isSafeInteger(after) || after < 0) {
    throw new RangeError(`Cannot read after seq ${after}: it must be a whole number from 0 on`);
  }
  return behindLine(file, { path: options.path, seq: after });
}

function fromCursor(file: FileHandle, options: { path: string; cursor: Cursor }): Position {
  const { path, cursor } = options;
  const match = /^(\d{1,16})-(\d{1,16})-([0-9a-f]{1,8})$/.exec(cursor);
  const position = { seq: Number(match?.[1]), byteOffset: Number(match?.[2]) };
  if (match === null || !isPossible(position)) {
    throw new TypeError(`Cannot read from ${JSON.stringify(cursor)}: no cursor`);
  }
  const size = sizeOf(file);
  if (size < position.byteOffset) throw rewoundError(path, position, size);
  if (checksumAt(file, position) !== parseInt(match[3]!, 16)) {
    throw rewoundError(path, position, size);
  }
  return position;
}

/** Each line has at least its newline. */
function isPossible({ seq, byteOffset }: Position): boolean {
  return seq === 0 ? byteOffset === 0 : byteOffset >= seq;
}

function rewoundError(path: string, position: Position, size: number): EventLogError {
  const { seq: line, byteOffset } = position;
  const problem = `Cannot go on reading ${path} behind seq ${line}: ` +
    "the cursor is of another log or was edited, or the log was rewound";
  return eventLogError("cursor", problem, {
    details: { path, line, byteOffset, actual: size },
    remedy: "read it from the beginning",
  });
}

function behindLine(file: FileHandle, { path, seq }: { path: string; seq: number }): Position {
  if (seq === 0) return { seq, byteOffset: 0 };
  let lines = 0;
  for (const piece of linePiecesSync(file, { start: 0, blockBytes: SCAN_BYTES })) {
    if (piece.kind === "end") break;
    if (piece.kind === "too-long") {
      if (++lines === seq) return { seq, byteOffset: endOfPiece(piece) };
      continue;
    }
    const { bytes, byteOffset, skippedNuls } = piece;
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) {
      if (++lines === seq) return { seq, byteOffset: byteOffset + skippedNuls + at + 1 };
    }
  }
  const message = `Cannot read ${path} after seq ${seq}: the log has ${lines} lines`;
  throw new EventLogError("cursor", message, { details: { path, expected: seq, actual: lines } });
}

const IN_FLIGHT_MS = 10;

/** What a reader reads, and from where. */
interface RunReaderOptions<E> {
  after?: ReadAfter | undefined;
  strict?: boolean | undefined;
  schema?: StandardSchema<E> | undefined;
}

/** Turns the pieces of an open log into pages; the one place where all readers meet. */
export class RunReader<E> {
  readonly #run: OpenRun;
  readonly #options: RunReaderOptions<E>;
  #position: Position;

  constructor(run: OpenRun, options: RunReaderOptions<E>) {
    this.#run = run;
    this.#options = options;
    checkSchema(options.schema);
    const { file, paths } = run;
    this.#position = wrapIo(
      paths.events,
      () => locateSync(file, { path: paths.events, after: options.after }),
    );
  }

  /** Behind the last line that was delivered. */
  get position(): Position {
    return this.#position;
  }

  /** The page of a piece; undefined when it has neither event nor gap. */
  page(piece: LinePiece): EventPage<E> | undefined {
    const { events, gaps } = this.lines(piece);
    if (events.length === 0 && gaps.length === 0) return undefined;
    const hasMore = piece.kind !== "end" && this.hasMore();
    return { events, gaps, next: this.cursor(), hasMore };
  }

  /** What the lines of a piece hold. The place moves behind them, but not behind a torn tail. */
  lines(piece: LinePiece): DecodedLines<E> {
    const decoded = this.#decode(piece);
    this.#position = {
      seq: this.#position.seq + decoded.lines,
      byteOffset: decoded.lines === 0 ? this.#position.byteOffset : endOfPiece(piece),
    };
    if (this.#options.strict) {
      const refused = decoded.gaps.find((gap) => !isBlankLine(gap));
      if (refused !== undefined) throw malformedError(this.#run.paths.events, refused);
    }
    return decoded;
  }

  /** Where the next page begins. */
  cursor(): string {
    const { file, paths } = this.#run;
    return wrapIo(paths.events, () => toCursor(file, this.#position));
  }

  /** Whether a whole line follows. One byte tells, unless the last line is torn or in flight. */
  hasMore(): boolean {
    const { file } = this.#run;
    const { byteOffset } = this.#position;
    const size = sizeOf(file);
    if (size <= byteOffset) return false;
    if (readRangeSync(file, size - 1, size)[0] === NEWLINE) return true;
    return lastLineEndSync(file, size, byteOffset) > byteOffset;
  }

  /** The gap of what stands behind the last line that was delivered, where no whole line follows. */
  tail(): Gap[] {
    const { byteOffset } = this.#position;
    const size = sizeOf(this.#run.file);
    return this.lines({ kind: "end", byteOffset, byteLength: Math.max(0, size - byteOffset) }).gaps;
  }

  #decode(piece: LinePiece): DecodedLines<E> {
    const firstSeq = this.#position.seq + 1;
    if (piece.kind === "too-long") {
      return { events: [], gaps: [longLineGap(piece, firstSeq)], lines: 1 };
    }
    if (piece.kind === "end") return piece.byteLength === 0 ? NOTHING : this.#tail(firstSeq);
    const options = { firstSeq, schema: this.#options.schema };
    const decoded = decodeLines<E>(piece, options);
    return decoded.gaps.length === 0 ? decoded : decodeLines<E>(this.#readAgain(piece), options);
  }

  /** A torn tail may have been moved aside while it was read; what it was mixed with is read anew. */
  #readAgain(block: LineBlock): LineBlock {
    const start = block.byteOffset + block.skippedNuls;
    const bytes = readRangeSync(this.#run.file, start, start + block.bytes.length);
    return bytes.at(-1) === NEWLINE ? { ...block, bytes } : block;
  }

  /**
   * What stands behind the last newline is torn, not in flight, when nobody holds the lock and it still
   * lacks its own. The locks are shared, so that readers keep nobody out but a writer, and that for a
   * moment.
   */
  #tail(seq: number): DecodedLines<E> {
    const { file, paths } = this.#run;
    const beside = wrapIo(paths.eventsLock, () => openLockBeside(this.#run));
    const locks = beside === undefined ? [] : [beside];
    // Where a lock keeps others from writing, nobody writes as long as the one beside it is held.
    if (!isWindows) locks.push(file);
    try {
      for (const lock of locks) {
        if (!runStepsSync(tryUntilDeadline(() => tryLock(lock), IN_FLIGHT_MS))) return NOTHING;
      }
      return this.#tornTail(seq);
    } finally {
      unlock(file);
      if (beside !== undefined) closeLock(beside);
    }
  }

  #tornTail(seq: number): DecodedLines<E> {
    const { file } = this.#run;
    const { byteOffset } = this.#position;
    const size = sizeOf(file);
    if (size <= byteOffset || lastLineEndSync(file, size, byteOffset) > byteOffset) return NOTHING;
    const place = { seq, byteOffset, byteLength: size - byteOffset };
    const verdict = this.#judgeTail(place);
    if ("reason" in verdict) return { ...NOTHING, gaps: [{ ...place, ...verdict }] };
    // The original program reads it so (OLG-5). The place stays before it: its newline is to come.
    return { ...NOTHING, events: [{ seq, event: verdict.event }] };
  }

  #judgeTail({ byteOffset, byteLength }: Pick<FileGap, "byteOffset" | "byteLength">): Verdict<E> {
    const torn = {
      reason: "torn",
      message: "the last line has no newline: its writer was killed, or the disk was full",
    } as const;
    if (byteLength > MAX_LINE_BYTES) return torn;
    const { file } = this.#run;
    const { strict, schema } = this.#options;
    const bytes = readRangeSync(file, byteOffset, byteOffset + byteLength);
    const verdict = judgeLine<E>({ bytes, byteLength }, strict ? schema : undefined);
    if (!("reason" in verdict)) {
      if (strict) return verdict;
      return { ...torn, message: "the last line is whole, and only its newline is missing" };
    }
    const { reason, message } = verdict;
    if (isBlankLine(verdict)) return { ...torn, message };
    if (reason === "encoding" || reason === "schema") return { reason, message };
    const before = readRangeSync(file, Math.max(0, byteOffset - 5), byteOffset).subarray(0, -1);
    return newlineRestGap(before, bytes) ?? torn;
  }
}

const NOTHING = { events: [], gaps: [], lines: 0 };

/** What is locked in place of the log where its lock would keep readers out; undefined elsewhere. */
function openLockBeside({ port, paths }: OpenRun): FileHandle | undefined {
  if (lookAtSync(port, paths.eventsLock) === undefined) return undefined;
  try {
    return openRegularSync(port, paths.eventsLock, { read: true });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Where there are no locks nobody can be waited for. */
function tryLock(lock: FileHandle): boolean {
  try {
    return lock.tryLockSync(false);
  } catch {
    return true;
  }
}

/** How often to look all the same: a watcher sees nothing of other machines on a network drive. */
const WATCHED_POLL_MS = 1000;
/** How often to look where watching is not possible, for one because all watches are in use. */
const UNWATCHED_POLL_MS = 100;

/**
 * Tells when a file may have changed. A change between two waits is remembered, so none is missed
 * by whoever looks at the file after creating the watcher and after every wait.
 */
export class ChangeWatcher implements Disposable {
  readonly #watcher: Deno.FsWatcher | undefined;
  #changed = false;
  #wake = () => {};

  constructor(path: string) {
    try {
      this.#watcher = Deno.watchFs(path);
    } catch {
      return;
    }
    void this.#listen(this.#watcher);
  }

  /** Resolves at a change, at an abort, or after a while. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#changed && !signal.aborted) await this.#sleep(signal);
    this.#changed = false;
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }

  async #listen(watcher: Deno.FsWatcher): Promise<void> {
    try {
      for await (const { kind } of watcher) {
        // Reading the file, as the follower itself does, is an "access" too.
        if (kind === "access") continue;
        this.#changed = true;
        this.#wake();
      }
    } catch { /* Too many changes at once, for one: the poll sees them. */ }
  }

  async #sleep(signal: AbortSignal): Promise<void> {
    const woken = new Promise<void>((resolve) => this.#wake = resolve);
    await sleep(this.#watcher === undefined ? UNWATCHED_POLL_MS : WATCHED_POLL_MS, signal, woken);
  }
}

/** Waits for a while, or until the signal aborts or something else has come. */
export async function sleep(ms: number, signal: AbortSignal, until?: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => resolve();
  const timer = setTimeout(wake, ms);
  signal.addEventListener("abort", wake);
  until?.then(wake);
  if (signal.aborted) wake();
  await promise;
  signal.removeEventListener("abort", wake);
  clearTimeout(timer);
}
