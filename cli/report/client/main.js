/** The page as a whole: it shows its data, and newer data when it is given any. */
/** @import { PageData } from "../page_data.ts" */
/** @import { Model, Node } from "./model.js" */
import { addressOf, keyInAddress, part } from "./dom.js";
import { showFailures } from "./failures.js";
import { showHead, showNumbers } from "./head.js";
import { showLists } from "./lists.js";
import { makeModel } from "./model.js";
import { showNode } from "./node_panel.js";
import { NodeTable } from "./table.js";
import { Timeline } from "./timeline.js";

/** What the page was made with. @type {PageData} */
export const given = JSON.parse(part("data").textContent ?? "");
/** @type {Model | undefined} */
let model;
/** What had the focus before a node was looked at. @type {Element | null} */
let focusedBefore = null;
const timeline = new Timeline(choose);
const table = new NodeTable(choose);

/**
 * Shows the data; what was chosen, searched for, scrolled and zoomed to stays.
 *
 * @param {PageData} data What is shown from now on.
 */
export function update(data) {
  model = makeModel(data);
  showHead(model);
  showNumbers(model, only);
  showFailures(model, () => only("failed"));
  timeline.setModel(model);
  table.setModel(model);
  showLists(model);
  part("nodes-title").textContent = model.noun === "step" ? "Steps" : "Nodes";
  part("nodes").hidden = model.nodes.length === 0;
  look();
}

/**
 * @param {Node} node The node that is to be looked at.
 */
function choose({ key }) {
  // A sleep has nothing more to be shown.
  if (!model?.byKey.has(key)) return;
  if (addressOf(key) === location.hash) part("panel-title").focus();
  else location.hash = addressOf(key);
}

/** Looks at the node that the address names. */
function look() {
  if (model === undefined) return;
  const key = keyInAddress();
  const node = key === undefined ? undefined : model.byKey.get(key);
  showNode(node, model);
  timeline.select(node);
  table.select(node);
}

/** Looks at another node, or at none any more; what was looked at before stays where it is. */
function lookAnew() {
  const wasHidden = part("panel").hidden;
  if (wasHidden) focusedBefore = document.activeElement;
  const top = focusedBefore?.getBoundingClientRect().top ?? 0;
  look();
  scrollBy(0, (focusedBefore?.getBoundingClientRect().top ?? 0) - top);
  if (!part("panel").hidden) {
    part("panel").scrollTop = 0;
    part("panel-title").focus();
  } else if (!wasHidden && focusedBefore instanceof HTMLElement) {
    focusedBefore.focus({ preventScroll: true });
  }
}

/** Looks at no node any more. */
function close() {
  history.pushState(null, "", location.pathname + location.search);
  lookAnew();
}

/**
 * Shows only some nodes in the table.
 *
 * @param {string} filter Which, as the table calls it.
 */
function only(filter) {
  table.only(filter);
  part("nodes").scrollIntoView();
  part("table").focus();
}

addEventListener("hashchange", lookAnew);
addEventListener("popstate", lookAnew);
part("panel-close").addEventListener("click", close);
addEventListener("keydown", ({ key, defaultPrevented }) => {
  if (key === "Escape" && !defaultPrevented && !part("panel").hidden) close();
});
update(given);
