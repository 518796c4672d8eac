/** Where attempts stand in the timeline. */
/** @import { Model, Node, Span } from "./model.js" */

/** Up to so many nodes each has a row of its own; of more, places of work have one. */
export const MOST_ROWS = 40;

/**
 * A row of the timeline: spans of which none begins before the one before it has ended, or of one node.
 *
 * @typedef {object} Lane
 * @property {Span[]} spans Its attempts, the first to begin first.
 * @property {Node | undefined} node Whose it is; undefined for a place of work.
 */

/**
 * The rows of the timeline.
 *
 * @param {Model} model What is known of the run.
 * @returns {{ lanes: Lane[], isPerNode: boolean }}
 */
export function lanesOf({ spans }) {
  const byNode = Map.groupBy(spans, ({ node }) => node);
  if (byNode.size <= MOST_ROWS) {
    const lanes = Array.from(byNode, ([node, spans]) => ({ node, spans }));
    return { lanes, isPerNode: true };
  }
  // Who waits for people takes nobody's place, for days perhaps.
  const work = placesOf(spans.filter(({ attempt }) => !attempt.isGate));
  const gates = placesOf(spans.filter(({ attempt }) => attempt.isGate));
  const lanes = [...work, ...gates].map((spans) => ({ node: undefined, spans }));
  return { lanes, isPerNode: false };
}

/** Times are rounded to milliseconds, so that one may seem to begin before the one before it has ended. */
const ROUNDING_MS = 2;

/**
 * Each span goes into the first place that is free when it begins.
 *
 * @param {Span[]} spans Spans, the first to begin first.
 * @returns {Span[][]}
 */
function placesOf(spans) {
  /** @type {Span[][]} */
  const places = [];
  /** @type {number[]} */
  const freeMs = [];
  for (const span of spans) {
    let place = freeMs.findIndex((ms) => ms <= span.startMs + ROUNDING_MS);
    if (place === -1) place = places.push([]) - 1;
    places[place]?.push(span);
    freeMs[place] = span.endMs;
  }
  return places;
}

/**
 * The first span of a lane that ends behind a time: those before it are out of sight.
 *
 * @param {Span[]} spans Spans of a lane.
 * @param {number} ms The time.
 * @returns {number}
 */
export function firstEndingAfter(spans, ms) {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const span = spans[middle];
    if (span !== undefined && span.endMs <= ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * How many attempts could have begun and did not, as steps: from each time on so many.
 *
 * @typedef {object} Waiting
 * @property {{ ms: number, count: number }[]} steps The steps.
 * @property {number} most The greatest number.
 */

/**
 * Counts the attempts that could have begun and did not.
 *
 * @param {Span[]} spans All spans.
 * @returns {Waiting}
 */
export function waitingSteps(spans) {
  /** @type {Map<number, number>} */
  const changes = new Map();
  const change = (/** @type {number} */ ms, /** @type {number} */ by) => {
    changes.set(ms, (changes.get(ms) ?? 0) + by);
  };
  for (const { readyMs, startMs } of spans) {
    if (readyMs >= startMs) continue;
    change(readyMs, 1);
    change(startMs, -1);
  }
  let [count, most] = [0, 0];
  const steps = [...changes].sort(([a], [b]) => a - b).map(([ms, by]) => {
    count += by;
    most = Math.max(most, count);
    return { ms, count };
  });
  return { steps, most };
}
