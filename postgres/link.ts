/**
 * A connection that is made anew when it was lost, for what may be asked again. What is always true:
 *
 * 1. **Statements run in the order in which they are asked**, on one connection; when that is lost, all that
 *    was not answered fails. Asked again is only what may be: who asks knows what that would mean.
 * 2. **An answer that does not come within the deadline does not come**: its connection is destroyed, so
 *    that nothing hangs on a server that is frozen or cut off.
 * 3. **The server gives up first where it waits for a lock**, before it would be asked again by another
 *    connection: while one append waits for a standby, those that are sent again would pile up behind it, until
 *    nobody can connect any more.
 */
import { isConnectionLost } from "./postgres_error.ts";
import { pause } from "./waiting.ts";
import type {
  PostgresClient,
  PostgresConnection,
  PostgresListener,
  PostgresRow,
  PostgresValue,
} from "./types.ts";

/** How long an answer may take. */
const DEADLINE_MS = 10_000;
const LOCK_TIMEOUT_MS = 8000;
/**
 * The server notices within some ten seconds that a machine is gone that has not said so, and gives up what that
 * held: by itself it takes hours.
 */
const SETTINGS = Object.entries({
  lock_timeout: LOCK_TIMEOUT_MS,
  tcp_keepalives_idle: 4,
  tcp_keepalives_interval: 2,
  tcp_keepalives_count: 3,
  tcp_user_timeout: DEADLINE_MS,
}).map(([name, value]) => `set ${name} = ${value}`).join("; ");
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1000;
/** How long somebody waits for a server who has nothing to lose by giving up. */
const READ_PATIENCE_MS = 10_000;

/** How long something is asked again. */
export interface Patience {
  /** No longer than so many milliseconds; for ever where it is left out. */
  forMs?: number;
  /** Ends it; what was thrown last is thrown. */
  signal?: AbortSignal | undefined;
}

/** That of somebody who reads. */
const READ_PATIENCE: Patience = { forMs: READ_PATIENCE_MS };

/** A connection to the database, for as long as one can be had. */
export class Link {
  readonly #client: PostgresClient;
  readonly #listener: PostgresListener;
  #connection: Promise<PostgresConnection> | undefined;
  /** What waits for an answer, the oldest first. */
  readonly #asked = new Set<{ at: number }>();
  #watch: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(client: PostgresClient, listener: PostgresListener = {}) {
    this.#client = client;
    this.#listener = listener;
  }

  /** Asks something. */
  async query(text: string, values?: readonly PostgresValue[]): Promise<readonly PostgresRow[]> {
    const asked = { at: performance.now() };
    this.#asked.add(asked);
    this.#watch ??= setTimeout(this.#look, DEADLINE_MS);
    const opening = this.#connection ??= this.#open();
    try {
      return await (await opening).query(text, values);
    } catch (error) {
      if (isConnectionLost(error)) this.#drop(opening);
      throw error;
    } finally {
      this.#asked.delete(asked);
      if (this.#asked.size === 0) this.#unwatch();
    }
  }

  /** Asks what may be asked twice, as long as it is the connection that fails, with pauses that grow to a second. */
  async ask(
    text: string,
    values?: readonly PostgresValue[],
    { forMs = Infinity, signal }: Patience = READ_PATIENCE,
  ): Promise<readonly PostgresRow[]> {
    const begun = performance.now();
    for (let tries = 0;; tries++) {
      try {
        return await this.query(text, values);
      } catch (error) {
        const isOver = signal?.aborted || performance.now() - begun >= forMs;
        if (isOver || !isConnectionLost(error)) throw error;
        await pause(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(tries, 6)), signal);
      }
    }
  }

  /** Has whoever follows a run, or holds it, look at it; who misses that looks by himself. */
  async wake(runNo: string): Promise<void> {
    await this.query("select taffrail.wake_1($1::bigint)", [runNo]);
  }

  /** Has the workers look for jobs. */
  async wakeWorkers(): Promise<void> {
    await this.query("select taffrail.wake_workers_1()");
  }

  /** Gives the connection up; the next question makes another one. */
  drop(): void {
    if (this.#connection !== undefined) this.#drop(this.#connection);
  }

  /** Closes it when all is answered. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#connection?.then((connection) => connection.close()).catch(() => {});
  }

  #open(): Promise<PostgresConnection> {
    if (this.#isClosed) return Promise.reject(new Error("Cannot ask anything: the root is closed"));
    const opening: Promise<PostgresConnection> = this.#connect(() => {
      if (this.#connection === opening) this.#connection = undefined;
      this.#listener.onClosed?.();
    });
    // Whatever was wrong may be mended by the time of the next question.
    opening.catch(() => this.#drop(opening));
    return opening;
  }

  async #connect(onClosed: () => void): Promise<PostgresConnection> {
    const connection = await this.#client.connect({ ...this.#listener, onClosed });
    // What is asked next stands behind it, and fails with it.
    connection.query(SETTINGS).catch(() => {});
    return connection;
  }

  #drop(opening: Promise<PostgresConnection>): void {
    if (this.#connection === opening) this.#connection = undefined;
    opening.then((connection) => connection.destroy(), () => {});
  }

  readonly #look = (): void => {
    this.#watch = undefined;
    const [oldest] = this.#asked;
    if (oldest === undefined) return;
    const leftMs = oldest.at + DEADLINE_MS - performance.now();
    if (leftMs <= 0) this.drop();
    this.#watch = setTimeout(this.#look, Math.max(leftMs, LONGEST_PAUSE_MS));
  };

  #unwatch(): void {
    clearTimeout(this.#watch);
    this.#watch = undefined;
  }
}
