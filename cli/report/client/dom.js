/** How elements are made: only ever of texts, so that nothing of a record is markup. */
/** @import { PageState } from "../page_data.ts" */
import { MARKS } from "./words.js";

/**
 * An element with its content.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag Its name.
 * @param {string | { class?: string, [attribute: string]: string | number | boolean | undefined }} about Its
 * class, or all its attributes; one that is undefined or false is left out.
 * @param {...(Node | string | undefined)} content What is in it.
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, about, ...content) {
  const made = document.createElement(tag);
  const attributes = typeof about === "string" ? { class: about } : about;
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false || value === "") continue;
    made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...content.filter((part) => part !== undefined));
  return made;
}

/**
 * The element of the page that has this id.
 *
 * @param {string} id Which.
 * @returns {HTMLElement}
 */
export function part(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no ${id}`);
  return found;
}

/** What was shown last, by where it is. @type {WeakMap<Element, string>} */
const shown = new WeakMap();

/**
 * Shows something anew only if it is another one than before. What had the focus has it again, and what was
 * folded or unfolded stays so.
 *
 * @template Value
 * @param {Element} where What it is shown in.
 * @param {Value} value What is shown.
 * @param {(value: Value) => (Node | string)[]} make Makes the elements for it.
 */
export function show(where, value, make) {
  const text = JSON.stringify(value);
  if (shown.get(where) === text) return;
  shown.set(where, text);
  const focused = focusableIn(where).indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const folds = new Map(Array.from(foldsIn(where), ({ dataset, open }) => [dataset.key, open]));
  where.replaceChildren(...make(value));
  for (const fold of foldsIn(where)) fold.open = folds.get(fold.dataset.key) ?? fold.open;
  if (focused !== -1) focusableIn(where)[focused]?.focus({ preventScroll: true });
}

/**
 * What can be folded and says what it is by itself.
 *
 * @param {Element} where In what.
 * @returns {NodeListOf<HTMLDetailsElement>}
 */
function foldsIn(where) {
  return where.querySelectorAll("details[data-key]");
}

/**
 * @param {Element} where In what.
 * @returns {HTMLElement[]}
 */
function focusableIn(where) {
  return [...where.querySelectorAll("a, button, summary, [tabindex]")].filter((found) => {
    return found instanceof HTMLElement;
  });
}

/**
 * Where a node is shown: a link to there is a step back in the browser, too.
 *
 * @param {string} key What the node is known by.
 * @returns {string}
 */
export function addressOf(key) {
  return `#node=${encodeURIComponent(key)}`;
}

/**
 * The key of the node that the address names; undefined where it names none.
 *
 * @returns {string | undefined}
 */
export function keyInAddress() {
  const [, written] = /^#node=(.*)$/s.exec(location.hash) ?? [];
  try {
    return written === undefined ? undefined : decodeURIComponent(written);
  } catch {
    // Somebody has typed it.
    return undefined;
  }
}

/**
 * A link to a node.
 *
 * @param {{ key: string, data: { id: string } }} node Which.
 * @returns {HTMLAnchorElement}
 */
export function nodeLink({ key, data: { id } }) {
  return element("a", { href: addressOf(key), class: "node-link" }, id);
}

/**
 * The mark of a state; who hears the page is told by the words beside it.
 *
 * @param {PageState} state Which.
 * @returns {HTMLElement}
 */
export function markOf(state) {
  return element("span", { class: `mark ${state}`, "aria-hidden": "true" }, MARKS[state]);
}
