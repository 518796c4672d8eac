import { ByteRing } from "./byte_ring.ts";

const NEWLINE = 10;

/**
 * What a command prints, in a file of bounded size: the first half goes to the file as it comes,
 * the last half is kept in memory until the end, and between them stands a line that tells how much
 * was left out.
 */
export class OutputFile {
  /** Where it is. */
  readonly path: string;
  readonly #file: Deno.FsFile;
  readonly #tailCapacity: number;
  #headLeft: number;
  #endsLine = true;
  #tail: ByteRing | undefined;

  /** Creates the file, mode 0600. One of the same name is written over. */
  constructor(path: string, maxBytes: number) {
    this.path = path;
    this.#headLeft = Math.ceil(maxBytes / 2);
    this.#tailCapacity = maxBytes - this.#headLeft;
    const options = { write: true, create: true, truncate: true, mode: 0o600 };
    this.#file = Deno.openSync(path, options);
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
      this.#writeAll(new TextEncoder().encode(line));
    }
    for (const part of tail.parts) this.#writeAll(part);
  }

  /** On a full disk a write may take a part of the bytes, or none, instead of failing. */
  #writeAll(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      const written = this.#file.writeSync(rest);
      if (written === 0) throw new Error("No space left for it");
      rest = rest.subarray(written);
    }
    if (bytes.length > 0) this.#endsLine = bytes.at(-1) === NEWLINE;
  }
}
