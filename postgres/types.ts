/** What a statement is given for `$1`, `$2`, …; a text is taken for whatever type the statement says. */
export type PostgresValue = string | number | bigint | boolean | Uint8Array | null;

/**
 * A row, by the names of its columns: `text` as a text, `bytea` as a `Uint8Array`, `boolean` as a boolean, numbers
 * as numbers or as their digits.
 */
export type PostgresRow = Readonly<Record<string, unknown>>;

/** What a connection tells by itself. */
export interface PostgresListener {
  /** Another session has sent a notification to a channel that this one listens to. */
  onNotification?(channel: string, payload: string): void;
  /** The server has warned of something: its SQLSTATE, and its words. */
  onNotice?(code: string, message: string): void;
  /** The connection is gone, whoever has closed it. Nothing that was asked by it is answered any more. */
  onClosed?(): void;
}

/** One connection, which is one session of the server for as long as it lasts: it never reconnects by itself. */
export interface PostgresConnection {
  /**
   * Runs a statement. Statements of one connection run in the order in which they are given; a driver may send one
   * before the one before it is answered. What fails has the SQLSTATE, or the code of the system, as its `code`.
   */
  query(text: string, values?: readonly PostgresValue[]): Promise<readonly PostgresRow[]>;
  /** Closes it when what was asked is answered. */
  close(): Promise<void>;
  /** Closes it now; what was not answered rejects. */
  destroy(): void;
}

/** Opens connections to one database: what a driver is made to look like. */
export interface PostgresClient {
  /** What people call the database: its URL, without a password. */
  readonly name: string;
  /** Opens a connection, with a time limit of its own. */
  connect(listener?: PostgresListener): Promise<PostgresConnection>;
}
