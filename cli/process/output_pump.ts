import type { OutputRef } from "../../run/types.ts";
import { NEWLINE, reasonOf } from "../../_internal/text.ts";
import { wait } from "./end_processes.ts";

/** Takes a part of what a command printed, which it may not keep; `"close"` = no more is wanted. */
export type TakeOutput = (chunk: Uint8Array) => void | Promise<void | "close">;

/** Takes one output of an attempt, from its begin to its end. */
export interface OutputTaker {
  /** Takes a part of it. */
  take: TakeOutput;
  /** There is no more. */
  end(): Promise<void>;
}

/** What was printed already gets this long to arrive, however short the grace is. */
const LAST_READ_MS = 500;
/** How often at most to look whether to go on waiting. */
const SHORTEST_LOOK_MS = 20;

/** How long to wait for the last of an output, and what ends that wait. */
export function patienceFor(
  graceMs: number,
  kill: AbortSignal,
): { milliseconds: number; signals: AbortSignal[] } {
  if (kill.aborted) return { milliseconds: LAST_READ_MS, signals: [] };
  return { milliseconds: Math.max(graceMs, LAST_READ_MS), signals: [kill] };
}

/** As much as a pipe holds. */
const BUFFER_BYTES = 64 * 1024;
const MOST_SPARE_BUFFERS = 16;

/**
 * Buffers that nobody reads into. A fresh one for every read costs more than the read: 0.6 ms of a
 * command, as a process that has just been forked writes to pages that its parent shares.
 */
const spareBuffers: ArrayBufferLike[] = [];

/** Reads one of the two outputs of a command and hands it on. */
export class OutputPump {
  /** Resolves when the output has ended or was abandoned; rejects with what the taker threw. */
  readonly done: Promise<void>;
  /** Whether it was still open when no more was waited for. */
  isAbandoned = false;
  readonly #reader: ReadableStreamBYOBReader;
  readonly #take: TakeOutput;
  #hasEnded = false;
  /** Ends the wait for its end; an error that is made for every output fills the memory that a spawn copies. */
  #waiting: AbortController | undefined;
  #waitedMs = 0;
  #waitingSince: number | undefined;

  constructor(stream: ReadableStream<Uint8Array>, take: TakeOutput) {
    this.#reader = stream.getReader({ mode: "byob" });
    this.#take = take;
    this.done = this.#pump();
  }

  /**
   * From now on, waits this long in all for more to be printed: a process that left its group may
   * keep the output open for ever. The time that the taker needs does not count.
   */
  async limit(graceMs: number, kill: AbortSignal): Promise<void> {
    const patience = patienceFor(graceMs, kill);
    this.#waiting = new AbortController();
    const signals = [this.#waiting.signal, ...patience.signals];
    this.#waitedMs = 0;
    if (this.#waitingSince !== undefined) this.#waitingSince = performance.now();
    for (;;) {
      const leftMs = patience.milliseconds - this.#waited();
      if (this.#hasEnded) return;
      if (leftMs <= 0 || signals.some(({ aborted }) => aborted)) break;
      await wait(Math.max(leftMs, SHORTEST_LOOK_MS), ...signals);
    }
    this.isAbandoned = true;
    await this.close();
  }

  /** Reads no more. The command notices it as with any reader that goes away: by SIGPIPE. */
  async close(): Promise<void> {
    try {
      await this.#reader.cancel();
    } catch {
      // It has failed or ended already.
    }
  }

  async #pump(): Promise<void> {
    let buffer: ArrayBufferLike | undefined = spareBuffers.pop() ?? new ArrayBuffer(BUFFER_BYTES);
    try {
      for (;;) {
        this.#waitingSince = performance.now();
        const view: Uint8Array = new Uint8Array(buffer);
        const { done, value } = await this.#reader.read(view);
        this.#waitedMs = this.#waited();
        this.#waitingSince = undefined;
        // Reading detaches the buffer and gives it back under another name, but not after a cancel.
        buffer = value?.buffer;
        if (done || buffer === undefined || await this.#take(value) === "close") return;
      }
    } finally {
      if (buffer?.byteLength === BUFFER_BYTES && spareBuffers.length < MOST_SPARE_BUFFERS) {
        spareBuffers.push(buffer);
      }
      this.#hasEnded = true;
      this.#waiting?.abort();
      await this.close();
    }
  }

  /** The time spent waiting for the command to print something. */
  #waited(): number {
    const since = this.#waitingSince;
    return this.#waitedMs + (since === undefined ? 0 : performance.now() - since);
  }
}

/** Passes on what commands print to the stream that it is for, as it comes. */
export class PassThrough {
  /** Whether the last of it ended in the middle of a line. */
  isInLine = false;
  /** Whether some of it could not be passed on. */
  hasLost = false;
  readonly #stream: typeof Deno.stdout | typeof Deno.stderr;
  readonly #observer: { prepare?: () => void; note: (text: string) => void };

  /** `prepare`: called before anything is passed on; `note`: told when something cannot be. */
  constructor(
    stream: typeof Deno.stdout | typeof Deno.stderr,
    observer: { prepare?: () => void; note: (text: string) => void },
  ) {
    this.#stream = stream;
    this.#observer = observer;
  }

  /** Where the reader has gone away, the command is to notice: `taffrail exec -- yes | head` ends. */
  readonly take: TakeOutput = async (chunk) => {
    this.#observer.prepare?.();
    this.isInLine = chunk.at(-1) !== NEWLINE;
    try {
      for (let rest = chunk; rest.length > 0;) {
        rest = rest.subarray(await this.#stream.write(rest));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) {
        this.hasLost = true;
        this.#observer.note(`Cannot pass on what the command prints: ${reasonOf(error)}`);
      }
      return "close";
    }
  };
}

/** Where what commands print is passed on to. */
export interface PassedOutput {
  /** Whether some of it could not be passed on. */
  readonly hasLost: boolean;
  /** Whether it is passed on byte for byte, with its colours. */
  readonly isRaw: boolean;
  /** Whether the last of it ended in the middle of a line; setting it says that the line was ended. */
  isInLine: boolean;
  /** Takes one output of an attempt. */
  to(of: OutputRef): OutputTaker;
}

/** Passes on what commands print as it comes, byte for byte. */
export class RawOutput implements PassedOutput {
  /** Every byte is passed on. */
  readonly isRaw = true;
  /** What goes to standard output. */
  readonly output: PassThrough;
  /** What goes to standard error. */
  readonly errors: PassThrough;

  constructor(observer: ConstructorParameters<typeof PassThrough>[1]) {
    this.output = new PassThrough(Deno.stdout, observer);
    this.errors = new PassThrough(Deno.stderr, observer);
  }

  /** Whether some of it could not be passed on. */
  get hasLost(): boolean {
    return this.output.hasLost || this.errors.hasLost;
  }

  /** Whether the last of it ended in the middle of a line. */
  get isInLine(): boolean {
    return this.output.isInLine || this.errors.isInLine;
  }

  set isInLine(isInLine: boolean) {
    this.output.isInLine = isInLine;
    this.errors.isInLine = isInLine;
  }

  /** Takes one output of an attempt. */
  to({ stream }: OutputRef): OutputTaker {
    const { take } = stream === "out" ? this.output : this.errors;
    return { take, end: () => Promise.resolve() };
  }
}
