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
 * Stringifies a value, passing each member with its path (`$.a[0].b`) through the visitor. A cycle
 * is refused with its path.
 */
export function stringifyVisiting(
  value: unknown,
  visitor: (value: unknown, path: string) => unknown,
): string | undefined {
  const paths = new Map<unknown, string>();
  /** The objects that the present member is in, the outermost first. */
  const holders: unknown[] = [];
  return JSON.stringify(value, function (this: unknown, key: string, member: unknown): unknown {
    while (holders.length > 0 && holders.at(-1) !== this) holders.pop();
    const parent = paths.get(this);
    const path = parent === undefined
      ? "$"
      : memberPath(parent, Array.isArray(this) ? Number(key) : key);
    const visited = visitor(member, path);
    if (typeof visited === "object" && visited !== null) {
      if (holders.includes(visited)) {
        throw new TypeError(`${path} leads back to ${paths.get(visited)}, and JSON has no cycles`);
      }
      paths.set(visited, path);
      holders.push(visited);
    }
    return visited;
  });
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

/** Sixteen digits in a row; written out, as V8 searches that six times as fast as `\d{16}`. */
export const SIXTEEN_DIGITS = /\d\d\d\d\d\d\d\d\d\d\d\d\d\d\d\d/;

/**
 * The index of the first integer literal beyond 2^53 - 1 in a JSON text, which `JSON.parse` would
 * round silently; -1 without one. Such a literal has 16 digits, so most texts need one look.
 */
export function unsafeIntegerAt(text: string): number {
  if (!SIXTEEN_DIGITS.test(text)) return -1;
  for (let index = 0; index < text.length;) {
    const character = text.charCodeAt(index);
    if (character === 34) {
      index = stringEnd(text, index);
    } else if (character === 45 || (character >= 48 && character <= 57)) {
      const literal = numberAt(text, index);
      if (/^-?\d+$/.test(literal) && !Number.isSafeInteger(Number(literal))) return index;
      index += literal.length;
    } else {
      index++;
    }
  }
  return -1;
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

/**
 * {@linkcode jsonProblemOf}, and integers that a reader would round: all that JSON would change in a value
 * without a word.
 */
export function lossInJson(value: unknown): string | undefined {
  const number = value instanceof Number ? value.valueOf() : value;
  const text = typeof number === "number" ? String(number) : rawJsonText(number);
  if (text === undefined || unsafeIntegerAt(text) === -1) return jsonProblemOf(value);
  return `is ${text}, an integer beyond 2^53 - 1: write it as a string`;
}
