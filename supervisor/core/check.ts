/**
 * Checks of what a program hands in, and of what counters come to. Each takes the name of what it looks
 * at, for its error: a `TypeError` for the wrong shape, a `RangeError` for a number out of range.
 */
import { ERROR_KINDS, PLAIN_TERMINATIONS } from "../../_internal/wire_names.ts";
import type { Duration, RunTermination } from "../types.ts";

/** An object that is no array. */
export function checkObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`Cannot use ${name}: expected an object, got ${describe(value)}`);
  }
  return value as Record<string, unknown>;
}

/** An array, each of whose items passes a check. */
export function checkArray<T>(
  value: unknown,
  name: string,
  check: (item: unknown, name: string) => T,
): T[] {
  if (!Array.isArray(value)) {
    throw new TypeError(`Cannot use ${name}: expected an array, got ${describe(value)}`);
  }
  return value.map((item, index) => check(item, `${name}[${index}]`));
}

/** What a check makes of a value; null for what is missing or null (J-11). */
export function orNull<T>(
  value: unknown,
  name: string,
  check: (value: unknown, name: string) => T,
): T | null {
  return value === undefined || value === null ? null : check(value, name);
}

/** No other keys than these. */
export function checkKeys(value: object, name: string, known: readonly string[]): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new TypeError(
    `Cannot use ${name}: unknown field "${unknown}", known are ${known.join(", ")}`,
  );
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

/** An integer from 0 to a maximum, which is 2^53 − 1 unless given (J-8). */
export function checkInteger(
  value: unknown,
  name: string,
  maximum = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot use ${name}: expected a number, got ${describe(value)}`);
  }
  if (Number.isInteger(value) && value >= 0 && value <= maximum) return value;
  throw new RangeError(
    `Cannot use ${name}: expected an integer from 0 to ${maximum}, got ${value}`,
  );
}

/**
 * The number after `value`; a `RangeError` at 2^53 − 1, beyond which numbers would be rounded. The name
 * is the counter's, for the error.
 */
export function following(value: number, name: string): number {
  if (value >= Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`Cannot count ${name} further: it has reached ${value}`);
  }
  return value + 1;
}

/** A duration or a time: whole seconds and less than a second of nanoseconds (J-9). */
export function checkDuration(value: unknown, name: string): Duration {
  const { secs, nanos, ...others } = checkObject(value, name);
  checkKeys(others, name, ["secs", "nanos"]);
  return Object.freeze({
    secs: checkInteger(secs, `${name}.secs`),
    nanos: checkInteger(nanos, `${name}.nanos`, 999_999_999),
  });
}

/** How an attempt ended. */
export function checkTermination(value: unknown, name: string): RunTermination {
  if (isOneOf(PLAIN_TERMINATIONS, value)) return value;
  if (typeof value === "object" && value !== null && "Failed" in value) {
    if (Object.keys(value).length === 1 && isOneOf(ERROR_KINDS, value.Failed)) {
      return value as RunTermination;
    }
  }
  throw new TypeError(`Cannot use ${name}: expected a RunTermination, got ${describe(value)}`);
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

function isOneOf<T>(known: readonly T[], value: unknown): value is T {
  return (known as readonly unknown[]).includes(value);
}

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value === null || typeof value !== "object") return String(value);
  return Array.isArray(value) ? "an array" : "an object";
}
