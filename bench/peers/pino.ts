/** Not written into the import, so that a type check of this project does not fetch it. */
const SPECIFIER = "npm:pino@10.4.0";

interface Destination {
  flushSync(): void;
  end(): void;
}

interface Pino {
  (destination: Destination): { info(event: object): void };
  destination(options: { dest: string; sync: boolean; minLength?: number }): Destination;
}

let loaded: Pino | undefined;

/** A log of pino in a file. Its records carry four more members: level, time, pid, hostname. */
export class PinoLog implements Disposable {
  readonly #destination: Destination;
  readonly #logger: { info(event: object): void };

  private constructor(pino: Pino, path: string) {
    this.#destination = pino.destination({ dest: path, sync: true });
    this.#logger = pino(this.#destination);
  }

  /** Opens a file; every event is written before `append` returns. */
  static async open(path: string): Promise<PinoLog> {
    loaded ??= (await import(SPECIFIER)).default as Pino;
    return new PinoLog(loaded, path);
  }

  /** One event, one write, no lock. */
  append(event: object): void {
    this.#logger.info(event);
  }

  [Symbol.dispose](): void {
    this.#destination.flushSync();
    this.#destination.end();
  }
}
