import type { Appended } from "../_internal/append_file.ts";
import type { Gap, Stored } from "../_internal/event_codec.ts";

export type { Appended };
export type {
  Gap,
  GapReason,
  StandardResult,
  StandardSchema,
  Stored,
} from "../_internal/event_codec.ts";
export type { Recovery } from "../_internal/line_file.ts";

/**
 * How far an append has got when it is acknowledged: `"os"` = handed to the kernel, survives the
 * death of the process; `"disk"` = also synced (fdatasync), survives a power cut.
 */
export type Durability = "os" | "disk";

/** Options of {@linkcode EventLog.append} and {@linkcode EventLog.appendAll}. */
export interface AppendOptions {
  /**
   * When to acknowledge.
   *
   * @default {the log's own durability}
   */
  durability?: Durability;
  /** The seq that the log must end with, 0 = empty; otherwise the append fails with `conflict`. */
  expectedLastSeq?: number;
  /** Gives up waiting. It acts only before the event is handed to the write. */
  signal?: AbortSignal;
}

/** A place in one log, behind a line. Opaque: keep it, give it back, do not take it apart. */
export type Cursor = string;

/** Where to begin reading: behind a cursor, behind a seq, or at the present end. */
export type ReadAfter = Cursor | number | "end";

/** A page of a log. */
export interface EventPage<E> {
  /** The events, in order. */
  events: Stored<E>[];
  /** The lines of this page that gave no event, in order. */
  gaps: Gap[];
  /** Where the next page begins. */
  next: Cursor;
  /** Whether at least one more whole line follows. */
  hasMore: boolean;
}

/** Options of {@linkcode EventLog.read}. */
export interface ReadOptions {
  /**
   * Where to begin.
   *
   * @default {0}
   */
  after?: ReadAfter;
  /**
   * The most lines to read, 1 to 10,000.
   *
   * @default {100}
   */
  limit?: number;
  /** Gives up before reading. */
  signal?: AbortSignal;
}

/** Options of {@linkcode EventLog.follow}. */
export interface FollowOptions {
  /**
   * Where to begin.
   *
   * @default {0}
   */
  after?: ReadAfter;
  /**
   * Throw at the first bad line instead of delivering a gap.
   *
   * @default {false}
   */
  strict?: boolean;
  /** Ends the iteration, without an error. */
  signal?: AbortSignal;
}

/**
 * An append-only log of events, the port of this module: the file log is one implementation, a
 * database can be another. `eventLogContract` of `@taffrail/taffrail/testing` is its
 * contract as a test suite.
 *
 * @typeParam E The events.
 *
 * @example Write against the port
 * ```ts
 * import type { EventLog } from "@taffrail/taffrail/eventlog";
 *
 * async function greet(log: EventLog<{ hello: string }>): Promise<number> {
 *   const { lastSeq } = await log.append({ hello: "world" });
 *   return lastSeq;
 * }
 * ```
 */
export interface EventLog<E> extends AsyncDisposable {
  /** The run whose log this is. */
  readonly runId: string;
  /** Appends one event. */
  append(event: E, options?: AppendOptions): Promise<Appended>;
  /**
   * Appends events with consecutive seqs. Callers may not rely on all or none of them being there
   * after a crash: what must be so goes into one event.
   */
  appendAll(events: readonly E[], options?: AppendOptions): Promise<Appended>;
  /** Reads a page. */
  read(options?: ReadOptions): Promise<EventPage<E>>;
  /** Delivers what is there, then what comes, until it is aborted or the log is closed. */
  follow(options?: FollowOptions): AsyncIterable<Stored<E> | Gap>;
  /** The seq of the last whole line; 0 when the log is empty. */
  lastSeq(): Promise<number>;
}
