/**
 * Lets the engine's parser speak for the strict one, which takes several times as long, wherever both
 * say the same. The engine takes more: names that stand twice, lone surrogates, numbers beyond all
 * doubles, nesting without end; it keeps less of a number than the text has; and names with escapes it
 * may confuse with others (nodejs/node#63785).
 *
 * What must always be true: what comes from here is what the strict parser would have made of the text.
 * So whatever may be one of these is left to the strict parser, which also says what is wrong.
 */

import { MAX_DEPTH } from "./errors.ts";
import type { JsonValue } from "./json_value.ts";

const QUOTE = 0x22;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const SEVEN = 0x37;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const LETTER_D = 0x64;
const LETTER_E = 0x65;
const LETTER_U = 0x75;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
/** What a lower-case letter has and the same in upper case has not. */
const LOWER = 0x20;

/** An integer of no more characters is the same in a double. */
const EXACT_LENGTH = 15;

/** The value of a text; undefined where the strict parser has to look at it. */
export function parseByEngine(
  text: string,
  { refusesDuplicates }: { refusesDuplicates: boolean },
): JsonValue | undefined {
  const names = countNames(text);
  if (names === undefined || !text.isWellFormed()) return undefined;
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  // Of names that stand twice only one is left.
  return refusesDuplicates && countMembers(value) !== names ? undefined : value;
}

/**
 * How many names a text has, if it is JSON; undefined when it holds what the engine takes otherwise than
 * the strict parser, or may do so.
 */
function countNames(text: string): number | undefined {
  let names = 0;
  let depth = 0;
  let hasEscape = false;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === QUOTE) {
      hasEscape = false;
      for (index++; index < text.length; index++) {
        const inside = text.charCodeAt(index);
        if (inside === QUOTE) break;
        if (inside !== BACKSLASH) continue;
        hasEscape = true;
        if (isSurrogate(text, ++index)) return undefined;
      }
    } else if (unit === COLON) {
      // What it stands behind is a name.
      if (hasEscape) return undefined;
      names++;
    } else if (unit >= MINUS && unit <= NINE) {
      const end = numberEnd(text, index);
      if (end === undefined) return undefined;
      index = end - 1;
    } else if (unit === OPEN_BRACE || unit === OPEN_BRACKET) {
      if (++depth > MAX_DEPTH) return undefined;
    } else if (unit === CLOSE_BRACE || unit === CLOSE_BRACKET) {
      depth--;
    }
  }
  return names;
}

/** Whether what stands behind a backslash is the code of a surrogate, be it one of a pair. */
function isSurrogate(text: string, index: number): boolean {
  return text.charCodeAt(index) === LETTER_U &&
    (text.charCodeAt(index + 1) | LOWER) === LETTER_D && text.charCodeAt(index + 2) > SEVEN;
}

/** Where a number ends; undefined when a double does not say all that its text says. */
function numberEnd(text: string, start: number): number | undefined {
  let end = start + 1;
  while (isDigit(text.charCodeAt(end))) end++;
  const isFloat = isPartOfFloat(text.charCodeAt(end));
  if (!isFloat && end - start <= EXACT_LENGTH) return end;
  while (isDigit(text.charCodeAt(end)) || isPartOfFloat(text.charCodeAt(end))) end++;
  const value = Number(text.slice(start, end));
  const looksIntegral = Number.isSafeInteger(value) && !Object.is(value, -0);
  return Number.isFinite(value) && looksIntegral !== isFloat ? end : undefined;
}

function isDigit(unit: number): boolean {
  return unit >= ZERO && unit <= NINE;
}

function isPartOfFloat(unit: number): boolean {
  return unit === POINT || (unit | LOWER) === LETTER_E || unit === PLUS || unit === MINUS;
}

/** How many members the objects in a value have. */
function countMembers(value: JsonValue): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) count += countMembers(value[index]!);
    return count;
  }
  const members = value as Record<string, JsonValue>;
  for (const name in members) count += 1 + countMembers(members[name]!);
  return count;
}
