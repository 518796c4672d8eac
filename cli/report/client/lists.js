/** What took the time, what was decided, what waits, and what a program has recorded. */
/** @import { Model, Node } from "./model.js" */
import { addressOf, element, nodeLink, part, show } from "./dom.js";
import { countText, durationText, MARKS } from "./words.js";

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
  showBars("slowest", work, ({ tookMs = 0 }) => tookMs);
  showBars("waited-longest", work, ({ waitedMs = 0 }) => waitedMs);
  showDecisions(model);
  showWaits(model);
  showRecords(model);
  const { about, output } = model.data.run;
  show(part("about-list"), about, (facts) =>
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
 * @param {Model} model What is known of the run.
 */
function showPath({ nodes, data: { critical, run } }) {
  const path = critical.nodes.flatMap((place) => nodes[place] ?? []);
  part("critical").hidden = path.length < 2;
  const [took, waited] = [sumOf(path, "tookMs"), sumOf(path, "waitedMs")];
  const how = critical.by === "needs"
    ? ""
    : " Its times tell it, as a program says nothing of needs.";
  const text = `${countText(path.length, "node")} of ${nodes.length} decided how long it took: ` +
    `they ran for ${durationText(took)} and waited for ${
      durationText(waited)
    }, one after the other.` +
    ` Whatever else is made faster, the run is not.${how}`;
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
  const mark = element("span", { class: `mark ${state}`, "aria-hidden": "true" }, MARKS[state]);
  const waited = waitedMs >= 1 ? `, waited ${durationText(waitedMs)}` : "";
  return element(
    "li",
    "",
    mark,
    nodeLink(node),
    element("span", "dim", `${durationText(tookMs)}${waited}`),
  );
}

/**
 * Shows which nodes have most of something, each with a bar as long as its part of the most.
 *
 * @param {string} id Where.
 * @param {Node[]} nodes All nodes.
 * @param {(node: Node) => number} valueOf How much one has.
 */
function showBars(id, nodes, valueOf) {
  const most = nodes.filter((node) => valueOf(node) >= 1)
    .sort((a, b) => valueOf(b) - valueOf(a)).slice(0, MOST_BARS);
  part(id).hidden = most.length === 0;
  const longest = most[0] === undefined ? 1 : valueOf(most[0]);
  const known = most.map((node) => [node.data.id, valueOf(node)]);
  show(part(`${id}-list`), known, () =>
    most.map((node) => {
      const bar = element("span", "bar");
      bar.style.width = `${valueOf(node) / longest * 100}%`;
      const time = element("span", "time", durationText(valueOf(node)));
      const name = element("span", "bar-name", node.data.id);
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
      const mark = element(
        "span",
        { class: "mark", "aria-hidden": "true" },
        toMs === undefined ? "‖" : "·",
      );
      const code = command === undefined ? [] : [element("code", { tabindex: 0 }, command)];
      const words = `${kind}, ${text}, ${toMs === undefined ? "for" : "after"} ${length}`;
      return element(
        "li",
        "",
        mark,
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
