/** What became of the run, why, and what to do: what is read first. */
/** @import { PageHint } from "../page_data.ts" */
/** @import { Model } from "./model.js" */
import { element, part, show } from "./dom.js";
import { countText, durationText, outcomeLook, timeText } from "./words.js";

/** How much is worth typing first; what else there is stands at the end of the page. */
const MOST_FIRST = 3;

/**
 * Shows the head of the page.
 *
 * @param {Model} model What is known of the run.
 */
export function showHead({ data: { run, readMs } }) {
  const { name, id, outcome, outcomeText, why, next, isLive, damage } = run;
  const { mark, tone } = outcomeLook(outcome);
  document.title = `${mark} ${name || id}: ${outcomeText}`.trim();
  show(part("state"), [outcome, outcomeText], () => [`${mark} ${outcomeText}`.trim()]);
  part("state").className = `badge ${tone}`;
  part("head").className = tone;
  show(part("name"), name || id, (text) => [text]);
  show(part("run-id"), id, (text) => [text]);
  const began = run.beganMs === null ? "not begun" : `began ${timeText(run.beganMs)}`;
  const took = run.durationMs === null ? "" : `, took ${durationText(run.durationMs)}`;
  show(part("when"), began + took, (text) => [text]);
  show(part("why"), why, (lines) => lines.map((line) => element("p", "", line)));
  part("why").hidden = why.length === 0;
  const now = isLive
    ? `It is not over: this page shows how it stood at ${
      timeText(readMs)
    }. It may have gone on since.`
    : "";
  show(part("now"), now, (text) => text === "" ? [] : [text]);
  show(part("damage"), damage, (lines) => lines.map((line) => element("p", "", line)));
  part("damage").hidden = damage.length === 0;
  const { first, others } = hintsOf(next);
  show(part("next"), first, (hints) => hints.map(hintOf));
  show(part("more"), others, (hints) => hints.map(hintOf));
}

/**
 * What is to be done about the run, apart from what can be looked at besides.
 *
 * @param {PageHint[]} hints All of them.
 * @returns {{ first: PageHint[], others: PageHint[] }}
 */
function hintsOf(hints) {
  const first = hints.filter(({ isFirst }) => isFirst).slice(0, MOST_FIRST);
  return { first, others: hints.filter((hint) => !first.includes(hint)) };
}

/**
 * What is to be typed, with what copies it.
 *
 * @param {PageHint} hint Something to type, or to do.
 * @returns {HTMLElement}
 */
export function hintOf({ text, command }) {
  if (command === undefined) return element("p", "hint", text);
  const code = element("code", "", command);
  const button = element("button", { type: "button", "aria-label": `copy: ${command}` }, "copy");
  button.addEventListener("click", () => copy(command, { code, button }));
  return element("p", "hint", element("span", "", text), code, button);
}

/**
 * Copies a command; where the browser refuses, it is marked, so that one can.
 *
 * @param {string} command The command.
 * @param {{ code: HTMLElement, button: HTMLElement }} where Where it stands.
 */
async function copy(command, { code, button }) {
  try {
    await navigator.clipboard.writeText(command);
    button.textContent = "copied";
  } catch {
    getSelection()?.selectAllChildren(code);
    button.textContent = "marked";
  }
}

/**
 * Shows what can be said in numbers; those of nodes show these when they are pressed.
 *
 * @param {Model} model What is known of the run.
 * @param {(filter: string) => void} only Shows some nodes in the table.
 */
export function showNumbers({ data, nodes, noun, counts, spans, totalMs }, only) {
  const again = nodes.filter(({ data: { attempts } }) => attempts.length > 1).length;
  const waited = nodes.reduce((most, { waitedMs = 0 }) => Math.max(most, waitedMs), 0);
  const busy = spans.reduce((sum, { attempt, startMs, endMs }) => {
    return attempt.isGate ? sum : sum + endMs - startMs;
  }, 0);
  const { length } = data.critical.nodes;
  const { beganMs, durationMs, isLive } = data.run;
  const notStarted = counts.skipped + counts.pending;
  const took = durationMs ?? (isLive && beganMs !== null ? data.readMs - beganMs : undefined);
  /** @type {[value: string, name: string, filter?: string][]} */
  const numbers = [
    took === undefined
      ? [durationText(totalMs), "up to its last record"]
      : [durationText(took), isLive ? "so far" : "took"],
    [
      `${counts.completed.toLocaleString("en")} of ${nodes.length.toLocaleString("en")}`,
      "completed",
      "completed",
    ],
  ];
  const add = (/** @type {number} */ count, /** @type {[string, string]} */ [name, filter]) => {
    if (count > 0) numbers.push([count.toLocaleString("en"), name, filter]);
  };
  add(counts.failed, ["failed", "failed"]);
  add(counts.cancelled, ["cancelled", "cancelled"]);
  add(counts.running + counts.waiting, ["at work", "running"]);
  add(notStarted, [isLive ? "not yet started" : "not started", "not-started"]);
  add(again, ["tried again", "again"]);
  if (length > 1) numbers.push([countText(length, noun), "on the critical path", "critical"]);
  if (waited >= 1) numbers.push([durationText(waited), "the longest wait", "waited"]);
  if (busy / totalMs >= 0.05) numbers.push([(busy / totalMs).toFixed(1), "at work at a time"]);
  part("numbers").hidden = nodes.length === 0;
  show(part("numbers"), numbers, () =>
    numbers.map(([value, name, filter]) => {
      const content = [element("b", "", value), element("span", "", name)];
      if (filter === undefined) return element("div", "number", ...content);
      const button = element("button", { class: "number", type: "button" }, ...content);
      button.addEventListener("click", () => only(filter));
      return button;
    }));
}
