/** All nodes in a table that can be searched and sorted. Of very many only the rows that are seen are made. */
/** @import { PageNode, PageState } from "../page_data.ts" */
/** @import { Model, Node } from "./model.js" */
import { element, markOf, part, show } from "./dom.js";
import { countText, durationText, stateText } from "./words.js";

const ROW_HEIGHT = 30;
/** The names of the columns stay above the rows, and hide what is below them. */
const HEAD_HEIGHT = 30;
/** Rows that are made beyond those that are seen, so that scrolling finds them there. */
const MORE_ROWS = 8;
const MOST_OF_RESULT = 200;

/**
 * @typedef {object} Column
 * @property {string} name What stands above it.
 * @property {string} id Its name for the style sheet.
 * @property {(node: Node) => string | number | undefined} value What it is sorted by; undefined comes last.
 * @property {(node: Node) => string} text What is written.
 * @property {boolean} [isNumber] Whether the greatest is looked for first.
 */

/** @type {readonly Column[]} */
const COLUMNS = [
  { name: "name", id: "node", value: ({ data }) => data.id, text: ({ data }) => data.id },
  {
    name: "state",
    id: "state",
    value: ({ data }) => `${ORDER.indexOf(data.state)} ${stateText(data)}`,
    text: ({ data }) => stateText(data),
  },
  {
    name: "attempts",
    id: "attempts",
    value: ({ data }) => data.attempts.length,
    text: ({ data }) => String(data.attempts.length || ""),
    isNumber: true,
  },
  { name: "began", id: "began", value: ({ startMs }) => startMs, text: timeOf("startMs") },
  {
    name: "waited",
    id: "waited",
    value: ({ waitedMs }) => waitedMs,
    text: timeOf("waitedMs"),
    isNumber: true,
  },
  {
    name: "took",
    id: "took",
    value: ({ tookMs }) => tookMs,
    text: timeOf("tookMs"),
    isNumber: true,
  },
];

/** The last column: of steps their results, of other nodes why they waited. @type {Readonly<Record<string, Column>>} */
const LAST_COLUMNS = {
  node: { name: "why it waited", id: "why", value: whyOf, text: (node) => whyOf(node) ?? "" },
  step: { name: "gave", id: "why", value: gaveOf, text: (node) => gaveOf(node) ?? "" },
};

/** States by what people look for first. @type {readonly PageState[]} */
const ORDER = ["failed", "cancelled", "running", "waiting", "pending", "skipped", "completed"];

/**
 * @param {"startMs" | "waitedMs" | "tookMs"} name Which time.
 * @returns {(node: Node) => string}
 */
function timeOf(name) {
  // That most have not waited at all needs no words.
  const least = name === "waitedMs" ? 0.5 : -Infinity;
  return (node) => {
    const value = node[name];
    return value === undefined || value < least ? "" : durationText(value);
  };
}

/**
 * @param {Node} node A node.
 * @returns {string | undefined}
 */
function whyOf({ data: { deferrals } }) {
  return deferrals.at(-1)?.text;
}

/**
 * @param {Node} node A step.
 * @returns {string | undefined}
 */
function gaveOf({ data: { attempts } }) {
  return attempts.at(-1)?.result?.slice(0, MOST_OF_RESULT).replaceAll(/\s+/g, " ");
}

/** What is searched in, by what is recorded of a node: made when somebody searches. @type {WeakMap<PageNode, string>} */
const searched = new WeakMap();

/**
 * @param {Node} node A node.
 * @returns {string}
 */
function searchedIn({ data }) {
  const known = searched.get(data);
  if (known !== undefined) return known;
  const { id, command = "", text, deferrals, attempts } = data;
  const parts = [id, command, text, ...deferrals.map(({ text }) => text)];
  for (const { result = "" } of attempts) parts.push(result);
  const all = parts.join("\n").toLowerCase();
  searched.set(data, all);
  return all;
}

/** What can be looked at alone. @type {Readonly<Record<string, (node: Node) => boolean>>} */
const FILTERS = {
  all: () => true,
  failed: ({ data }) => data.state === "failed",
  cancelled: ({ data }) => data.state === "cancelled",
  "again": ({ data }) => data.attempts.length > 1,
  critical: ({ isCritical }) => isCritical,
  waited: ({ waitedMs = 0 }) => waitedMs > 0,
  running: ({ data }) => data.state === "running" || data.state === "waiting",
  completed: ({ data }) => data.state === "completed",
  "not-started": ({ data }) => data.state === "pending" || data.state === "skipped",
};

/** Names are sorted as people count: `n9` before `n10`. */
const COLLATOR = new Intl.Collator(undefined, { numeric: true });

/** The table of the page. */
export class NodeTable {
  #box = part("table");
  #body = part("table-body");
  #head = part("table-head");
  #search = /** @type {HTMLInputElement} */ (part("search"));
  #filter = /** @type {HTMLSelectElement} */ (part("filter"));
  /** @type {(node: Node) => void} */
  #choose;
  /** @type {Node[]} */
  #nodes = [];
  /** @type {Node[]} */
  #rows = [];
  /** @type {Node | undefined} */
  #active;
  /** @type {Node | undefined} */
  #selected;
  #column = 3;
  #isDown = false;
  /** @type {"node" | "step"} */
  #noun = "node";
  /** @type {readonly Column[]} */
  #columns = COLUMNS;
  /** The rows that are there, by their numbers. @type {Map<number, HTMLElement>} */
  #made = new Map();
  /** @type {number | undefined} */
  #waits;

  /**
   * @param {(node: Node) => void} choose Called when a node is chosen.
   */
  constructor(choose) {
    this.#choose = choose;
    this.#search.addEventListener("input", () => this.#listSoon());
    this.#search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "ArrowDown") return;
      event.preventDefault();
      this.#list();
      this.#box.focus();
      if (this.#rows.length > 0) this.#activate(0);
    });
    this.#filter.addEventListener("change", () => this.#list());
    this.#box.addEventListener("scroll", () => this.#paint());
    new ResizeObserver(() => this.#paint()).observe(this.#box);
    this.#box.addEventListener("keydown", (event) => this.#press(event));
    this.#box.addEventListener("focus", () => this.#paint());
    this.#body.addEventListener("click", ({ target }) => {
      const row = target instanceof Element ? target.closest("[data-row]") : null;
      const node = this.#rows[Number(row?.getAttribute("data-row") ?? -1)];
      if (node === undefined) return;
      this.#active = node;
      this.#choose(node);
    });
  }

  /**
   * Shows the nodes of a run; search, order and place stay.
   *
   * @param {Model} model What is known of it.
   */
  setModel({ nodes, byKey, noun }) {
    this.#noun = noun;
    this.#makeHead(noun);
    this.#nodes = nodes;
    this.#active = this.#active && byKey.get(this.#active.key);
    this.#selected = this.#selected && byKey.get(this.#selected.key);
    this.#list();
  }

  /**
   * Marks the node that is looked at.
   *
   * @param {Node | undefined} node Which.
   */
  select(node) {
    this.#selected = node;
    this.#paint();
  }

  /**
   * Shows only some nodes.
   *
   * @param {string} filter Which, as the list of them calls it.
   */
  only(filter) {
    this.#filter.value = filter;
    this.#search.value = "";
    this.#list();
  }

  /**
   * @param {string} noun What the nodes are called.
   */
  #makeHead(noun) {
    const last = LAST_COLUMNS[noun];
    if (last === undefined || this.#columns.includes(last)) return;
    this.#columns = [...COLUMNS, last];
    this.#made.clear();
    this.#body.replaceChildren();
    this.#head.replaceChildren(...this.#columns.map(({ name, id }, place) => {
      const button = element("button", { type: "button" }, name);
      button.addEventListener("click", () => this.#sortBy(place));
      return element("div", { class: `cell c-${id}`, role: "columnheader" }, button);
    }));
  }

  /**
   * @param {number} place The column.
   */
  #sortBy(place) {
    this.#isDown = place === this.#column ? !this.#isDown : this.#columns[place]?.isNumber === true;
    this.#column = place;
    this.#list();
    this.#box.scrollTop = 0;
  }

  /** Who types on is not held up by what was typed before. */
  #listSoon() {
    if (this.#waits !== undefined) cancelAnimationFrame(this.#waits);
    this.#waits = requestAnimationFrame(() => this.#list());
  }

  #list() {
    const words = this.#search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
    const isMeant = FILTERS[this.#filter.value] ?? (() => true);
    this.#rows = this.#nodes.filter((node) => {
      return isMeant(node) && words.every((word) => searchedIn(node).includes(word));
    });
    this.#sort();
    const isPart = this.#rows.length < this.#nodes.length;
    const all = countText(this.#nodes.length, this.#noun);
    part("table-count").textContent = isPart ? `${this.#rows.length} of ${all}` : all;
    part("table-none").hidden = this.#rows.length > 0;
    this.#box.setAttribute("aria-rowcount", String(this.#rows.length + 1));
    for (const [place, cell] of [...this.#head.children].entries()) {
      const order = this.#isDown ? "descending" : "ascending";
      cell.setAttribute("aria-sort", place === this.#column ? order : "none");
    }
    this.#body.style.height = `${this.#rows.length * ROW_HEIGHT}px`;
    this.#paint();
  }

  #sort() {
    const { value } = this.#columns[this.#column] ?? { value: () => undefined };
    const sign = this.#isDown ? -1 : 1;
    const values = new Map(this.#rows.map((node) => [node, value(node)]));
    this.#rows.sort((one, other) => {
      const [a, b] = [values.get(one), values.get(other)];
      if (a === undefined || b === undefined) {
        return Number(a === undefined) - Number(b === undefined);
      }
      if (typeof a === "number" && typeof b === "number") return (a - b) * sign;
      return COLLATOR.compare(String(a), String(b)) * sign;
    });
  }

  #paint() {
    const { scrollTop, clientHeight } = this.#box;
    const first = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - MORE_ROWS);
    const last = Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + MORE_ROWS;
    const rows = this.#rows.slice(first, last);
    const shown = new Set(rows.keys().map((index) => first + index));
    for (const [row, made] of this.#made) {
      if (shown.has(row)) continue;
      made.remove();
      this.#made.delete(row);
    }
    for (const [index, node] of rows.entries()) {
      const row = first + index;
      const made = this.#made.get(row) ?? this.#makeRow(row);
      this.#made.set(row, made);
      const there = this.#body.children[index] ?? null;
      if (there !== made) this.#body.insertBefore(made, there);
      this.#fillRow(made, node);
    }
    const active = this.#active && rows.includes(this.#active)
      ? this.#rows.indexOf(this.#active)
      : -1;
    if (active === -1) this.#box.removeAttribute("aria-activedescendant");
    else this.#box.setAttribute("aria-activedescendant", `row-${active}`);
  }

  /**
   * @param {number} row Which row.
   * @returns {HTMLElement}
   */
  #makeRow(row) {
    const cells = this.#columns.map(({ id }, place) => {
      const role = place === 0 ? "rowheader" : "gridcell";
      return element("div", { class: `cell c-${id}`, role });
    });
    const made = element("div", {
      role: "row",
      id: `row-${row}`,
      "data-row": String(row),
      "aria-rowindex": row + 2,
    }, ...cells);
    made.style.top = `${row * ROW_HEIGHT}px`;
    return made;
  }

  /**
   * Shows a node in a row that is there: it may be pressed just now, or marked.
   *
   * @param {HTMLElement} made The row.
   * @param {Node} node What it is of.
   */
  #fillRow(made, node) {
    const { state } = node.data;
    const isActive = node === this.#active && document.activeElement === this.#box;
    made.className = isActive ? "row active" : "row";
    made.setAttribute("aria-selected", String(node === this.#selected));
    for (const [place, { text }] of this.#columns.entries()) {
      const cell = made.children[place];
      if (!(cell instanceof HTMLElement)) continue;
      const content = text(node);
      cell.title = content;
      const mark = place === 0 ? state : undefined;
      show(cell, { content, mark }, () => mark === undefined ? [content] : [markOf(mark), content]);
    }
  }

  /**
   * @param {KeyboardEvent} event What was pressed.
   */
  #press(event) {
    if (event.target !== this.#box || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.#box.clientHeight / ROW_HEIGHT) - 2);
    const at = this.#active === undefined ? -1 : this.#rows.indexOf(this.#active);
    /** @type {Record<string, number>} */
    const rows = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: this.#rows.length - 1,
    };
    const wanted = rows[event.key];
    if (event.key === "Enter" && this.#active !== undefined) this.#choose(this.#active);
    else if (wanted === undefined) return;
    else this.#activate(Math.max(0, Math.min(this.#rows.length - 1, wanted)));
    event.preventDefault();
  }

  /**
   * @param {number} row The row that the keyboard is at from now on.
   */
  #activate(row) {
    this.#active = this.#rows[row];
    const top = row * ROW_HEIGHT;
    const seen = this.#box.clientHeight - HEAD_HEIGHT - ROW_HEIGHT;
    if (top < this.#box.scrollTop) this.#box.scrollTop = top;
    else if (top > this.#box.scrollTop + seen) this.#box.scrollTop = top - seen;
    this.#paint();
  }
}
