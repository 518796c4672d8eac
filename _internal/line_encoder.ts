const NEWLINE = 10;
const KEPT_BUFFER_BYTES = 1024 * 1024;
const KEPT_VIEWS = 4096;
const encoder = new TextEncoder();

/** Turns lines into the bytes of one write, in a buffer that is used again. */
export class LineEncoder {
  #buffer = new Uint8Array(4096);
  /** Views of the buffer by length: making one costs as much as encoding a short line. */
  #views: Uint8Array[] = [];

  /** The lines, each with a newline; valid until the next call. */
  encode(lines: readonly string[]): Uint8Array {
    const text = lines.length === 1 ? lines[0]! : lines.join("\n");
    const most = text.length * 3 + 1;
    if (most > KEPT_BUFFER_BYTES) return encoder.encode(text + "\n");
    if (most > this.#buffer.length) this.#grow(most);
    const { written } = encoder.encodeInto(text, this.#buffer);
    this.#buffer[written] = NEWLINE;
    return this.#view(written + 1);
  }

  #grow(most: number): void {
    this.#buffer = new Uint8Array(2 ** Math.ceil(Math.log2(most)));
    this.#views = [];
  }

  #view(length: number): Uint8Array {
    if (length >= KEPT_VIEWS) return this.#buffer.subarray(0, length);
    return this.#views[length] ??= this.#buffer.subarray(0, length);
  }
}
