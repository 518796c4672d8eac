/**
 * The npm package `postgres` as the client of a root. Invariants:
 *
 * 1. A connection is one session of the server. That package reconnects by itself, and would send what waits
 *    to another session, which holds nothing and listens to nothing: here a second socket is never made, so that
 *    what was not answered rejects, and so does all that is asked later.
 * 2. Statements reach the server in the order in which they were given, many at a time; what the server warns of
 *    is told before the statement is answered.
 * 3. Values go and come as text, and mean what the statement says: nothing is rounded on the way, or made to a
 *    time of JavaScript. What comes as a number, a boolean or bytes is one.
 * 4. A password is asked for when the server does, and is no part of any error.
 */
import { checkString } from "../_internal/errors.ts";
import { reasonOf, toHex } from "../_internal/text.ts";
import {
  DEFAULT_PORT,
  isSocketFolder,
  type NodeSocket,
  openSocket,
  type ServerAddress,
  type SocketModules,
  SocketProblem,
  watchForClearText,
} from "./postgres_socket.ts";
import type {
  PostgresClient,
  PostgresConnection,
  PostgresListener,
  PostgresRow,
  PostgresValue,
} from "./types.ts";

/** What a client is made of. */
export interface PostgresModules extends SocketModules {
  /** What the package `postgres` exports by default. */
  postgres(options: object): PostgresSql;
}

/** What that makes, as far as it is used. */
export interface PostgresSql {
  /** Runs a statement. */
  unsafe(
    text: string,
    values?: string[],
    options?: { prepare?: boolean },
  ): PromiseLike<readonly unknown[]>;
  /** Ends the connection, after this many seconds at the latest. */
  end(options?: { timeout?: number }): Promise<unknown>;
}

/** A database, and who uses it. */
export interface PostgresServer extends ServerAddress {
  /** The name of the database. */
  readonly database: string;
  /** The role that uses it. */
  readonly user: string;
  /** Its password, or what finds it when the server asks; no password where it is undefined. */
  readonly password?: string | (() => string | undefined);
  /**
   * How long it may take to connect, in milliseconds.
   *
   * @default {10_000}
   */
  readonly connectTimeoutMs?: number;
}

/**
 * Makes a client of the npm package `postgres`. Nothing is sent before it is asked for a connection.
 *
 * Between two machines the server has to prove its name by a certificate, unless `tls` says less, and the
 * password is never sent in clear text.
 *
 * **Permissions**: `--allow-net` for the server, and `--allow-env`, which the package needs.
 *
 * @param modules The package, and the two modules of Node that make sockets.
 * @param server Where the database is, and who uses it.
 * @returns The client, to be given to whoever opens a root.
 * @throws {TypeError} If the database or the user has no name that can be sent.
 *
 * @example Usage
 * ```ts
 * import { postgresClient } from "@taffrail/taffrail/postgres";
 * import net from "node:net";
 * import tls from "node:tls";
 * import postgres from "postgres";
 * import { assertEquals } from "@std/assert";
 *
 * const client = postgresClient({ postgres, net, tls }, {
 *   host: "db.example",
 *   database: "runs",
 *   user: "ada",
 *   password: () => Deno.env.get("DATABASE_PASSWORD"),
 * });
 * assertEquals(client.name, "postgres://ada@db.example/runs");
 * ```
 */
export function postgresClient(modules: PostgresModules, server: PostgresServer): PostgresClient {
  const { host, database, user } = server;
  for (const [name, value] of Object.entries({ host, database, user })) {
    const text = checkString(value, name);
    if (text !== "" && !text.includes("\0")) continue;
    throw new TypeError(`Cannot use ${JSON.stringify(text)} as ${name}: it is no name`);
  }
  return {
    name: nameOf(server),
    connect: (listener = {}) => ServerSession.open(modules, server, listener),
  };
}

/** The URL of a database, without a password and without what names files of this machine. */
function nameOf(server: PostgresServer): string {
  const { host, port = DEFAULT_PORT, database, user, tls } = server;
  const isFolder = isSocketFolder(host);
  const where = isFolder ? "" : host.includes(":") ? `[${host}]` : host.toLowerCase();
  const mode = isFolder ? undefined : tls?.mode;
  const parameters = [
    ...(isFolder ? [`host=${encodeURIComponent(host).replaceAll("%2F", "/")}`] : []),
    ...(isFolder && port !== DEFAULT_PORT ? [`port=${port}`] : []),
    ...(mode === undefined ? [] : [`sslmode=${mode}`]),
  ];
  const address = isFolder || port === DEFAULT_PORT ? where : `${where}:${port}`;
  const query = parameters.length === 0 ? "" : `?${parameters.join("&")}`;
  return `postgres://${encodeURIComponent(user)}@${address}/${
    encodeURIComponent(database)
  }${query}`;
}

/** What types of the server are given and taken as they are; the package would change each of them. */
const AS_TEXT = (value: unknown) => value;
const TYPES = {
  text: { to: 25, from: [25], serialize: AS_TEXT, parse: AS_TEXT },
  json: { to: 114, from: [114, 3802], serialize: AS_TEXT, parse: AS_TEXT },
  date: { to: 1184, from: [1082, 1114, 1184], serialize: AS_TEXT, parse: AS_TEXT },
  boolean: { to: 16, from: [16], serialize: AS_TEXT, parse: (text: string) => text === "t" },
  bytea: { to: 17, from: [17], serialize: AS_TEXT, parse: bytesOf },
};

/** `\x00ff` as it comes. */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array((text.length - 2) / 2);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = digitOf(text, 2 * at + 2) << 4 | digitOf(text, 2 * at + 3);
  }
  return bytes;
}

function digitOf(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 0x3a ? code - 0x30 : code - 0x57;
}

/**
 * A session begins by this. No time limit of the role or the database ends a session that only waits to be
 * told of something, or cuts off an append, of which nobody could say then whether it is recorded. Older servers do
 * not know all of them.
 */
const SETTINGS = `select set_config(name, value, false) from (values
  ('idle_session_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),
  ('transaction_timeout', '0'), ('statement_timeout', '0'), ('lock_timeout', '0'),
  ('bytea_output', 'hex')
) as known (name, value) where current_setting(name, true) is not null`;

/** How long a server may take to answer that a connection ends, in seconds. */
const END_TIMEOUT = 5;

class ServerSession implements PostgresConnection {
  readonly #modules: PostgresModules;
  readonly #server: PostgresServer;
  readonly #sql: PostgresSql;
  /** What was asked and is not answered. */
  readonly #asked = new Set<PromiseWithResolvers<readonly PostgresRow[]>>();
  /** Aborts when the session is over, by the error that says why. */
  readonly #over = new AbortController();
  #hasSocket = false;
  #isClosing = false;
  #onClosed: (() => void) | undefined;

  /** Begins a session. */
  static async open(
    modules: PostgresModules,
    server: PostgresServer,
    listener: PostgresListener,
  ): Promise<PostgresConnection> {
    const session = new ServerSession(modules, server, listener);
    const { connectTimeoutMs = 10_000 } = server;
    const late = new SocketProblem("CONNECT_TIMEOUT", `No answer in ${connectTimeoutMs} ms`);
    const timer = setTimeout(() => session.#end(late), connectTimeoutMs);
    try {
      await session.query(SETTINGS);
      session.#onClosed = () => listener.onClosed?.();
      return session;
    } catch (cause) {
      session.destroy();
      const code: unknown = cause instanceof Error ? Reflect.get(cause, "code") : undefined;
      const error = new Error(`Cannot connect to ${nameOf(server)}: ${reasonOf(cause)}`, { cause });
      throw Object.assign(error, { code });
    } finally {
      clearTimeout(timer);
    }
  }

  private constructor(
    modules: PostgresModules,
    server: PostgresServer,
    listener: PostgresListener,
  ) {
    this.#modules = modules;
    this.#server = server;
    this.#sql = modules.postgres({
      host: server.host,
      port: server.port ?? DEFAULT_PORT,
      database: server.database,
      user: server.user,
      pass: () => this.#password(),
      socket: () => this.#openSocket(),
      connection: { application_name: "taffrail" },
      // TLS, time limits and keeping alive are the socket's.
      ssl: false,
      connect_timeout: 0,
      backoff: 0,
      max: 1,
      idle_timeout: 0,
      max_lifetime: 0,
      fetch_types: false,
      no_subscribe: true,
      types: TYPES,
      onnotice: ({ code = "", message = "" }: { code?: string; message?: string }) =>
        listener.onNotice?.(code, message),
      onnotify: (channel: string, payload: string) => listener.onNotification?.(channel, payload),
    });
  }

  query(text: string, values: readonly PostgresValue[] = []): Promise<readonly PostgresRow[]> {
    if (this.#isClosing || this.#over.signal.aborted) return Promise.reject(this.#reason());
    const asked = Promise.withResolvers<readonly PostgresRow[]>();
    this.#asked.add(asked);
    this.#sql.unsafe(text, values.map(textOf) as string[], { prepare: true })
      .then((rows) => asked.resolve(rowsOf(rows)), asked.reject);
    return asked.promise.finally(() => this.#asked.delete(asked));
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled(Array.from(this.#asked, ({ promise }) => promise));
    if (!this.#over.signal.aborted) await this.#sql.end({ timeout: END_TIMEOUT });
    this.destroy();
  }

  destroy(): void {
    this.#end(this.#reason());
  }

  /** Why nothing is answered any more. */
  #reason(): Error {
    const { aborted, reason } = this.#over.signal;
    return aborted ? reason : new SocketProblem("CONNECTION_CLOSED", "The connection is closed");
  }

  #end(reason: Error): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort(reason);
    for (const { reject } of this.#asked) reject(reason);
    this.#onClosed?.();
  }

  /** The one socket of this session: whoever asks for a second one wants to reconnect. */
  async #openSocket(): Promise<NodeSocket> {
    if (this.#hasSocket) throw this.#reason();
    this.#hasSocket = true;
    const signal = this.#over.signal;
    const { socket, isOpenToOthers } = await openSocket(this.#modules, this.#server, signal);
    const closed = new SocketProblem("CONNECTION_CLOSED", "The server has closed the connection");
    socket.once("close", () => this.#end(closed));
    if (isOpenToOthers) watchForClearText(socket, () => this.#end(clearTextProblem()));
    return socket;
  }

  /** The password; never resolves where the session ends for the want of one. */
  #password(): string | Promise<never> {
    const found = this.#over.signal.aborted ? undefined : this.#findPassword();
    return found ?? new Promise<never>(() => {});
  }

  #findPassword(): string | undefined {
    const { password } = this.#server;
    try {
      const found = typeof password === "function" ? password() : password;
      if (found !== undefined) return found;
      const message = "The server asks for a password, and there is none";
      this.#end(new SocketProblem("NO_PASSWORD", message));
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(reasonOf(error)));
    }
    return undefined;
  }
}

function clearTextProblem(): SocketProblem {
  const message = "The server asks for the password in clear text, and there is no TLS";
  return new SocketProblem("CLEAR_TEXT_PASSWORD", message);
}

/** A value as the server reads it. */
function textOf(value: PostgresValue): string | null {
  if (value === null) return null;
  return value instanceof Uint8Array ? `\\x${toHex(value)}` : String(value);
}

/** The rows of a statement; of several statements in one text those of the last one. */
function rowsOf(result: readonly unknown[]): readonly PostgresRow[] {
  const last = result.at(-1);
  // The package has a class of its own for lists of rows.
  return Array.from(Array.isArray(last) ? last : result);
}
