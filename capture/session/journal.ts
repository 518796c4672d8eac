import { type AppendFailure, AppendFile } from "../../_internal/append_file.ts";
import { syncDirectorySync } from "../../_internal/directories.ts";
import { Barrier } from "../../_internal/barrier.ts";
import {
  checkInteger,
  checkMethods,
  checkNumber,
  checkObject,
  checkOneOf,
  checkString,
} from "../../_internal/errors.ts";
import {
  denoFilePort,
  type FilePort,
  lookAtSync,
  runStepsSync,
} from "../../_internal/file_port.ts";
import { MAX_LINE_BYTES } from "../../_internal/json_lines.ts";
import { absolute, dirname } from "../../_internal/path.ts";
import { encodeUtf8, reasonOf, writeRemedy } from "../../_internal/text.ts";
import type { Recovery } from "../../eventlog/types.ts";
import { CaptureJournalError } from "../errors.ts";
import { encodeJournalLine, type JournalLine } from "./journal_lines.ts";

const DEFAULT_LOCK_TIMEOUT_MS = 5000;

/**
 * What always holds:
 *
 * - Lines are appended in order, each before what it says is handled; none is synced by itself. A line is
 *   on disk when a barrier behind it has been reached: so nothing that can be seen outside of the process
 *   may come before that.
 * - A line that is written after a barrier was reached says how many lines are known to be on disk. By
 *   that whoever reads the journal tells a tail that a power cut took from damage.
 * - A barrier that failed is not tried again, and the journal takes nothing more: nobody knows then what
 *   is on disk.
 */

/** Where a session records as it goes, so that a crash loses nothing that was decided. */
export interface CaptureJournal {
  /**
   * `"disk"` has the promises of the session wait for the barrier.
   *
   * @default {"os"}
   */
  readonly durability?: "os" | "disk";
  /**
   * Takes the next line, an object that is JSON. The session waits for it before it goes on; when it
   * throws or rejects, the supervisor stops with that error.
   */
  append(line: object): void | Promise<void>;
  /** Resolves when everything that was appended before is on disk. */
  barrier(): Promise<void>;
  /** Closes what it has open. The session calls it once. */
  close(): void;
}

/** Takes the lines of a journal, wherever they are kept. */
export interface LineSink {
  /**
   * Takes the text of a line, without its newline, before it returns. Where it gives a promise, the session
   * waits for it before it goes on; when that rejects, the journal takes nothing more.
   */
  append(text: string): void | Promise<void>;
  /** Resolves when every line that was appended before is on disk; when it rejects, nobody knows. */
  barrier(): Promise<void>;
  /** Closes what it has open. */
  close(): void;
}

/** A {@linkcode CaptureJournal} in a file. */
export interface FileCaptureJournal extends CaptureJournal {
  /** What had to be mended at the end of the file when it was opened. */
  readonly recovery: Recovery;
}

/** Options of {@linkcode openCaptureJournal}. */
export interface OpenCaptureJournalOptions {
  /**
   * What the promises of the session say: `"os"` = it is handed to the system and survives the process;
   * `"disk"` = it is synced too and survives a power cut. The supervisor and its decision log wait for no
   * sync in either case: to have something done outside of the process only when it is on disk, wait for
   * {@linkcode CaptureJournal.barrier} before.
   *
   * @default {"os"}
   */
  durability?: "os" | "disk";
  /**
   * How long to wait for the lock, in milliseconds.
   *
   * @default {5000}
   */
  lockTimeoutMs?: number;
}

/**
 * Opens a journal file for a session, and creates it, mode 0600, if there is none; its directory must
 * exist. A journal may hold several sessions one behind the other, but one session at a time. Its lines
 * are numbered from 1. A last line that a killed writer left unterminated is completed or moved aside
 * first (`<path>.torn-<n>`); no whole line is ever changed. Hand it to a {@linkcode CapturingSession},
 * which closes it.
 *
 * **Durability**: the file survives a power cut once this returns; its lines as `durability` says.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the directory.
 *
 * @param path The file; where a lock on it would keep readers out, a file `<path>.lock` is created
 * beside it.
 * @param options How to write it.
 * @returns The journal.
 * @throws {CaptureJournalError} `io` or `lock-timeout`.
 *
 * @example Usage
 * ```ts
 * import { CapturingSession, openCaptureJournal, recoverCapture } from "@taffrail/taffrail/capture";
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${await Deno.makeTempDir()}/capture.jsonl`;
 * const session = new CapturingSession({
 *   graphId: "g",
 *   constraints: { max_retries: 0 },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: new FaultInvoker(),
 *   createSupervisor: (options) => new Supervisor(options),
 *   runtimeProvenance: "rpv1:sha256:test",
 *   journal: openCaptureJournal(path, { durability: "disk" }),
 * });
 * await session.onEvent(createEvent({ id: "e1", kind: "Command", at: { secs: 0, nanos: 0 } }));
 *
 * // What a crash at this point would leave:
 * assertEquals((await recoverCapture(path)).bundle, session.intoBundle());
 * ```
 */
export function openCaptureJournal(
  path: string,
  options: OpenCaptureJournalOptions = {},
): FileCaptureJournal {
  checkString(path, "path");
  const { durability, lockTimeoutMs } = checkObject(options, "options");
  if (durability !== undefined) checkOneOf(durability, "durability", ["os", "disk"]);
  if (lockTimeoutMs !== undefined) checkNumber(lockTimeoutMs, "lockTimeoutMs");
  return openJournalOnPort(denoFilePort, absolute(path), options);
}

/** {@linkcode openCaptureJournal} on a given file system. */
export function openJournalOnPort(
  port: FilePort,
  path: string,
  options: OpenCaptureJournalOptions = {},
): FileCaptureJournal {
  const { durability = "os", lockTimeoutMs = DEFAULT_LOCK_TIMEOUT_MS } = options;
  const toError = (failure: AppendFailure) => journalError(path, failure);
  let file: AppendFile | undefined;
  try {
    const isNew = lookAtSync(port, path) === undefined;
    file = runStepsSync(
      AppendFile.open({ port, path, lockPath: `${path}.lock`, lockTimeoutMs, toError }),
    );
    if (isNew) syncDirectorySync(port, dirname(path));
    // Appending nothing counts the lines.
    const { lastSeq } = file.appendSync({ lines: [], onDisk: false });
    return new FileJournal(file, { lines: lastSeq, durability });
  } catch (error) {
    file?.closeSync();
    throw error instanceof CaptureJournalError ? error : ioError(path, error);
  }
}

/** What is there of a journal that is gone on with. */
export interface JournalPosition {
  /** How many lines it has, those that do not count among them. */
  lines: number;
  /** How many of them are known to be on disk. */
  synced: number;
}

/**
 * A journal over whatever keeps lines: it numbers and encodes them, says in them what is known to be on
 * disk, and takes nothing more when a barrier has failed.
 *
 * **Durability**: the sink's.
 *
 * **Permissions**: none.
 *
 * @param sink Takes the text of each line.
 * @param from What is there already, as {@linkcode RecoveredCapture} says it.
 * @returns The journal.
 *
 * @example Lines in memory
 * ```ts
 * import { CapturingSession, journalOver, recoverCapture } from "@taffrail/taffrail/capture";
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const lines: string[] = [];
 * const session = new CapturingSession({
 *   graphId: "g",
 *   constraints: { max_retries: 0 },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: new FaultInvoker(),
 *   createSupervisor: (options) => new Supervisor(options),
 *   runtimeProvenance: "rpv1:sha256:test",
 *   journal: journalOver({
 *     append: (text) => void lines.push(text),
 *     barrier: () => Promise.resolve(),
 *     close: () => {},
 *   }),
 * });
 * await session.onEvent(createEvent({ id: "e1", kind: "Command", at: { secs: 0, nanos: 0 } }));
 *
 * assertEquals(lines.map((text) => JSON.parse(text).type), ["session", "event", "completion", "decision"]);
 * assertEquals((await recoverCapture(lines)).bundle, session.intoBundle());
 * ```
 */
export function journalOver(
  sink: LineSink,
  from: JournalPosition = { lines: 0, synced: 0 },
): CaptureJournal {
  checkMethods(sink, "sink", ["append", "barrier", "close"]);
  const { lines, synced } = checkObject(from, "from");
  checkInteger(lines, "from.lines");
  checkInteger(synced, "from.synced");
  return new LineJournal(sink, from);
}

class LineJournal implements CaptureJournal {
  readonly #sink: LineSink;
  #lines: number;
  #synced: number;
  /** What the lines say of that. */
  #saidSynced: number;
  #failure: { of: unknown } | undefined;

  constructor(sink: LineSink, { lines, synced }: JournalPosition) {
    this.#sink = sink;
    this.#lines = lines;
    this.#synced = synced;
    this.#saidSynced = synced;
  }

  append(line: JournalLine): void | Promise<void> {
    this.#checkWhole();
    const synced = this.#synced;
    const isNews = synced > this.#saidSynced;
    const place = { number: this.#lines + 1, synced: isNews ? synced : undefined };
    const text = encodeJournalLine(place, line);
    checkLength(text);
    const appended = this.#sink.append(text);
    this.#lines++;
    this.#saidSynced = synced;
    // Behind a line of which nobody knows whether it is there, none has a number.
    return appended?.catch((error) => this.#fail(error));
  }

  async barrier(): Promise<void> {
    this.#checkWhole();
    const lines = this.#lines;
    if (lines <= this.#synced) return;
    try {
      await this.#sink.barrier();
    } catch (error) {
      this.#fail(error);
    }
    // One that was reached beside one that failed promises nothing either.
    this.#checkWhole();
    this.#synced = Math.max(this.#synced, lines);
  }

  close(): void {
    this.#sink.close();
  }

  #fail(error: unknown): never {
    this.#failure ??= { of: error };
    throw this.#failure.of;
  }

  #checkWhole(): void {
    if (this.#failure !== undefined) throw this.#failure.of;
  }
}

class FileJournal extends LineJournal implements FileCaptureJournal {
  readonly recovery: Recovery;
  readonly durability: "os" | "disk";

  constructor(
    file: AppendFile,
    { lines, durability }: { lines: number; durability: "os" | "disk" },
  ) {
    super(new LinesInFile(file, { lines, syncsAtEnd: durability === "disk" }), {
      lines,
      // Who wrote them may have been killed before it could sync them.
      synced: 0,
    });
    this.recovery = file.recovery;
    this.durability = durability;
  }
}

/** Lines in a file to which nobody else may append meanwhile. */
class LinesInFile implements LineSink {
  readonly #file: AppendFile;
  readonly #barrier: Barrier;
  readonly #syncsAtEnd: boolean;
  #lines: number;
  #hasFailed = false;

  constructor(file: AppendFile, options: { lines: number; syncsAtEnd: boolean }) {
    this.#file = file;
    this.#lines = options.lines;
    this.#syncsAtEnd = options.syncsAtEnd;
    this.#barrier = new Barrier({ position: () => this.#lines, sync: () => file.sync() });
  }

  append(text: string): void {
    try {
      this.#file.appendSync({ lines: [text], onDisk: false, expectedLastSeq: this.#lines });
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
    this.#lines++;
  }

  async barrier(): Promise<void> {
    try {
      await this.#barrier.reach();
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }

  close(): void {
    const isUnsynced = this.#barrier.synced < this.#lines;
    try {
      if (this.#syncsAtEnd && isUnsynced) {
        this.#file.syncSync();
        this.#barrier.moveTo(this.#lines);
      }
    } catch (error) {
      // Else somebody has been told.
      if (!this.#hasFailed) throw error;
    } finally {
      this.#file.closeSync();
    }
  }
}

/** No reader takes longer lines. */
function checkLength(text: string): void {
  if (text.length * 3 <= MAX_LINE_BYTES) return;
  const { length } = encodeUtf8(text);
  if (length <= MAX_LINE_BYTES) return;
  throw new RangeError(
    `Cannot record what makes a line of ${length} bytes in a journal: ${MAX_LINE_BYTES} is the most`,
  );
}

function ioError(path: string, cause: unknown): CaptureJournalError {
  const message = `Cannot write the capture journal ${path}: ${reasonOf(cause)}`;
  return new CaptureJournalError("io", message, { details: { path }, cause });
}

/** What to do, where that is known. */
function remediesFor(cause: unknown) {
  return {
    sync: `${writeRemedy(cause)} and recover what is in it`,
    replaced: "let other programs leave an open journal alone",
  };
}

function journalError(path: string, failure: AppendFailure): CaptureJournalError {
  const { kind, cause, expected, actual, lockPath, problem } = failure;
  if (kind === "io") return ioError(path, cause);
  const remedies = remediesFor(cause);
  const writing = `Cannot write the capture journal ${path}:`;
  const reasons = {
    "lock-timeout": `the lock of ${lockPath} was not released in time`,
    conflict: `it has ${actual} lines instead of ${expected}, so another session writes to it`,
    rewound: `it shrank from ${expected} to ${actual} bytes, so another program has cut it`,
    replaced: `${problem}; ${remedies.replaced}`,
    sync: `syncing it failed (${reasonOf(cause)}); ${remedies.sync}`,
    busy: `${actual} lines wait already`,
    closed: "it is closed",
  };
  return new CaptureJournalError(kind, `${writing} ${reasons[kind]}`, {
    details: { path },
    ...((kind === "sync" || kind === "replaced") && { remedy: remedies[kind] }),
    cause,
  });
}
