/**
 * The axis of time. A run that was left on Friday and gone on with on Monday would be two strokes at the ends of
 * it: where nothing ran for far longer than everything took, the axis is cut, and says so.
 */
/** @import { Model, Span } from "./model.js" */

/** What is shorter is never cut out. */
const LEAST_CUT_MS = 10_000;
/** How much of the axis what was cut out still has, of what is left. */
const CUT_SHARE = 0.06;

/**
 * A part of the axis: times of the run, and where they stand.
 *
 * @typedef {object} Part
 * @property {number} fromMs The begin of it.
 * @property {number} toMs The end of it.
 * @property {number} from Where the begin stands.
 * @property {number} to Where the end stands.
 * @property {boolean} isCut Whether nothing ran, and it is drawn far shorter than it was.
 */

/** An axis of time. Where something stands on it is counted in milliseconds of what is not cut out. */
export class Axis {
  /** @type {Part[]} */
  parts;

  /**
   * @param {Part[]} parts Its parts, in order and without gaps.
   */
  constructor(parts) {
    this.parts = parts;
  }

  /** How long it is. */
  get length() {
    return this.parts.at(-1)?.to ?? 1;
  }

  /**
   * Where a time stands.
   *
   * @param {number} ms The time.
   * @returns {number}
   */
  at(ms) {
    const found = this.parts.find(({ toMs }) => ms <= toMs) ?? this.parts.at(-1);
    if (found === undefined) return ms;
    const { fromMs, toMs, from, to } = found;
    return toMs === fromMs ? from : from + (ms - fromMs) / (toMs - fromMs) * (to - from);
  }

  /**
   * The time that stands there.
   *
   * @param {number} place Where.
   * @returns {number}
   */
  timeAt(place) {
    const found = this.parts.find(({ to }) => place <= to) ?? this.parts.at(-1);
    if (found === undefined) return place;
    const { fromMs, toMs, from, to } = found;
    return to === from ? fromMs : fromMs + (place - from) / (to - from) * (toMs - fromMs);
  }
}

/**
 * The axis of a run.
 *
 * @param {Pick<Model, "spans" | "totalMs">} model What is known of it.
 * @returns {Axis}
 */
export function makeAxis({ spans, totalMs }) {
  const gaps = gapsOf(spans, totalMs).filter(([fromMs, toMs]) => toMs - fromMs >= LEAST_CUT_MS);
  const idleMs = gaps.reduce((sum, [fromMs, toMs]) => sum + toMs - fromMs, 0);
  const restMs = totalMs - idleMs;
  const cuts = restMs <= 0 ? [] : gaps.filter(([fromMs, toMs]) => toMs - fromMs > restMs);
  /** @type {Part[]} */
  const parts = [];
  let [atMs, at] = [0, 0];
  const add = (/** @type {number} */ toMs, /** @type {boolean} */ isCut) => {
    const to = at + (isCut ? restMs * CUT_SHARE : toMs - atMs);
    parts.push({ fromMs: atMs, toMs, from: at, to, isCut });
    [atMs, at] = [toMs, to];
  };
  for (const [fromMs, toMs] of cuts) {
    if (fromMs > atMs) add(fromMs, false);
    add(toMs, true);
  }
  if (totalMs > atMs) add(totalMs, false);
  return new Axis(parts);
}

/**
 * The times in which nothing ran.
 *
 * @param {Span[]} spans All attempts, the first to begin first.
 * @param {number} totalMs How long all takes.
 * @returns {[fromMs: number, toMs: number][]}
 */
function gapsOf(spans, totalMs) {
  /** @type {[number, number][]} */
  const gaps = [];
  let busyMs = 0;
  for (const { attempt, startMs, endMs } of spans) {
    // Who waits for people does nothing.
    if (attempt.isGate) continue;
    if (startMs > busyMs) gaps.push([busyMs, startMs]);
    busyMs = Math.max(busyMs, endMs);
  }
  if (totalMs > busyMs) gaps.push([busyMs, totalMs]);
  return gaps;
}

/**
 * The times that are written along a part of the axis, each a round number.
 *
 * @param {Axis} axis The axis.
 * @param {{ from: number, to: number, most: number }} shown What is seen of it, and how many times there is room for.
 * @returns {{ ms: number, at: number }[]}
 */
export function ticksOf(axis, { from, to, most }) {
  const step = roundStep((to - from) / Math.max(1, most));
  return axis.parts.filter(({ isCut }) => !isCut).flatMap((part) => {
    const firstMs = Math.max(part.fromMs, part.fromMs + from - part.from);
    const lastMs = Math.min(part.toMs, part.fromMs + to - part.from);
    const ticks = [];
    for (let ms = Math.ceil(firstMs / step) * step; ms <= lastMs; ms += step) {
      ticks.push({ ms, at: part.from + ms - part.fromMs });
    }
    return ticks;
  });
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** What times are counted in beyond seconds. */
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12, 24, 48, 96, 240].map((count) => count * HOUR),
];

/**
 * The next length that people count in.
 *
 * @param {number} least The least length.
 * @returns {number}
 */
function roundStep(least) {
  const step = STEPS.find((step) => step >= least);
  if (step !== undefined && least > SECOND / 2) return step;
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-3)));
  return [1, 2, 5, 10].map((count) => count * power).find((step) => step >= least) ?? least;
}
