/**
 * What a program has recorded: JSON that says all of a value. What JSON would change without a word, such as a
 * `Date` or a `Map`, is refused with its path, since a program that is gone on with would get another value
 * than the first one had.
 */
import { encodeUtf8, reasonOf } from "../_internal/text.ts";
import {
  isSurelyKept,
  refuseLoss,
  stringifyQuickly,
  stringifyVisiting,
  unseenTypeOf,
} from "../_internal/visit_json.ts";
import { runError, type RunErrorDetails } from "./run_error.ts";

/** No more levels fit into a line of the journal with what stands around them. */
const MOST_NESTING = 100;
/** What stands in a line of the journal is far below what that may have. */
export const MOST_INPUT_BYTES = 2 * 1024 * 1024;

/** The JSON of a value. */
export interface ProgramJson {
  /** Its text. */
  text: string;
  /** Whether it is nested more deeply than a line of the journal may be. */
  isDeep: boolean;
}

/**
 * The JSON of a value; undefined for `undefined`.
 *
 * @throws {TypeError} When JSON would change it; the message begins with the path.
 */
export function programJson(value: unknown): ProgramJson | undefined {
  if (value === undefined) return undefined;
  const quick = stringifyQuickly(value, isPlain);
  if (quick !== undefined) return { text: quick, isDeep: false };
  let text: string | undefined;
  try {
    text = stringifyVisiting(value, refuseChange);
  } catch (cause) {
    throw new TypeError(reasonOf(cause), { cause });
  }
  if (text === undefined) throw new TypeError(`$ is a ${typeof value}, which JSON cannot hold`);
  return { text, isDeep: nestingOf(text) > MOST_NESTING };
}

/**
 * The text of what is to stand in a line of the journal.
 *
 * @throws {RunError} `not-json`, or `too-large` when it has more bytes than are allowed.
 */
export function textForLine(
  value: unknown,
  { what, details, mostBytes }: { what: string; details: RunErrorDetails; mostBytes: number },
): string | undefined {
  let json: ProgramJson | undefined;
  try {
    json = programJson(value);
  } catch (cause) {
    const remedy = "give it as plain JSON";
    const problem = `Cannot record ${what}: ${reasonOf(cause)}`;
    throw runError("not-json", problem, { details, remedy, cause });
  }
  if (json === undefined) return undefined;
  const { text, isDeep } = json;
  if (isDeep) {
    const problem = `Cannot record ${what}: it is nested more than ${MOST_NESTING} levels deep`;
    throw runError("not-json", problem, { details, remedy: "give it as a text" });
  }
  const bytes = text.length * 3 <= mostBytes ? 0 : encodeUtf8(text).length;
  if (bytes <= mostBytes) return text;
  throw runError(
    "too-large",
    `Cannot record ${what}: it has ${bytes} bytes, and ${mostBytes} is the most`,
    {
      details: { ...details, expected: mostBytes, actual: bytes },
      remedy: "name a file in it instead",
    },
  );
}

/** The same text for all that is the same but for the order of its members. */
export function canonicalText(text: string): string {
  return JSON.stringify(JSON.parse(text), (_, value) => {
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    if (!isObject) return value;
    const keys = Object.keys(value).sort();
    return Object.fromEntries(keys.map((key) => [key, value[key]]));
  });
}

/** Whether a value is what `JSON.parse` could have made, by a quick look that says no to what is odd. */
function isPlain(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return isSurelyKept(value);
  if (depth >= MOST_NESTING) return false;
  if (Array.isArray(value)) return value.every((item) => isPlain(item, depth + 1));
  if (Object.getPrototypeOf(value) !== Object.prototype || "toJSON" in value) return false;
  for (const key in value) {
    if (!isPlain((value as Record<string, unknown>)[key], depth + 1)) return false;
  }
  return true;
}

/** Refuses what would be something else when it is read again. */
function refuseChange(value: unknown, path: string, member: unknown): unknown {
  const type = typeof member === "object" && member !== null ? changedTypeOf(member) : undefined;
  if (type === undefined) return refuseLoss(value, path, member);
  throw new TypeError(`${path} is of type ${type}, which JSON would change`);
}

/** The type of an object of which JSON makes another one; undefined for what it keeps. */
function changedTypeOf(value: object): string | undefined {
  const unseen = unseenTypeOf(value);
  if (unseen !== undefined) return unseen;
  const isChanged = value instanceof Error ||
    typeof (value as { toJSON?: unknown }).toJSON === "function";
  return isChanged ? value.constructor?.name ?? "object" : undefined;
}

/** How many levels deep a JSON text is nested. */
function nestingOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{]|[\]}]/g)) {
    if (token === "[" || token === "{") deepest = Math.max(deepest, ++depth);
    else if (token === "]" || token === "}") depth--;
  }
  return deepest;
}
