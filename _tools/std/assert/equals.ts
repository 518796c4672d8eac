import { deepStrictEqual, strictEqual } from "node:assert";
import { endOf } from "./_end.ts";
import { AssertionError } from "./assertion_error.ts";
import { equal } from "./equal.ts";

/** Asserts that `actual` and `expected` have the same structure. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  const difference = messageOf(() => deepStrictEqual(actual, expected));
  throw new AssertionError(`Values are not equal${endOf(msg)}\n${difference}`);
}

/** Asserts that `actual` and `expected` differ in structure. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  const values = `${Deno.inspect(actual)} not to be: ${Deno.inspect(expected)}`;
  throw new AssertionError(`Expected actual: ${values}${endOf(msg)}`);
}

/** Asserts that `actual` is `expected` itself. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const difference = messageOf(() => strictEqual(actual, expected));
  throw new AssertionError(`Values are not strictly equal${endOf(msg)}\n${difference}`);
}

function messageOf(compare: () => void): string {
  try {
    compare();
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
