import {
  denoFilePort,
  type FileHandle,
  openRegularSync,
  readFileSync,
  readRangeSync,
  sizeOf,
  withFileSync,
  writeWholeSync,
} from "../../_internal/file_port.ts";
import { encodeUtf8, NEWLINE, toHex } from "../../_internal/text.ts";
import { printableOutput } from "../text/printable.ts";

/**
 * What a command prints, in a file of bounded size: the first half goes to the file as it comes,
 * the last half is kept in memory until the end, and between them stands a line that says how much
 * was left out.
 */
export class OutputFile {
  /** Where it is. */
  readonly path: string;
  readonly #file: FileHandle;
  readonly #tailCapacity: number;
  #headLeft: number;
  #endsLine = true;
  #tail: ByteRing | undefined;

  /**
   * Creates the file, mode 0600. One of the same name is written over, but not by way of a link, or when
   * it has another name too: that could be any file of the user's.
   */
  constructor(path: string, maxBytes: number) {
    this.path = path;
    this.#headLeft = Math.ceil(maxBytes / 2);
    this.#tailCapacity = maxBytes - this.#headLeft;
    // It is emptied when it is known to be the run's own.
    const options = { read: true, write: true, create: true, mode: 0o600 };
    this.#file = openRegularSync(denoFilePort, path, options);
    this.#file.truncateSync(0);
  }

  /** Takes what was printed. */
  write(chunk: Uint8Array): void {
    const head = chunk.subarray(0, this.#headLeft);
    this.#writeAll(head);
    this.#headLeft -= head.length;
    if (head.length === chunk.length) return;
    this.#tail ??= new ByteRing(this.#tailCapacity);
    this.#tail.push(chunk.subarray(head.length));
  }

  /** Writes what was kept in memory, and closes the file. */
  finish(): void {
    try {
      if (this.#tail !== undefined) this.#writeTail(this.#tail);
    } finally {
      this.#file.close();
    }
  }

  #writeTail(tail: ByteRing): void {
    if (tail.dropped > 0) {
      const before = this.#endsLine ? "" : "\n";
      const line = `${before}[taffrail: ${tail.dropped} bytes left out]\n`;
      this.#writeAll(encodeUtf8(line));
    }
    for (const part of tail.parts) this.#writeAll(part);
  }

  #writeAll(bytes: Uint8Array): void {
    writeWholeSync(this.#file, bytes);
    if (bytes.length > 0) this.#endsLine = bytes.at(-1) === NEWLINE;
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

/**
 * The digest of what is kept of an output: `sha256:` and 64 hexadecimal digits. Of an output that
 * was too long to be kept whole it covers the kept halves and how much lies between them.
 */
export async function hashOutput(path: string): Promise<string> {
  const bytes = readFileSync(denoFilePort, path) as Uint8Array<ArrayBuffer>;
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return `sha256:${toHex(new Uint8Array(digest))}`;
}

/** As much as the last lines are looked for in. */
export const TAIL_BYTES = 8 * 1024;

/** The last lines of a file that a command printed to, fit for a terminal; none if it is gone. */
export function readOutputTail(path: string, lines: number): string[] {
  return lastLines(readEnd(path), lines);
}

/** The last lines of what a command printed, fit for a terminal. */
function lastLines(text: string, lines: number): string[] {
  return printableOutput(text).trimEnd().split("\n").slice(-lines)
    .filter((line, index) => line !== "" || index > 0);
}

const MESSAGE_LINES = 20;
const MESSAGE_CHARACTERS = 2000;

/** What is recorded of a failure: the end of what the command printed to its error output. */
export function readFailureMessage(path: string): string {
  return failureMessageOf(readEnd(path));
}

/** The same of a text that is the end of it. */
export function failureMessageOf(text: string): string {
  return lastLines(text, MESSAGE_LINES).join("\n").slice(-MESSAGE_CHARACTERS);
}

function readEnd(path: string): string {
  try {
    const { bytes, isCut } = withFileSync(denoFilePort, { path, read: true }, (file) => {
      const size = sizeOf(file);
      const start = Math.max(0, size - TAIL_BYTES);
      return { bytes: readRangeSync(file, start, size), isCut: start > 0 };
    });
    const text = new TextDecoder().decode(bytes);
    return isCut ? text.slice(text.indexOf("\n") + 1) : text;
  } catch {
    return "";
  }
}
