/**
 * The smallest shared parts: bytes, their checksum and their text, the path of a member in a document,
 * and the words of whatever was thrown. Their common place is this file, so that each has one
 * definition.
 */

/** The byte that ends a line. */
export const NEWLINE = 10;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const SHORT = 1024;
const scratch = new Uint8Array(SHORT * 3);

/** The UTF-8 bytes of a text. A short one is encoded in a buffer and copied, in half the time of `encode`. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  if (text.length > SHORT) return encoder.encode(text);
  return scratch.slice(0, encoder.encodeInto(text, scratch).written);
}

/**
 * The text that the bytes are in UTF-8; a byte order mark is a character like others.
 *
 * @throws {TypeError} The bytes are not UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/**
 * The JSON of a small file that is written as a whole. Some editors put a byte order mark in front when
 * they save.
 *
 * @throws {TypeError} It is none, told without the words of an engine.
 */
export function parseJsonFile(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = decodeUtf8(bytes).replace(/^\uFEFF/, "");
  } catch (cause) {
    throw new TypeError("it is not UTF-8", { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TypeError(text.trim() === "" ? "it is empty" : "it is not JSON", { cause });
  }
}

/** What it cannot decode becomes U+FFFD; `ignoreBOM` keeps a byte order mark. */
const lossyDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * {@linkcode decodeUtf8} for many lines at once, which costs a tenth of decoding each; undefined when
 * they are not UTF-8, or hold the character U+FFFD, and have to be looked at one by one.
 */
export function decodeManyLines(bytes: Uint8Array): string | undefined {
  const text = lossyDecoder.decode(bytes);
  return text.includes("\uFFFD") ? undefined : text;
}

/** The chunks, one behind the other. */
export function joinBytes(chunks: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let filled = 0;
  for (const chunk of chunks) {
    joined.set(chunk, filled);
    filled += chunk.length;
  }
  return joined;
}

/**
 * Lower-case hexadecimal digits. `Uint8Array.toHex` is missing in Node before version 25. There they are
 * joined, as a text that is put together by `+=` is a tree, which `JSON.stringify` prints at half the speed.
 */
export function toHex(bytes: Uint8Array): string {
  if (typeof bytes.toHex === "function") return bytes.toHex();
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The bytes of hexadecimal digits, of which there are an even number. */
export function fromHex(digits: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/**
 * The text without white space at its ends. White space is what Unicode calls so, and with it the
 * original programs: U+0085 is, U+FEFF is not, unlike for `String.trim`.
 */
export function trimWhiteSpace(text: string): string {
  const start = text.search(/\P{White_Space}/u);
  if (start === -1) return "";
  let end = text.length;
  while (/\p{White_Space}/u.test(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/** Whether there is nothing but white space in a text. */
export function isBlank(text: string): boolean {
  return !/\P{White_Space}/u.test(text);
}

/** The text, cut where it has more UTF-16 code units than that; half a character at the cut is U+FFFD. */
export function shortenTo(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).toWellFormed()}…`;
}

/** The message of whatever was thrown. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** What the system has called the failure that an error comes of. */
export function systemCodeOf(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined;
  return Reflect.get(error, "code") ?? systemCodeOf(error.cause);
}

/** What to do where something could not be written: room helps only against a full disk. */
export function writeRemedy(error: unknown): string {
  switch (systemCodeOf(error)) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "make it writable";
    case "EIO":
      return "have the disk checked";
    default:
      return "free some space";
  }
}

/** What people call the kinds of failures; records keep the words of their format. */
const FAILURES: ReadonlyMap<string, string> = new Map([
  ["crash", "failed"],
  ["timeout", "timed out"],
  ["host_missing", "could not be started"],
  ["gate_failed", "was not let pass"],
  ["max_iterations_exceeded", "took too many iterations"],
]);

/** What people call a kind of failure. */
export function failureWord(kind: string): string {
  return FAILURES.get(kind) ?? kind;
}

/** Why an attempt failed, for people: the kind, and the exit code or the signal where there is one. */
export function failureText(
  { kind, exit_code: exitCode, signal }: {
    kind: string;
    exit_code?: number | undefined;
    signal?: string | undefined;
  },
): string {
  const word = failureWord(kind);
  if (signal !== undefined) return `${word}, ended by ${signal}`;
  return exitCode === undefined ? word : `${word}, exit code ${exitCode}`;
}

/** The reason of a node that failed, as the run engine words it. */
const NODE_FAILED = /^node ([^]+) failed: (\w+)$/;

/** The node whose failure a reason names, and the kind of that; undefined where it names none. */
export function failedNodeIn(reason: string): { nodeId: string; kind: string } | undefined {
  const [, nodeId, kind] = NODE_FAILED.exec(reason) ?? [];
  return nodeId === undefined ? undefined : { nodeId, kind: kind! };
}

/** How a run ended that did not complete, by the reason. Programs give reasons of their own: those have failed. */
export function endOfReason(reason: string): "failed" | "cancelled" | "timed-out" | "unfinished" {
  if (reason === "deadline" || failedNodeIn(reason)?.kind === "timeout") return "timed-out";
  if (/^cancelled\b/.test(reason)) return "cancelled";
  return reason === "it was not finished" || reason === "not finished" ? "unfinished" : "failed";
}

/** What a byte does to the remainder, and behind it, 256 at a time, what it does that many bytes later. */
const CRC_TABLE = new Uint32Array(1024);
for (let byte = 0; byte < 1024; byte++) {
  let remainder = byte < 256 ? byte : CRC_TABLE[byte - 256]!;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  }
  CRC_TABLE[byte] = remainder;
}

/** The CRC-32 of ISO 3309, as zip and PNG use it; four bytes at a time take half as long as one by one. */
export function crc32(bytes: Uint8Array): number {
  const table = CRC_TABLE;
  const { length } = bytes;
  let remainder = 0xffffffff;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    remainder ^= bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
    remainder = table[768 + (remainder & 255)]! ^ table[512 + (remainder >>> 8 & 255)]! ^
      table[256 + (remainder >>> 16 & 255)]! ^ table[remainder >>> 24]!;
  }
  for (; at < length; at++) {
    remainder = remainder >>> 8 ^ table[(remainder ^ bytes[at]!) & 255]!;
  }
  return (remainder ^ 0xffffffff) >>> 0;
}

const PLAIN_NAME = /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u;

/** The path of a member, for people: `$.events[0].kind`, `$["odd name"]`; `$` is the whole document. */
export function memberPath(holderPath: string, key: string | number): string {
  if (typeof key === "number") return `${holderPath}[${key}]`;
  return PLAIN_NAME.test(key) ? `${holderPath}.${key}` : `${holderPath}[${JSON.stringify(key)}]`;
}

/**
 * Orders strings as their UTF-8 bytes (J-2). JavaScript compares UTF-16 code units, where the
 * surrogates that make up U+10000 and above stand below U+E000…U+FFFF.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const unitA = a.charCodeAt(index);
    const unitB = b.charCodeAt(index);
    if (unitA !== unitB) return rank(unitA) - rank(unitB);
  }
  return a.length - b.length;
}

/** Moves the surrogates above all other code units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

const KEPT_BUFFER_BYTES = 1024 * 1024;
const KEPT_VIEWS = 4096;

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

/** Rows of numbers, of which none is known at first. */
export class NumberTable {
  readonly #width: number;
  #cells = new Float64Array(0);
  #rows = 0;

  constructor(width: number) {
    this.#width = width;
  }

  /** Adds a row; gives its number. */
  add(): number {
    const end = (this.#rows + 1) * this.#width;
    if (end > this.#cells.length) {
      const cells = new Float64Array(2 * end);
      cells.set(this.#cells);
      this.#cells = cells;
    }
    // Memory that nobody has written to takes no room.
    this.#cells.fill(NaN, end - this.#width, end);
    return this.#rows++;
  }

  get(row: number, cell: number): number {
    return this.#cells[row * this.#width + cell]!;
  }

  set(row: number, cell: number, value: number): void {
    this.#cells[row * this.#width + cell] = value;
  }
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const DIGEST_BYTES = 32;

/**
 * Texts as numbers, NaN for none. Equal texts are kept once; digests, which differ every time, as bytes,
 * unless they are spelt as nobody spells them: then their number is negative.
 */
export class PackedValues {
  readonly #texts: string[] = [];
  readonly #numbers = new Map<string, number>();
  #digests = new Uint8Array(0);
  #digestCount = 0;

  ofText(text: string | undefined): number {
    if (text === undefined) return NaN;
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#texts.push(text) - 1;
      this.#numbers.set(text, number);
    }
    return number;
  }

  text(number: number): string | undefined {
    return this.#texts[number];
  }

  ofDigest(digest: string | undefined): number {
    if (digest === undefined) return NaN;
    if (!DIGEST.test(digest)) return -1 - this.ofText(digest);
    const start = this.#digestCount * DIGEST_BYTES;
    if (start === this.#digests.length) {
      const digests = new Uint8Array(2 * (start + DIGEST_BYTES));
      digests.set(this.#digests);
      this.#digests = digests;
    }
    const digits = digest.length - 2 * DIGEST_BYTES;
    for (let index = 0; index < DIGEST_BYTES; index++) {
      const at = digits + 2 * index;
      this.#digests[start + index] = hexValue(digest, at) * 16 + hexValue(digest, at + 1);
    }
    return this.#digestCount++;
  }

  digest(number: number): string | undefined {
    if (Number.isNaN(number)) return undefined;
    if (number < 0) return this.text(-1 - number);
    const start = number * DIGEST_BYTES;
    return `sha256:${toHex(this.#digests.subarray(start, start + DIGEST_BYTES))}`;
  }
}

/** What a lower-case hexadecimal digit stands for. */
function hexValue(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 58 ? code - 48 : code - 87;
}

const BLOCK_BYTES = 64;
/** Of the tables of SHA-256: the first 64 primes, and made of their roots, at the first use. */
let roundConstants: Int32Array | undefined;

function makeRoundConstants(): Int32Array {
  const primes: number[] = [];
  for (let number = 2; primes.length < 64; number++) {
    if (primes.every((prime) => number % prime !== 0)) primes.push(number);
  }
  return Int32Array.from(primes, (prime) => fractionOf(Math.cbrt(prime)));
}

/** The first 32 bits behind the point. */
function fractionOf(root: number): number {
  return ((root % 1) * 2 ** 32) | 0;
}

/**
 * SHA-256 of bytes that come piece by piece. `crypto.subtle` is faster, but wants all of them at once and
 * answers later; the digests of `@std/crypto` cost every program that loads them milliseconds.
 */
export class Sha256 {
  readonly #state = Int32Array.from(
    [2, 3, 5, 7, 11, 13, 17, 19],
    (prime) => fractionOf(Math.sqrt(prime)),
  );
  readonly #words = new Int32Array(BLOCK_BYTES);
  /** The bytes of a block that is not yet whole. */
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #length = 0;

  /** The digest of bytes that are there. */
  static of(bytes: Uint8Array): Uint8Array {
    const hash = new Sha256();
    hash.update(bytes);
    return hash.digest();
  }

  /** Takes more bytes. */
  update(bytes: Uint8Array): void {
    let at = 0;
    const begun = this.#length % BLOCK_BYTES;
    this.#length += bytes.length;
    if (begun > 0) {
      const rest = bytes.subarray(0, BLOCK_BYTES - begun);
      this.#block.set(rest, begun);
      at = rest.length;
      if (begun + at < BLOCK_BYTES) return;
      this.#mix(this.#block, 0);
    }
    for (; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) this.#mix(bytes, at);
    this.#block.set(bytes.subarray(at), 0);
  }

  /** The digest of all bytes; nothing may be added behind it. */
  digest(): Uint8Array {
    const length = this.#length;
    const padding = new Uint8Array((length % BLOCK_BYTES < 56 ? 64 : 128) - length % BLOCK_BYTES);
    padding[0] = 0x80;
    new DataView(padding.buffer).setBigUint64(padding.length - 8, BigInt(length) * 8n);
    this.update(padding);
    const digest = new DataView(new ArrayBuffer(32));
    for (const [index, word] of this.#state.entries()) digest.setInt32(4 * index, word);
    return new Uint8Array(digest.buffer);
  }

  #mix(bytes: Uint8Array, start: number): void {
    const constants = roundConstants ??= makeRoundConstants();
    const words = this.#words;
    const state = this.#state;
    for (let index = 0; index < 16; index++) {
      const at = start + 4 * index;
      words[index] = bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
    }
    for (let index = 16; index < 64; index++) {
      const w = words[index - 15]!;
      const v = words[index - 2]!;
      const low = (w >>> 7 | w << 25) ^ (w >>> 18 | w << 14) ^ w >>> 3;
      const high = (v >>> 17 | v << 15) ^ (v >>> 19 | v << 13) ^ v >>> 10;
      words[index] = words[index - 16]! + low + words[index - 7]! + high | 0;
    }
    let a = state[0]!;
    let b = state[1]!;
    let c = state[2]!;
    let d = state[3]!;
    let e = state[4]!;
    let f = state[5]!;
    let g = state[6]!;
    let h = state[7]!;
    for (let index = 0; index < 64; index++) {
      const high = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
      const one = h + high + (e & f ^ ~e & g) + constants[index]! + words[index]! | 0;
      const low = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
      const other = low + (a & b ^ a & c ^ b & c) | 0;
      h = g;
      g = f;
      f = e;
      e = d + one | 0;
      d = c;
      c = b;
      b = a;
      a = one + other | 0;
    }
    state[0]! += a;
    state[1]! += b;
    state[2]! += c;
    state[3]! += d;
    state[4]! += e;
    state[5]! += f;
    state[6]! += g;
    state[7]! += h;
  }
}

/** So that what is added to a name fits behind it. */
const MAX_NAME_BYTES = 100;
/** What a dash and the digits of a digest leave of that. */
const NAME_START_BYTES = 83;

const WINDOWS_DEVICE = /^(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3])(\.|$)/i;

/** Whether Windows takes a file name for a device, whatever follows its first dot. */
export function isWindowsDevice(name: string): boolean {
  return WINDOWS_DEVICE.test(name);
}

/**
 * How the files of an id are called: by it, where every byte that a file system could take
 * for something else, or for the same in another case, stands as `%` and two digits, and so does the first
 * one of what Windows takes for a device. Of a long one the end is a digest.
 */
export function toFileName(id: string): string {
  if (/^\.{1,2}$/.test(id)) return id.replaceAll(".", "%2E");
  const name = /^[a-z0-9._-]*$/.test(id) && !isWindowsDevice(id) ? id : encodeName(id);
  if (name.length <= MAX_NAME_BYTES) return name;
  const digest = toHex(Sha256.of(encodeUtf8(id)).subarray(0, 8));
  return `${name.slice(0, NAME_START_BYTES)}-${digest}`;
}

function encodeName(id: string): string {
  const isDevice = isWindowsDevice(id);
  return Array.from(encodeUtf8(id), (byte, index) => {
    const character = String.fromCharCode(byte);
    if (/[a-z0-9._-]/.test(character) && !(isDevice && index === 0)) return character;
    return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
