/** How far to look for the place where two lists agree again. */
const WINDOW = 64;

/** What became of an item. One of the two indices is missing where the other list has no such item. */
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
