/** What failed, with the end of what it printed: the first to fail comes first, as others may follow from it. */
/** @import { Model, Node } from "./model.js" */
import { element, nodeLink, part, show } from "./dom.js";
import { failureOf } from "./node_panel.js";
import { countText, durationText, MARKS, stateText } from "./words.js";

/** So many are shown, and so many of them unfolded. */
const MOST_SHOWN = 20;
const MOST_OPEN = 3;
const MOST_RECOVERED = 100;

/**
 * Shows the failures.
 *
 * @param {Model} model What is known of the run.
 * @param {() => void} all Shows all of them in the table.
 */
export function showFailures({ nodes }, all) {
  const failed = nodes.filter(({ data }) => data.state === "failed").sort(compareFailures);
  const recovered = nodes.filter(({ data, hasFailedAttempt }) => {
    return hasFailedAttempt && data.state !== "failed";
  });
  part("failures").hidden = failed.length === 0 && recovered.length === 0;
  const title = failed.length === 0
    ? "Failed and made up for"
    : `Failed: ${countText(failed.length, "node")}`;
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
 * What may fail comes last: the run goes on as if nothing had been.
 *
 * @param {Node} one A node that failed.
 * @param {Node} other Another one.
 * @returns {number}
 */
function compareFailures(one, other) {
  const byWeight = Number(one.data.mayFail ?? false) - Number(other.data.mayFail ?? false);
  return byWeight || (one.endMs ?? Infinity) - (other.endMs ?? Infinity);
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
  const content = last === undefined ? [] : failureOf(last);
  const none = element("p", "dim", "It printed nothing.");
  return element(
    "details",
    { class: "failure", open: isOpen && !data.mayFail },
    element("summary", "", ...headOf(node), element("span", "dim", words)),
    ...(content.length === 0 ? [none] : content),
  );
}

/**
 * @param {Node} node A node.
 * @returns {HTMLElement[]}
 */
function headOf(node) {
  const { state } = node.data;
  const mark = element("span", { class: `mark ${state}`, "aria-hidden": "true" }, MARKS[state]);
  return [mark, nodeLink(node)];
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
    return sum + attempts.filter(({ state }) => state === "failed").length;
  }, 0);
  const text = `${countText(count, "attempt")} failed and ${
    count === 1 ? "was" : "were"
  } tried again`;
  return element(
    "details",
    "recovered",
    element("summary", "", text),
    element(
      "ul",
      "plain",
      ...nodes.slice(0, MOST_RECOVERED).map((node) => {
        const reasons = node.data.attempts.filter(({ state }) => state === "failed").map(stateText);
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
