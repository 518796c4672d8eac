/**
 * Takes the values of secret variables out of whatever is kept of a run.
 *
 * What is always true:
 * - **No byte of a secret passes that stands in the output as a whole**, however the output was cut into
 *   chunks: what may be the begin of one is held back until it is known whether it is.
 * - Nothing else is held back, so that a prompt is there when it is printed.
 * - Of several secrets that begin at the same place the longest one counts, and what was masked is not
 *   looked at again.
 */
import { encodeUtf8, joinBytes } from "../../_internal/text.ts";

/** What stands in the place of a secret. */
const MASK = "***";
const MASK_BYTES = encodeUtf8(MASK);

/** The secrets of a run. */
export class SecretMask {
  /** The longest first. */
  readonly #texts: readonly string[];
  readonly #patterns: readonly Uint8Array[];
  /** Which bytes a secret begins with. */
  readonly #begins = new Uint8Array(256);

  /** Values that are empty are none. A newline at the end of one need not be there when it is printed. */
  constructor(values: Iterable<string>) {
    const texts = new Set(Array.from(values, (value) => value.replace(/[\r\n]+$/, "")));
    texts.delete("");
    this.#texts = [...texts].toSorted((a, b) => b.length - a.length);
    this.#patterns = this.#texts.map(encodeUtf8).toSorted((a, b) => b.length - a.length);
    for (const [first] of this.#patterns) this.#begins[first!] = 1;
  }

  /** Whether there is nothing to mask. */
  get isEmpty(): boolean {
    return this.#texts.length === 0;
  }

  /** A text without the secrets. */
  text(text: string): string {
    if (this.isEmpty) return text;
    const escaped = this.#texts.map((secret) => RegExp.escape(secret));
    return text.replaceAll(new RegExp(escaped.join("|"), "g"), MASK);
  }

  /** A stream that comes in chunks. */
  stream(): MaskedStream {
    return new MaskedStream(this.#patterns, this.#begins);
  }
}

/** One output, chunk by chunk. */
export class MaskedStream {
  readonly #patterns: readonly Uint8Array[];
  readonly #begins: Uint8Array;
  /** What may be the begin of a secret. */
  #held: Uint8Array = new Uint8Array();
  /** Whether anything was masked. */
  hasMasked = false;

  constructor(patterns: readonly Uint8Array[], begins: Uint8Array) {
    this.#patterns = patterns;
    this.#begins = begins;
  }

  /** What of the next chunk, and of what was held back, is known not to be secret. */
  take(chunk: Uint8Array): Uint8Array {
    const bytes = this.#held.length === 0 ? chunk : joinBytes([this.#held, chunk]);
    return this.#mask(bytes, { isEnd: false });
  }

  /** What is left when nothing more comes. */
  end(): Uint8Array {
    return this.#mask(this.#held, { isEnd: true });
  }

  #mask(bytes: Uint8Array, { isEnd }: { isEnd: boolean }): Uint8Array {
    const parts: Uint8Array[] = [];
    let from = 0;
    let at = 0;
    for (; at < bytes.length; at++) {
      if (this.#begins[bytes[at]!] === 0) continue;
      if (!isEnd && this.#patterns.some((pattern) => isBegin(pattern, bytes, at))) break;
      const secret = this.#patterns.find((pattern) => standsAt(pattern, bytes, at));
      if (secret === undefined) continue;
      this.hasMasked = true;
      parts.push(bytes.subarray(from, at), MASK_BYTES);
      from = at + secret.length;
      at = from - 1;
    }
    this.#held = bytes.slice(at);
    if (parts.length === 0) return bytes.subarray(0, at);
    parts.push(bytes.subarray(from, at));
    return joinBytes(parts);
  }
}

function standsAt(pattern: Uint8Array, bytes: Uint8Array, at: number): boolean {
  return pattern.length <= bytes.length - at && agree(pattern, bytes, at, pattern.length);
}

/** Whether all that there is from here on is the begin of a secret, and not the whole. */
function isBegin(pattern: Uint8Array, bytes: Uint8Array, at: number): boolean {
  const length = bytes.length - at;
  return length < pattern.length && agree(pattern, bytes, at, length);
}

function agree(pattern: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
  for (let index = 0; index < length; index++) {
    if (pattern[index] !== bytes[at + index]) return false;
  }
  return true;
}
