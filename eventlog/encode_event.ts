import { MAX_LINE_BYTES } from "../_internal/json_lines.ts";
import { encodeUtf8, reasonOf } from "../_internal/text.ts";
import {
  rawJsonText,
  redactOrMask,
  SIXTEEN_DIGITS,
  stringifyVisiting,
  unsafeIntegerAt,
} from "../_internal/visit_json.ts";

/**
 * Replaces a value before it is kept: gets every member, objects before their members, with a path
 * such as `$.env.TOKEN`, and returns what is to be written. Where it throws, a mask is written.
 */
export type Redact = (value: unknown, path: string) => unknown;

/**
 * The one line of an event, without its newline. What JSON would change without a word (NaN,
 * lone surrogates, integers that a reader would round) is refused with its path.
 */
export function encodeEvent(event: unknown, redact?: Redact): string {
  const text = redact === undefined ? stringify(event) : stringifyRedacted(event, redact);
  if (text === undefined || text.charCodeAt(0) !== 123) {
    throw new TypeError("failed to serialize event: an event must be one JSON object");
  }
  if (text.length * 3 > MAX_LINE_BYTES && encodeUtf8(text).length > MAX_LINE_BYTES) {
    throw new RangeError(`failed to serialize event: it is over ${MAX_LINE_BYTES} bytes`);
  }
  return text;
}

function stringify(event: unknown): string | undefined {
  let text: string | undefined;
  try {
    text = JSON.stringify(event);
  } catch {
    return stringifyEach(event, refuseLoss);
  }
  if (text !== undefined && MAY_HIDE_LOSS.test(text)) stringifyEach(event, refuseLoss);
  return text;
}

/** Ten times as slow, but it can say where something is wrong. */
function stringifyEach(
  event: unknown,
  visitor: (value: unknown, path: string) => unknown,
): string | undefined {
  try {
    return stringifyVisiting(event, visitor);
  } catch (cause) {
    throw new TypeError(`failed to serialize event: ${reasonOf(cause)}`, { cause });
  }
}

function stringifyRedacted(event: unknown, redact: Redact): string | undefined {
  return stringifyEach(event, (value, path) => refuseLoss(redactOrMask(value, path, redact), path));
}

/** What JSON changes without a word leaves one of these in the text; looking is cheap. */
const MAY_HIDE_LOSS = new RegExp(`null|\\\\u[dD]|${SIXTEEN_DIGITS.source}`);

function refuseLoss(value: unknown, path: string): unknown {
  const problem = lossOf(value);
  if (problem !== undefined) {
    throw new TypeError(`${path} ${problem}`);
  }
  return value;
}

function lossOf(value: unknown): string | undefined {
  switch (typeof value) {
    case "bigint":
      return `is the BigInt ${value}, which JSON cannot hold: write it as a string`;
    case "number":
      if (!Number.isFinite(value)) return `is ${value}, which JSON cannot hold`;
      if (unsafeIntegerAt(String(value)) === -1) return undefined;
      return `is ${value}, an integer beyond 2^53 - 1: write it as a string`;
    case "string":
      return value.isWellFormed() ? undefined : "has a lone surrogate, which UTF-8 cannot hold";
    case "object":
      return value === null ? undefined : lossOfObject(value);
    default:
      return undefined;
  }
}

function lossOfObject(value: object): string | undefined {
  if (value instanceof Number || value instanceof String || value instanceof BigInt) {
    return lossOf(value.valueOf());
  }
  const raw = rawJsonText(value);
  if (raw !== undefined) {
    if (unsafeIntegerAt(raw) === -1) return lossOf(JSON.parse(raw));
    return `is ${raw}, an integer beyond 2^53 - 1: write it as a string`;
  }
  const bad = Object.keys(value).find((key) => !key.isWellFormed());
  return bad === undefined ? undefined : "has a key with a lone surrogate, which UTF-8 cannot hold";
}
