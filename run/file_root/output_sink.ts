/**
 * What an attempt gives, in a file of bounded size: the first half goes to the file as it comes, the last
 * half is kept in memory until the end, and between them stands a line that says how much was left out.
 * What is always true:
 *
 * 1. **Without a byte there is no file**, and none of an earlier attempt of that number either.
 * 2. **The digest is of what was written to the file**, made while it was: what somebody makes of the file
 *    meanwhile does not change it.
 */
import { type FileHandle, writeWholeSync } from "../../_internal/file_port.ts";
import { encodeUtf8, NEWLINE, Sha256, toHex } from "../../_internal/text.ts";
import type { KeptOutput, OutputRef, OutputSink } from "../types.ts";
import type { OutputFolder } from "./folders.ts";
import type { OutputTimes } from "./output_times.ts";

/** What a {@linkcode FileOutputSink} is made of. */
interface OutputParts {
  folder: OutputFolder;
  of: OutputRef;
  maxBytes: number;
  /** When its chunks came; undefined for what nobody prints. */
  times: OutputTimes | undefined;
  /** Told when nothing of it is open any more. */
  onClosed: (sink: FileOutputSink) => void;
}

/** One output of an attempt. */
export class FileOutputSink implements OutputSink {
  readonly #parts: OutputParts;
  readonly #hash = new Sha256();
  readonly #tailCapacity: number;
  #headLeft: number;
  #bytes = 0;
  #endsLine = true;
  #tail: ByteRing | undefined;
  #file: FileHandle | undefined;
  #closing: Promise<KeptOutput> | undefined;

  constructor(parts: OutputParts) {
    this.#parts = parts;
    this.#headLeft = Math.ceil(parts.maxBytes / 2);
    this.#tailCapacity = parts.maxBytes - this.#headLeft;
  }

  write(chunk: Uint8Array, atMs: number): void {
    if (this.#closing !== undefined) throw new Error("Cannot write to an output that was closed");
    if (chunk.length === 0) return;
    const { folder, of, times } = this.#parts;
    this.#file ??= folder.create(of);
    const head = chunk.subarray(0, this.#headLeft);
    this.#writeAll(head);
    this.#headLeft -= head.length;
    if (head.length < chunk.length) {
      this.#tail ??= new ByteRing(this.#tailCapacity);
      this.#tail.push(chunk.subarray(head.length));
    }
    if (of.stream !== "result") times?.add({ atMs, stream: of.stream, byteLength: chunk.length });
  }

  /** A file takes what it is given at once. */
  ready(): Promise<void> {
    return Promise.resolve();
  }

  close(options: { sync?: boolean } = {}): Promise<KeptOutput> {
    return this.#closing ??= this.#close(options.sync ?? false);
  }

  async #close(isSynced: boolean): Promise<KeptOutput> {
    const { folder, of, times, onClosed } = this.#parts;
    try {
      if (this.#tail !== undefined) this.#writeTail(this.#tail);
      if (this.#file === undefined) folder.removeOlder(of);
      else if (isSynced) await Promise.all([this.#file.syncData(), folder.reach()]);
    } finally {
      this.#file?.close();
      times?.release();
      onClosed(this);
    }
    const leftOut = this.#tail?.dropped ?? 0;
    return { sha256: toHex(this.#hash.digest()), bytes: this.#bytes, cut: leftOut > 0, leftOut };
  }

  #writeTail(tail: ByteRing): void {
    if (tail.dropped > 0) {
      const before = this.#endsLine ? "" : "\n";
      this.#writeAll(encodeUtf8(`${before}[taffrail: ${tail.dropped} bytes left out]\n`));
    }
    for (const part of tail.parts) this.#writeAll(part);
  }

  #writeAll(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    writeWholeSync(this.#file!, bytes);
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
