import { joinBytes } from "../../_internal/text.ts";
import { type FileHandle, type FilePort, readRangeSync } from "../../_internal/file_port.ts";

/**
 * The bytes of one log, as a reader is to see them. They are not always those of the file: lines
 * that the journal holds may not have reached the file yet, and the file may have more than what
 * belongs to the state that is read. `size` bytes count, and nothing behind them.
 */
export interface LogBytes {
  /** The file, for errors. */
  readonly path: string;
  /** How many bytes the log has. */
  readonly size: number;
  /** The bytes from `start` up to `end`, which is at most {@linkcode LogBytes.size}. */
  read(start: number, end: number): Uint8Array;
  /** Gives up the file. */
  close(): void;
}

/** What a log is made of. */
export interface LogBytesParts {
  port: FilePort;
  path: string;
  /** How many bytes of the file count; the rest of the log is `tail`. */
  fileEnd: number;
  /** Lines that follow those of the file, wherever the file has them too. */
  tail?: Uint8Array;
}

/** Opens a log for reading. A log of which no byte counts may have no file. */
export function openLogBytes({ port, path, fileEnd, tail }: LogBytesParts): LogBytes {
  const file = fileEnd === 0 ? undefined : port.openSync(path, { read: true });
  return new FileBytes(path, { file, fileEnd, tail: tail ?? new Uint8Array() });
}

class FileBytes implements LogBytes {
  readonly path: string;
  readonly #file: FileHandle | undefined;
  readonly #fileEnd: number;
  readonly #tail: Uint8Array;

  constructor(
    path: string,
    { file, fileEnd, tail }: { file: FileHandle | undefined; fileEnd: number; tail: Uint8Array },
  ) {
    this.path = path;
    this.#file = file;
    this.#fileEnd = fileEnd;
    this.#tail = tail;
  }

  get size(): number {
    return this.#fileEnd + this.#tail.length;
  }

  read(start: number, end: number): Uint8Array {
    const fromTail = this.#tail.subarray(
      Math.max(0, start - this.#fileEnd),
      Math.max(0, end - this.#fileEnd),
    );
    if (this.#file === undefined || start >= this.#fileEnd) return fromTail;
    const fromFile = readRangeSync(this.#file, start, Math.min(end, this.#fileEnd));
    return fromTail.length === 0 ? fromFile : joinBytes([fromFile, fromTail]);
  }

  close(): void {
    this.#file?.close();
  }
}

export { joinBytes };
