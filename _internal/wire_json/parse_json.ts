import { parseByEngine } from "./engine_json.ts";
import { JsonSyntaxError, MAX_DEPTH } from "./errors.ts";
import { type JsonValue, printFloat, rawJson, setMember } from "./json_value.ts";

/** How {@linkcode parseJson} parses. */
interface ParseJsonOptions {
  /** What becomes of a name that stands twice in an object: it is refused, unless the last one counts. */
  readonly duplicates?: "refuse" | "last";
}

/**
 * Parses JSON as strictly as serde_json does, and refuses duplicate names too, wherever they are.
 * Refused with a {@linkcode JsonSyntaxError}: everything that is not JSON, text after the value, a
 * byte order mark, invalid UTF-8, lone surrogates, numbers that overflow to infinity, and nesting
 * deeper than 127 levels. Printing the result with `printJson` gives what serde_json would print.
 *
 * Errors have the words and the columns of serde_json, but for these: a byte order mark, UTF-16, UTF-32,
 * duplicate names, lone surrogates and nesting that is too deep are called so, and invalid UTF-8 is found
 * where it begins.
 */
export function parseJson(
  text: string | Uint8Array,
  { duplicates = "refuse" }: ParseJsonOptions = {},
): JsonValue {
  return typeof text === "string" ? parseWhole(text, duplicates) : parseBytes(text, duplicates);
}

/** Parses a text of which nothing is missing. */
function parseWhole(text: string, duplicates: Duplicates): JsonValue {
  return parseByEngine(text, { refusesDuplicates: duplicates === "refuse" }) ??
    new StrictParser(text, { isWhole: true, duplicates }).parse();
}

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const LETTER_E = 0x65;
const LETTER_F = 0x66;
const LETTER_N = 0x6e;
const LETTER_T = 0x74;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

type Duplicates = NonNullable<ParseJsonOptions["duplicates"]>;

class StrictParser {
  readonly #text: string;
  readonly #isWhole: boolean;
  readonly #refusesDuplicates: boolean;
  readonly #path: (string | number)[] = [];
  #position = 0;

  /** `isWhole`: whether the text is all there is, and not what comes before the first bad byte. */
  constructor(text: string, { isWhole, duplicates }: { isWhole: boolean; duplicates: Duplicates }) {
    this.#text = text;
    this.#isWhole = isWhole;
    this.#refusesDuplicates = duplicates === "refuse";
  }

  parse(): JsonValue {
    if (this.#text.startsWith("\ufeff")) this.#refuseAt(0, "byte order mark");
    const value = this.#value();
    this.#skipSpace();
    if (this.#position < this.#text.length) this.#refuse("trailing characters");
    if (!this.#isWhole) this.#refuseEnd("the document");
    return value;
  }

  #value(): JsonValue {
    this.#skipSpace();
    const unit = this.#text.charCodeAt(this.#position);
    switch (unit) {
      case QUOTE:
        return this.#string();
      case OPEN_BRACE:
        return this.#object();
      case OPEN_BRACKET:
        return this.#array();
      case LETTER_T:
        return this.#word("true", true);
      case LETTER_F:
        return this.#word("false", false);
      case LETTER_N:
        return this.#word("null", null);
      default:
        if (unit === MINUS || (unit >= ZERO && unit <= NINE)) return this.#number();
        return this.#refuse("expected value");
    }
  }

  #object(): JsonValue {
    const object: Record<string, JsonValue> = {};
    this.#enter();
    this.#skipSpace();
    if (this.#unit() === CLOSE_BRACE) return this.#leave(object);
    for (let isFirst = true;; isFirst = false) {
      this.#skipSpace();
      if (this.#unit() !== QUOTE) this.#refuseName(isFirst ? "an object" : "a value");
      const start = this.#position;
      const name = this.#string();
      this.#path[this.#path.length - 1] = name;
      if (this.#refusesDuplicates && Object.hasOwn(object, name)) {
        this.#refuseAt(start, `duplicate field \`${name}\``);
      }
      this.#skipSpace();
      if (this.#unit() !== COLON) this.#refuse("expected `:`", "an object");
      this.#position++;
      setMember(object, name, this.#value());
      this.#skipSpace();
      if (this.#unit() === CLOSE_BRACE) return this.#leave(object);
      if (this.#unit() !== COMMA) this.#refuse("expected `,` or `}`", "an object");
      this.#position++;
    }
  }

  #array(): JsonValue {
    const array: JsonValue[] = [];
    this.#enter();
    this.#skipSpace();
    if (this.#unit() === CLOSE_BRACKET) return this.#leave(array);
    if (this.#isAtEnd) this.#refuseEnd("a list");
    for (;;) {
      this.#path[this.#path.length - 1] = array.length;
      array.push(this.#value());
      this.#skipSpace();
      if (this.#unit() === CLOSE_BRACKET) return this.#leave(array);
      if (this.#unit() !== COMMA) this.#refuse("expected `,` or `]`", "a list");
      this.#position++;
      this.#skipSpace();
      if (this.#unit() === CLOSE_BRACKET) this.#refuse("trailing comma");
    }
  }

  #enter(): void {
    if (this.#path.length === MAX_DEPTH) this.#refuse(`nesting deeper than ${MAX_DEPTH} levels`);
    this.#path.push(0);
    this.#position++;
  }

  #leave<T>(container: T): T {
    this.#path.pop();
    this.#position++;
    return container;
  }

  #string(): string {
    const text = this.#text;
    const start = this.#position;
    let hasEscape = false;
    let position = start + 1;
    for (; position < text.length; position++) {
      const unit = text.charCodeAt(position);
      if (unit === QUOTE) break;
      if (unit === BACKSLASH) {
        hasEscape = true;
        position = this.#escapeEnd(position);
      } else if (unit < SPACE) {
        this.#refuseAt(
          position,
          "control character (\\u0000-\\u001F) found while parsing a string",
        );
      }
    }
    if (position >= text.length) this.#refuseEnd("a string");
    this.#position = position + 1;
    // The engine unescapes in one go, which is several times faster than piece by piece.
    const value = hasEscape
      ? JSON.parse(text.slice(start, this.#position))
      : text.slice(start + 1, position);
    return value.isWellFormed() ? value : this.#refuseAt(start, "lone surrogate in a string");
  }

  /** The last character of the escape that begins at a backslash; two escapes make a surrogate pair. */
  #escapeEnd(backslash: number): number {
    const letter = this.#text[backslash + 1];
    if (letter === undefined) this.#refuseEnd("a string");
    if (letter !== "u") {
      if ('"\\/bfnrt'.includes(letter)) return backslash + 1;
      this.#refuseAt(backslash + 1, "invalid escape");
    }
    const end = backslash + 5;
    const unit = this.#hexDigits(backslash + 2);
    if (unit >= 0xdc00 && unit <= 0xdfff) this.#refuseSurrogate(end);
    if (unit < 0xd800 || unit > 0xdfff) return end;
    for (const [index, expected] of [[end + 1, "\\"], [end + 2, "u"]] as const) {
      if (this.#text[index] === undefined) this.#refuseEnd("a string");
      if (this.#text[index] !== expected) this.#refuseSurrogate(index);
    }
    const low = this.#hexDigits(end + 3);
    return low >= 0xdc00 && low <= 0xdfff ? end + 6 : this.#refuseSurrogate(end + 6);
  }

  /** The value of four hexadecimal digits. */
  #hexDigits(start: number): number {
    const digits = this.#text.slice(start, start + 4);
    if (digits.length < 4) this.#refuseEnd("a string");
    const wrong = digits.search(/[^0-9a-fA-F]/);
    return wrong === -1 ? parseInt(digits, 16) : this.#refuseAt(start + wrong, "invalid escape");
  }

  #refuseSurrogate(position: number): never {
    this.#refuseAt(position, "lone surrogate in a string");
  }

  #number(): JsonValue {
    const start = this.#position;
    const isNegative = this.#unit() === MINUS;
    if (isNegative) this.#position++;
    const isZero = this.#unit() === ZERO;
    const magnitude = this.#digits();
    const length = this.#position - start;
    const firstDigits = isNegative ? 2 : 1;
    if (isZero && length > firstDigits) this.#refuseAt(start + firstDigits, "invalid number");
    const unit = this.#unit();
    if (unit === POINT || (unit | 0x20) === LETTER_E) return this.#float(start);
    if (length > 15) return this.#longInteger(start);
    return isNegative ? -magnitude : magnitude;
  }

  /** At least one digit; their value is exact up to 15 of them. */
  #digits(): number {
    const text = this.#text;
    let position = this.#position;
    let value = 0;
    for (;;) {
      const digit = text.charCodeAt(position) - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
      position++;
    }
    const isEmpty = position === this.#position;
    this.#position = position;
    return isEmpty ? this.#refuse("invalid number") : value;
  }

  /** A number literal whose integral part is already behind the position. */
  #float(start: number): JsonValue {
    if (this.#unit() === POINT) {
      this.#position++;
      this.#digits();
    }
    if ((this.#unit() | 0x20) === LETTER_E) {
      this.#position++;
      if (this.#unit() === PLUS || this.#unit() === MINUS) this.#position++;
      this.#digits();
    }
    const value = this.#finite(start);
    // A plain number of this value would print as an integer.
    const looksIntegral = Number.isSafeInteger(value) && !Object.is(value, -0);
    return looksIntegral ? rawJson(printFloat(value)) : value;
  }

  #longInteger(start: number): JsonValue {
    const value = this.#finite(start);
    if (Number.isSafeInteger(value)) return value;
    const literal = this.#text.slice(start, this.#position);
    const exact = BigInt(literal);
    // Integers that Rust holds in 64 bits print digit by digit; larger ones are floats there too.
    return exact >= -(2n ** 63n) && exact < 2n ** 64n ? rawJson(literal) : value;
  }

  #finite(start: number): number {
    const value = Number(this.#text.slice(start, this.#position));
    return Number.isFinite(value)
      ? value
      : this.#refuseAt(this.#position - 1, "number out of range");
  }

  #word<T>(word: string, value: T): T {
    for (let index = 0; index < word.length; index++) {
      if (this.#unit() !== word.charCodeAt(index)) this.#refuse("expected ident");
      this.#position++;
    }
    return value;
  }

  #unit(): number {
    return this.#text.charCodeAt(this.#position);
  }

  #skipSpace(): void {
    for (;;) {
      const unit = this.#unit();
      if (unit !== SPACE && unit !== LINE_FEED && unit !== CARRIAGE_RETURN && unit !== TAB) return;
      this.#position++;
    }
  }

  get #isAtEnd(): boolean {
    return this.#position >= this.#text.length;
  }

  #refuseName(inside: string): never {
    const isAfterComma = this.#unit() === CLOSE_BRACE;
    this.#refuse(isAfterComma ? "trailing comma" : "key must be a string", inside);
  }

  #refuse(problem: string, inside = "a value"): never {
    if (this.#isAtEnd) this.#refuseEnd(inside);
    this.#refuseAt(this.#position, problem);
  }

  /** The text ends too early, or it is what comes before the first byte that is no UTF-8. */
  #refuseEnd(inside: string): never {
    const problem = this.#isWhole ? `EOF while parsing ${inside}` : "invalid unicode code point";
    this.#refuseAt(this.#text.length, problem, { isEnd: this.#isWhole });
  }

  #refuseAt(position: number, problem: string, { isEnd = false } = {}): never {
    throw new JsonSyntaxError({ problem, path: this.#path, text: this.#text, position, isEnd });
  }
}

/** What a text of two or four bytes a character begins with, as PowerShell's `>` writes it. */
const WIDE_MARKS: readonly (readonly [mark: readonly number[], encoding: string])[] = [
  [[0xff, 0xfe, 0, 0], "UTF-32"],
  [[0, 0, 0xfe, 0xff], "UTF-32"],
  [[0xff, 0xfe], "UTF-16"],
  [[0xfe, 0xff], "UTF-16"],
];

/**
 * Parses UTF-8. What is none is a problem of the place where it begins, and only if nothing before it is
 * wrong. A byte order mark stays in the text, where the parser refuses it.
 */
function parseBytes(bytes: Uint8Array, duplicates: Duplicates): JsonValue {
  const whole = decode(bytes, { isPrefix: false });
  if (whole !== undefined) return parseWhole(whole, duplicates);
  const encoding = WIDE_MARKS.find(([mark]) => mark.every((byte, at) => bytes[at] === byte))?.[1];
  if (encoding !== undefined) {
    const problem = `the text is ${encoding}, not UTF-8`;
    throw new JsonSyntaxError({ problem, path: [], text: "", position: 0, isEnd: false });
  }
  // Finds the longest prefix that could go on as UTF-8: `good` bytes can, `bad` bytes cannot.
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    if (decode(bytes.subarray(0, middle), { isPrefix: true }) === undefined) bad = middle;
    else good = middle;
  }
  const prefix = decode(bytes.subarray(0, good), { isPrefix: true }) ?? "";
  return new StrictParser(prefix, { isWhole: false, duplicates }).parse();
}

function decode(bytes: Uint8Array, { isPrefix }: { isPrefix: boolean }): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes, { stream: isPrefix });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
