/**
 * A program's own log of events on PostgreSQL, to which any number of processes append. What is always true:
 *
 * 1. **An append whose answer did not come is sent again and is there once**; it is sent as long as the log is
 *    open, unless its connection is refused for another reason.
 * 2. **Callers get their seqs in the order of their calls**, and those who wait at the same time share a round
 *    trip and a sync.
 */
import type { Appended } from "../_internal/append_file.ts";
import { checkMethods, checkObject, checkOneOf, checkTypes } from "../_internal/errors.ts";
import { checkSchema, encodeEvent, messagesOf, validate } from "../_internal/event_codec.ts";
import { checkRunId } from "../_internal/root_layout.ts";
import { runFileText } from "../_internal/run_folder.ts";
import { encodeUtf8 } from "../_internal/text.ts";
import { EventLogError, type EventLogErrorKind } from "../eventlog/event_log_error.ts";
import type {
  AppendOptions,
  Durability,
  EventLog,
  EventPage,
  FollowOptions,
  Gap,
  ReadOptions,
  StandardSchema,
  Stored,
} from "../eventlog/types.ts";
import type { RunEvent } from "../eventlog/run_event.ts";
import { RunError } from "../run/run_error.ts";
import { Appender, ConflictError, STREAMS } from "./appender.ts";
import { Link } from "./link.ts";
import { asRootError } from "./postgres_error.ts";
import { Session } from "./session.ts";
import { StreamReader } from "./stream_reader.ts";
import type { PostgresClient } from "./types.ts";
import { WakeUps } from "./waiting.ts";

/** Options of {@linkcode openPostgresLog}. */
export interface OpenPostgresLogOptions<E> {
  /** The run whose log it is, 1 to 128 of `A-Z a-z 0-9 . _ -`; it is made where it is missing. */
  runId: string;
  /**
   * When appends are acknowledged, unless they say otherwise.
   *
   * @default {"os"}
   */
  durability?: Durability;
  /** Checks each event, on append and on read. It must answer synchronously. */
  schema?: StandardSchema<E>;
}

/** What nobody waits for here. */
const NO_LEASE = { leaseMs: 60_000 };

/**
 * Opens a log of events in a database of runs, and makes it where there is none: the port `EventLog`, as a file has
 * it. {@linkcode migratePostgres} makes the schema, once.
 *
 * **Durability**: acknowledged with `"os"`, an event survives the death of this process, and a crash of the
 * server may take it back, about the last 600 ms, of which the next append is told by kind `rewound`; with
 * `"disk"` the server has synced it.
 *
 * **Permissions**: those of the client.
 *
 * @typeParam E The events.
 * @param client The database.
 * @param options Which log, and how to use it.
 * @returns The log; who opens it closes it.
 * @throws {EventLogError} `io` when the database cannot be used; appends also `conflict`, `rewound`, `sync`,
 * `closed`.
 *
 * @example Usage
 * ```ts ignore
 * import { openPostgresLog, postgresClient } from "@taffrail/taffrail/postgres";
 * import net from "node:net";
 * import tls from "node:tls";
 * import postgres from "postgres";
 *
 * const server = { host: "localhost", database: "runs", user: "ada" };
 * const client = postgresClient({ postgres, net, tls }, server);
 * await using log = await openPostgresLog<{ n: number }>(client, { runId: "demo" });
 * await log.append({ n: 1 }, { durability: "disk" });
 * ```
 */
export async function openPostgresLog<E = RunEvent>(
  client: PostgresClient,
  options: OpenPostgresLogOptions<E>,
): Promise<EventLog<E>> {
  checkMethods(client, "client", ["connect"]);
  const { runId, durability = "os", schema } = checkObject(
    options,
    "options",
  ) as unknown as OpenPostgresLogOptions<E>;
  checkRunId(runId);
  checkOneOf(durability, "durability", ["os", "disk"]);
  checkSchema(schema);
  let log: PostgresEventLog<E> | undefined;
  const link = new Link(client, { onNotice: (code) => log?.takeNotice(code) });
  try {
    const about = encodeUtf8(runFileText(runId, { created_at: new Date().toISOString() }));
    const text = "select taffrail.open_log_1($1, $2::bytea)::text as run_no";
    const [row] = await link.ask(text, [runId, about]);
    return log = new PostgresEventLog<E>({
      ...{ client, link, runId, durability, schema, runNo: String(row!.run_no) },
    });
  } catch (error) {
    await link.close();
    throw asLogError(asRootError(error, { root: client.name, runId }), client.name);
  }
}

interface LogParts<E> {
  client: PostgresClient;
  link: Link;
  runId: string;
  runNo: string;
  durability: Durability;
  schema: StandardSchema<E> | undefined;
}

class PostgresEventLog<E> implements EventLog<E> {
  readonly runId: string;
  readonly #parts: LogParts<E>;
  readonly #session: Session;
  readonly #appender: Appender;
  readonly #reader: StreamReader<E>;
  readonly #followers: WakeUps;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(parts: LogParts<E>) {
    const { client, link, runId, runNo, schema } = parts;
    this.runId = runId;
    this.#parts = parts;
    this.#session = new Session(client, NO_LEASE);
    this.#followers = new WakeUps(() => link.wake(runNo));
    this.#appender = new Appender({
      ...{ link, runNo, runId, root: client.name, token: null, floors: new Map() },
      signal: this.#closing.signal,
      onAppended: () => this.#followers.send(),
      // Whoever appends next is told.
      onRefused: () => {},
    });
    const stream = STREAMS.events;
    const source = { link, session: this.#session, root: client.name, runId, stream };
    this.#reader = new StreamReader<E>(source, schema);
  }

  takeNotice(code: string): void {
    this.#appender.takeNotice(code);
  }

  append(event: E, options: AppendOptions = {}): Promise<Appended> {
    return this.appendAll([event], options);
  }

  appendAll(events: readonly E[], options: AppendOptions = {}): Promise<Appended> {
    try {
      checkTypes(options, { expectedLastSeq: "number?", signal: "object?" });
      const { expectedLastSeq: expected, durability = this.#parts.durability, signal } = options;
      checkOneOf(durability, "durability", ["os", "disk"]);
      if (expected !== undefined && !(Number.isSafeInteger(expected) && expected >= 0)) {
        throw new RangeError(`Cannot expect the log to end with seq ${expected}`);
      }
      if (!Array.isArray(events)) throw new TypeError("Cannot use events: expected an array");
      const lines = events.map((event) => this.#encode(event));
      signal?.throwIfAborted();
      if (this.#closed !== undefined) throw this.#error("closed", "the log is closed");
      const parts = [{ stream: STREAMS.events, lines }];
      const appended = this.#appender.append(parts, { expected, waits: durability === "disk" });
      return appended.catch((error) => {
        throw this.#asLogError(error);
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async read(options?: ReadOptions): Promise<EventPage<E>> {
    try {
      return await this.#reader.read(options);
    } catch (error) {
      throw asLogError(error, this.#parts.client.name);
    }
  }

  follow(options: FollowOptions = {}): AsyncIterable<Stored<E> | Gap> {
    return this.#reader.follow(options, { closed: this.#closing.signal });
  }

  async lastSeq(): Promise<number> {
    try {
      return await this.#reader.lastSeq();
    } catch (error) {
      throw asLogError(error, this.#parts.client.name);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#appender.idle();
    this.#followers[Symbol.dispose]();
    this.#closing.abort();
    await Promise.all([this.#session.close(), this.#parts.link.close()]);
  }

  /** A schema judges the event as it will be read, so that none is acknowledged and then refused. */
  #encode(event: E): string {
    const line = encodeEvent(event);
    const { schema } = this.#parts;
    const issues = schema && validate(JSON.parse(line), schema).issues;
    if (issues === undefined) return line;
    const problem = `the schema refuses it: ${messagesOf(issues)}`;
    throw new TypeError(`failed to serialize event: ${problem}`);
  }

  #error(
    kind: EventLogErrorKind,
    what: string,
    numbers: { expected?: number; actual?: number } = {},
  ): EventLogError {
    const path = this.#parts.client.name;
    return new EventLogError(kind, `Cannot append to the log ${this.runId} in ${path}: ${what}`, {
      details: { path, ...numbers },
    });
  }

  #asLogError(error: unknown): unknown {
    if (error instanceof ConflictError) {
      const { message, expected, actual } = error;
      return this.#error("conflict", message, { expected, actual });
    }
    const { name: root } = this.#parts.client;
    return asLogError(asRootError(error, { root, runId: this.runId }), root);
  }
}

/** What went wrong with a run, as an error of its log. */
function asLogError(error: unknown, path: string): unknown {
  if (!(error instanceof RunError)) return error;
  const { kind, message, remedy, cause } = error;
  const known = kind === "rewound" || kind === "sync" || kind === "format" ? kind : "io";
  return new EventLogError(known, message, { details: { path }, remedy, cause });
}
