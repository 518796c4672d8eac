import { assertEquals } from "./equals.ts";

type Loose = Record<PropertyKey, unknown>;

/** Asserts that `actual` has, at every depth, the members that `expected` names. */
export function assertObjectMatch(
  actual: Loose,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  assertEquals(pick(actual, expected), pick(expected, expected), msg);
}

/** The part of `value` that `wanted` names, as plain objects and arrays. */
function pick(value: unknown, wanted: unknown): unknown {
  if (Array.isArray(value) && Array.isArray(wanted)) {
    return value.slice(0, wanted.length).map((item, index) => pick(item, wanted[index]));
  }
  if (!isMembers(value) || !isMembers(wanted)) return value;
  const picked: Loose = {};
  for (const key of Reflect.ownKeys(wanted)) {
    if (Object.hasOwn(value, key)) picked[key] = pick(value[key], wanted[key]);
  }
  return picked;
}

function isMembers(value: unknown): value is Loose {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return ![Date, RegExp, Map, Set].some((kind) => value instanceof kind);
}
