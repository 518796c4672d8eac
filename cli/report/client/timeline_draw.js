/** How the timeline is drawn. What is out of sight costs nothing, and what is less than a pixel is drawn once. */
/** @import { Axis } from "./axis.js" */
/** @import { Lane, Waiting } from "./lanes.js" */
/** @import { Node, Span } from "./model.js" */
import { ticksOf } from "./axis.js";
import { firstEndingAfter } from "./lanes.js";
import { isFailure } from "./model.js";
import { durationText, MARKS } from "./words.js";

/** How high the line of times above the rows is. */
export const AXIS_HEIGHT = 24;
const EDGE = 8;
const MOST_LABEL = 190;
const LABEL_SHARE = 0.3;
const TICK_ROOM = 90;
const FAR = 100;
/** A bar that is less wide has no name. */
const LEAST_NAMED = 56;
const FONT = "12px system-ui, sans-serif";

/**
 * What is drawn.
 *
 * @typedef {object} Scene
 * @property {Lane[]} lanes The rows.
 * @property {boolean} isPerNode Whether each is that of a node, whose name stands before it.
 * @property {Axis} axis The axis.
 * @property {number} from Where what is seen of the axis begins.
 * @property {number} to Where it ends.
 * @property {number} width How wide the drawing is.
 * @property {number} height How high it is.
 * @property {number} rowHeight How high a row is.
 * @property {number} scrolled How far the rows are scrolled.
 * @property {Node | undefined} selected The node that is looked at.
 * @property {Span | undefined} focused The attempt that the keyboard is at.
 */

/**
 * The names of colours, as the style sheet has them.
 *
 * @typedef {"text" | "dim" | "line" | "band" | "page" | "completed" | "failed" | "cancelled" | "running" | "waiting" | "critical"
 *   | "on-bar"} ColourName
 */

/** @typedef {Readonly<Record<ColourName, string>>} Colours */

/** @type {readonly ColourName[]} */
const COLOUR_NAMES = [
  "text",
  "dim",
  "line",
  "band",
  "page",
  "completed",
  "failed",
  "cancelled",
  "running",
  "waiting",
  "critical",
  "on-bar",
];

/**
 * The colours of the style sheet, as they are now.
 *
 * @returns {Colours}
 */
export function readColours() {
  const style = getComputedStyle(document.documentElement);
  const entries = COLOUR_NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]);
  return Object.fromEntries(entries);
}

/**
 * Where the rows begin.
 *
 * @param {Pick<Scene, "isPerNode" | "width">} scene What is drawn.
 * @returns {number}
 */
export function leftOf({ isPerNode, width }) {
  return isPerNode ? Math.min(MOST_LABEL, Math.round(width * LABEL_SHARE)) : EDGE;
}

/**
 * How many pixels a unit of the axis has.
 *
 * @param {Pick<Scene, "isPerNode" | "width" | "from" | "to">} scene What is drawn.
 * @returns {number}
 */
export function scaleOf(scene) {
  const room = Math.max(1, scene.width - leftOf(scene) - EDGE);
  return room / (scene.to - scene.from);
}

/**
 * Where a time is drawn.
 *
 * @param {Scene} scene What is drawn.
 * @param {number} ms The time.
 * @returns {number}
 */
export function xOf(scene, ms) {
  return leftOf(scene) + (scene.axis.at(ms) - scene.from) * scaleOf(scene);
}

/**
 * Draws the rows and the times above them.
 *
 * @param {CanvasRenderingContext2D} context Where to.
 * @param {Scene} scene What is drawn.
 * @param {Colours} colours With which colours.
 */
export function drawTimeline(context, scene, colours) {
  const { width, height, lanes, rowHeight, scrolled } = scene;
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.textBaseline = "middle";
  const first = Math.max(0, Math.floor(scrolled / rowHeight));
  const last = Math.min(lanes.length, Math.ceil((scrolled + height - AXIS_HEIGHT) / rowHeight));
  context.fillStyle = colours.band;
  for (let row = first; row < last; row++) {
    if (row % 2 === 1) context.fillRect(0, yOf(scene, row), width, rowHeight);
  }
  drawCuts(context, scene, colours);
  drawTicks(context, scene, colours);
  const pen = new SpanPen(context, scene, colours);
  clipped(context, [leftOf(scene), AXIS_HEIGHT, width, height - AXIS_HEIGHT], () => {
    for (let row = first; row < last; row++) pen.drawLane(row);
    pen.drawFailed();
    pen.drawChosen();
  });
  clipped(context, [leftOf(scene) - EDGE, 0, width, AXIS_HEIGHT], () => pen.markFailed());
  if (!scene.isPerNode) return;
  clipped(context, [0, AXIS_HEIGHT, leftOf(scene) - EDGE, height - AXIS_HEIGHT], () => {
    for (let row = first; row < last; row++) drawLabel(context, scene, { row, colours });
  });
}

/**
 * @param {Scene} scene What is drawn.
 * @param {number} row Which row.
 * @returns {number}
 */
function yOf({ rowHeight, scrolled }, row) {
  return AXIS_HEIGHT + row * rowHeight - scrolled;
}

/**
 * Draws so that nothing of it is outside of a rectangle.
 *
 * @param {CanvasRenderingContext2D} context Where to.
 * @param {[x: number, y: number, width: number, height: number]} rectangle The rectangle.
 * @param {() => void} draw Draws it.
 */
function clipped(context, [x, y, width, height], draw) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  draw();
  context.restore();
}

/**
 * Where the axis is cut, it says for how long nothing ran.
 *
 * @param {CanvasRenderingContext2D} context Where to.
 * @param {Scene} scene What is drawn.
 * @param {Colours} colours With which colours.
 */
function drawCuts(context, scene, colours) {
  for (const { fromMs, toMs, isCut } of scene.axis.parts) {
    if (!isCut) continue;
    const [x0, x1] = [xOf(scene, fromMs), xOf(scene, toMs)];
    if (x1 < leftOf(scene) || x0 > scene.width) continue;
    context.fillStyle = colours.line;
    for (let x = Math.max(x0, leftOf(scene)); x < x1; x += 6) {
      context.fillRect(x, AXIS_HEIGHT, 1, scene.height - AXIS_HEIGHT);
    }
    clipped(context, [Math.max(x0, leftOf(scene)), 0, x1 - x0, AXIS_HEIGHT], () => {
      context.fillStyle = colours.dim;
      context.fillText(`⋯ ${durationText(toMs - fromMs)}`, x0 + 3, AXIS_HEIGHT / 2);
    });
  }
}

/**
 * @param {CanvasRenderingContext2D} context Where to.
 * @param {Scene} scene What is drawn.
 * @param {Colours} colours With which colours.
 */
function drawTicks(context, scene, colours) {
  const { axis, from, to, width, height } = scene;
  const most = (width - leftOf(scene)) / TICK_ROOM;
  for (const { ms } of ticksOf(axis, { from, to, most })) {
    const x = Math.round(xOf(scene, ms));
    if (x < leftOf(scene) || x > width) continue;
    context.fillStyle = colours.line;
    context.fillRect(x, AXIS_HEIGHT - 6, 1, height);
    context.fillStyle = colours.dim;
    context.fillText(ms === 0 ? "0" : durationText(ms), x + 3, AXIS_HEIGHT / 2);
  }
}

/**
 * @param {CanvasRenderingContext2D} context Where to.
 * @param {Scene} scene What is drawn.
 * @param {{ row: number, colours: Colours }} what Which row, and with which colours.
 */
function drawLabel(context, scene, { row, colours }) {
  const node = scene.lanes[row]?.node;
  if (node === undefined) return;
  const { id, state } = node.data;
  context.fillStyle = state === "failed" ? colours.failed : colours.text;
  const text = fitted(context, `${MARKS[state]} ${id}`, leftOf(scene) - 2 * EDGE);
  context.fillText(text, EDGE, yOf(scene, row) + scene.rowHeight / 2);
}

/**
 * As much of a text as there is room for.
 *
 * @param {CanvasRenderingContext2D} context Where it is written.
 * @param {string} text The text.
 * @param {number} room How many pixels there are.
 * @returns {string}
 */
function fitted(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(`${text.slice(0, middle)}…`).width <= room) low = middle;
    else high = middle - 1;
  }
  return `${text.slice(0, low).toWellFormed()}…`;
}

/** Draws attempts. */
class SpanPen {
  /** @type {CanvasRenderingContext2D} */
  context;
  /** @type {Scene} */
  scene;
  /** @type {Colours} */
  colours;
  /** @type {{ span: Span, row: number }[]} */
  chosen = [];
  /** @type {{ span: Span, row: number }[]} */
  failed = [];
  /** What failed is striped as well. @type {CanvasPattern | null} */
  stripes;

  /**
   * @param {CanvasRenderingContext2D} context Where to.
   * @param {Scene} scene What is drawn.
   * @param {Colours} colours With which colours.
   */
  constructor(context, scene, colours) {
    this.context = context;
    this.scene = scene;
    this.colours = colours;
    this.stripes = makeStripes(context, colours);
  }

  /**
   * Draws what is seen of a row.
   *
   * @param {number} row Which.
   */
  drawLane(row) {
    const { scene } = this;
    const spans = scene.lanes[row]?.spans ?? [];
    const [fromMs, toMs] = [scene.axis.timeAt(scene.from), scene.axis.timeAt(scene.to)];
    let [drawnTo, drawnState] = [-Infinity, ""];
    for (let place = firstEndingAfter(spans, fromMs); place < spans.length; place++) {
      const span = spans[place];
      if (span === undefined || span.startMs > toMs) break;
      const isChosen = span.node === scene.selected || span === scene.focused;
      if (isChosen) this.chosen.push({ span, row });
      const end = xOf(scene, span.endMs);
      const { state } = span.attempt;
      if (end - drawnTo < 0.5 && state === drawnState) continue;
      [drawnTo, drawnState] = [end, state];
      if (state === "failed") this.failed.push({ span, row });
      else this.drawSpan(span, row);
    }
  }

  /** Draws what failed above all else, as it would be lost among very many. */
  drawFailed() {
    for (const { span, row } of this.failed) this.drawSpan(span, row);
  }

  /** Marks on the axis where something failed. */
  markFailed() {
    const { context, scene, colours } = this;
    context.fillStyle = colours.failed;
    let drawnAt = -Infinity;
    const places = this.failed.map(({ span }) => xOf(scene, span.endMs)).sort((a, b) => a - b);
    for (const x of places) {
      if (x - drawnAt < 3) continue;
      drawnAt = x;
      context.beginPath();
      context.moveTo(x - 4, AXIS_HEIGHT - 7);
      context.lineTo(x + 4, AXIS_HEIGHT - 7);
      context.lineTo(x, AXIS_HEIGHT);
      context.fill();
    }
  }

  /**
   * @param {Span} span An attempt.
   * @param {number} row Its row.
   * @returns {[x: number, y: number, width: number, height: number]}
   */
  boxOf({ startMs, endMs, attempt }, row) {
    const { scene } = this;
    const margin = scene.rowHeight > 12 ? 3 : 0.5;
    // What is far out of sight would be too far for a drawing.
    const x0 = Math.max(-FAR, xOf(scene, startMs));
    const x1 = Math.min(scene.width + FAR, xOf(scene, endMs));
    const width = Math.max(attempt.state === "failed" ? 3 : 1.5, x1 - x0 - 0.5);
    return [x0, yOf(scene, row) + margin, width, scene.rowHeight - 2 * margin];
  }

  /**
   * @param {Span} span An attempt.
   * @param {number} row Its row.
   */
  drawSpan(span, row) {
    const { context, scene, colours } = this;
    const { attempt, node, readyMs, startMs } = span;
    const [x, y, width, height] = this.boxOf(span, row);
    if (scene.isPerNode && readyMs < startMs) {
      context.fillStyle = colours.waiting;
      const x0 = xOf(scene, readyMs);
      context.fillRect(x0, y + height / 2 - 2, Math.max(1, x - x0), 4);
    }
    const colour = colours[barColour(span)];
    if (attempt.isGate) {
      context.strokeStyle = colour;
      context.setLineDash([4, 3]);
      context.strokeRect(x + 0.5, y + 0.5, Math.max(1, width - 1), height - 1);
      context.setLineDash([]);
    } else {
      context.fillStyle = colour;
      context.fillRect(x, y, width, height);
    }
    const isStriped = isFailure(attempt);
    if (isStriped && this.stripes !== null && width > 4) {
      context.fillStyle = this.stripes;
      context.fillRect(x, y, width, height);
    }
    if (attempt.isCutOff && width > 6) drawTornEnd(context, { x: x + width, y, height, colours });
    if (node.isCritical && !attempt.isGate) {
      const thickness = height > 12 ? 3 : 1;
      context.fillStyle = colours.critical;
      context.fillRect(x, y + height - thickness, width, thickness);
    }
    if (width > (scene.isPerNode ? 18 : LEAST_NAMED) && height > 10) {
      this.#write(span, [x, y, width, height]);
    }
  }

  /**
   * @param {Span} span An attempt.
   * @param {[x: number, y: number, width: number, height: number]} box Where it is.
   */
  #write({ attempt, node }, [x, y, width, height]) {
    const { context, scene, colours } = this;
    const id = scene.isPerNode ? "" : ` ${node.data.id}`;
    const number = attempt.number > 1 || node.data.attempts.length > 1 ? ` ${attempt.number}` : "";
    const left = Math.max(x, leftOf(scene)) + 4;
    context.fillStyle = attempt.isGate ? colours.text : colours["on-bar"];
    clipped(context, [x, y, width - 2, height], () => {
      context.fillText(`${MARKS[attempt.state]}${id}${number}`, left, y + height / 2 + 0.5);
    });
  }

  /** Draws a frame around what is looked at, above all else. */
  drawChosen() {
    const { context, scene, colours } = this;
    for (const { span, row } of this.chosen) {
      this.drawSpan(span, row);
      const [x, y, width, height] = this.boxOf(span, row);
      context.strokeStyle = colours.page;
      context.lineWidth = 5;
      context.strokeRect(x - 1, y - 1, width + 2, height + 2);
      context.strokeStyle = span === scene.focused ? colours.critical : colours.text;
      context.lineWidth = 2.5;
      context.strokeRect(x - 1, y - 1, width + 2, height + 2);
      context.lineWidth = 1;
    }
  }
}

/**
 * @param {Span} span An attempt.
 * @returns {ColourName}
 */
function barColour({ attempt: { state, isGate } }) {
  if (state === "failed" || state === "cancelled") return state;
  if (isGate || state === "waiting") return "waiting";
  return state === "running" ? "running" : "completed";
}

/**
 * @param {CanvasRenderingContext2D} context Where it is drawn.
 * @param {Colours} colours With which colours.
 * @returns {CanvasPattern | null}
 */
function makeStripes(context, colours) {
  const tile = new OffscreenCanvas(8, 8);
  const pen = tile.getContext("2d");
  if (pen === null) return null;
  pen.strokeStyle = colours.page;
  pen.globalAlpha = 0.35;
  pen.lineWidth = 2;
  for (const shift of [-8, 0, 8]) {
    pen.beginPath();
    pen.moveTo(shift - 2, 10);
    pen.lineTo(shift + 10, -2);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat");
}

/**
 * Nobody saw the end of it.
 *
 * @param {CanvasRenderingContext2D} context Where to.
 * @param {{ x: number, y: number, height: number, colours: Colours }} what Where it ends.
 */
function drawTornEnd(context, { x, y, height, colours }) {
  context.fillStyle = colours.page;
  for (let at = 0; at < height; at += 4) {
    context.beginPath();
    context.moveTo(x + 1, y + at);
    context.lineTo(x - 4, y + at + 2);
    context.lineTo(x + 1, y + at + 4);
    context.fill();
  }
}

/**
 * Draws how many could have run and waited, over time.
 *
 * @param {CanvasRenderingContext2D} context Where to.
 * @param {Scene} scene What the timeline shows.
 * @param {{ waiting: Waiting, colours: Colours }} what What is drawn.
 */
export function drawWaiting(context, scene, { waiting: { steps, most }, colours }) {
  const { width, height } = scene;
  context.clearRect(0, 0, width, height);
  context.fillStyle = colours.waiting;
  for (const [place, { ms, count }] of steps.entries()) {
    const untilMs = steps[place + 1]?.ms ?? ms;
    const [x0, x1] = [Math.max(leftOf(scene), xOf(scene, ms)), xOf(scene, untilMs)];
    if (count === 0 || x1 < leftOf(scene) || x0 > width) continue;
    const high = count / most * (height - 2);
    context.fillRect(x0, height - high, Math.max(1, x1 - x0), high);
  }
}
