/**
 * How what an attempt gives is kept, on any root. What is kept of an output of bounded size is the first half
 * as it comes, the last half, in memory until the end, and between them a line that says how much was left
 * out; its digest is of what is kept.
 *
 * When and how much of which output came is a line a chunk, in the order in which they came,
 *
 *     1764469200123 o 512
 *     15 e 80
 *
 * which is the time (of the first in milliseconds since 1970, of the others since the one before), `o` or
 * `e` for the output, and how many bytes it gave, kept or not. Nothing needs it but who shows both outputs
 * in one: it is not synced, and what came behind the 50,000th chunk is not in it.
 */
import { checkInteger, checkString } from "../_internal/errors.ts";
import type { AttemptFile } from "../_internal/root_layout.ts";
import { encodeUtf8, joinBytes, NEWLINE, Sha256, toHex } from "../_internal/text.ts";
import { attemptKey } from "./attempt_key.ts";
import type { KeptOutput, NodeAttempt, OutputChunk, OutputRef, OutputSink } from "./types.ts";

/**
 * Where a root keeps one of the things that an attempt gives. Without a byte there is nothing, and nothing of an
 * earlier attempt of that number either.
 */
export interface OutputStorage {
  /** Keeps bytes behind those before; whoever gave them goes on using their buffer. */
  write(bytes: Uint8Array): void;
  /** Resolves when more may be written without piling up. */
  ready(): Promise<void>;
  /** Resolves when all is kept, with `sync` on disk, name and bytes; nothing is open then, also when it fails. */
  end(how: { sync: boolean }): Promise<void>;
}

/** The outputs of attempts as they come, wherever they are kept. */
export class AttemptOutputs {
  readonly #store: (of: AttemptFile) => OutputStorage;
  /** The times of the attempts whose outputs are open. */
  readonly #times = new Map<string, AttemptTimes>();
  readonly #open = new Set<OutputSink>();

  constructor(store: (of: AttemptFile) => OutputStorage) {
    this.#store = store;
  }

  /** Takes an output. */
  open(of: OutputRef, { maxBytes }: { maxBytes: number }): OutputSink {
    checkString(of.nodeId, "of.nodeId");
    checkInteger(of.attempt, "of.attempt");
    checkInteger(maxBytes, "maxBytes");
    const sink = new AttemptOutput(of, {
      storage: this.#store(of),
      maxBytes,
      times: of.stream === "result" ? undefined : this.#timesOf(of).use(),
      onClosed: (closed) => this.#open.delete(closed),
    });
    this.#open.add(sink);
    return sink;
  }

  /** Ends those that are open still: whoever has one has told nobody of it. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#open].map((sink) => sink.close()));
  }

  #timesOf({ nodeId, attempt }: NodeAttempt): AttemptTimes {
    const key = attemptKey({ nodeId, attempt });
    let times = this.#times.get(key);
    if (times === undefined) {
      const storage = this.#store({ nodeId, attempt, stream: "times" });
      times = new AttemptTimes(storage, () => void this.#times.delete(key));
      this.#times.set(key, times);
    }
    return times;
  }
}

/** One output of an attempt. */
class AttemptOutput implements OutputSink {
  readonly #of: OutputRef;
  readonly #storage: OutputStorage;
  readonly #kept: BoundedOutput;
  readonly #times: AttemptTimes | undefined;
  readonly #onClosed: (sink: OutputSink) => void;
  #closing: Promise<KeptOutput> | undefined;

  constructor(
    of: OutputRef,
    { storage, maxBytes, times, onClosed }: {
      storage: OutputStorage;
      maxBytes: number;
      /** When its chunks came; undefined for what nobody prints. */
      times: AttemptTimes | undefined;
      onClosed: (sink: OutputSink) => void;
    },
  ) {
    this.#of = of;
    this.#storage = storage;
    this.#kept = new BoundedOutput(maxBytes, (bytes) => storage.write(bytes));
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
    return this.#storage.ready();
  }

  close({ sync = false }: { sync?: boolean } = {}): Promise<KeptOutput> {
    return this.#closing ??= this.#close(sync);
  }

  async #close(sync: boolean): Promise<KeptOutput> {
    // What is open is closed, whichever of them fails.
    const ends = [
      Promise.try(() => this.#kept.end()),
      this.#storage.end({ sync }),
      this.#times?.release(),
    ] as const;
    await Promise.allSettled(ends);
    this.#onClosed(this);
    const [kept] = await Promise.all(ends);
    return kept;
  }
}

/** The times of one attempt, of both of its outputs. */
class AttemptTimes {
  readonly #storage: OutputStorage;
  readonly #lines = new OutputTimesLines();
  readonly #onReleased: () => void;
  #users = 0;

  constructor(storage: OutputStorage, onReleased: () => void) {
    this.#storage = storage;
    this.#onReleased = onReleased;
  }

  /** One more output of the attempt begins. */
  use(): this {
    this.#users++;
    return this;
  }

  /** A chunk came. */
  add(chunk: OutputChunk): void {
    const line = this.#lines.next(chunk);
    if (line !== undefined) this.#storage.write(line);
  }

  /** An output has ended; behind the last one all is kept. */
  async release(): Promise<void> {
    if (--this.#users > 0) return;
    this.#onReleased();
    await this.#storage.end({ sync: false });
  }
}

/** An output that is kept by whoever is given its bytes. */
class BoundedOutput {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #hash = new Sha256();
  readonly #tailCapacity: number;
  #headLeft: number;
  #bytes = 0;
  #endsLine = true;
  #tail: ByteRing | undefined;

  constructor(maxBytes: number, write: (bytes: Uint8Array) => void) {
    this.#write = write;
    this.#headLeft = Math.ceil(maxBytes / 2);
    this.#tailCapacity = maxBytes - this.#headLeft;
  }

  /** Takes what comes. */
  push(chunk: Uint8Array): void {
    const head = chunk.subarray(0, this.#headLeft);
    this.#keep(head);
    this.#headLeft -= head.length;
    if (head.length === chunk.length) return;
    this.#tail ??= new ByteRing(this.#tailCapacity);
    this.#tail.push(chunk.subarray(head.length));
  }

  /** Writes what is still to be written, and says how all of it was kept. */
  end(): KeptOutput {
    const leftOut = this.#tail?.dropped ?? 0;
    if (leftOut > 0) {
      const before = this.#endsLine ? "" : "\n";
      this.#keep(encodeUtf8(`${before}[taffrail: ${leftOut} bytes left out]\n`));
    }
    for (const part of this.#tail?.parts ?? []) this.#keep(part);
    return { sha256: toHex(this.#hash.digest()), bytes: this.#bytes, cut: leftOut > 0, leftOut };
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#write(bytes);
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
    this.#endsLine = bytes.at(-1) === NEWLINE;
  }
}

/** The last bytes of a stream, in memory of a fixed size. */
export class ByteRing {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #written = 0;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** Adds bytes; the oldest give way. */
  push(chunk: Uint8Array): void {
    const capacity = this.#bytes.length;
    const kept = chunk.subarray(Math.max(0, chunk.length - capacity));
    const at = capacity === 0 ? 0 : (this.#written + chunk.length - kept.length) % capacity;
    const untilEnd = kept.subarray(0, capacity - at);
    this.#bytes.set(untilEnd, at);
    this.#bytes.set(kept.subarray(untilEnd.length), 0);
    this.#written += chunk.length;
  }

  /** How many bytes were given and are not kept. */
  get dropped(): number {
    return Math.max(0, this.#written - this.#bytes.length);
  }

  /** The kept bytes, in order, in two parts. */
  get parts(): [Uint8Array, Uint8Array] {
    const end = this.dropped === 0 ? 0 : this.#written % this.#bytes.length;
    const begun = this.#bytes.subarray(0, Math.min(this.#written, this.#bytes.length));
    return [begun.subarray(end), begun.subarray(0, end)];
  }
}

const MOST_CHUNKS = 50_000;
const LETTERS = { out: "o", err: "e" } as const;

/** The lines of an attempt, all at once. */
export function encodeOutputTimes(chunks: readonly OutputChunk[]): Uint8Array {
  const lines = new OutputTimesLines();
  return joinBytes(chunks.flatMap((chunk) => lines.next(chunk) ?? []));
}

/** Makes the lines of one attempt. */
class OutputTimesLines {
  #lastMs = 0;
  #chunks = 0;

  /** The line of a chunk; undefined behind the last one that is kept. */
  next({ atMs, stream, byteLength }: OutputChunk): Uint8Array | undefined {
    if (++this.#chunks > MOST_CHUNKS) return undefined;
    const time = Math.round(atMs);
    const line = `${time - this.#lastMs} ${LETTERS[stream]} ${byteLength}\n`;
    this.#lastMs = time;
    return encodeUtf8(line);
  }
}

/** The chunks that such lines name, up to the first line that is none, as a kill leaves it. */
export function parseOutputTimes(bytes: Uint8Array): OutputChunk[] {
  const chunks: OutputChunk[] = [];
  let atMs = 0;
  const text = new TextDecoder().decode(bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1));
  for (const line of text.split("\n")) {
    const match = /^(-?\d{1,15}) ([oe]) (\d{1,15})$/.exec(line);
    if (match === null) break;
    atMs += Number(match[1]);
    const stream = match[2] === "o" ? "out" : "err";
    chunks.push({ atMs, stream, byteLength: Number(match[3]) });
  }
  return chunks;
}
