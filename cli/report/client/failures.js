/** What failed, with the end of what it printed: the first to fail comes first, as others may follow from it. */
/** @import { Model, Node } from "./model.js" */
import { element, markOf, nodeLink, part, show } from "./dom.js";
import { isFailure } from "./model.js";
import { failureOf } from "./node_panel.js";
import { countText, durationText, stateText } from "./words.js";

/** So many are shown, and so many of them unfolded. */
const MOST_SHOWN = 20;
const MOST_OPEN = 3;
const MOST_RECOVERED = 100;
/** The page of the node has more. */
const MOST_LINES = 12;

/**
 * Shows the failures.
 *
 * @param {Model} model What is known of the run.
 * @param {() => void} all Shows all of them in the table.
 */
export function showFailures({ nodes, noun }, all) {
  const failed = nodes.filter(({ data }) => isFailure(data)).sort(compareFailures);
  const recovered = nodes.filter(({ data, hasFailedAttempt }) => {
    return hasFailedAttempt && !isFailure(data);
  });
  part("failures").hidden = failed.length === 0 && recovered.length === 0;
  const cancelled = failed.filter(({ data }) => data.state === "cancelled").length;
  const title = [
    ...(failed.length > cancelled ? [`${countText(failed.length - cancelled, noun)} failed`] : []),
    ...(cancelled > 0 ? [`${countText(cancelled, noun)} cancelled`] : []),
  ].join(", ") || "Tried again";
  show(part("failures-title"), title, (text) => [text]);
  const known = failed.slice(0, MOST_SHOWN).map(({ data }) => data);
  show(part("failures-list"), [known, failed.length], () => [
    ...failed.slice(0, MOST_SHOWN).map((node, place) => failureDetails(node, place < MOST_OPEN)),
    ...restOf(failed.length - MOST_SHOWN, all),
  ]);
  const told = recovered.map(({ data }) => [data.id, data.state, data.attempts.length]);
  show(part("recovered"), told, () => recovered.length === 0 ? [] : [recoveredDetails(recovered)]);
}

/**
 * What was ended for the sake of others comes behind these, and what may fail last.
 *
 * @param {Node} one A node that failed.
 * @param {Node} other Another one.
 * @returns {number}
 */
function compareFailures(one, other) {
  const weightOf = (/** @type {Node} */ { data: { state, mayFail } }) => {
    return mayFail ? 2 : Number(state === "cancelled");
  };
  return weightOf(one) - weightOf(other) || (one.endMs ?? Infinity) - (other.endMs ?? Infinity);
}

/**
 * @param {Node} node What failed.
 * @param {boolean} isOpen Whether it is unfolded.
 * @returns {HTMLElement}
 */
function failureDetails(node, isOpen) {
  const { data, tookMs } = node;
  const last = data.attempts.at(-1);
  const words = [
    stateText(data),
    data.attempts.length > 1 ? countText(data.attempts.length, "attempt") : "",
    tookMs === undefined ? "" : durationText(tookMs),
    data.mayFail ? "it may fail" : "",
  ].filter((text) => text !== "").join(" · ");
  const content = last === undefined ? [] : failureOf(last, MOST_LINES);
  const head = [...headOf(node), element("span", "dim", words)];
  if (content.length === 0) {
    return element("p", "failure", ...head, element("span", "dim", "it printed nothing"));
  }
  return element(
    "details",
    {
      class: "failure",
      "data-key": node.key,
      open: isOpen && data.state === "failed" && !data.mayFail,
    },
    element("summary", "", ...head),
    ...content,
  );
}

/**
 * @param {Node} node A node.
 * @returns {HTMLElement[]}
 */
function headOf(node) {
  const { state } = node.data;
  return [markOf(state), nodeLink(node)];
}

/**
 * @param {number} count How many are not shown.
 * @param {() => void} all Shows all of them in the table.
 * @returns {HTMLElement[]}
 */
function restOf(count, all) {
  if (count <= 0) return [];
  const button = element(
    "button",
    { type: "button" },
    `and ${countText(count, "other")}: all in the table`,
  );
  button.addEventListener("click", all);
  return [element("p", "", button)];
}

/**
 * @param {Node[]} nodes Nodes of which attempts failed, and a later one did not.
 * @returns {HTMLElement}
 */
function recoveredDetails(nodes) {
  const count = nodes.reduce((sum, { data: { attempts } }) => {
    return sum + attempts.filter(isFailure).length;
  }, 0);
  const text = `${countText(count, "attempt")} came to nothing and ${
    count === 1 ? "was" : "were"
  } tried again`;
  return element(
    "details",
    { class: "recovered", "data-key": "recovered" },
    element("summary", "", text),
    element(
      "ul",
      "plain",
      ...nodes.slice(0, MOST_RECOVERED).map((node) => {
        const reasons = node.data.attempts.filter(isFailure).map(stateText);
        return element(
          "li",
          "",
          ...headOf(node),
          element("span", "dim", [...new Set(reasons)].join("; ")),
        );
      }),
    ),
  );
}
