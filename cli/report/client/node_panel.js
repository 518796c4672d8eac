/** All that is known of one node. */
/** @import { PageAttempt, PageOutput } from "../page_data.ts" */
/** @import { Model, Node } from "./model.js" */
import { element, markOf, nodeLink, part, show } from "./dom.js";
import { hintOf } from "./head.js";
import { durationText, stateText } from "./words.js";

/** More links are no help. */
const MOST_LINKS = 50;

/**
 * Shows a node, or none.
 *
 * @param {Node | undefined} node Which.
 * @param {Model} model What is known of the run.
 */
export function showNode(node, model) {
  const panel = part("panel");
  panel.hidden = node === undefined;
  // Where it covers all, what is below cannot be got at.
  part("main").inert = node !== undefined && matchMedia("(max-width: 640px)").matches;
  document.body.classList.toggle("has-panel", node !== undefined);
  if (node === undefined) return;
  const { id, state } = node.data;
  show(part("panel-title"), [id, state], () => [markOf(state), id]);
  const { needs } = node.data;
  const others = [...needs, ...node.neededBy].map((place) => model.nodes[place]?.data.state);
  const known = [node.data, others, node.isCritical];
  show(part("panel-body"), known, () => contentOf(node, model));
}

/**
 * @param {Node} node What is shown.
 * @param {Model} model What is known of the run.
 * @returns {Node_[]}
 */
function contentOf(node, model) {
  const { data, isCritical, neededBy, waitedMs = 0 } = node;
  const { command, about, needs, deferrals, attempts } = data;
  const links = (/** @type {number[]} */ places) => linksOf(places, model);
  const facts = element(
    "dl",
    "facts",
    ...factOf("state", stateText(data) + (data.mayFail ? "; it may fail" : "")),
    ...factOf("needs", ...links(needs)),
    ...factOf("needed by", ...links(neededBy)),
    ...about.flatMap(([name, value]) => factOf(name, value)),
    ...factOf("waited", waitedMs > 0 ? durationText(waitedMs) : ""),
    ...deferrals.flatMap(({ text, count }, place) => {
      return factOf(place === 0 ? "because it" : "", count > 1 ? `${text}, ${count} times` : text);
    }),
    ...factOf("critical path", isCritical ? "on it" : ""),
  );
  return [
    ...(command === undefined ? [] : [element("pre", "command", command)]),
    facts,
    ...attempts.toReversed().map((attempt, place) => attemptOf(attempt, place === 0)),
    ...logsOf(node, model),
  ];
}

/**
 * What prints all that a node printed; of a name that was cut nobody can type the rest.
 *
 * @param {Node} node The node.
 * @param {Model} model What is known of the run.
 * @returns {Node_[]}
 */
function logsOf({ data: { id, key, attempts } }, { data: { run: { logs } } }) {
  if (logs === undefined || key !== undefined || attempts.every(({ isGate }) => isGate)) return [];
  const name = /^[\w@%+=:,./-]+$/.test(id) ? id : `'${id.replaceAll("'", "'\\''")}'`;
  return [hintOf({ text: "all of it", command: `${logs} ${name}` })];
}

/** @typedef {globalThis.Node} Node_ */

/**
 * A name and what is known by it; nothing where nothing is.
 *
 * @param {string} name The name.
 * @param {...(Node_ | string)} value What is known.
 * @returns {Node_[]}
 */
function factOf(name, ...value) {
  const isNone = value.every((part) => part === "");
  return isNone ? [] : [element("dt", "", name), element("dd", "", ...value)];
}

/**
 * @param {number[]} places Where nodes stand among all.
 * @param {Model} model What is known of the run.
 * @returns {(Node_ | string)[]}
 */
function linksOf(places, { nodes }) {
  const links = places.slice(0, MOST_LINKS).flatMap((place, index) => {
    const node = nodes[place];
    if (node === undefined) return [];
    return index === 0 ? [nodeLink(node)] : [", ", nodeLink(node)];
  });
  const more = places.length - MOST_LINKS;
  return more > 0 ? [...links, ` and ${more} more`] : links;
}

/**
 * @param {PageAttempt} attempt What is shown.
 * @param {boolean} isLast Whether no other one came behind it.
 * @returns {Node_}
 */
function attemptOf(attempt, isLast) {
  const { number, state, startMs, endMs, readyMs = startMs, outputs, result, error } = attempt;
  const times = startMs === undefined ? "" : [
    `began at ${durationText(startMs)}`,
    endMs === undefined ? "" : `took ${durationText(endMs - startMs)}`,
    startMs > (readyMs ?? startMs) ? `waited ${durationText(startMs - (readyMs ?? 0))} before` : "",
    attempt.isCutOff ? "nobody saw its end" : "",
  ].filter((text) => text !== "").join(", ");
  const isFailed = state === "failed";
  return element(
    "details",
    { class: "attempt", "data-key": String(number), open: isLast || isFailed },
    element("summary", "", markOf(state), `attempt ${number}: ${stateText(attempt)}`),
    element("p", "dim", times),
    ...failureOf({ outputs, error }),
    ...(result === undefined ? [] : [element("p", "label", "gave"), element("pre", "", result)]),
  );
}

/**
 * What an attempt printed, and else why it failed.
 *
 * @param {{ outputs: PageOutput[], error: string[] }} attempt The attempt.
 * @param {number} [most] How many lines of each output are shown at most; all where that is not said.
 * @returns {Node_[]}
 */
export function failureOf({ outputs, error }, most) {
  const isTold = outputs.some(({ text }) => error.every((line) => text.includes(line)));
  return [
    ...(isTold || error.length === 0 ? [] : [element("pre", "error", error.join("\n"))]),
    ...outputs.flatMap(({ stream, text, note }) => {
      const label = note === undefined ? stream : `${stream}: ${note}`;
      return [element("p", "label", label), outputBox(stream, text, most)];
    }),
  ];
}

/**
 * The end of an output is what is read first, so it is there that a long one is open.
 *
 * @param {string} stream Which output.
 * @param {string} text What was printed.
 * @param {number} [most] How many lines are shown at most.
 * @returns {HTMLElement}
 */
function outputBox(stream, text, most) {
  if (most === undefined) {
    const label = `the end of ${stream}`;
    const about = { class: `output ${stream}`, tabindex: 0, role: "group", "aria-label": label };
    return element("div", about, element("pre", "", text));
  }
  return element("pre", stream, text.split("\n").slice(-most).join("\n"));
}
