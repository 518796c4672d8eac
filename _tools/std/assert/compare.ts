import { AssertionError } from "./assertion_error.ts";

/** Asserts that `actual` is greater than `expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) throw failed(actual, ">", expected, msg);
}

/** Asserts that `actual` is greater than or equal to `expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) throw failed(actual, ">=", expected, msg);
}

/** Asserts that `actual` is less than `expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) throw failed(actual, "<", expected, msg);
}

/** Asserts that `actual` is less than or equal to `expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) throw failed(actual, "<=", expected, msg);
}

function failed(actual: unknown, sign: string, expected: unknown, msg?: string): AssertionError {
  const text = `Expect ${Deno.inspect(actual)} ${sign} ${Deno.inspect(expected)}`;
  return new AssertionError(msg ?? text);
}
