/** The page of all runs: a list that can be searched, the newest first. */
/** @import { RunRow, RunsData } from "../serve/runs_data.ts" */
import { element, part, show } from "./dom.js";
import { Live } from "./live.js";
import { countText, durationText, outcomeLook, timeText } from "./words.js";

/** More are for who says what is looked for. */
const MOST_ROWS = 200;

const search = /** @type {HTMLInputElement} */ (part("search"));
/** @type {RunsData} */
let data = JSON.parse(part("data").textContent ?? "");

/**
 * Shows the runs; what is searched for, and what has the focus, stays.
 *
 * @param {RunsData} newer What is known of them.
 */
function updateRuns(newer) {
  data = newer;
  const { root, total, runs, readMs } = data;
  const words = search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const found = runs.filter((run) => words.every((word) => textOf(run).includes(word)));
  const shown = found.toReversed().slice(0, MOST_ROWS);
  show(part("root"), root, (text) => [text]);
  const isPart = found.length < total;
  const count = isPart ? `${found.length} of ${countText(total, "run")}` : countText(total, "run");
  show(part("runs-count"), count, (text) => [text]);
  showRows(shown, readMs);
  const none = total === 0
    ? "There are no runs yet."
    : found.length === 0
    ? "No run is like that."
    : shown.length < found.length
    ? `${countText(found.length - shown.length, "older run")}: search, or use taffrail ls.`
    : "";
  show(part("runs-none"), none, (text) => [text]);
  part("runs-none").hidden = none === "";
}

/**
 * @param {RunRow} run A run.
 * @returns {string}
 */
function textOf({ id, name, outcome, text, about }) {
  return `${id}\n${name}\n${outcome}\n${text}\n${about}`.toLowerCase();
}

/**
 * What stands in a cell: a text, or how a run stands.
 *
 * @typedef {string | { mark: string, tone: string, text: string, nodes: string }} CellContent
 */

/** The rows, by the addresses of their runs. @type {Map<string, HTMLElement>} */
const rows = new Map();

/**
 * @param {RunRow[]} runs What is to be seen, in this order.
 * @param {number} nowMs When that is.
 */
function showRows(runs, nowMs) {
  const list = part("runs-list");
  const addresses = new Set(runs.map(({ address }) => address));
  for (const [address, row] of rows) {
    if (addresses.has(address)) continue;
    row.remove();
    rows.delete(address);
  }
  for (const [place, run] of runs.entries()) {
    const row = rows.get(run.address) ?? makeRow(run);
    rows.set(run.address, row);
    // What stands where it belongs is not touched, so that it keeps the focus.
    if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
    for (const [index, content] of contentsOf(run, nowMs).entries()) {
      const cell = row.children[index + 1];
      if (cell !== undefined) show(cell, content, () => contentOf(content));
    }
  }
}

/**
 * @param {CellContent} content What stands in a cell.
 * @returns {(Node | string)[]}
 */
function contentOf(content) {
  if (typeof content === "string") return [content];
  const { mark, tone, text, nodes } = content;
  const shownMark = element("span", { class: `mark ${tone}`, "aria-hidden": "true" }, mark);
  const progress = nodes === "" ? [] : [element("span", "nodes", nodes)];
  return [shownMark, ` ${text} `, ...progress];
}

/**
 * @param {RunRow} run A run.
 * @returns {HTMLElement}
 */
function makeRow({ id, address }) {
  const link = element("a", { href: address }, id);
  return element(
    "tr",
    "",
    element("th", { scope: "row" }, link),
    element("td", "state"),
    element("td", "count"),
    element("td", "wide"),
    element("td", "wide"),
  );
}

/**
 * @param {RunRow} run A run.
 * @param {number} nowMs When it is looked at.
 * @returns {CellContent[]}
 */
function contentsOf({ outcome, text, nodes, beganMs, durationMs, isLive, about, name }, nowMs) {
  const tookMs = durationMs ?? (isLive && beganMs !== null ? nowMs - beganMs : undefined);
  return [
    {
      ...outcomeLook(outcome),
      text,
      nodes: nodes === undefined ? "" : `${nodes.completed} of ${nodes.total}`,
    },
    tookMs === undefined ? "" : durationText(Math.max(0, tookMs)),
    beganMs === null ? "" : timeText(beganMs),
    about || name,
  ];
}

search.addEventListener("input", () => updateRuns(data));
updateRuns(data);
new Live(data, {
  list: "runs",
  readAt: "readMs",
  update: updateRuns,
  isMoving: ({ runs }) => runs.some((/** @type {RunRow} */ { isLive }) => isLive),
});
