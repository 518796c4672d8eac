/**
 * What an attempt gives, in a file of bounded size. What is always true:
 *
 * 1. **Without a byte there is no file**, and none of an earlier attempt of that number either.
 * 2. **The digest is of what was written to the file**, made while it was: what somebody makes of the file
 *    meanwhile does not change it.
 */
import { type FileHandle, writeWholeSync } from "../../_internal/file_port.ts";
import { BoundedOutput, OutputTimesLines } from "../outputs.ts";
import type { KeptOutput, OutputChunk, OutputRef, OutputSink } from "../types.ts";
import type { OutputFolder } from "./folders.ts";

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
  readonly #kept: BoundedOutput;
  #file: FileHandle | undefined;
  #closing: Promise<KeptOutput> | undefined;

  constructor(parts: OutputParts) {
    this.#parts = parts;
    this.#kept = new BoundedOutput(parts.maxBytes, (bytes) => writeWholeSync(this.#file!, bytes));
  }

  write(chunk: Uint8Array, atMs: number): void {
    if (this.#closing !== undefined) throw new Error("Cannot write to an output that was closed");
    if (chunk.length === 0) return;
    const { folder, of, times } = this.#parts;
    this.#file ??= folder.create(of);
    this.#kept.push(chunk);
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
      const kept = this.#kept.end();
      if (this.#file === undefined) folder.removeOlder(of);
      else if (isSynced) await Promise.all([this.#file.syncData(), folder.reach()]);
      return kept;
    } finally {
      this.#file?.close();
      times?.release();
      onClosed(this);
    }
  }
}

/** The times of one attempt, of both of its outputs. */
export class OutputTimes {
  readonly #folder: OutputFolder;
  readonly #attempt: { nodeId: string; attempt: number };
  readonly #onRelease: () => void;
  #users = 0;
  #file: FileHandle | undefined;
  readonly #lines = new OutputTimesLines();

  constructor(
    folder: OutputFolder,
    attempt: { nodeId: string; attempt: number },
    onRelease: () => void,
  ) {
    this.#folder = folder;
    this.#attempt = attempt;
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
    if (line === undefined) return;
    this.#file ??= this.#folder.create({ ...this.#attempt, stream: "times" });
    writeWholeSync(this.#file, line);
  }

  /** An output has ended; behind the last one the file is closed. */
  release(): void {
    if (--this.#users > 0) return;
    if (this.#file === undefined) {
      this.#folder.removeOlder({ ...this.#attempt, stream: "times" });
    }
    this.#file?.close();
    this.#onRelease();
  }
}
