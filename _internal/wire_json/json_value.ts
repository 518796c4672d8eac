import { describe } from "../errors.ts";

/** A number or other primitive with its exact text. The engine has it, TypeScript does not yet. */
export interface RawJson {
  readonly rawJSON: string;
}

const { rawJSON, isRawJSON } = JSON as unknown as {
  rawJSON(text: string): RawJson;
  isRawJSON(value: unknown): value is RawJson;
};

/** Makes a value that every JSON printer, `JSON.stringify` too, prints as exactly this text. */
export function rawJson(text: string): RawJson {
  return rawJSON(text);
}

/** Whether a value was made by `JSON.rawJSON`. */
export function isRawJson(value: unknown): value is RawJson {
  if (typeof value !== "object" || value === null) return false;
  // Such values have no prototype, and looking at that is cheaper than asking the engine.
  return Object.getPrototypeOf(value) === null && isRawJSON(value);
}

/**
 * Any JSON (serde_json's `Value`). A number is a plain number where that says everything; it is a
 * {@linkcode RawJson} where a JavaScript number would print as another text: `1.0` (a float, not an
 * integer) and integers of 64 bits beyond 2^53−1.
 */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | RawJson
  | JsonValue[]
  | { [name: string]: JsonValue };

/** The number a value stands for, rounded to a double like any f64; undefined for other values. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  return isRawJson(value) && /^[-0-9]/.test(value.rawJSON) ? Number(value.rawJSON) : undefined;
}

/** Whether a number is written as an integer; `-0`, `1.0` and `1e2` are floats (J-6). */
export function isIntegerLiteral(value: unknown): value is number | RawJson {
  if (typeof value === "number") return Number.isSafeInteger(value) && !Object.is(value, -0);
  return isRawJson(value) && /^-?[0-9]+$/.test(value.rawJSON) && value.rawJSON !== "-0";
}

/** Names a value in an error as serde does: ``integer `5` ``, `string "x"`, `null`, `map`. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") {
    return `string ${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)}`;
  }
  if (typeof value === "boolean") return `boolean \`${value}\``;
  const number = numberOf(value);
  if (number !== undefined) {
    const text = isRawJson(value) ? value.rawJSON : printNumber(number);
    return `${isIntegerLiteral(value) ? "integer" : "floating point"} \`${text}\``;
  }
  if (Array.isArray(value)) return "sequence";
  if (typeof value === "object" && value !== null) return "map";
  return value === null || value === undefined ? String(value) : typeof value;
}

/** Sets a member, also one named `__proto__`, which an assignment would swallow. */
export function setMember(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === "__proto__") {
    Object.defineProperty(object, name, {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  } else {
    object[name] = value;
  }
}

/**
 * How deep a JSON object may nest that becomes a part of a record, so that the record can be read back: the end of
 * an attempt, and in it a result of 100 levels.
 */
const MOST_MEMBER_DEPTH = 101;

/**
 * A copy of a JSON object that a program hands over. Throws a `TypeError` that names the place of what is
 * not JSON, of what only becomes JSON by losing something, and of what nests too deeply.
 */
export function copyOfJsonObject(value: unknown, name: string): Record<string, unknown> {
  if (isJsonObject(value)) return copyOfJson(value, name, 0) as Record<string, unknown>;
  throw new TypeError(`Cannot use ${name}: expected a JSON object, got ${describe(value)}`);
}

function copyOfJson(value: unknown, name: string, depth: number): unknown {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string" && value.isWellFormed()) return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  const isList = Array.isArray(value);
  if (!isList && !isJsonObject(value)) {
    throw new TypeError(`Cannot use ${name}: expected JSON, got ${describe(value)}`);
  }
  if (depth === MOST_MEMBER_DEPTH) {
    throw new TypeError(`Cannot use ${name}: it nests deeper than ${MOST_MEMBER_DEPTH} levels`);
  }
  if (isList) {
    return Array.from(value, (item, index) => copyOfJson(item, `${name}[${index}]`, depth + 1));
  }
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const member = `${name}.${copyOfJson(key, name, depth)}`;
    setMember(copy, key, copyOfJson(value[key], member, depth + 1));
  }
  return copy;
}

/** A copy of data that is known to be plain, in a third of the time of `structuredClone`. */
export function copyOfPlain<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOfPlain) as T;
  const copy = { ...value };
  for (const name in copy) {
    const member = copy[name];
    if (typeof member === "object" && member !== null) copy[name] = copyOfPlain(member);
  }
  return copy;
}

/** Whether a value is an object as literals make them, and not of a class that keeps its content elsewhere. */
function isJsonObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null && !isRawJSON(value);
}

/** Prints a finite number as serde_json prints an f64: with a point or an exponent (J-4). */
export function printFloat(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1e16 || (magnitude < 1e-5 && magnitude !== 0)) {
    return value.toExponential().replace("+", "");
  }
  if (Object.is(value, -0)) return "-0.0";
  return Number.isInteger(value) ? `${value}.0` : `${value}`;
}

/**
 * Prints a finite number of free JSON: integers as integers, all else as {@linkcode printFloat}.
 * An integral number beyond 2^53−1 is a float, because it may stand for a rounded one.
 */
export function printNumber(value: number): string {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? `${value}` : printFloat(value);
}
