import { wait } from "./wait.ts";

/** Takes a part of what a command printed; `"close"` = no more is wanted. */
export type TakeOutput = (chunk: Uint8Array) => void | Promise<void | "close">;

/** What was printed already gets this long to arrive, however short the grace is. */
const LAST_READ_MS = 500;

/** How long to wait for the last of an output. */
export function patienceMs(graceMs: number, hurry: AbortSignal): number {
  return hurry.aborted ? LAST_READ_MS : Math.max(graceMs, LAST_READ_MS);
}

/** Waits until the user is in a hurry; one who is already has given the last moment. */
export function waitPatiently(
  milliseconds: number,
  hurry: AbortSignal,
  ...others: AbortSignal[]
): Promise<void> {
  return wait(milliseconds, ...others, ...(hurry.aborted ? [] : [hurry]));
}

/** Reads one of the two outputs of a command and hands it on. */
export class OutputPump {
  /** Resolves when the output has ended or was given up; rejects with what the taker threw. */
  readonly done: Promise<void>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #take: TakeOutput;
  readonly #limited = Promise.withResolvers<undefined>();
  #patience: { leftMs: number; hurry: AbortSignal } | undefined;
  #isGivenUp = false;

  constructor(stream: ReadableStream<Uint8Array>, take: TakeOutput) {
    this.#reader = stream.getReader();
    this.#take = take;
    this.done = this.#pump();
  }

  /** Whether it was still open when no more was waited for. */
  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  /**
   * From now on, waits this long in all for more to be printed: a process that left its group may
   * keep the output open for ever. The time that the taker needs does not count.
   */
  limit(graceMs: number, hurry: AbortSignal): void {
    this.#patience = { leftMs: patienceMs(graceMs, hurry), hurry };
    this.#limited.resolve(undefined);
  }

  /** Reads no more. The command is told as by any reader that goes away. */
  async close(): Promise<void> {
    try {
      await this.#reader.cancel();
    } catch {
      // It has failed or ended already.
    }
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        const result = await this.#read();
        if (result === undefined) this.#isGivenUp = true;
        if (result === undefined || result.done) return;
        if (await this.#take(result.value) === "close") return;
      }
    } finally {
      await this.close();
    }
  }

  async #read(): Promise<ReadableStreamReadResult<Uint8Array> | undefined> {
    const read = this.#reader.read();
    const result = await Promise.race([read, this.#limited.promise]);
    const patience = this.#patience;
    if (result !== undefined || patience === undefined) return result;
    const since = performance.now();
    const arrived = new AbortController();
    const givenUp = waitPatiently(patience.leftMs, patience.hurry, arrived.signal);
    const last = await Promise.race([read, givenUp]);
    arrived.abort();
    patience.leftMs -= performance.now() - since;
    return last ?? undefined;
  }
}
