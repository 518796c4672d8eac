import type { Appended } from "../_internal/append_file.ts";

export type { Appended };
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

/** An event with the place it has in its log. */
export interface Stored<E> {
  /** The physical, 1-based line number. */
  seq: number;
  /** The event as it was appended. */
  event: E;
}

/**
 * Why a line gives no event: `torn` = unterminated, at the end; `not-json` = not one JSON object
 * (blank lines too); `not-utf8`; `encoding` = in UTF-16 or UTF-32; `nul-run` = bytes lost in a power
 * cut; `too-long` = over 16 MiB; `schema` = refused by the schema; `number` = a number that nobody
 * could read as it stands there: an integer beyond 2^53 - 1 and below 1e21, however it is spelt, which
 * would be rounded, or one beyond all doubles.
 */
export type GapReason =
  | "torn"
  | "not-json"
  | "not-utf8"
  | "encoding"
  | "nul-run"
  | "too-long"
  | "schema"
  | "number";

/** A line that gives no event. */
export interface Gap {
  /** The physical, 1-based line number. */
  seq: number;
  /** Why there is no event. */
  reason: GapReason;
  /** What exactly is wrong, for people. */
  message: string;
  /** Where the line begins in the file. */
  byteOffset: number;
  /** Bytes of the line, without its newline. */
  byteLength: number;
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

/**
 * The part of [Standard Schema](https://standardschema.dev) version 1 that is used here; what zod,
 * valibot, arktype and others make fits it.
 *
 * @typeParam E What the schema gives for a valid event.
 */
export interface StandardSchema<E> {
  /** The interface of the standard. */
  readonly "~standard": {
    /** The version of the standard. */
    readonly version: 1;
    /** Who made the schema. */
    readonly vendor: string;
    /** Checks a value. A promise is refused. */
    readonly validate: (value: unknown) => StandardResult<E> | Promise<StandardResult<E>>;
  };
}

/** What a {@linkcode StandardSchema} says of a value. */
export type StandardResult<E> =
  | { readonly value: E; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };
