import { compareUtf8 } from "../text.ts";
import { JsonPlace, MAX_DEPTH } from "./errors.ts";
import { isRawJson, numberOf, printNumber, type RawJson } from "./json_value.ts";

/**
 * Prints any JSON value as serde_json prints its `Value`: members sorted by UTF-8 bytes (J-2),
 * numbers as {@linkcode printNumber} says, `JSON.rawJSON` values as written, no final newline.
 * What `JSON.stringify` would drop or turn into null or `{}` is refused with a `TypeError` that
 * names its path: undefined, functions, symbols, NaN and infinities, maps, sets and other objects
 * that keep their content elsewhere. `toJSON` methods are obeyed.
 */
export function printJson(
  value: unknown,
  { style = "compact" }: { style?: JsonStyle } = {},
): string {
  const writer = new JsonWriter(style);
  writeJson(value, writer);
  return writer.text;
}

/** Does the work of {@linkcode printJson} inside a larger document. */
export function writeJson(value: unknown, writer: JsonWriter): void {
  if (typeof value === "object" && value !== null && "toJSON" in value) {
    if (typeof value.toJSON === "function") {
      // As in JSON.stringify, the method is told its key, and its answer is not asked again.
      return writeAnswered(value.toJSON(String(writer.path.at(-1) ?? "")), writer);
    }
  }
  writeAnswered(value, writer);
}

function writeAnswered(value: unknown, writer: JsonWriter): void {
  switch (typeof value) {
    case "string":
      return writer.writeString(value);
    case "number":
      if (!Number.isFinite(value)) writer.refuse(`${value} is not JSON`);
      return writer.write(printNumber(value));
    case "boolean":
      return writer.write(value ? "true" : "false");
    case "object":
      if (value === null) return writer.write("null");
      return Array.isArray(value) ? writeArray(value, writer) : writeObject(value, writer);
    case "undefined":
      return writer.refuse("undefined is not JSON; leave the member out or write null");
    default:
      return writer.refuse(`a ${typeof value} is not JSON`);
  }
}

function writeArray(array: readonly unknown[], writer: JsonWriter): void {
  writer.open("[", array);
  for (let index = 0; index < array.length; index++) {
    writer.item(index);
    writeJson(array[index], writer);
  }
  writer.close("]");
}

function writeObject(value: object, writer: JsonWriter): void {
  if (isRawJson(value)) return writeRaw(value, writer);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) refuseExotic(value, writer);
  writer.open("{", value);
  for (const name of Object.keys(value).sort(compareUtf8)) {
    writer.member(name);
    writeJson((value as Record<string, unknown>)[name], writer);
  }
  writer.close("}");
}

/** Writes the text as it is, unless it is one that no strict reader takes back. */
function writeRaw(value: RawJson, writer: JsonWriter): void {
  const number = numberOf(value);
  if (number !== undefined && !Number.isFinite(number)) writer.refuse("number out of range");
  if (value.rawJSON.startsWith('"') && !JSON.parse(value.rawJSON).isWellFormed()) {
    writer.refuse("lone surrogate in a string");
  }
  writer.write(value.rawJSON);
}

/** Lets instances of plain classes pass, but not a Map or an Error, which would print as `{}`. */
function refuseExotic(value: object, writer: JsonWriter): void {
  const tag = Object.prototype.toString.call(value).slice("[object ".length, -1);
  if (tag !== "Object") {
    writer.refuse(`a value of type ${tag} is not JSON; give it a toJSON method`);
  }
}

/** Deeper values are left to the writer, which knows how deep it stands already. */
const PLAIN_DEPTH = MAX_DEPTH >> 1;

/** Whether `JSON.stringify` prints a value just as {@linkcode printJson} does, compact. */
export function isPlainJson(value: unknown, depth = 0): boolean {
  switch (typeof value) {
    case "string":
      return value.isWellFormed();
    case "number":
      return isPlainNumber(value);
    case "boolean":
      return true;
    case "object":
      return value === null || depth < PLAIN_DEPTH && isPlainContainer(value, depth + 1);
    default:
      return false;
  }
}

function isPlainNumber(value: number): boolean {
  if (Number.isInteger(value)) return Number.isSafeInteger(value) && !Object.is(value, -0);
  const magnitude = Math.abs(value);
  return magnitude >= 1e-5 && magnitude < 1e16;
}

function isPlainContainer(value: object, depth: number): boolean {
  if ("toJSON" in value) return false;
  if (Array.isArray(value)) {
    // A loop looks at holes too.
    for (let index = 0; index < value.length; index++) {
      if (!isPlainJson(value[index], depth)) return false;
    }
    return true;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  let last: string | undefined;
  for (const name of Object.keys(value)) {
    if (last !== undefined && compareUtf8(last, name) > 0 || !name.isWellFormed()) return false;
    if (!isPlainJson((value as Record<string, unknown>)[name], depth)) return false;
    last = name;
  }
  return true;
}

/** How a text is laid out: on one line, or with two spaces for each level (J-1). */
export type JsonStyle = "compact" | "pretty";

/**
 * Puts a JSON text together. The caller opens a container, announces each member or item before it
 * writes its value, and closes the container; commas, line breaks and the path for errors follow.
 */
export class JsonWriter extends JsonPlace {
  /** Whether everything goes on one line, so that a codec may write a whole list in one piece. */
  readonly isCompact: boolean;
  #text = "";
  #lineBreak: string;
  #isEmpty = true;
  readonly #indentation: string;
  readonly #colon: string;
  readonly #containers: object[] = [];
  /** Names come again and again, and looking one up costs a third of quoting it. */
  readonly #quotedNames = new Map<string, string>();

  /** `verb`: what is said to have been the matter, where the text is not what somebody wants. */
  constructor(style: JsonStyle, verb: "print" | "use" = "print") {
    super(verb);
    this.isCompact = style === "compact";
    this.#lineBreak = style === "pretty" ? "\n" : "";
    this.#indentation = style === "pretty" ? "  " : "";
    this.#colon = style === "pretty" ? ": " : ":";
  }

  /** Everything written so far. */
  get text(): string {
    return this.#text;
  }

  /** Writes the text of one value. */
  write(text: string): void {
    this.#text += text;
  }

  /** Writes what the engine prints as it is to be printed. */
  writePlain(value: unknown): void {
    this.write(JSON.stringify(value));
  }

  /** Writes a string value (J-3). */
  writeString(value: string): void {
    this.write(this.#quote(value));
  }

  /** Opens an object or array; `container` is what is being printed, to notice cycles. */
  open(bracket: "{" | "[", container: object): void {
    if (this.#containers.includes(container)) this.refuse("circular reference");
    if (this.#containers.length === MAX_DEPTH) {
      this.refuse(`nesting deeper than ${MAX_DEPTH} levels`);
    }
    this.#containers.push(container);
    this.path.push(0);
    this.write(bracket);
    this.#lineBreak += this.#indentation;
    this.#isEmpty = true;
  }

  /** Announces the next item of the array. */
  item(index: number): void {
    this.path[this.path.length - 1] = index;
    this.#separate();
  }

  /** Announces the next member of the object. */
  member(name: string): void {
    this.path[this.path.length - 1] = name;
    let quoted = this.#quotedNames.get(name);
    if (quoted === undefined) {
      quoted = this.#quote(name) + this.#colon;
      this.#quotedNames.set(name, quoted);
    }
    this.#separate();
    this.write(quoted);
  }

  /** Closes the object or array opened last. */
  close(bracket: "}" | "]"): void {
    this.#containers.pop();
    this.path.pop();
    if (this.#indentation !== "") {
      this.#lineBreak = this.#lineBreak.slice(0, -this.#indentation.length);
      if (!this.#isEmpty) this.write(this.#lineBreak);
    }
    this.write(bracket);
    this.#isEmpty = false;
  }

  #separate(): void {
    this.write(this.#isEmpty ? this.#lineBreak : `,${this.#lineBreak}`);
    this.#isEmpty = false;
  }

  #quote(value: string): string {
    const quoted = JSON.stringify(value);
    // A lone surrogate is escaped, so only a text with an escape can hold one.
    if (quoted.length !== value.length + 2 && !value.isWellFormed()) {
      this.refuse("lone surrogate in a string");
    }
    return quoted;
  }
}

/** Refuses what cannot be printed, and keeps no text: of a large document there may not be room for one. */
export class JsonChecker extends JsonWriter {
  /** `verb`: what could not be done with what is refused. */
  constructor(verb: "print" | "use") {
    super("compact", verb);
  }

  override write(): void {}

  override writePlain(): void {}
}
