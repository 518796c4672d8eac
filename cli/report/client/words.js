/** How times, numbers and states are written. */
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

/**
 * @param {number} value A number below 100.
 * @returns {string}
 */
function twoDigits(value) {
  return String(value).padStart(2, "0");
}

/**
 * A point in time, in the zone of whoever reads it.
 *
 * @param {number} ms Milliseconds since 1970.
 * @returns {string}
 */
export function timeText(ms) {
  return new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/**
 * The mark of each state, so that no colour tells it alone, from what all fonts have.
 *
 * @type {Readonly<Record<PageState, string>>}
 */
export const MARKS = {
  completed: "✓",
  failed: "✗",
  cancelled: "⊘",
  running: "▸",
  waiting: "‖",
  skipped: "»",
  pending: "○",
};

/**
 * The word of each state.
 *
 * @type {Readonly<Record<PageState, string>>}
 */
export const WORDS = {
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
  running: "running",
  waiting: "waits for an answer",
  skipped: "skipped",
  pending: "not started",
};

/**
 * How something stands, in words.
 *
 * @param {{ state: PageState, text: string }} what A node or an attempt.
 * @returns {string}
 */
export function stateText({ state, text }) {
  return text === "" ? WORDS[state] : text;
}

/**
 * `1 node`, `3 nodes`.
 *
 * @param {number} count How many.
 * @param {string} noun What they are.
 * @returns {string}
 */
export function countText(count, noun) {
  return count === 1 ? `1 ${noun}` : `${count.toLocaleString("en")} ${noun}s`;
}

/** How a run stands, by its outcome. @type {Readonly<Record<string, { mark: string, tone: string }>>} */
const OUTCOMES = {
  completed: { mark: "✓", tone: "completed" },
  running: { mark: "▸", tone: "running" },
  suspended: { mark: "‖", tone: "running" },
  orphan: { mark: "", tone: "running" },
  ended: { mark: "■", tone: "pending" },
  cancelled: { mark: "⊘", tone: "failed" },
};
const FAILED = { mark: "✗", tone: "failed" };

/**
 * The mark and the tone of a run.
 *
 * @param {string} outcome How it stands.
 * @returns {{ mark: string, tone: string }}
 */
export function outcomeLook(outcome) {
  return OUTCOMES[outcome] ?? FAILED;
}
