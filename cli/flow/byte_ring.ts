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
