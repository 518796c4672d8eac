/**
 * What decided how long a run took: the node that ended last, before it what it had to wait for longest, and so on
 * to the begin. Shortening anything else makes nothing end sooner.
 */
import type { CriticalPath, PageNode } from "./page_data.ts";

/** When the last attempt at a node ended; undefined where it has none. */
function endOf({ attempts }: PageNode): number | undefined {
  const last = attempts.at(-1);
  return last?.startMs === undefined ? undefined : last.endMs ?? Infinity;
}

/** When it could have begun, or else began; undefined where it has not. */
function readyOf({ attempts: [first] }: PageNode): number | undefined {
  return first?.readyMs ?? first?.startMs;
}

/**
 * The critical path of a run. A flow says what each node needs; what the steps of a program wait for only its code
 * knows, so there it is the step that ended last before one was asked for.
 */
export function criticalPathOf(nodes: readonly PageNode[], by: CriticalPath["by"]): CriticalPath {
  const ends = nodes.map((node) => node.state === "skipped" ? undefined : endOf(node));
  const before = by === "needs" ? needBefore(nodes, ends) : stepBefore(nodes, ends);
  const path: number[] = [];
  let place = latest(ends.keys(), ends);
  while (place !== undefined && !path.includes(place)) {
    path.push(place);
    place = before(place);
  }
  return { nodes: path.toReversed(), by };
}

type Before = (place: number) => number | undefined;

function needBefore(nodes: readonly PageNode[], ends: readonly (number | undefined)[]): Before {
  return (place) => latest(nodes[place]!.needs, ends);
}

function stepBefore(nodes: readonly PageNode[], ends: readonly (number | undefined)[]): Before {
  const ordered = [...ends.keys()].filter((place) => ends[place] !== undefined)
    .toSorted((a, b) => ends[a]! - ends[b]!);
  return (place) => {
    const readyMs = readyOf(nodes[place]!);
    if (readyMs === undefined) return undefined;
    let [low, high] = [0, ordered.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[ordered[middle]!]! <= readyMs) low = middle + 1;
      else high = middle;
    }
    return ordered[low - 1];
  };
}

/** The place of the one that ended last; of several, the first. */
function latest(
  places: Iterable<number>,
  ends: readonly (number | undefined)[],
): number | undefined {
  let found: number | undefined;
  for (const place of places) {
    const endMs = ends[place];
    if (endMs !== undefined && (found === undefined || endMs > ends[found]!)) found = place;
  }
  return found;
}
