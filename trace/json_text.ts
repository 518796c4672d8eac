import { rawJsonText, stringifyVisiting } from "../_internal/visit_json.ts";

/**
 * The JSON text of a payload as it is now: what `JSON.stringify` makes of it, at nearly its speed.
 *
 * What JSON would change without a word is a `TypeError` that names its path: cycles, BigInts, NaN,
 * infinities, lone surrogates, and a payload that has no text at all (undefined, a function). Members
 * that are undefined or functions are left out, as everywhere in JavaScript; items are null.
 */
export function payloadText(payload: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(payload);
  } catch {
    // Ten times as slow, but it can say where something is wrong.
    text = stringifyVisiting(payload, refuseLoss);
  }
  if (text === undefined) throw new TypeError(`$ is ${nameOf(payload)}, which JSON cannot hold`);
  if (MAY_HIDE_LOSS.test(text)) stringifyVisiting(payload, refuseLoss);
  return text;
}

/**
 * The same text of a value that holds nothing but JSON: members and items that are undefined or
 * functions, and objects that keep their content elsewhere, such as a Map, are refused too.
 */
export function exactJsonText(value: unknown): string {
  const text = stringifyVisiting(value, (member, path) => {
    const problem = absenceOf(member);
    if (problem !== undefined) throw new TypeError(`${path} ${problem}`);
    return refuseLoss(member, path);
  });
  return text as string;
}

/** What JSON changes without a word leaves one of these in the text; looking is cheap. */
const MAY_HIDE_LOSS = /null|\\u[dD]/;

function refuseLoss(value: unknown, path: string): unknown {
  const problem = lossOf(value);
  if (problem !== undefined) throw new TypeError(`${path} ${problem}`);
  return value;
}

function lossOf(value: unknown): string | undefined {
  switch (typeof value) {
    case "bigint":
      return `is the BigInt ${value}, which JSON cannot hold: write it as a string`;
    case "number":
      return Number.isFinite(value) ? undefined : `is ${value}, which JSON cannot hold`;
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
  if (raw !== undefined) return lossOf(JSON.parse(raw));
  const bad = Object.keys(value).find((key) => !key.isWellFormed());
  return bad === undefined ? undefined : "has a key with a lone surrogate, which UTF-8 cannot hold";
}

/** Why a value would vanish from the text, or become null or `{}`. */
function absenceOf(value: unknown): string | undefined {
  if (typeof value === "undefined" || typeof value === "function" || typeof value === "symbol") {
    return `is ${nameOf(value)}, which JSON cannot hold: leave it out or write null`;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return undefined;
  const tag = Object.prototype.toString.call(value).slice("[object ".length, -1);
  if (tag === "Object" || tag === "Number" || tag === "String" || tag === "Boolean") {
    return undefined;
  }
  return `is of type ${tag}, whose content JSON would not see: give it a toJSON method`;
}

function nameOf(value: unknown): string {
  return value === undefined ? "undefined" : `a ${typeof value}`;
}
