import { checkObject } from "../../_internal/errors.ts";
import { formatPath, type JsonPath, MAX_DEPTH } from "../../_internal/wire_json/errors.ts";
import type { CaptureBundle } from "../types.ts";
import { asV3Bundle } from "./records.ts";

/** Two values that stand at the same place and differ. */
export interface Difference {
  /** The place, such as `$.decisions[3].schedule_at.secs`. */
  path: string;
  /** What stands there in the first document; `undefined` when nothing does. */
  before: unknown;
  /** What stands there in the second document; `undefined` when nothing does. */
  after: unknown;
}

/** In what way two bundles differ at one place. */
export type BundleDifferenceKind = "changed" | "missing" | "extra";

/** One place where two bundles differ. */
export interface BundleDifference extends Difference {
  /** `changed`; or `missing`: only the first bundle has the record; or `extra`: only the second. */
  kind: BundleDifferenceKind;
}

/**
 * Everything in which two bundles differ, effects, acknowledgements and provenance included. Records that
 * only one of them has are kept apart from such that were changed. Paths are those of the first bundle,
 * for `extra` records those of the second. Bundles of two formats are compared in what both can say.
 *
 * Permissions: none.
 *
 * @param a The first bundle.
 * @param b The second bundle.
 * @returns The differences; none when the bundles say the same.
 *
 * @example Usage
 * ```ts
 * import { diffBundles } from "@taffrail/taffrail/capture";
 * import { assertEquals } from "@std/assert";
 *
 * const bundle = {
 *   capture_version: "v3",
 *   graph_id: "g",
 *   config: {
 *     max_in_flight: null,
 *     max_per_window: null,
 *     rate_window: null,
 *     deadline: null,
 *     max_retries: 0,
 *   },
 *   events: [],
 *   decisions: [],
 *   adapter_provenance: "none",
 *   runtime_provenance: "rpv1:sha256:test",
 * };
 * const other = { ...bundle, config: { ...bundle.config, max_retries: 3 } };
 * assertEquals(diffBundles(bundle, other), [
 *   { kind: "changed", path: "$.config.max_retries", before: 0, after: 3 },
 * ]);
 * ```
 */
export function diffBundles(a: CaptureBundle, b: CaptureBundle): BundleDifference[] {
  checkObject(a, "a");
  checkObject(b, "b");
  const isOneFormat = "inputs" in a === "inputs" in b;
  const left = membersOf(a, isOneFormat);
  const right = membersOf(b, isOneFormat);
  const found: BundleDifference[] = [];
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const [before, after] = [left[name], right[name]];
    if (Array.isArray(before) && Array.isArray(after)) {
      for (const { index: _, ...place } of listDifferences(name, before, after)) found.push(place);
    } else {
      for (const place of differencesOf(before, after, [name])) {
        found.push({ kind: "changed", ...place });
      }
    }
  }
  return found;
}

/** What a bundle says, or what v3 can say of it. */
function membersOf(bundle: CaptureBundle, isWhole: boolean): Readonly<Record<string, unknown>> {
  if (isWhole || !("inputs" in bundle)) return { ...bundle };
  return { ...asV3Bundle(bundle), capture_version: bundle.capture_version };
}

/** One place where two lists differ; `index` is that of the item, of an extra one in the second list. */
interface ListDifference extends BundleDifference {
  index: number;
}

/**
 * Where two lists differ. An item that only one of them has makes no difference of those behind it.
 * `compared`: what of an item is compared.
 */
export function* listDifferences<T>(
  name: string,
  before: readonly T[],
  after: readonly T[],
  compared: (item: T) => unknown = (item) => item,
): Generator<ListDifference> {
  // Views are made when they are looked at: of a long list, two more lists would be as long.
  const isSame = (a: T, b: T) => a === b || isSameJson(compared(a), compared(b));
  for (const { kind, left, right } of align(before, after, isSame)) {
    const index = kind === "extra" ? right : left;
    if (kind === "changed") {
      const items = [compared(before[left]!), compared(after[right]!)] as const;
      for (const place of differencesOf(...items, [name, left])) {
        yield { kind, index, ...place };
      }
    } else {
      const items = kind === "missing"
        ? { before: before[left], after: undefined }
        : { before: undefined, after: after[right] };
      yield { kind, index, path: `$.${name}[${index}]`, ...items };
    }
  }
}

/** How far to look for the place where two lists agree again. */
const WINDOW = 64;

/** Goes through two lists and says which items belong together and are not the same. */
function* align<T>(
  before: readonly T[],
  after: readonly T[],
  isSame: (a: T, b: T) => boolean,
): Generator<{ kind: BundleDifferenceKind; left: number; right: number }> {
  let left = 0;
  let right = 0;
  while (left < before.length && right < after.length) {
    if (isSame(before[left]!, after[right]!)) {
      left++;
      right++;
      continue;
    }
    const gap = findGap(before, after, { left, right, isSame });
    if (gap === null) yield { kind: "changed", left: left++, right: right++ };
    for (let count = gap?.missing ?? 0; count > 0; count--) {
      yield { kind: "missing", left: left++, right };
    }
    for (let count = gap?.extra ?? 0; count > 0; count--) {
      yield { kind: "extra", left, right: right++ };
    }
  }
  while (left < before.length) yield { kind: "missing", left: left++, right };
  while (right < after.length) yield { kind: "extra", left, right: right++ };
}

/** How many items one of the lists has that the other has not; null when that explains nothing. */
function findGap<T>(
  before: readonly T[],
  after: readonly T[],
  { left, right, isSame }: { left: number; right: number; isSame: (a: T, b: T) => boolean },
): { missing: number; extra: number } | null {
  for (let skipped = 1; skipped <= WINDOW; skipped++) {
    const laterLeft = before[left + skipped];
    const laterRight = after[right + skipped];
    if (laterLeft === undefined && laterRight === undefined) return null;
    if (laterLeft !== undefined && isSame(laterLeft, after[right]!)) {
      return { missing: skipped, extra: 0 };
    }
    if (laterRight !== undefined && isSame(before[left]!, laterRight)) {
      return { missing: 0, extra: skipped };
    }
  }
  return null;
}

/** The innermost places where two JSON values differ. Numbers are compared as such: 0 is −0. */
export function* differencesOf(
  before: unknown,
  after: unknown,
  path: JsonPath = [],
): Generator<Difference> {
  if (isSameJson(before, after)) return;
  const goesDeeper = isContainer(before) && isContainer(after) &&
    Array.isArray(before) === Array.isArray(after);
  if (!goesDeeper) return yield { path: formatPath(path), before, after };
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const key = Array.isArray(before) ? Number(name) : name;
    yield* differencesOf(before[name], after[name], [...path, key]);
  }
}

/** How deep values are looked into: twice as deep as a text may nest, as texts of payloads are parsed too. */
const MOST_DEPTH = 2 * MAX_DEPTH;

/** Whether two JSON values are the same. */
export function isSameJson(before: unknown, after: unknown, depth = 0): boolean {
  if (before === after) return true;
  if (!isContainer(before) || !isContainer(after)) return false;
  if (depth > MOST_DEPTH) {
    throw new TypeError(`Cannot compare values that nest deeper than ${MOST_DEPTH} levels`);
  }
  if (Array.isArray(before) !== Array.isArray(after)) return false;
  const names = Object.keys(before);
  return names.length === Object.keys(after).length &&
    names.every((name) =>
      Object.hasOwn(after, name) && isSameJson(before[name], after[name], depth + 1)
    );
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
