import { formatPath, type JsonPath } from "../../_internal/wire_json/errors.ts";

/** Two values that stand at the same place and differ. */
export interface Difference {
  /** The place, such as `$.decisions[3].schedule_at.secs`. */
  path: string;
  /** What stands there in the first document; `undefined` when nothing does. */
  before: unknown;
  /** What stands there in the second document; `undefined` when nothing does. */
  after: unknown;
}

/** The innermost places where two JSON values differ. Numbers are compared as such: 0 is −0. */
export function differencesOf(before: unknown, after: unknown, path: JsonPath = []): Difference[] {
  const found: Difference[] = [];
  collect(before, after, [...path], found);
  return found;
}

/** Whether two JSON values are the same. */
export function isSameJson(before: unknown, after: unknown): boolean {
  if (before === after) return true;
  if (!isContainer(before) || !isContainer(after)) return false;
  if (Array.isArray(before) !== Array.isArray(after)) return false;
  const names = Object.keys(before);
  return names.length === Object.keys(after).length &&
    names.every((name) => Object.hasOwn(after, name) && isSameJson(before[name], after[name]));
}

function collect(
  before: unknown,
  after: unknown,
  path: (string | number)[],
  found: Difference[],
): void {
  if (isSameJson(before, after)) return;
  const goesDeeper = isContainer(before) && isContainer(after) &&
    Array.isArray(before) === Array.isArray(after);
  if (!goesDeeper) {
    found.push({ path: formatPath(path), before, after });
    return;
  }
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    path.push(Array.isArray(before) ? Number(name) : name);
    collect(before[name], after[name], path, found);
    path.pop();
  }
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
