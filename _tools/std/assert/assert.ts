import { endOf } from "./_end.ts";
import { AssertionError } from "./assertion_error.ts";

/** Asserts that `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Asserts that `expr` is falsy. */
export function assertFalse(expr: unknown, msg = ""): asserts expr is false {
  if (expr) throw new AssertionError(msg);
}

/** Fails in any case. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${endOf(msg)}`);
}
