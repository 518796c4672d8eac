/**
 * A server in this process, for what one session can show: all connections to it are that session, one
 * statement at a time. It costs more than a second, so that a file of tests shares one, and each test begins
 * with a database without the schema of a root.
 */
import { PGlite } from "@electric-sql/pglite";
import type {
  PostgresClient,
  PostgresConnection,
  PostgresListener,
  PostgresRow,
  PostgresValue,
} from "../../postgres/types.ts";

/** Object ids of types whose values a statement may be given as text, as every server takes it. */
const TYPES = { bool: 16, int8: 20, int4: 23, text: 25, boolArray: 1000, byteaArray: 1001 };

/** Those whose values come as the text that the server sends: nothing is rounded or changed. */
const AS_TEXT = [TYPES.int8, 114, 3802, 1082, 1114, 1184];

/** A value as the server reads or sends it. */
function textOf(value: unknown): string {
  return String(value);
}

/** A server in this process. */
export class Pglite implements AsyncDisposable {
  readonly #database: PGlite;

  /** Use {@linkcode startPglite}. */
  constructor(database: PGlite) {
    this.#database = database;
  }

  /** Removes what a root has made, and gives a client of what is left. */
  async emptied(): Promise<PostgresClient> {
    const database = this.#database;
    await database.exec("drop schema if exists taffrail cascade; select pg_advisory_unlock_all()");
    return {
      name: "postgres://pglite/postgres",
      connect: (listener) => Promise.resolve(new Connection(database, listener ?? {})),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database.close();
  }
}

/** Starts the server, which takes a second. */
export async function startPglite(): Promise<Pglite> {
  const serializers = Object.fromEntries(Object.values(TYPES).map((type) => [type, textOf]));
  const parsers = Object.fromEntries(AS_TEXT.map((type) => [type, textOf]));
  return new Pglite(await PGlite.create({ serializers, parsers }));
}

class Connection implements PostgresConnection {
  readonly #database: PGlite;
  readonly #listener: PostgresListener;
  readonly #closed = Promise.withResolvers<never>();
  readonly #unlisten: () => void;
  readonly #asked = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(database: PGlite, listener: PostgresListener) {
    this.#database = database;
    this.#listener = listener;
    this.#closed.promise.catch(() => {});
    this.#unlisten = database.onNotification((channel, payload) => {
      if (!this.#isClosed) listener.onNotification?.(channel, payload);
    });
  }

  async query(
    text: string,
    values: readonly PostgresValue[] = [],
  ): Promise<readonly PostgresRow[]> {
    if (this.#isClosed) throw closedError();
    const onNotice = (
      { code, message }: { code: string | undefined; message: string | undefined },
    ) => this.#listener.onNotice?.(code ?? "", message ?? "");
    // Only without values there can be several statements in a text; the last one gives the rows.
    const asked = values.length === 0
      ? this.#database.exec(text, { onNotice }).then((results) => results.at(-1))
      : this.#database.query(text, [...values], { onNotice });
    this.#asked.add(asked);
    try {
      const result = await Promise.race([asked, this.#closed.promise]);
      return (result?.rows ?? []) as readonly PostgresRow[];
    } finally {
      this.#asked.delete(asked);
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#asked);
    this.destroy();
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unlisten();
    this.#closed.reject(closedError());
    this.#listener.onClosed?.();
  }
}

function closedError(): Error {
  return Object.assign(new Error("the connection is closed"), { code: "CONNECTION_CLOSED" });
}
