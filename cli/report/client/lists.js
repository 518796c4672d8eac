/** What took the time, what was decided, what waits, and what a program has recorded. */
/** @import { Model, Node } from "./model.js" */
import { addressOf, element, markOf, nodeLink, part, show } from "./dom.js";
import { countText, durationText } from "./words.js";

const MOST_BARS = 8;
/** Of a long path the begin and the end are shown. */
const MOST_OF_PATH = 60;

/**
 * Shows all lists.
 *
 * @param {Model} model What is known of the run.
 */
export function showLists(model) {
  showPath(model);
  const work = model.nodes.filter(({ data }) => data.attempts.every(({ isGate }) => !isGate));
  showBars("slowest", work, { valueOf: ({ tookMs = 0 }) => tookMs, noteOf: () => "" });
  showBars("waited-longest", work, {
    valueOf: ({ waitedMs = 0 }) => waitedMs,
    noteOf: ({ data: { deferrals } }) => deferrals.map(({ text }) => text).join("; "),
  });
  showDecisions(model);
  showWaits(model);
  showRecords(model);
  const { run: { about, output }, pauses } = model.data;
  const known = pauses.length === 0 ? about : [...about, pausesFact(pauses)];
  show(part("about-list"), known, (facts) =>
    facts.flatMap(([name, value]) => {
      return [element("dt", "", name), element("dd", "", value)];
    }));
  part("output").hidden = output === undefined;
  show(part("output-text"), output ?? "", (text) => [text]);
  const { left } = model.data;
  const attempts = `${
    countText(left, "attempt")
  } printed something that there was no room for here`;
  show(part("left"), left, () => left === 0 ? [] : [`${attempts}: taffrail logs has all of it.`]);
}

/**
 * @param {[fromMs: number, toMs: number][]} pauses When nobody worked on the run.
 * @returns {[name: string, value: string]}
 */
function pausesFact(pauses) {
  const leftMs = pauses.reduce((sum, [fromMs, toMs]) => sum + toMs - fromMs, 0);
  return [
    "gone on with",
    `${countText(pauses.length, "time")}; nobody worked on it for ${durationText(leftMs)}`,
  ];
}

/**
 * @param {Model} model What is known of the run.
 */
function showPath({ nodes, noun, data: { critical, run } }) {
  const path = critical.nodes.flatMap((place) => nodes[place] ?? []);
  part("critical").hidden = path.length < 2;
  const [took, waited] = [sumOf(path, "tookMs"), sumOf(path, "waitedMs")];
  const how = critical.by === "needs"
    ? "each needs the one before it"
    : "each was asked for when the one before it had ended: a program does not say what needs what";
  const waits = waited < 1 ? "" : `, and were ready and waited for ${durationText(waited)} besides`;
  const all = nodes.length.toLocaleString("en");
  const text = `${countText(path.length, noun)} of ${all}, one after the other, ` +
    `took ${durationText(took)}${waits}: ${how}.`;
  show(part("critical-text"), [text, run.isLive], () => [text]);
  const half = MOST_OF_PATH / 2;
  const left = path.length - MOST_OF_PATH;
  const shown = left > 0 ? [...path.slice(0, half), ...path.slice(-half)] : path;
  const known = shown.map(({ data, tookMs, waitedMs }) => [data.id, data.state, tookMs, waitedMs]);
  show(part("critical-list"), [known, left], () =>
    shown.flatMap((node, place) => {
      const item = pathItem(node);
      const gap = left > 0 && place === half;
      return gap ? [element("li", "dim", `… ${countText(left, "other")} …`), item] : [item];
    }));
}

/**
 * @param {Node[]} nodes Some nodes.
 * @param {"tookMs" | "waitedMs"} name What is added up.
 * @returns {number}
 */
function sumOf(nodes, name) {
  return nodes.reduce((sum, node) => sum + (node[name] ?? 0), 0);
}

/**
 * @param {Node} node A node.
 * @returns {HTMLElement}
 */
function pathItem(node) {
  const { tookMs = 0, waitedMs = 0, data: { state } } = node;
  const waited = waitedMs >= 1 ? `, waited ${durationText(waitedMs)}` : "";
  return element(
    "li",
    "",
    markOf(state),
    nodeLink(node),
    element("span", "dim", `${durationText(tookMs)}${waited}`),
  );
}

/**
 * Shows which nodes have most of something, each with a bar as long as its part of the most.
 *
 * @param {string} id Where.
 * @param {Node[]} nodes All nodes.
 * @param {{ valueOf: (node: Node) => number, noteOf: (node: Node) => string }} of How much one has, and what is said
 * of that.
 */
function showBars(id, nodes, { valueOf, noteOf }) {
  const most = nodes.filter((node) => valueOf(node) >= 1)
    .sort((a, b) => valueOf(b) - valueOf(a)).slice(0, MOST_BARS);
  part(id).hidden = most.length === 0;
  const longest = most[0] === undefined ? 1 : valueOf(most[0]);
  const known = most.map((node) => [node.data.id, node.data.state, valueOf(node)]);
  show(part(`${id}-list`), known, () =>
    most.map((node) => {
      const { id, state } = node.data;
      const bar = element("span", "bar");
      bar.style.width = `${valueOf(node) / longest * 100}%`;
      const note = element("span", "dim", noteOf(node));
      const name = element("span", "bar-name", markOf(state), id, note);
      const time = element("span", "time", durationText(valueOf(node)));
      return element("li", "", element("a", { href: addressOf(node.key) }, bar, name, time));
    }));
}

/**
 * @param {Model} model What is known of the run.
 */
function showDecisions({ data: { decisions } }) {
  part("decisions").hidden = decisions.length === 0;
  show(part("decisions-list"), decisions, () =>
    decisions.map(({ decision, reason, count }) => {
      return element(
        "tr",
        "",
        element("td", "count", count.toLocaleString("en")),
        element("td", "", decision),
        element("td", "", reason),
      );
    }));
}

/**
 * @param {Model} model What is known of the run.
 */
function showWaits({ data: { waits }, totalMs }) {
  part("waits").hidden = waits.length === 0;
  show(part("waits-list"), waits, () =>
    waits.map(({ id, kind, fromMs, toMs, text, command }) => {
      const length = durationText((toMs ?? totalMs) - fromMs);
      const code = command === undefined ? [] : [element("code", "", command)];
      const words = `${kind}, ${text}, ${toMs === undefined ? "for" : "after"} ${length}`;
      return element(
        "li",
        "",
        markOf(toMs === undefined ? "waiting" : "completed"),
        element("b", "", id),
        " ",
        element("span", "dim", words),
        ...code,
      );
    }));
}

/**
 * @param {Model} model What is known of the run.
 */
function showRecords({ data: { records } }) {
  part("records").hidden = records.length === 0;
  show(part("records-list"), records, () =>
    records.map(({ id, atMs, text }) => {
      const head = [element("b", "", id), " ", element("span", "dim", `at ${durationText(atMs)}`)];
      return element("li", "", ...head, element("pre", "", text));
    }));
}
