/**
 * What an attempt gives, in pieces. What is always true:
 *
 * 1. **Without a byte there is no piece**, and none of an earlier attempt of that number either: the first
 *    piece takes the place of all that were there.
 * 2. **One piece is under way at a time**, and is sent again when its answer does not come: it has its number.
 * 3. What comes in small parts is sent a few times a second, so that others can watch it come.
 */
import { checkInteger, checkString } from "../_internal/errors.ts";
import { joinBytes } from "../_internal/text.ts";
import { BoundedOutput, OutputTimesLines } from "../run/outputs.ts";
import type { KeptOutput, OutputChunk, OutputRef, OutputSink } from "../run/types.ts";

/** A piece that is this long is sent at once. */
const PIECE_BYTES = 256 * 1024;
/** Who writes waits when so much is still to be sent. */
const MOST_WAITING_BYTES = 4 * 1024 ** 2;
/** How long small parts are gathered. */
const GATHER_MS = 200;

/** Puts a piece of an output; no bytes: only what is under its number is removed, or what was sent is synced. */
export type PutPiece = (
  of: { nodeId: string; attempt: number; stream: string },
  piece: { number: number; bytes: Uint8Array | null; waits: boolean },
) => Promise<void>;

/** Something that is sent in pieces. */
class Pieces {
  readonly #of: { nodeId: string; attempt: number; stream: string };
  readonly #put: PutPiece;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #sent = 0;
  #sending: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failure: { of: unknown } | undefined;

  constructor(of: { nodeId: string; attempt: number; stream: string }, put: PutPiece) {
    this.#of = of;
    this.#put = put;
  }

  add(bytes: Uint8Array): void {
    // Whoever gave it goes on using its buffer.
    this.#waiting.push(bytes.slice());
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= PIECE_BYTES) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), GATHER_MS);
  }

  /** Resolves when more may be added without piling up. */
  async ready(): Promise<void> {
    while (this.#waitingBytes > MOST_WAITING_BYTES && this.#failure === undefined) {
      await (this.#sending ?? this.#send());
    }
  }

  /** Resolves when all is there; `waits`: and on disk. */
  async end({ waits }: { waits: boolean }): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
    clearTimeout(this.#timer);
    if (this.#waitingBytes > 0 || this.#sent === 0) await this.#sendAll({ waits });
    else if (waits) await this.#putNext(null, { waits });
    if (this.#failure !== undefined) throw this.#failure.of;
  }

  #send(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#sending ??= this.#sendAll({ waits: false }).finally(() => {
      this.#sending = undefined;
      if (this.#waitingBytes > 0) this.#timer ??= setTimeout(() => this.#send(), GATHER_MS);
    });
  }

  async #sendAll(how: { waits: boolean }): Promise<void> {
    try {
      do {
        const bytes = joinBytes(this.#waiting.splice(0));
        this.#waitingBytes = 0;
        await this.#putNext(bytes.length === 0 ? null : bytes, how);
      } while (this.#waitingBytes >= PIECE_BYTES);
    } catch (error) {
      this.#failure ??= { of: error };
    }
  }

  async #putNext(bytes: Uint8Array | null, { waits }: { waits: boolean }): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.of;
    await this.#put(this.#of, { number: this.#sent, bytes, waits });
    if (bytes !== null) this.#sent++;
  }
}

/** The outputs of attempts, which somebody puts somewhere in pieces. */
export class OutputsInPieces {
  readonly #put: PutPiece;
  /** The times of the attempts whose outputs are open. */
  readonly #times = new Map<string, OutputTimesInPieces>();
  readonly #open = new Set<OutputSink>();

  constructor(put: PutPiece) {
    this.#put = put;
  }

  /** Takes an output as it comes. */
  open(of: OutputRef, { maxBytes }: { maxBytes: number }): OutputSink {
    checkString(of.nodeId, "of.nodeId");
    checkInteger(of.attempt, "of.attempt");
    checkInteger(maxBytes, "maxBytes");
    const times = of.stream === "result" ? undefined : this.#timesOf(of).use();
    const onClosed = (closed: OutputSink) => this.#open.delete(closed);
    const sink = new OutputInPieces(of, { maxBytes, times, put: this.#put, onClosed });
    this.#open.add(sink);
    return sink;
  }

  /** Ends those that are open still: whoever has one has told nobody of it. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#open].map((sink) => sink.close()));
  }

  #timesOf({ nodeId, attempt }: OutputRef): OutputTimesInPieces {
    const key = `${attempt} ${nodeId}`;
    let times = this.#times.get(key);
    if (times === undefined) {
      const onRelease = () => void this.#times.delete(key);
      times = new OutputTimesInPieces({ nodeId, attempt }, { put: this.#put, onRelease });
      this.#times.set(key, times);
    }
    return times;
  }
}

/** The times of one attempt, of both of its outputs. */
class OutputTimesInPieces {
  readonly #pieces: Pieces;
  readonly #lines = new OutputTimesLines();
  readonly #onRelease: () => void;
  #users = 0;

  constructor(
    of: { nodeId: string; attempt: number },
    { put, onRelease }: { put: PutPiece; onRelease: () => void },
  ) {
    this.#pieces = new Pieces({ ...of, stream: "times" }, put);
    this.#onRelease = onRelease;
  }

  /** One more output of the attempt begins. */
  use(): this {
    this.#users++;
    return this;
  }

  /** A chunk came. */
  add(chunk: OutputChunk): void {
    const line = this.#lines.next(chunk);
    if (line !== undefined) this.#pieces.add(line);
  }

  /** An output has ended; behind the last one all is sent. */
  async release(): Promise<void> {
    if (--this.#users > 0) return;
    this.#onRelease();
    await this.#pieces.end({ waits: false });
  }
}

/** One output of an attempt. */
class OutputInPieces implements OutputSink {
  readonly #of: OutputRef;
  readonly #pieces: Pieces;
  readonly #kept: BoundedOutput;
  readonly #times: OutputTimesInPieces | undefined;
  readonly #onClosed: (sink: OutputSink) => void;
  #closing: Promise<KeptOutput> | undefined;

  constructor(
    of: OutputRef,
    { maxBytes, put, times, onClosed }: {
      maxBytes: number;
      put: PutPiece;
      times: OutputTimesInPieces | undefined;
      onClosed: (sink: OutputSink) => void;
    },
  ) {
    this.#of = of;
    this.#pieces = new Pieces(of, put);
    this.#kept = new BoundedOutput(maxBytes, (bytes) => this.#pieces.add(bytes));
    this.#times = times;
    this.#onClosed = onClosed;
  }

  write(chunk: Uint8Array, atMs: number): void {
    if (this.#closing !== undefined) throw new Error("Cannot write to an output that was closed");
    if (chunk.length === 0) return;
    this.#kept.push(chunk);
    const { stream } = this.#of;
    if (stream !== "result") this.#times?.add({ atMs, stream, byteLength: chunk.length });
  }

  ready(): Promise<void> {
    return this.#pieces.ready();
  }

  close(options: { sync?: boolean } = {}): Promise<KeptOutput> {
    return this.#closing ??= this.#close(options.sync ?? false);
  }

  async #close(waits: boolean): Promise<KeptOutput> {
    try {
      const kept = this.#kept.end();
      await Promise.all([this.#pieces.end({ waits }), this.#times?.release()]);
      return kept;
    } finally {
      this.#onClosed(this);
    }
  }
}
