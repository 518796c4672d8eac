import type { AppendFile, AppendRequest } from "../_internal/append_file.ts";
import { checkTypes } from "../_internal/errors.ts";
import {
  denoFilePort,
  type FileHandle,
  type FilePort,
  isNotFound,
  lookAtSync,
  sizeOf,
} from "../_internal/file_port.ts";
import { countLinesSync } from "../_internal/json_lines.ts";
import { absoluteRoot, type RunPaths, runPaths } from "../_internal/root_layout.ts";
import { encodeEvent, messagesOf, type Redact, validate } from "../_internal/event_codec.ts";
import { wrapIo } from "./event_log_error.ts";
import { followOnPort, type LinesOf, readPageSync } from "./read_run.ts";
import type { RunEvent } from "./run_event.ts";
import type { HeldRun } from "../_internal/run_folder.ts";
import { openForReading, type OtherLines, startCursor } from "./run_reader.ts";
import type {
  Appended,
  AppendOptions,
  Durability,
  EventLog,
  EventPage,
  FollowOptions,
  Gap,
  ReadOptions,
  Recovery,
  StandardSchema,
  Stored,
} from "./types.ts";

/** What a {@linkcode FileEventLog} is made of; {@linkcode openEventLog} puts it together. */
interface FileEventLogParts<E> {
  /** The file system; the real one by default. */
  port?: FilePort;
  /** The directory that holds the runs. */
  root: string;
  /** The run. */
  runId: string;
  /** Where its files are. */
  paths: RunPaths;
  /** The file to append to. */
  file: AppendFile;
  /** What holds the run open. */
  live: HeldRun;
  /** When to acknowledge by default. */
  durability: Durability;
  /** Checks each event. */
  schema?: StandardSchema<E> | undefined;
  /** Replaces values before they are written. */
  redact?: Redact | undefined;
}

const MAX_BATCH_CHARACTERS = 256 * 1024 * 1024;
const NO_OPTIONS: AppendOptions = {};

/**
 * The log of one run in a file of JSON lines, open for writing. Get one from
 * {@linkcode openEventLog}. Many processes may append to one run at the same time.
 *
 * @typeParam E The events.
 *
 * @example Usage
 * ```ts
 * import { openEventLogSync } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * using log = openEventLogSync<{ step: string }>({ root, runId: "demo" });
 * assertEquals(log.appendSync({ step: "begin" }), { firstSeq: 1, lastSeq: 1 });
 * log.syncSync();
 * assertEquals(Deno.readTextFileSync(log.path), '{"step":"begin"}\n');
 * ```
 */
export class FileEventLog<E> implements EventLog<E>, Disposable {
  /** The run whose log this is. */
  readonly runId: string;
  /** The file, `<root>/runs/<run_id>/events.jsonl`, from the root of the file system on. */
  readonly path: string;
  readonly #parts: FileEventLogParts<E>;
  readonly #file: AppendFile;
  readonly #closing = new AbortController();
  #live: HeldRun | undefined;
  readonly #view: RunLines<E>;

  /** @internal */
  constructor(parts: FileEventLogParts<E>) {
    this.runId = parts.runId;
    this.path = parts.paths.events;
    this.#parts = parts;
    this.#file = parts.file;
    this.#live = parts.live;
    this.#view = new RunLines(parts.port ?? denoFilePort, parts);
  }

  /** What this handle had to mend at the end of the log: at opening, or later, when a writer died. */
  get recovery(): Recovery {
    return this.#file.recovery;
  }

  /**
   * Appends one event, as one line. The event is taken as it is at the call, and an `Error` in it is
   * written with its name, message, stack and causes. Callers that wait at the same time share one
   * write, in call order, and one sync.
   *
   * **Durability**: acknowledged with `"os"`, the event survives the death of this process; with
   * `"disk"` it survives a power cut. A rejected event is not in the log, except with kind `sync`,
   * where that is unknown. Whether the log's file is still the one that is open is looked at before
   * `"disk"` is acknowledged, and for `"os"` once a millisecond: kind `replaced`.
   *
   * **Permissions**: `--allow-read` and `--allow-write` for the root.
   *
   * @param event The event.
   * @param options When to acknowledge, and what the log must end with.
   * @returns The seq it got.
   * @throws {TypeError} If JSON cannot hold the event, or would change it without a word; the message
   * names the path.
   * @throws {RangeError} If its line is over 16 MiB.
   * @throws {EventLogError} `conflict`, `io`, `lock-timeout`, `sync`, `busy`, `closed`, `rewound`,
   * `replaced`.
   */
  append(event: E, options: AppendOptions = NO_OPTIONS): Promise<Appended> {
    try {
      const request = this.#request([this.#encode(event)], options);
      return this.#file.append(request, options.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Appends events in one write under one lock, with consecutive seqs. When the write fails, none
   * of them stays; when the process is killed inside the write, a prefix of whole lines may stay.
   *
   * **Durability** and **Permissions**: as {@linkcode FileEventLog.append}.
   *
   * @param events The events; with none, nothing is written.
   * @param options When to acknowledge, and what the log must end with.
   * @returns The seqs they got.
   * @throws {TypeError} If JSON cannot hold one of them: then none is appended.
   * @throws {RangeError} If a line is over 16 MiB, or all together are over 256 MiB.
   * @throws {EventLogError} As {@linkcode FileEventLog.append}.
   */
  async appendAll(events: readonly E[], options: AppendOptions = NO_OPTIONS): Promise<Appended> {
    const request = this.#request(this.#encodeAll(events), options);
    return await this.#file.append(request, options.signal);
  }

  /**
   * Appends one event before returning, overtaking asynchronous callers that wait.
   *
   * **Durability** and **Permissions**: as {@linkcode FileEventLog.append}.
   *
   * @param event The event.
   * @param options When to return, and what the log must end with.
   * @returns The seq it got.
   * @throws {TypeError} If JSON cannot hold the event, or would change it without a word; the message
   * names the path.
   * @throws {RangeError} If its line is over 16 MiB.
   * @throws {EventLogError} As {@linkcode FileEventLog.append}.
   */
  appendSync(event: E, options: Omit<AppendOptions, "signal"> = NO_OPTIONS): Appended {
    return this.#file.appendSync(this.#request([this.#encode(event)], options));
  }

  /**
   * {@linkcode FileEventLog.appendAll} before returning.
   *
   * **Durability** and **Permissions**: as {@linkcode FileEventLog.append}.
   *
   * @param events The events; with none, nothing is written.
   * @param options When to return, and what the log must end with.
   * @returns The seqs they got.
   * @throws {TypeError} If JSON cannot hold one of them: then none is appended.
   * @throws {RangeError} If a line is over 16 MiB, or all together are over 256 MiB.
   * @throws {EventLogError} As {@linkcode FileEventLog.append}.
   */
  appendAllSync(
    events: readonly E[],
    options: Omit<AppendOptions, "signal"> = NO_OPTIONS,
  ): Appended {
    return this.#file.appendSync(this.#request(this.#encodeAll(events), options));
  }

  /**
   * Makes all that was appended through this handle survive a power cut.
   *
   * @throws {EventLogError} `sync`: it is unknown what is on disk, and this handle accepts no more;
   * `replaced`.
   */
  async sync(): Promise<void> {
    await this.#file.sync();
  }

  /**
   * {@linkcode FileEventLog.sync} before returning.
   *
   * @throws {EventLogError} `sync`: it is unknown what is on disk, and this handle accepts no more;
   * `replaced`.
   */
  syncSync(): void {
    this.#file.syncSync();
  }

  /**
   * Reads a page. A cursor costs the page; a plain seq is found by counting lines, about 0.1 s a
   * million. Beside a writer it never fails: what is not whole yet is not delivered.
   *
   * **Permissions**: `--allow-read` for the root.
   *
   * @param options Where to begin, and how much to read.
   * @returns The page.
   * @throws {TypeError} If the cursor is none.
   * @throws {RangeError} If `limit` is not from 1 to 10,000.
   * @throws {EventLogError} `cursor` when it is not the cursor's log, or `after` is beyond its end;
   * `io`.
   */
  read(options: ReadOptions = {}): Promise<EventPage<E>> {
    return this.#view.read(options);
  }

  /**
   * Delivers the lines that are there, then those that come, until the signal aborts, the loop is
   * left or the log is closed. See {@linkcode followRun}, which does not open the log for writing.
   *
   * **Permissions**: `--allow-read` for the root.
   *
   * @param options Where to begin, and when to end.
   * @returns The events, and the gaps between them.
   */
  follow(options: FollowOptions = {}): AsyncIterableIterator<Stored<E> | Gap> {
    checkTypes(options, { signal: "object?" });
    const closing = this.#closing.signal;
    const signal = options.signal ? AbortSignal.any([closing, options.signal]) : closing;
    return this.#view.follow({ ...options, signal });
  }

  /**
   * Counts the lines of the log: about 0.1 s a million at the first call, then only what is new.
   *
   * @returns The seq of the last whole line; 0 when there is none.
   */
  lastSeq(): Promise<number> {
    return this.#view.lastSeq();
  }

  /**
   * Answers everybody who waits, ends those who follow, and gives the run free.
   *
   * @throws {EventLogError} `replaced` or `rewound`: what was appended is not in the log any more, and no
   * append has told so. It is closed all the same.
   */
  async close(): Promise<void> {
    this.#closing.abort();
    try {
      await this.#file.close();
    } finally {
      this.#releaseLive();
    }
  }

  /** {@linkcode FileEventLog.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Writes what waits and closes, before returning.
   *
   * @throws {EventLogError} As {@linkcode FileEventLog.close}.
   */
  [Symbol.dispose](): void {
    this.#closing.abort();
    try {
      this.#file.closeSync();
    } finally {
      this.#releaseLive();
    }
  }

  #releaseLive(): void {
    this.#live?.release();
    this.#live = undefined;
  }

  #request(lines: readonly string[], options: AppendOptions): AppendRequest {
    // Looking at a member costs a tenth of an append, so that is done where something is given.
    if (options !== NO_OPTIONS) {
      checkTypes(options, { expectedLastSeq: "number?", signal: "object?" });
    }
    const { expectedLastSeq, durability = this.#parts.durability } = options;
    if (durability !== "os" && durability !== "disk") {
      throw new TypeError(`Cannot append with durability "${durability}": say "os" or "disk"`);
    }
    const expectable = expectedLastSeq === undefined ||
      (Number.isSafeInteger(expectedLastSeq) && expectedLastSeq >= 0);
    if (!expectable) {
      throw new RangeError(`Cannot expect the log to end with seq ${expectedLastSeq}`);
    }
    return { lines, onDisk: durability === "disk", expectedLastSeq };
  }

  #encodeAll(events: readonly E[]): string[] {
    if (!Array.isArray(events)) throw new TypeError("Cannot use events: expected an array");
    const lines = events.map((event) => this.#encode(event));
    if (lines.reduce((sum, line) => sum + line.length, 0) > MAX_BATCH_CHARACTERS) {
      throw new RangeError("Cannot append over 256 MiB at once: append it in parts");
    }
    return lines;
  }

  /** A schema judges the event as it will be read, so that none is acknowledged and then refused. */
  #encode(event: E): string {
    const { schema, redact } = this.#parts;
    const line = encodeEvent(event, redact);
    if (schema === undefined) return line;
    const { issues } = validate(JSON.parse(line), schema);
    if (issues === undefined) return line;
    throw new TypeError(
      `failed to serialize event: the schema refuses it: ${messagesOf(issues)}`,
    );
  }
}

/** Options of {@linkcode viewRun}. */
export interface ViewRunOptions<E> {
  /**
   * Reads other lines of the run than its events: of the capture journal, of the processes that were
   * started, or of what was left for its holder.
   */
  lines?: OtherLines;
  /** Checks each event; what it refuses is a gap. */
  schema?: StandardSchema<E>;
}

/**
 * The log of a run as it can be read: by pages, live, and its length. It opens nothing for writing, so the
 * run does not count as live because of it.
 *
 * **Permissions**: `--allow-read` for the root.
 *
 * @typeParam E The events; by default the vocabulary of runs.
 * @param root The directory that holds the runs.
 * @param runId The run.
 * @param options Which lines, and what checks them.
 * @returns What reads them, and has nothing open in between. Other lines than events may not be there yet:
 * then there are none.
 * @throws {TypeError} If the run id is not allowed.
 *
 * @example Usage
 * ```ts
 * import { openEventLog, viewRun } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using log = await openEventLog<{ n: number }>({ root, runId: "demo" });
 * await log.append({ n: 1 });
 * const { events } = await viewRun<{ n: number }>(root, "demo").read({ limit: 10 });
 * assertEquals(events, [{ seq: 1, event: { n: 1 } }]);
 * ```
 */
export function viewRun<E = RunEvent>(
  root: string,
  runId: string,
  options: ViewRunOptions<E> = {},
): Pick<EventLog<E>, "runId" | "read" | "follow" | "lastSeq"> {
  checkTypes(options, { lines: "string?", schema: "object?" });
  runPaths(root, runId);
  return new RunLines(denoFilePort, { root: absoluteRoot(root), runId, ...options });
}

/** Reads a file of lines of a run. */
class RunLines<E> {
  readonly #port: FilePort;
  readonly #of: LinesOf & { schema?: StandardSchema<E> | undefined };
  /** The lines counted so far, so that `lastSeq()` looks only at what is new. */
  #counted = { lines: 0, lineEnd: 0 };

  constructor(port: FilePort, of: LinesOf & { schema?: StandardSchema<E> | undefined }) {
    this.#port = port;
    this.#of = of;
  }

  get runId(): string {
    return this.#of.runId;
  }

  // deno-lint-ignore require-await -- a page is read faster than a promise resolves; the port allows slower logs
  async read(options: ReadOptions = {}): Promise<EventPage<E>> {
    checkTypes(options, { signal: "object?" });
    options.signal?.throwIfAborted();
    try {
      return readPageSync(this.#port, this.#of, options);
    } catch (error) {
      if (!this.#isNotBegun(error)) throw error;
      return { events: [], gaps: [], next: startCursor(), hasMore: false };
    }
  }

  follow(options: FollowOptions = {}): AsyncIterableIterator<Stored<E> | Gap> {
    const { schema } = this.#of;
    return followOnPort<E>(this.#port, this.#of, {
      ...options,
      ...(schema !== undefined && { schema }),
    });
  }

  // deno-lint-ignore require-await -- see read()
  async lastSeq(): Promise<number> {
    const { root, runId, lines } = this.#of;
    try {
      const { file, paths } = openForReading(this.#port, root, runId, lines);
      try {
        return wrapIo(paths.events, () => this.#countNew(file));
      } finally {
        file.close();
      }
    } catch (error) {
      if (this.#isNotBegun(error)) return 0;
      throw error;
    }
  }

  /** Whether there is the run, but of these lines none yet. */
  #isNotBegun(error: unknown): boolean {
    if (this.#of.lines === undefined || !(error instanceof Error)) return false;
    const { directory } = runPaths(this.#of.root, this.#of.runId);
    return isNotFound(error.cause) && lookAtSync(this.#port, directory) !== undefined;
  }

  #countNew(file: FileHandle): number {
    const { lines, lineEnd } = this.#counted;
    if (sizeOf(file) < lineEnd) {
      this.#counted = countLinesSync(file, 0);
    } else {
      const added = countLinesSync(file, lineEnd);
      this.#counted = { lines: lines + added.lines, lineEnd: added.lineEnd };
    }
    return this.#counted.lines;
  }
}
