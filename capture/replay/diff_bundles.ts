import { checkObject } from "../../_internal/check.ts";
import { type Difference, differencesOf, isSameJson } from "../bundle/diff_json.ts";
import { asV3Bundle } from "../bundle/records.ts";
import type { CaptureBundle } from "../types.ts";

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
      diffLists(name, { before, after }, found);
    } else {
      found.push(...asChanges(differencesOf(before, after, [name])));
    }
  }
  return found;
}

/** What a bundle says, or what v3 can say of it. */
function membersOf(bundle: CaptureBundle, isWhole: boolean): Readonly<Record<string, unknown>> {
  if (isWhole || !("inputs" in bundle)) return { ...bundle };
  return { ...asV3Bundle(bundle), capture_version: bundle.capture_version };
}

function diffLists(
  name: string,
  { before, after }: { before: unknown[]; after: unknown[] },
  found: BundleDifference[],
): void {
  for (const pair of align(before, after, isSameJson)) {
    if (pair.kind === "changed") {
      const path = [name, pair.before];
      found.push(...asChanges(differencesOf(before[pair.before], after[pair.after], path)));
    } else if (pair.kind === "missing") {
      const path = `$.${name}[${pair.before}]`;
      found.push({ kind: "missing", path, before: before[pair.before], after: undefined });
    } else if (pair.kind === "extra") {
      const path = `$.${name}[${pair.after}]`;
      found.push({ kind: "extra", path, before: undefined, after: after[pair.after] });
    }
  }
}

function asChanges(differences: readonly Difference[]): BundleDifference[] {
  return differences.map((difference) => ({ kind: "changed", ...difference }));
}

/** How far to look for the place where two lists agree again. */
const WINDOW = 64;

/** Where an item stands in each list. One of the two indices is missing where the other list has no such item. */
export type Pair =
  | { kind: "same" | "changed"; before: number; after: number }
  | { kind: "missing"; before: number }
  | { kind: "extra"; after: number };

/**
 * Goes through two lists and says which items belong together, so that one that is missing does not
 * make a difference of everything behind it.
 */
export function* align<T>(
  before: readonly T[],
  after: readonly T[],
  isSame: (before: T, after: T) => boolean,
): Generator<Pair> {
  let left = 0;
  let right = 0;
  while (left < before.length && right < after.length) {
    if (isSame(before[left]!, after[right]!)) {
      yield { kind: "same", before: left++, after: right++ };
      continue;
    }
    const gap = findGap(before, after, { left, right, isSame });
    if (gap === null) yield { kind: "changed", before: left++, after: right++ };
    for (const end = left + (gap?.missing ?? 0); left < end;) {
      yield { kind: "missing", before: left++ };
    }
    for (const end = right + (gap?.extra ?? 0); right < end;) {
      yield { kind: "extra", after: right++ };
    }
  }
  while (left < before.length) yield { kind: "missing", before: left++ };
  while (right < after.length) yield { kind: "extra", after: right++ };
}

/** How many items one of the lists has that the other has not; null when that explains nothing. */
function findGap<T>(
  before: readonly T[],
  after: readonly T[],
  at: { left: number; right: number; isSame: (before: T, after: T) => boolean },
): { missing: number; extra: number } | null {
  const { left, right, isSame } = at;
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
