/**
 * What every error of this package looks like, and the checks of what a program hands in, for calls from
 * JavaScript too. Each check takes the name of what it looks at, for its error: a `TypeError` for the
 * wrong shape, a `RangeError` for a number out of range.
 */
import type { Duration } from "./event_time.ts";

/** What a {@linkcode TaffrailError} is made of besides its kind and message. */
export interface TaffrailErrorOptions<Details> {
  /** Where it happened, and with what. */
  details?: Details | undefined;
  /** What to do about it, for people, where that is known. */
  remedy?: string | undefined;
  /** What caused it. */
  cause?: unknown;
}

/**
 * What the errors of all modules have in common: each module has classes of its own for what can go
 * wrong in it, so that a program tells them apart by class and kind.
 *
 * @example Usage
 * ```ts
 * import { openEventLog, TaffrailError } from "@taffrail/taffrail/eventlog";
 * import { assert, assertEquals, assertRejects } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * await using log = await openEventLog<{ type: string }>({ root, runId: "demo" });
 * const error = await assertRejects(() => log.append({ type: "late" }, { expectedLastSeq: 7 }));
 * assert(error instanceof TaffrailError);
 * assertEquals([error.name, error.kind], ["EventLogError", "conflict"]);
 * ```
 */
export abstract class TaffrailError<Kind extends string, Details extends object> extends Error {
  /** What went wrong, for programs. */
  readonly kind: Kind;
  /** Where it happened, and with what. */
  readonly details: Details;
  /** What to do about it, for people, where that is known. */
  readonly remedy: string | undefined;

  /**
   * Makes an error; the functions of its module do it for you.
   *
   * @param kind What went wrong.
   * @param message The same for people.
   * @param options What else is known.
   */
  constructor(
    kind: Kind,
    message: string,
    { details, remedy, cause }: TaffrailErrorOptions<Details> = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.details = details ?? {} as Details;
    this.remedy = remedy;
  }
}

/** An object that is no array. */
export function checkObject(value: unknown, name: string): Record<string, unknown> {
  if (isObject(value)) return value;
  throw new TypeError(`Cannot use ${name}: expected an object, got ${describe(value)}`);
}

/** Whether a value is an object as JSON has them: no list, and not null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** No other keys than these. */
export function checkKeys(value: object, name: string, known: readonly string[]): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new TypeError(
    `Cannot use ${name}: unknown field "${unknown}", known are ${known.join(", ")}`,
  );
}

type TypeName = "string" | "number" | "boolean" | "function" | "object";

/**
 * The types of several members at once, each known by its own name. A `?` behind a type allows
 * `undefined` too; members that are not listed are not looked at.
 */
export function checkTypes(
  values: object,
  types: Readonly<Record<string, TypeName | `${TypeName}?`>>,
): void {
  const members = checkObject(values, "options");
  for (const [name, type] of Object.entries(types)) {
    const value = members[name];
    if (value === undefined && type.endsWith("?")) continue;
    const expected = type.replace("?", "");
    if (typeof value === expected && value !== null) continue;
    const article = expected === "object" ? "an" : "a";
    throw new TypeError(
      `Cannot use ${name}: expected ${article} ${expected}, got ${describe(value)}`,
    );
  }
}

/** An array, each of whose items passes a check. */
export function checkArray<T>(
  value: unknown,
  name: string,
  check: (item: unknown, name: string) => T = (item) => item as T,
): T[] {
  if (!Array.isArray(value)) {
    throw new TypeError(`Cannot use ${name}: expected an array, got ${describe(value)}`);
  }
  return value.map((item, index) => check(item, `${name}[${index}]`));
}

/** A string. */
export function checkString(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw new TypeError(`Cannot use ${name}: expected a string, got ${describe(value)}`);
}

/** One of some strings. */
export function checkOneOf<T extends string>(
  value: unknown,
  name: string,
  known: readonly T[],
): T {
  if (isOneOf(known, value)) return value;
  throw new TypeError(
    `Cannot use ${name}: expected ${known.join(" or ")}, got ${describe(value)}`,
  );
}

/** A number, whichever. */
export function checkNumber(value: unknown, name: string): number {
  if (typeof value === "number") return value;
  throw new TypeError(`Cannot use ${name}: expected a number, got ${describe(value)}`);
}

/** An integer from 0 to a maximum, which is 2^53 − 1 unless given (J-8). */
export function checkInteger(
  value: unknown,
  name: string,
  maximum = Number.MAX_SAFE_INTEGER,
): number {
  const number = checkNumber(value, name);
  if (Number.isInteger(number) && number >= 0 && number <= maximum) return number;
  throw new RangeError(
    `Cannot use ${name}: expected an integer from 0 to ${maximum}, got ${value}`,
  );
}

/** A duration or a time: whole seconds and less than a second of nanoseconds (J-9). */
export function checkDuration(value: unknown, name: string): Duration {
  if (!isObject(value)) {
    throw new TypeError(`Cannot use ${name}: expected { secs, nanos }, got ${describe(value)}`);
  }
  const { secs, nanos, ...others } = value;
  checkKeys(others, name, ["secs", "nanos"]);
  return Object.freeze({
    secs: checkInteger(secs, `${name}.secs`),
    nanos: checkInteger(nanos, `${name}.nanos`, 999_999_999),
  });
}

/** A function. */
export function checkFunction(value: unknown, name: string): void {
  if (typeof value === "function") return;
  throw new TypeError(`Cannot use ${name}: expected a function, got ${describe(value)}`);
}

/** An object with these methods. */
export function checkMethods(port: unknown, name: string, methods: readonly string[]): void {
  for (const method of methods) {
    const found: unknown = (port as Record<string, unknown> | null | undefined)?.[method];
    if (typeof found !== "function") {
      throw new TypeError(`Cannot use ${name}: it has no method ${method}`);
    }
  }
}

/** What a check makes of a value; null for what is missing or null (J-11). */
export function orNull<T>(
  value: unknown,
  name: string,
  check: (value: unknown, name: string) => T,
): T | null {
  return value === undefined || value === null ? null : check(value, name);
}

/** Whether a value is one of some. */
export function isOneOf<T>(known: readonly T[], value: unknown): value is T {
  return (known as readonly unknown[]).includes(value);
}

/** Whether a value is an array of nothing but strings. */
export function isStringArray(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

type UndefinedNames<T> = {
  [Name in keyof T]: undefined extends T[Name] ? Name : never;
}[keyof T];

/** An object whose members are absent where they could be undefined. */
export type Defined<T> =
  & { [Name in Exclude<keyof T, UndefinedNames<T>>]: T[Name] }
  & { [Name in UndefinedNames<T>]?: Exclude<T[Name], undefined> };

/** The members that are not undefined: in documents, and in options, those are left out. */
export function defined<const T extends object>(members: T): Defined<T> {
  const kept: Record<string, unknown> = {};
  // Without the pairs that `Object.entries` would make: it is called for every event.
  for (const name of Object.keys(members)) {
    const value = members[name as keyof T];
    if (value !== undefined) kept[name] = value;
  }
  return kept as Defined<T>;
}

/** How much of a text an error shows. */
const MOST_SHOWN = 200;

/** A value in few words, for an error. */
export function describe(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > MOST_SHOWN ? `${value.slice(0, MOST_SHOWN)}…` : value);
  }
  if (value === null || typeof value !== "object") return String(value);
  return Array.isArray(value) ? "an array" : "an object";
}
