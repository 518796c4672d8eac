/** Drops empty and "." segments and lets each ".." take back the segment before it. */
export function reduceSegments(segments: string[], isAbsolute: boolean): string[] {
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") kept.push(segment);
    else if (kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (!isAbsolute) kept.push(segment);
  }
  return kept;
}

/** Removes `suffix` from `name` unless it is the whole name. */
export function stripSuffix(name: string, suffix: string): string {
  const isProperSuffix = suffix.length < name.length && name.endsWith(suffix);
  return isProperSuffix ? name.slice(0, name.length - suffix.length) : name;
}

/** The segments that lead from `from` to `to`, both already absolute. */
export function stepsBetween(from: string[], to: string[], common: number): string[] {
  return [...from.slice(common).map(() => ".."), ...to.slice(common)];
}

/** How many segments `a` and `b` share at their start. */
export function countCommon(a: string[], b: string[]): number {
  let count = 0;
  while (count < a.length && count < b.length && a[count] === b[count]) count++;
  return count;
}
