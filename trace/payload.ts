import {
  answerOf,
  jsonProblemOf,
  MASK,
  rawJsonText,
  redactOrMask,
  stringifyVisiting,
  unboxed,
  unseenTypeOf,
} from "../_internal/visit_json.ts";
import { parseJson } from "../_internal/wire_json/parse_json.ts";
import type { ValidationIssue } from "./types.ts";

/**
 * Replaces a value before it is kept or hashed. Gets every member of an input or output as it is in JSON,
 * objects before their members, with a path such as `$.env.TOKEN`, and returns what is to be kept. Gets
 * the messages of errors and issues too, as `$.error.message`, `$.error.details[1].message` and
 * `$.validation_issues[0].message`. Where it throws, a mask is kept.
 */
export type RedactTrace = (value: unknown, path: string) => unknown;

/** Which of its two values a step could not record. */
export type ValueName = "input" | "output";

/** The code of an issue that says why a value has no digest of its own. */
const NOT_JSON = "not_json";

/**
 * The JSON text of a value as it is now, redacted; or an issue that names the place where it is no JSON
 * (W-TRC-12). No value at all is `null`. Nothing is thrown, whatever the value is:
 *
 * | Value | Recorded as |
 * | --- | --- |
 * | `undefined` and functions beside other members | left out, as everywhere in JSON |
 * | `-0` | `0`, likewise |
 * | an integer beyond 2^53 − 1 | the digits that JavaScript prints; give `JSON.rawJSON` where others are meant |
 * | an `Error` | its name, message, stack and causes, and what was added to it; one that has members of its own and stands deeper than a member of the whole: these members |
 * | `NaN`, infinities, BigInts, invalid dates, `Map`, `Set`, `RegExp` and other types whose content JSON does not see, cycles | an issue |
 */
export function takeText(
  value: unknown,
  what: ValueName,
  redact: RedactTrace | undefined,
): string | ValidationIssue {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    const { problem, hasError } = locate(value, what);
    if (problem !== undefined || !hasError) {
      return problem ?? notJson(what, "", `it has no JSON text (${nameOf(error)})`);
    }
  }
  if (text === undefined && value === undefined) text = "null";
  if (text === undefined || isSuspect(text, redact) || hasErrorAtTop(value)) {
    const { problem, hasError } = locate(value, what);
    if (problem !== undefined) return problem;
    if (hasError) text = textWithErrors(value);
    if (text === undefined) return notJson(what, "", "it has no JSON text");
  }
  return redact === undefined ? text : redactText(text, redact);
}

/**
 * Where JSON makes nothing of a value without a word, it prints `null` or `{}`. Looking for these is cheap,
 * the more so as texts have few letters `u`. A lone surrogate is found with the digest, unless the redactor
 * would come across it before.
 */
function isSuspect(text: string, redact: RedactTrace | undefined): boolean {
  return text.includes("ull") || text.includes("{}") ||
    (redact !== undefined && text.includes("\\ud"));
}

/** Of an error with members, such as a code, JSON prints these; to look for it deeper costs too much. */
function hasErrorAtTop(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (value instanceof Error) return true;
  try {
    for (const key in value) {
      if ((value as Record<string, unknown>)[key] instanceof Error) return true;
    }
  } catch {
    /* What cannot be read has no text, or a getter has changed its mind: JSON has had it. */
  }
  return false;
}

/** The text of a value that errors are part of, which JSON would print as `{}`. */
function textWithErrors(value: unknown): string | undefined {
  try {
    return stringifyVisiting(value, (member) => {
      if (jsonProblemOf(member) !== undefined) throw new TypeError("an error says what is no JSON");
      return member;
    });
  } catch {
    return undefined;
  }
}

/** An issue that names the place where a text of `JSON.stringify` is no JSON for others. */
export function locateInText(text: string, what: ValueName): ValidationIssue | undefined {
  return locate(JSON.parse(text), what).problem;
}

/** An issue with a value that has no JSON text. It never quotes the value, which may be a secret. */
export function notJson(what: ValueName, path: string, reason: string): ValidationIssue {
  return { code: NOT_JSON, path, message: `the ${what} cannot be recorded: ${reason}` };
}

/** A message as it is to be kept. */
export function redactMessage(
  message: string,
  path: string,
  redact: RedactTrace | undefined,
): string {
  if (redact === undefined) return message;
  const kept = redactOrMask(message, path, redact);
  return typeof kept === "string" ? kept : MASK;
}

function redactText(text: string, redact: RedactTrace): string {
  try {
    const kept = stringifyVisiting(
      parseJson(text),
      (value, path) => redactOrMask(value, path, redact),
    );
    if (kept !== undefined) return kept;
  } catch { /* What the redactor made is no JSON; nothing of the value may be kept then. */ }
  return JSON.stringify(MASK);
}

/** Where a walk through a value stands. */
interface Place {
  readonly what: ValueName;
  /** The keys on the way here. */
  readonly keys: string[];
  /** The objects on the way here. */
  readonly holders: object[];
  /** Whether an error was met. */
  hasError: boolean;
}

/**
 * What became of a value in JSON: an issue says that nothing of it can be there; a type, that it is left
 * out or, in a list, null.
 */
type Finding = ValidationIssue | "printed" | "undefined" | "function" | "symbol";

function locate(
  value: unknown,
  what: ValueName,
): { problem: ValidationIssue | undefined; hasError: boolean } {
  const place: Place = { what, keys: [], holders: [], hasError: false };
  try {
    return { problem: issueOf(walk(value, place), place), hasError: place.hasError };
  } catch (error) {
    // Nested too deep even for this walk, or a proxy that answers nothing.
    const problem = notJson(what, "", `it cannot be looked through (${nameOf(error)})`);
    return { problem, hasError: place.hasError };
  }
}

function walk(member: unknown, place: Place): Finding {
  if (member instanceof Date && Number.isNaN(member.getTime())) {
    return problemAt(place, "an invalid date is not JSON");
  }
  let value = member;
  try {
    value = unboxed(answerOf(member, place.keys.at(-1) ?? ""));
  } catch (error) {
    return problemAt(place, `its toJSON method threw ${nameOf(error)}`);
  }
  switch (typeof value) {
    case "bigint":
      return problemAt(place, "a BigInt is not JSON; write it as a string");
    case "number":
      return Number.isFinite(value) ? "printed" : problemAt(place, `${value} is not JSON`);
    case "string":
      return value.isWellFormed() ? "printed" : problemAt(place, "a lone surrogate is not UTF-8");
    case "object":
      return value === null || rawJsonText(value) !== undefined
        ? "printed"
        : walkMembers(value, place);
    case "boolean":
      return "printed";
    default:
      return typeof value as "undefined" | "function" | "symbol";
  }
}

function walkMembers(value: object, place: Place): Finding {
  const { keys, holders } = place;
  const depth = holders.indexOf(value);
  if (depth !== -1) {
    const target = pointerOf(keys.slice(0, depth));
    return problemAt(place, `it leads back to ${target === "" ? "the whole" : target}`);
  }
  holders.push(value);
  if (value instanceof Error) place.hasError = true;
  const isList = Array.isArray(value);
  let isEmpty = !isList;
  let lost: ValidationIssue | undefined;
  for (const key of Object.keys(value)) {
    keys.push(key);
    const finding = key.isWellFormed()
      ? walkMember(value, key, place)
      : problemAt(place, "a lone surrogate in its name is not UTF-8");
    if (typeof finding === "object") return finding;
    if (finding === "printed") isEmpty = false;
    else lost ??= issueOf(finding, place);
    keys.pop();
  }
  holders.pop();
  // Beside other members a function is left out, as everywhere in JavaScript.
  const problem = isList ? lost : isEmpty ? unseenAt(value, place) ?? lost : undefined;
  return problem ?? "printed";
}

/** The issue with an object that is printed as `{}`, though its type has content. */
function unseenAt(value: object, place: Place): ValidationIssue | undefined {
  const type = value instanceof Error ? undefined : unseenTypeOf(value);
  if (type === undefined) return undefined;
  return problemAt(place, `JSON does not see the content of type ${type}; give it a toJSON method`);
}

/** The issue with a value that is neither left out beside others nor printed. */
function issueOf(finding: Finding, place: Place): ValidationIssue | undefined {
  if (typeof finding === "object") return finding;
  const isJson = finding === "printed" || finding === "undefined";
  return isJson ? undefined : problemAt(place, `a ${finding} is not JSON`);
}

function walkMember(holder: object, key: string, place: Place): Finding {
  let member: unknown;
  try {
    member = (holder as Record<string, unknown>)[key];
  } catch (error) {
    return problemAt(place, `reading it threw ${nameOf(error)}`);
  }
  return walk(member, place);
}

function problemAt({ what, keys }: Place, reason: string): ValidationIssue {
  return notJson(what, pointerOf(keys), reason);
}

/** A JSON pointer (RFC 6901). */
function pointerOf(keys: readonly string[]): string {
  return keys.map((key) => {
    return `/${key.toWellFormed().replaceAll("~", "~0").replaceAll("/", "~1")}`;
  }).join("");
}

/** The kind of an error; its message may hold a secret. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : `a ${typeof error}`;
}
