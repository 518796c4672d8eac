/** The timeline: when each attempt ran, to be looked at closer by pointer, by touch and by keyboard. */
/** @import { Model, Node, Span } from "./model.js" */
/** @import { Scene } from "./timeline_draw.js" */
import { makeAxis } from "./axis.js";
import { element, part } from "./dom.js";
import { firstEndingAfter, lanesOf, waitingSteps } from "./lanes.js";
import {
  AXIS_HEIGHT,
  drawTimeline,
  drawWaiting,
  leftOf,
  readColours,
  scaleOf,
} from "./timeline_draw.js";
import { countText, durationText, stateText } from "./words.js";

/** Rows are lower where there are many. */
const ROW_HEIGHTS = [[24, 26], [60, 16], [200, 9], [Infinity, 6]];
const NODE_ROW_HEIGHT = 24;
const WAITING_HEIGHT = 40;
/** What is seen at least, of the whole. */
const CLOSEST = 1e-5;
/** A pointer is never quite where it should be. */
const REACH = 4;
const STEP = 0.2;

/** The timeline of the page. */
export class Timeline {
  #scroller = part("timeline-rows");
  #canvas = /** @type {HTMLCanvasElement} */ (part("timeline-canvas"));
  #room = part("timeline-room");
  #waitingBox = part("timeline-waiting");
  #waitingCanvas = /** @type {HTMLCanvasElement} */ (part("waiting-canvas"));
  #told = part("timeline-told");
  #colours = readColours();
  #waiting = waitingSteps([]);
  /** @type {(node: Node) => void} */
  #choose;
  /** @type {Scene} */
  #scene;
  #isAsked = false;

  /**
   * @param {(node: Node) => void} choose Called when a node is chosen.
   */
  constructor(choose) {
    this.#choose = choose;
    this.#scene = {
      ...{ lanes: [], isPerNode: true, axis: makeAxis({ spans: [], totalMs: 1 }), from: 0, to: 1 },
      ...{ width: 0, height: 0, rowHeight: NODE_ROW_HEIGHT, scrolled: 0 },
      selected: undefined,
      focused: undefined,
    };
    new ResizeObserver(() => this.draw()).observe(this.#scroller);
    this.#scroller.addEventListener("scroll", () => this.draw());
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", () => this.recolour());
    this.#listenToButtons();
    this.#listenToKeys();
    this.#listenToPointers();
  }

  /**
   * Shows another run, or the same as it stands now: what is seen of it stays.
   *
   * @param {Model} model What is known of it.
   */
  setModel(model) {
    const before = this.#scene;
    const isWhole = before.from <= 0 && before.to >= before.axis.length;
    const axis = makeAxis(model);
    const [from, to] = isWhole
      ? [0, axis.length]
      : [before.from, before.to].map((place) => axis.at(before.axis.timeAt(place)));
    const { lanes, isPerNode } = lanesOf(model);
    const [, rowHeight = NODE_ROW_HEIGHT] = isPerNode
      ? []
      : ROW_HEIGHTS.find(([most = 0]) => lanes.length <= most) ?? [];
    const { focused, selected } = before;
    this.#waiting = waitingSteps(model.spans);
    this.#scene = {
      ...before,
      ...{ lanes, isPerNode, axis, rowHeight, from: from ?? 0, to: to ?? axis.length },
      selected: selected && model.byKey.get(selected.key),
      focused: focused && model.spans.find(({ node, attempt }) => {
        return node.key === focused.node.key && attempt.number === focused.attempt.number;
      }),
    };
    this.#describe(model);
    this.draw();
  }

  /**
   * Marks the node that is looked at.
   *
   * @param {Node | undefined} node Which.
   */
  select(node) {
    this.#scene.selected = node;
    this.draw();
  }

  /** Takes the colours anew. */
  recolour() {
    this.#colours = readColours();
    this.draw();
  }

  /** Draws, once, when the browser draws next. */
  draw() {
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame(() => {
      this.#isAsked = false;
      this.#drawNow();
    });
  }

  #drawNow() {
    const scene = this.#scene;
    // There is nothing to be seen, or nobody who sees it.
    if (this.#scroller.clientWidth === 0) return;
    const whole = AXIS_HEIGHT + scene.lanes.length * scene.rowHeight + 2;
    this.#room.style.height = `${whole}px`;
    scene.width = this.#scroller.clientWidth;
    scene.height = Math.min(whole, this.#scroller.clientHeight || whole);
    scene.scrolled = this.#scroller.scrollTop;
    const context = sized(this.#canvas, scene);
    if (context !== null) drawTimeline(context, scene, this.#colours);
    this.#waitingBox.hidden = this.#waiting.most === 0;
    if (this.#waiting.most === 0) return;
    const below = { ...scene, height: WAITING_HEIGHT };
    const pen = sized(this.#waitingCanvas, below);
    const what = { waiting: this.#waiting, colours: this.#colours };
    if (pen !== null) drawWaiting(pen, below, what);
  }

  /**
   * @param {Model} model What is known of the run.
   */
  #describe({ spans, totalMs }) {
    const { isPerNode, lanes } = this.#scene;
    const rows = isPerNode
      ? "a row a node"
      : `${countText(lanes.length, "row")}, one a place of work`;
    const text = `Timeline of ${countText(spans.length, "attempt")} in ${
      durationText(totalMs)
    }, ${rows}`;
    this.#scroller.setAttribute("aria-label", text);
    part("timeline-kind").textContent = rows;
    part("timeline").hidden = spans.length === 0;
    const { most } = this.#waiting;
    part("waiting-most").textContent = `ready and waiting: up to ${most} at a time`;
  }

  /**
   * Shows a part of the axis.
   *
   * @param {number} from Its begin.
   * @param {number} to Its end.
   */
  #look(from, to) {
    const { length } = this.#scene.axis;
    const room = Math.min(length, Math.max(length * CLOSEST, to - from));
    const begin = Math.max(0, Math.min(from, length - room));
    this.#scene.from = begin;
    this.#scene.to = begin + room;
    this.draw();
  }

  /**
   * Looks closer, or from further away.
   *
   * @param {number} factor How much of what is seen now is seen then.
   * @param {number} [around] What stays where it is; the middle if that is not said.
   */
  zoom(factor, around) {
    const { from, to } = this.#scene;
    const middle = around ?? (from + to) / 2;
    this.#look(middle - (middle - from) * factor, middle + (to - middle) * factor);
  }

  /**
   * Looks further along.
   *
   * @param {number} by How far, of what is seen.
   */
  #move(by) {
    const { from, to } = this.#scene;
    const shift = (to - from) * by;
    this.#look(from + shift, to + shift);
  }

  #listenToButtons() {
    part("zoom-in").addEventListener("click", () => this.zoom(1 / 2));
    part("zoom-out").addEventListener("click", () => this.zoom(2));
    part("zoom-all").addEventListener("click", () => this.#look(0, this.#scene.axis.length));
  }

  #listenToKeys() {
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowRight: () => this.#step({ along: 1, across: 0 }),
      ArrowLeft: () => this.#step({ along: -1, across: 0 }),
      ArrowDown: () => this.#step({ along: 0, across: 1 }),
      ArrowUp: () => this.#step({ along: 0, across: -1 }),
      PageDown: () => this.#move(1 - STEP),
      PageUp: () => this.#move(STEP - 1),
      Home: () => this.#look(0, this.#scene.to - this.#scene.from),
      End: () => this.#look(Infinity, Infinity),
      "+": () => this.zoom(1 / 2, this.#focusedPlace()),
      "=": () => this.zoom(1 / 2, this.#focusedPlace()),
      "-": () => this.zoom(2, this.#focusedPlace()),
      "0": () => this.#look(0, this.#scene.axis.length),
      // As other viewers of timelines have it.
      w: () => this.zoom(1 / 2, this.#focusedPlace()),
      s: () => this.zoom(2, this.#focusedPlace()),
      a: () => this.#move(-STEP),
      d: () => this.#move(STEP),
      Enter: () => this.#scene.focused && this.#choose(this.#scene.focused.node),
    };
    this.#scroller.addEventListener("keydown", (event) => {
      const act = keys[event.key];
      if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
  }

  #focusedPlace() {
    const { focused, axis } = this.#scene;
    return focused && axis.at((focused.startMs + focused.endMs) / 2);
  }

  /**
   * Goes from the attempt that the keyboard is at to one beside it.
   *
   * @param {{ along: number, across: number }} where How far in its row, and over how many rows.
   */
  #step({ along, across }) {
    const { lanes, focused } = this.#scene;
    const row = focused === undefined
      ? -1
      : lanes.findIndex(({ spans }) => spans.includes(focused));
    if (focused === undefined || row === -1) {
      const [first] = lanes[0]?.spans ?? [];
      if (first !== undefined) this.#focus(first, 0);
      return;
    }
    const next = Math.max(0, Math.min(lanes.length - 1, row + across));
    const spans = lanes[next]?.spans ?? [];
    const place = across === 0
      ? spans.indexOf(focused) + along
      : Math.min(spans.length - 1, firstEndingAfter(spans, focused.startMs));
    const found = spans[place];
    if (found !== undefined) return this.#focus(found, next);
    // Behind the last of a row comes the next row.
    const beside = lanes[row + along]?.spans.at(along > 0 ? 0 : -1);
    if (beside !== undefined) this.#focus(beside, row + along);
  }

  /**
   * @param {Span} span The attempt that the keyboard is at from now on.
   * @param {number} row Its row.
   */
  #focus(span, row) {
    const scene = this.#scene;
    scene.focused = span;
    const [from, to] = [scene.axis.at(span.startMs), scene.axis.at(span.endMs)];
    const room = scene.to - scene.from;
    if (to < scene.from || from > scene.to) this.#look(from - room / 4, from + room * 3 / 4);
    const top = row * scene.rowHeight;
    const seen = this.#scroller.clientHeight - AXIS_HEIGHT - scene.rowHeight;
    const { scrollTop } = this.#scroller;
    if (top < scrollTop) this.#scroller.scrollTop = top;
    else if (top > scrollTop + seen) this.#scroller.scrollTop = top - seen;
    this.#tell(span);
    this.draw();
  }

  /**
   * Says what is known of an attempt, for who points at it, and for who hears the page.
   *
   * @param {Span | undefined} span Which.
   */
  #tell(span) {
    if (span === undefined) return this.#told.replaceChildren();
    const { node, attempt, readyMs, startMs, endMs } = span;
    const number = node.data.attempts.length > 1 ? `, attempt ${attempt.number}` : "";
    const waited = startMs > readyMs ? `, waited ${durationText(startMs - readyMs)} before` : "";
    const times = `began at ${durationText(startMs)}, took ${
      durationText(endMs - startMs)
    }${waited}`;
    const text = `${number}: ${stateText(attempt)}; ${times}`;
    this.#told.replaceChildren(element("b", "", node.data.id), text);
  }

  #listenToPointers() {
    const rows = this.#scroller;
    rows.addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) {
        this.zoom(2 ** (event.deltaY / 200), this.#placeAt(event));
      } else if (event.shiftKey) this.#move(event.deltaY / 800);
      else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.#move(event.deltaX / 800);
      else return;
      event.preventDefault();
    }, { passive: false });
    /** @type {Map<number, PointerEvent>} */
    const down = new Map();
    let hasMoved = false;
    rows.addEventListener("pointerdown", (event) => {
      if (down.size === 0) hasMoved = false;
      down.set(event.pointerId, event);
    });
    rows.addEventListener("pointermove", (event) => {
      const before = down.get(event.pointerId);
      if (before === undefined) {
        const span = this.#spanAt(event);
        rows.classList.toggle("on-span", span !== undefined);
        return this.#tell(span);
      }
      if (!hasMoved && Math.abs(event.clientX - before.clientX) <= REACH) return;
      if (!hasMoved) rows.setPointerCapture(event.pointerId);
      hasMoved = true;
      down.set(event.pointerId, event);
      const [other] = [...down.values()].filter(({ pointerId }) => pointerId !== event.pointerId);
      if (other === undefined) this.#drag(event.clientX - before.clientX);
      else this.#pinch(before, event, other);
    });
    const leave = (/** @type {PointerEvent} */ event) => {
      const isChosen = event.type === "pointerup" && down.size === 1 && !hasMoved;
      down.delete(event.pointerId);
      const span = isChosen ? this.#spanAt(event) : undefined;
      if (span !== undefined) this.#choose(span.node);
    };
    for (const type of /** @type {const} */ (["pointerup", "pointercancel"])) {
      rows.addEventListener(type, leave);
    }
    rows.addEventListener("pointerleave", () => this.#tell(this.#scene.focused));
  }

  /**
   * @param {number} pixels How far a pointer was moved.
   */
  #drag(pixels) {
    const shift = pixels / scaleOf(this.#scene);
    this.#look(this.#scene.from - shift, this.#scene.to - shift);
  }

  /**
   * @param {PointerEvent} before Where a finger was.
   * @param {PointerEvent} now Where it is.
   * @param {PointerEvent} other Where the other one is.
   */
  #pinch(before, now, other) {
    const [was, is] = [before, now].map(({ clientX }) => Math.abs(clientX - other.clientX));
    if (is !== undefined && was !== undefined && is > 0) this.zoom(was / is, this.#placeAt(other));
  }

  /**
   * @param {MouseEvent} event What a pointer does.
   * @returns {number}
   */
  #placeAt({ clientX }) {
    const scene = this.#scene;
    const x = clientX - this.#canvas.getBoundingClientRect().left;
    return scene.from + (x - leftOf(scene)) / scaleOf(scene);
  }

  /**
   * The attempt that a pointer is at; before the rows, the one whose name stands there.
   *
   * @param {MouseEvent} event Where it is.
   * @returns {Span | undefined}
   */
  #spanAt(event) {
    const scene = this.#scene;
    const { left, top } = this.#canvas.getBoundingClientRect();
    const y = event.clientY - top - AXIS_HEIGHT;
    const lane = scene.lanes[Math.floor((y + scene.scrolled) / scene.rowHeight)];
    if (lane === undefined || y < 0) return undefined;
    if (event.clientX - left < leftOf(scene)) return lane.spans.at(-1);
    const place = this.#placeAt(event);
    const reach = REACH / scaleOf(scene);
    const { axis } = scene;
    const span = lane.spans[firstEndingAfter(lane.spans, axis.timeAt(place - reach))];
    return span !== undefined && axis.at(span.startMs) <= place + reach ? span : undefined;
  }
}

/**
 * Makes a drawing as large as its place, with all pixels that the screen has.
 *
 * @param {HTMLCanvasElement} canvas The drawing.
 * @param {{ width: number, height: number }} size How large it is.
 * @returns {CanvasRenderingContext2D | null}
 */
function sized(canvas, { width, height }) {
  const ratio = devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}
