import { endOf } from "./_end.ts";
import { AssertionError } from "./assertion_error.ts";
import { equal } from "./equal.ts";

/** An array-like object that is not a string. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** Asserts that `actual` has every value of `expected`. */
export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void {
  const values = Array.from(actual);
  const missing = Array.from(expected).filter((item) =>
    !values.some((value) => equal(value, item))
  );
  if (missing.length === 0) return;
  const text = `"${Deno.inspect(actual)}" to include: "${Deno.inspect(expected)}"`;
  throw new AssertionError(
    `Expected actual: ${text}${endOf(msg)}\nmissing: ${Deno.inspect(missing)}`,
  );
}
