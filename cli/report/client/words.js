/** How times and states are written. */
/** @import { PageState } from "../page_data.ts" */

/**
 * A length of time, as `taffrail show` writes it.
 *
 * @param {number} milliseconds How long.
 * @returns {string}
 */
export function durationText(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)}ms`;
  const tenths = Math.round(milliseconds / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)}s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${twoDigits(seconds % 60)}s`;
  const minutes = Math.round(milliseconds / 60_000);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)}h ${twoDigits(minutes % 60)}m`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)}d ${twoDigits(hours % 24)}h`;
}

/** @param {number} value */
function twoDigits(value) {
  return String(value).padStart(2, "0");
}

/**
 * A point in time, in the reader's own zone.
 *
 * @param {number} ms Milliseconds since 1970.
 * @returns {string}
 */
export function timeText(ms) {
  return new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** The mark of each state: none is told by its colour alone. @type {Record<PageState, string>} */
export const MARKS = {
  completed: "✓",
  failed: "✗",
  running: "▸",
  waiting: "⏸",
  skipped: "⏭",
  pending: "·",
};

/** Its word. @type {Record<PageState, string>} */
export const WORDS = {
  completed: "completed",
  failed: "failed",
  running: "running",
  waiting: "waits",
  skipped: "skipped",
  pending: "not started",
};

/**
 * A number of things.
 *
 * @param {number} count How many.
 * @param {string} noun What they are.
 * @returns {string}
 */
export function countText(count, noun) {
  return count === 1 ? `1 ${noun}` : `${count.toLocaleString()} ${noun}s`;
}
