const NEWLINE = 10;
const KEPT_BUFFER_BYTES = 1024 * 1024;
const encoder = new TextEncoder();

/** Turns lines into the bytes of one write, in a buffer that is used again. */
export class LineEncoder {
  #buffer = new Uint8Array(4096);

  /** The lines, each with a newline; valid until the next call. */
  encode(lines: readonly string[]): Uint8Array {
    const text = lines.length === 1 ? lines[0]! : lines.join("\n");
    const most = text.length * 3 + 1;
    if (most > KEPT_BUFFER_BYTES) return encoder.encode(text + "\n");
    if (most > this.#buffer.length) this.#buffer = new Uint8Array(2 ** Math.ceil(Math.log2(most)));
    const { written } = encoder.encodeInto(text, this.#buffer);
    this.#buffer[written] = NEWLINE;
    return this.#buffer.subarray(0, written + 1);
  }
}
