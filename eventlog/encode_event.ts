import { MAX_LINE_BYTES } from "../_internal/json_lines.ts";
import { encodeUtf8, reasonOf } from "../_internal/text.ts";
import {
  jsonProblemOf,
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
  const literal = value instanceof Number ? value.valueOf() : value;
  const text = typeof literal === "number" ? String(literal) : rawJsonText(literal);
  if (text === undefined || unsafeIntegerAt(text) === -1) return jsonProblemOf(value);
  return `is ${text}, an integer beyond 2^53 - 1: write it as a string`;
}
