import { DatabaseSync, type StatementSync } from "node:sqlite";

const SCHEMA = `
  CREATE TABLE runtime (next_event_id INTEGER NOT NULL, next_worker INTEGER NOT NULL) STRICT;
  INSERT INTO runtime VALUES (1, 1);
  CREATE TABLE workers (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, request TEXT NOT NULL,
    next_sequence INTEGER NOT NULL, last_event_id INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE events (
    id INTEGER PRIMARY KEY, worker_id TEXT, kind TEXT NOT NULL, message TEXT NOT NULL
  ) STRICT;
  CREATE TABLE entries (
    worker_id TEXT NOT NULL, sequence INTEGER NOT NULL, role TEXT NOT NULL,
    content TEXT NOT NULL, event_id INTEGER NOT NULL, PRIMARY KEY (worker_id, sequence)
  ) STRICT, WITHOUT ROWID;
`;

/** The store's mutations as transactions on tables of Node's SQLite, WAL, `synchronous = FULL`. */
export class SqliteStore implements Disposable {
  readonly #database: DatabaseSync;
  readonly #takeEventId: StatementSync;
  readonly #takeWorkerNumber: StatementSync;
  readonly #insertWorker: StatementSync;
  readonly #updateWorker: StatementSync;
  readonly #insertEvent: StatementSync;
  readonly #insertEntry: StatementSync;

  /** Creates the database in a file. */
  constructor(path: string) {
    const database = new DatabaseSync(path);
    this.#database = database;
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = FULL");
    database.exec(SCHEMA);
    this.#takeEventId = database.prepare(
      "UPDATE runtime SET next_event_id = next_event_id + 1 RETURNING next_event_id - 1 AS id",
    );
    this.#takeWorkerNumber = database.prepare(
      "UPDATE runtime SET next_worker = next_worker + 1 RETURNING next_worker - 1 AS number",
    );
    this.#insertWorker = database.prepare("INSERT INTO workers VALUES (?, 'running', ?, 1, ?)");
    this.#updateWorker = database.prepare(
      "UPDATE workers SET next_sequence = next_sequence + 1, last_event_id = ? " +
        "WHERE id = ? AND status = 'running' RETURNING next_sequence - 1 AS sequence",
    );
    this.#insertEvent = database.prepare("INSERT INTO events VALUES (?, ?, ?, ?)");
    this.#insertEntry = database.prepare("INSERT INTO entries VALUES (?, ?, ?, ?, ?)");
  }

  /** Several mutations in one transaction. */
  transaction(body: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    body();
    this.#database.exec("COMMIT");
  }

  /** Creates a worker and returns its id; inside a transaction. */
  createWorker(request: unknown): string {
    const { id: eventId } = this.#takeEventId.get() as { id: number };
    const { number } = this.#takeWorkerNumber.get() as { number: number };
    const id = `worker-${number.toString(16).padStart(8, "0")}`;
    this.#insertWorker.run(id, JSON.stringify(request), eventId);
    this.#insertEvent.run(eventId, id, "worker_created", `worker ${id} created`);
    return id;
  }

  /** Sends an input to a worker; inside a transaction. */
  sendInput(workerId: string, content: string): void {
    const { id } = this.#takeEventId.get() as { id: number };
    const { sequence } = this.#updateWorker.get(id, workerId) as { sequence: number };
    this.#insertEvent.run(id, workerId, "worker_input_accepted", "worker input accepted");
    this.#insertEntry.run(workerId, sequence, "user", content, id);
  }

  /**
   * Fills the write-ahead log once and starts it anew, so that from now on it is overwritten in
   * place, as in a database that has been in use for some time.
   */
  recycleLog(workerId: string): void {
    this.#database.exec("PRAGMA synchronous = OFF");
    for (let index = 0; index < 3000; index++) {
      this.transaction(() => this.sendInput(workerId, "to fill the log"));
    }
    this.#database.exec("PRAGMA wal_checkpoint(RESTART)");
    this.#database.exec("PRAGMA synchronous = FULL");
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
