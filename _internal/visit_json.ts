/**
 * What stands between a value and its JSON text: a walk that knows the path of each member, redaction,
 * and what JSON would change without a word.
 */
import { memberPath } from "./text.ts";

/** `JSON.rawJSON` is in the engine, but not yet in the types. */
interface RawJson {
  readonly rawJSON: string;
}

const { isRawJSON } = JSON as unknown as { isRawJSON?(value: unknown): value is RawJson };

/** The text of a `JSON.rawJSON` member; undefined for every other value. */
export function rawJsonText(value: unknown): string | undefined {
  // Engines without `JSON.rawJSON` have no such values.
  return isRawJSON?.(value) ? value.rawJSON : undefined;
}

/**
 * How deep a value may be nested that is visited: a path that leads deeper helps nobody, and a visitor
 * that looks at each would read the square of it.
 */
export const MAX_NESTING = 10_000;

/** Looks at a member, and returns what is to be written in its place. */
export type JsonVisitor = (
  /** What `toJSON` made of the member, where it has that method; otherwise the member. */
  value: unknown,
  path: string,
  member: unknown,
) => unknown;

/** An object on the way to the present member. */
interface Holder {
  readonly source: object;
  readonly path: string;
  /** Undefined for a list. */
  readonly keys: readonly string[] | undefined;
  readonly length: number;
  /** How many of its members were looked at. */
  seen: number;
  /** Whether one was printed. */
  hasMember: boolean;
}

/**
 * Stringifies a value, passing each member with its path (`$.a[0].b`) through the visitor. An error is
 * written with what it says, and its causes. A cycle is refused with its path. It takes no more of the
 * engine's stack for what is nested deeply.
 */
export function stringifyVisiting(value: unknown, visitor: JsonVisitor): string | undefined {
  return new VisitingPrinter(visitor).print(value);
}

/**
 * The JSON of a value that a quick look says is kept whole: a tenth of the price of looking at each member
 * with its path, which only what is odd is worth. Undefined for that, and for what throws.
 */
export function stringifyQuickly(
  value: unknown,
  isKept: (value: unknown) => boolean,
): string | undefined {
  try {
    if (!isKept(value)) return undefined;
    const text: string | undefined = JSON.stringify(value);
    return text?.includes(SURROGATE_ESCAPE) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** `JSON.stringify` prints a lone surrogate so, and no other one. */
const SURROGATE_ESCAPE = "\\ud";

class VisitingPrinter {
  readonly #visitor: JsonVisitor;
  readonly #parts: string[] = [];
  /** The outermost first. */
  readonly #holders: Holder[] = [];
  /** The paths of their sources. */
  readonly #paths = new Map<object, string>();

  constructor(visitor: JsonVisitor) {
    this.#visitor = visitor;
  }

  print(value: unknown): string | undefined {
    const text = this.#begin(value, "$", "");
    if (text === undefined) return undefined;
    this.#parts.push(text);
    for (let holder; (holder = this.#holders.at(-1)) !== undefined;) {
      if (holder.seen === holder.length) this.#end(holder);
      else this.#printMember(holder, holder.keys?.[holder.seen] ?? holder.seen);
    }
    return this.#parts.join("");
  }

  #printMember(holder: Holder, key: string | number): void {
    holder.seen++;
    const member = (holder.source as Record<string | number, unknown>)[key];
    const index = this.#parts.push("") - 1;
    const text = this.#begin(member, memberPath(holder.path, key), String(key));
    // JSON leaves members out that are undefined, functions or symbols; in a list they are null.
    if (text === undefined && holder.keys !== undefined) return;
    const name = holder.keys === undefined ? "" : JSON.stringify(key) + ":";
    this.#parts[index] = (holder.hasMember ? "," : "") + name + (text ?? "null");
    holder.hasMember = true;
  }

  /** The text of a value, or, if it has members, how that begins. */
  #begin(member: unknown, path: string, key: string): string | undefined {
    const value = answerOf(member, key);
    const kept = this.#visitor(value, path, member);
    // What the visitor puts there is asked as any other member is.
    const visited = unboxed(kept === value ? kept : answerOf(kept, key));
    const isLeaf = typeof visited !== "object" || visited === null ||
      rawJsonText(visited) !== undefined;
    if (isLeaf) return JSON.stringify(visited);
    const known = this.#paths.get(visited);
    if (known === undefined) return this.#enter(visited, path);
    if (visited instanceof Error) return JSON.stringify(`[circular: ${known}]`);
    throw new TypeError(`${path} leads back to ${known}, and JSON has no cycles`);
  }

  #enter(source: object, path: string): string {
    const place = this.#holders[1]?.path ?? path;
    if (this.#holders.push(holderOf(source, path)) > MAX_NESTING) {
      throw new TypeError(`${place} is nested deeper than ${MAX_NESTING} levels`);
    }
    this.#paths.set(source, path);
    return Array.isArray(source) ? "[" : "{";
  }

  #end(holder: Holder): void {
    this.#parts.push(holder.keys === undefined ? "]" : "}");
    this.#paths.delete(holder.source);
    this.#holders.pop();
  }
}

function holderOf(source: object, path: string): Holder {
  const keys = Array.isArray(source) ? undefined : keysOf(source);
  const { length } = keys ?? source as unknown[];
  return { source, path, keys, length, seen: 0, hasMember: false };
}

function keysOf(source: object): string[] {
  return source instanceof Error ? keysOfError(source) : Object.keys(source);
}

/** What an error says is not enumerable, but for what a program has added to it, such as a code. */
function keysOfError(error: Error & { errors?: unknown }): string[] {
  const keys = ["name", "message"];
  if (typeof error.stack === "string") keys.push("stack");
  if (error.cause !== undefined) keys.push("cause");
  if (error instanceof AggregateError) keys.push("errors");
  return [...new Set([...keys, ...Object.keys(error)])];
}

/** What `JSON.stringify` asks an object, a function or a BigInt for before it looks inside. */
export function answerOf(value: unknown, key: string): unknown {
  if (value === null || !["object", "function", "bigint"].includes(typeof value)) return value;
  const { toJSON } = value as { toJSON?: unknown };
  return typeof toJSON === "function" ? toJSON.call(value, key) : value;
}

/** What `JSON.stringify` prints for the object of a number, text or truth value. */
export function unboxed(value: unknown): unknown {
  const isBoxed = value instanceof Number || value instanceof String ||
    value instanceof Boolean || value instanceof BigInt;
  return isBoxed ? value.valueOf() : value;
}

/**
 * Whether JSON says all of a value as far as a quick look tells: its numbers, and the types of its
 * objects. What it says no to may be fine all the same, and is for {@linkcode lossInJson} to judge. Texts
 * are not looked at.
 */
export function isSurelyKept(value: unknown, depth = 0): boolean {
  switch (typeof value) {
    case "number":
      return isKeptNumber(value);
    case "object":
      return value === null || isSurelyKeptObject(value, depth);
    default:
      return typeof value !== "bigint" && typeof value !== "function" && typeof value !== "symbol";
  }
}

/** Deep enough for what is common; a call for each level has its price. */
const QUICK_DEPTH = 100;

function isSurelyKeptObject(value: object, depth: number): boolean {
  if (depth > QUICK_DEPTH) return false;
  if (Object.getPrototypeOf(value) !== Object.prototype) return isSurelyKeptOther(value, depth);
  return hasSurelyKeptMembers(value, depth);
}

/**
 * {@linkcode isSurelyKept} of the members of an object that has nothing else, as literals and `JSON.parse`
 * make them: to ask for its prototype first would double the price. A `toJSON` method is not kept either.
 */
export function hasSurelyKeptMembers(value: object, depth = 0): boolean {
  for (const key in value) {
    const member = (value as Record<string, unknown>)[key];
    // Most are texts and small numbers, and a call for each would cost more than the rest of the look.
    if (typeof member === "string") continue;
    if (typeof member === "number") {
      if (!isKeptNumber(member)) return false;
    } else if (!isSurelyKept(member, depth + 1)) return false;
  }
  return true;
}

/** A list, a date, or an object of any class. */
function isSurelyKeptOther(value: object, depth: number): boolean {
  if (Object.getPrototypeOf(value) === Date.prototype) return isKeptDate(value as Date);
  if ((value as { toJSON?: unknown }).toJSON !== undefined) return false;
  if (Object.getPrototypeOf(value) === Array.prototype) {
    return (value as unknown[]).every((item) => isSurelyKept(item, depth + 1));
  }
  return isOrdinary(value) && hasSurelyKeptMembers(value, depth);
}

function isKeptNumber(value: number): boolean {
  if (Number.isSafeInteger(value)) return true;
  return Number.isInteger(value) ? Math.abs(value) >= FIRST_WITH_EXPONENT : Number.isFinite(value);
}

/** From here on a number is printed with an exponent, and nobody takes its digits for an integer. */
const FIRST_WITH_EXPONENT = 1e21;

function isKeptDate(date: Date): boolean {
  return !Number.isNaN(date.getTime());
}

/** Whether an object that no literal made has its content in its members, as those of most classes. */
function isOrdinary(value: object): boolean {
  return typeNameOf(value) === "[object Object]" && rawJsonText(value) === undefined;
}

function typeNameOf(value: object): string {
  return Object.prototype.toString.call(value);
}

/**
 * The type of an object, such as a Map, that has its content elsewhere than in members; else undefined.
 * A class may have a name of its own and members; of what has neither nothing would be written.
 */
export function unseenTypeOf(value: object): string | undefined {
  const tag = typeNameOf(value).slice("[object ".length, -1);
  if (SEEN_TYPES.has(tag) || isPlain(value)) return undefined;
  const isSeen = Object.keys(value).length > 0 && !UNSEEN_TYPES.has(tag) &&
    !ArrayBuffer.isView(value);
  return isSeen ? undefined : tag;
}

const SEEN_TYPES = new Set(["Array", "Boolean", "Number", "String", "Object"]);
/** Those that have nothing to do with the members that they may have besides. */
const UNSEEN_TYPES = new Set([
  "Arguments",
  "ArrayBuffer",
  "Date",
  "Error",
  "Map",
  "Promise",
  "RegExp",
  "Set",
  "SharedArrayBuffer",
  "WeakMap",
  "WeakRef",
  "WeakSet",
]);

/** An object may call itself by another name. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/**
 * Why a value, looked at without its members, is none that JSON can hold: as the rest of a sentence that
 * begins with its path. What JSON leaves out (undefined, functions, symbols) is for the caller to judge.
 */
export function jsonProblemOf(value: unknown): string | undefined {
  switch (typeof value) {
    case "bigint":
      return `is the BigInt ${value}, which JSON cannot hold: write it as a string`;
    case "number":
      return Number.isFinite(value) ? undefined : `is ${value}, which JSON cannot hold`;
    case "string":
      return value.isWellFormed() ? undefined : "has a lone surrogate, which UTF-8 cannot hold";
    case "object":
      return value === null ? undefined : problemOfObject(value);
    default:
      return undefined;
  }
}

function problemOfObject(value: object): string | undefined {
  if (value instanceof Number || value instanceof String || value instanceof BigInt) {
    return jsonProblemOf(value.valueOf());
  }
  const raw = rawJsonText(value);
  if (raw !== undefined) return jsonProblemOf(JSON.parse(raw));
  const isBad = Object.keys(value).some((key) => !key.isWellFormed());
  return isBad ? "has a key with a lone surrogate, which UTF-8 cannot hold" : undefined;
}

/**
 * {@linkcode jsonProblemOf}, and all else that JSON would change in a value without a word: integers that a
 * reader would round, dates that are none, and objects whose content it does not see.
 */
export function lossInJson(value: unknown): string | undefined {
  const problem = jsonProblemOf(value);
  if (problem !== undefined) return problem;
  if (value instanceof Date) return isKeptDate(value) ? undefined : "is an invalid Date";
  const raw = rawJsonText(value);
  const number = raw === undefined ? unboxed(value) : JSON.parse(raw);
  if (typeof number === "number" && !isKeptNumber(number)) {
    return `is ${raw ?? number}, an integer beyond 2^53 - 1: write it as a string`;
  }
  if (typeof value !== "object" || value === null || value instanceof Error) return undefined;
  const type = raw === undefined ? unseenTypeOf(value) : undefined;
  return type && `is of type ${type}, whose content JSON does not see: give it a toJSON method`;
}

/**
 * Visits a member, and refuses it where JSON would change it without a word. An invalid date is null by the
 * time that it is visited.
 */
export function refuseLoss(value: unknown, path: string, member: unknown): unknown {
  const problem = lossInJson(member instanceof Date ? member : value);
  if (problem === undefined) return value;
  throw new TypeError(`${path} ${problem}`);
}

/** What is kept of a value whose redactor failed: nothing of it may leak. */
export const MASK = "[redaction failed]";

/**
 * What a redactor leaves of a value. One that throws, or answers with a promise, which nobody would
 * wait for, leaves the mask.
 */
export function redactOrMask(
  value: unknown,
  path: string,
  redact: (value: unknown, path: string) => unknown,
): unknown {
  try {
    const kept = redact(value, path);
    if (kept === value || !(kept instanceof Promise)) return kept;
    // Nothing waits for it here, and nobody else would hear of its rejection.
    kept.catch(() => {});
    return MASK;
  } catch {
    return MASK;
  }
}

/**
 * The first number of a JSON text that {@linkcode isSurelyKept} refuses in its value, however it is
 * spelt: an integer that would be rounded, or one beyond all doubles.
 */
export function lossyNumberIn(text: string): { index: number; literal: string } | undefined {
  for (let index = 0; index < text.length;) {
    const character = text.charCodeAt(index);
    if (character === 34) {
      index = stringEnd(text, index);
    } else if (character === 45 || (character >= 48 && character <= 57)) {
      const literal = numberAt(text, index);
      if (!isKeptNumber(Number(literal))) return { index, literal };
      index += literal.length;
    } else {
      index++;
    }
  }
  return undefined;
}

/** The index behind the string that begins at `start`. */
function stringEnd(text: string, start: number): number {
  for (
    let quote = text.indexOf('"', start + 1);
    quote !== -1;
    quote = text.indexOf('"', quote + 1)
  ) {
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 92) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

function numberAt(text: string, start: number): string {
  const pattern = /[-+.eE0-9]+/y;
  pattern.lastIndex = start;
  return pattern.exec(text)?.[0] ?? "";
}
