import { rawJsonText, stringifyVisiting } from "../_internal/visit_json.ts";

/**
 * The text that `JSON.stringify` makes of a value, if nothing is lost by it. What JSON would leave out,
 * turn into null or print as `{}`, and what no JSON text can hold, is a `TypeError` that names its path.
 */
export function exactJsonText(value: unknown): string {
  const text = stringifyVisiting(value, (member, path) => {
    const problem = problemOf(member);
    if (problem !== undefined) throw new TypeError(`${path} ${problem}`);
    return member;
  });
  // Only a value that was refused has no text.
  return text!;
}

function problemOf(value: unknown): string | undefined {
  switch (typeof value) {
    case "undefined":
      return "is undefined, which JSON cannot hold: leave it out or write null";
    case "function":
    case "symbol":
      return `is a ${typeof value}, which JSON cannot hold: leave it out`;
    case "bigint":
      return `is the BigInt ${value}, which JSON cannot hold: write it as a string`;
    case "number":
      return Number.isFinite(value) ? undefined : `is ${value}, which JSON cannot hold`;
    case "string":
      return value.isWellFormed() ? undefined : "has a lone surrogate, which UTF-8 cannot hold";
    case "object":
      return value === null ? undefined : problemOfObject(value);
  }
}

function problemOfObject(value: object): string | undefined {
  const raw = rawJsonText(value);
  if (raw !== undefined) return problemOf(JSON.parse(raw));
  switch (tagOf(value)) {
    case "Number":
    case "String":
    case "BigInt":
      return problemOf(value.valueOf());
    case "Object": {
      const isBad = Object.keys(value).some((key) => !key.isWellFormed());
      return isBad ? "has a key with a lone surrogate, which UTF-8 cannot hold" : undefined;
    }
  }
  const type = unseenTypeOf(value);
  return type && `is of type ${type}, whose content JSON does not see: give it a toJSON method`;
}

/** The type of an object, such as a Map, that has its content elsewhere than in members; else undefined. */
export function unseenTypeOf(value: object): string | undefined {
  const tag = tagOf(value);
  const isSeen = ["Array", "Boolean", "Number", "String", "Object"].includes(tag);
  return isSeen || isPlain(value) ? undefined : tag;
}

function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

/** An object may call itself by another name. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
