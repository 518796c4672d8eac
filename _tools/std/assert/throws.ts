import { endOf } from "./_end.ts";
import { AssertionError } from "./assertion_error.ts";

type ErrorConstructor<E extends Error> = abstract new (...args: never[]) => E;

/** Asserts that `error` is an `ErrorClass` whose message includes or matches `msgMatches`. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: ErrorConstructor<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) {
    throw new AssertionError(`Expected "error" to be an Error object${endOf(msg)}`);
  }
  if (ErrorClass !== undefined && !(error instanceof ErrorClass)) {
    const names = `"${ErrorClass.name}", but was "${error.constructor.name}"`;
    throw new AssertionError(
      `Expected error to be instance of ${names}${endOf(msg)}\n${error.stack}`,
    );
  }
  if (!msgMatches || error.message.search(asPattern(msgMatches)) >= 0) return;
  const wanted = msgMatches instanceof RegExp ? String(msgMatches) : JSON.stringify(msgMatches);
  throw new AssertionError(
    `Expected error message to include ${wanted}, but got ${JSON.stringify(error.message)}` +
      endOf(msg),
  );
}

/** Asserts that `fn` throws and returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that `fn` throws an `ErrorClass` whose message includes `msgIncludes`. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorConstructor<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(fn: () => unknown, ...expected: Expected): unknown {
  try {
    fn();
  } catch (error) {
    return checked(error, "thrown", expected);
  }
  throw new AssertionError(`Expected function to throw${endOf(reasonIn(expected))}`);
}

/** Asserts that the promise of `fn` rejects and returns what it rejected with. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Asserts that the promise of `fn` rejects with an `ErrorClass`. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorConstructor<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  ...expected: Expected
): Promise<unknown> {
  const promise = called(fn, expected);
  try {
    await promise;
  } catch (error) {
    return checked(error, "rejected", expected);
  }
  throw new AssertionError(`Expected function to reject${endOf(reasonIn(expected))}`);
}

type Expected = [first?: string | ErrorConstructor<Error>, msgIncludes?: string, msg?: string];

function called(fn: () => PromiseLike<unknown>, expected: Expected): PromiseLike<unknown> {
  try {
    const promise = fn();
    if (typeof promise?.then === "function") return promise;
  } catch {
    // Falls through: to throw at once is not to reject.
  }
  throw new AssertionError(
    `Function throws when expected to reject${endOf(reasonIn(expected))}`,
  );
}

function checked(error: unknown, verb: "thrown" | "rejected", expected: Expected): unknown {
  const [first, msgIncludes, msg] = expected;
  if (typeof first !== "function") return error;
  if (!(error instanceof Error)) {
    throw new AssertionError(`A non-Error object was ${verb}${endOf(msg)}`);
  }
  assertIsError(error, first, msgIncludes, msg);
  return error;
}

function reasonIn([first, , msg]: Expected): string | undefined {
  return typeof first === "string" ? first : msg;
}

function asPattern(text: string | RegExp): RegExp {
  return text instanceof RegExp ? text : new RegExp(RegExp.escape(text));
}
