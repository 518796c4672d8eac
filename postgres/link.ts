/**
 * A connection that is made anew when it was lost, for what may be asked again. What is always true:
 *
 * 1. **Statements run in the order in which they are asked**, on one connection; when that is lost, all that
 *    was not answered fails. Nothing is asked again by itself: only who asks knows what that would mean.
 * 2. **An answer that does not come within the deadline does not come**: its connection is destroyed, so
 *    that nothing hangs on a server that is frozen or cut off.
 * 3. **The server gives up first where it waits for a lock**, before it would be asked again by another
 *    connection: while one append waits for a standby, those that are sent again would pile up behind it, until
 *    nobody can connect any more.
 */
import { isConnectionLost } from "./postgres_error.ts";
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

/** How long something is asked again. */
interface Patience {
  /** No longer than so many milliseconds; for ever where it is left out. */
  forMs?: number;
  /** Ends it; what was thrown last is thrown. */
  signal?: AbortSignal | undefined;
}

/** Asks something again as long as it is the connection that fails, with pauses that grow to a second. */
export async function askAgain<T>(ask: () => Promise<T>, patience: Patience): Promise<T> {
  const { forMs = Infinity, signal } = patience;
  const begun = performance.now();
  for (let tries = 0;; tries++) {
    try {
      return await ask();
    } catch (error) {
      const isOver = signal?.aborted || performance.now() - begun >= forMs;
      if (isOver || !isConnectionLost(error)) throw error;
      await pause(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(tries, 6)), signal);
    }
  }
}

/** Resolves after a time, or when the signal aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
}

/** Whoever was just woken looks anyway: what comes within so many milliseconds wakes it once more. */
const WAKE_MS = 10;

/**
 * Wakes others, at once where that was not done just before, and never more often than they can look: each costs a
 * commit. Whoever is not woken looks by himself, so a wake-up that fails is missed by nobody.
 */
export class WakeUps implements Disposable {
  readonly #send: () => Promise<unknown>;
  readonly #restMs: number;
  readonly #over = new AbortController();
  #isResting = false;
  #isWanted = false;

  constructor(send: () => Promise<unknown>, { restMs = WAKE_MS } = {}) {
    this.#send = send;
    this.#restMs = restMs;
  }

  /** There is something to look at. */
  send(): void {
    this.#isWanted = true;
    if (!this.#isResting) void this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    this.#isResting = true;
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.#send().catch(() => {});
      if (this.#restMs > 0) await pause(this.#restMs, this.#over.signal);
    }
    this.#isResting = false;
  }

  /** Nothing is waited for any more. */
  [Symbol.dispose](): void {
    this.#over.abort();
  }
}
