import { DatabaseSync, type StatementSync } from "node:sqlite";

/** When SQLite syncs its write-ahead log: never, at checkpoints, or at each transaction. */
export type Synchronous = "OFF" | "NORMAL" | "FULL";

/** A table of events in a database of Node's SQLite. */
export class SqliteLog implements Disposable {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;

  /** Opens or creates the database in a file, with a write-ahead log. */
  constructor(path: string, synchronous: Synchronous) {
    this.#database = new DatabaseSync(path);
    this.#database.exec("PRAGMA busy_timeout = 5000");
    this.#database.exec("PRAGMA journal_mode = WAL");
    this.setSynchronous(synchronous);
    this.#database.exec("CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, event TEXT)");
    this.#insert = this.#database.prepare("INSERT INTO events (event) VALUES (?)");
  }

  /** Changes when it syncs. */
  setSynchronous(synchronous: Synchronous): void {
    this.#database.exec(`PRAGMA synchronous = ${synchronous}`);
  }

  /** One event in a transaction of its own. */
  append(event: unknown): void {
    this.#insert.run(JSON.stringify(event));
  }

  /** Events in one transaction. */
  appendAll(events: readonly unknown[]): void {
    this.#database.exec("BEGIN");
    for (const event of events) this.append(event);
    this.#database.exec("COMMIT");
  }

  /**
   * Fills the write-ahead log once and starts it anew, so that from now on it is overwritten in
   * place, as in a database that has been in use for some time.
   */
  recycleLog(event: unknown): void {
    this.setSynchronous("OFF");
    for (let index = 0; index < 3000; index++) this.append(event);
    this.#database.exec("PRAGMA wal_checkpoint(RESTART)");
    this.setSynchronous("FULL");
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
