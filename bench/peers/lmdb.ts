/** Not written into the import, so that a type check of this project does not fetch it. */
const SPECIFIER = "npm:lmdb@3.5.6";

interface Database {
  put(key: number, value: string): Promise<boolean>;
  close(): Promise<void>;
}

interface Lmdb {
  open(options: {
    path: string;
    encoding: "string";
    keyEncoding: "uint32";
    noSync: boolean;
    overlappingSync: boolean;
  }): Database;
}

/** Events by number in a database of lmdb, which joins waiting writes into one transaction. */
export class LmdbLog implements AsyncDisposable {
  readonly #database: Database;
  #next = 0;

  private constructor(database: Database) {
    this.#database = database;
  }

  /** Opens a database; durable means that `append` resolves when the event is on disk. */
  static async open(path: string, options: { durable: boolean }): Promise<LmdbLog> {
    const { open } = await import(SPECIFIER) as Lmdb;
    const noSync = !options.durable;
    return new LmdbLog(
      open({ path, encoding: "string", keyEncoding: "uint32", noSync, overlappingSync: false }),
    );
  }

  /** One event, in a transaction with those that wait at the same time. */
  append(event: unknown): Promise<boolean> {
    return this.#database.put(this.#next++, JSON.stringify(event));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database.close();
  }
}
