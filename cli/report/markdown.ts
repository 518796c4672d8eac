/**
 * A run as Markdown, for the summary of a step, an issue or a chat: what became of it and why, a table of its nodes,
 * and the ends of what failed ones printed. What is always true:
 *
 * - **What records say stands in code, and nowhere else**: in code spans, in fenced blocks, and in `<code>` where
 *   HTML goes on. There nothing is a link, a mention, an emoji or a tag, whatever it is called.
 * - **It has no more bytes than are asked for.** What there is no room for is left out from the end, and that is told.
 */
import { encodeUtf8 } from "../../_internal/text.ts";
import { counted } from "../text/printable.ts";
import { formatDuration, formatTime } from "../text/units.ts";
import {
  endsOf,
  howFailed,
  isAllowed,
  isBad,
  lastOf,
  lengthOf,
  problemOf,
  whyOf,
} from "./ci_words.ts";
import type { PageData, PageHint, PageNode, PageRun } from "./page_data.ts";

/** As much as GitHub takes for the summary of a step. */
export const MOST_MARKDOWN_BYTES: number = 1024 * 1024;

/** Nobody reads a longer table. */
const MOST_ROWS = 300;
const MOST_DETAILS = 50;
/** Of the room the table takes at most this part: what failed ones printed tells more. */
const TABLE_SHARE = 0.5;

const MARKS: Readonly<Record<PageNode["state"], string>> = {
  completed: "✅",
  failed: "❌",
  cancelled: "🚫",
  running: "▶️",
  waiting: "⏳",
  skipped: "⏭️",
  pending: "⏸️",
};

/** The document; `mostBytes`: as long as it may be, at least 8 KiB. */
export function runMarkdown(data: PageData, { mostBytes }: { mostBytes: number }): string {
  const text = new BoundedText(mostBytes - LEFT_OUT.length);
  for (const part of headOf(data)) text.add(part);
  const { run, nodes } = data;
  const rows = new Set(byUrgency(data).slice(0, MOST_ROWS));
  const table = nodes.filter((node) => rows.has(node)).map((node) => rowOf(node, data));
  if (table.length > 0) text.addLines([...TABLE_HEAD, ...table], TABLE_SHARE);
  const more = nodes.length - rows.size;
  if (more > 0) text.add(`and ${counted(more, `more ${nounOf(run)}`)}`);
  const failed = nodes.filter(isBad);
  for (const node of byUrgency({ run, nodes: failed }).slice(0, MOST_DETAILS)) {
    text.add(detailsOf(node, data));
  }
  const hasMore = text.isCut || failed.length > MOST_DETAILS || data.left > 0;
  return hasMore ? text.text + LEFT_OUT : text.text;
}

const LEFT_OUT =
  "_There was no room for all of it: `taffrail report` makes a page that has more._\n\n";

/** The parts that stand for all, in their order. */
function* headOf(data: PageData): Generator<string, void> {
  const { run } = data;
  const problem = problemOf(run);
  const outcome = run.outcome === "orphan" ? "has no end" : run.outcomeText;
  yield `## ${markOfRun(run)} ${codeSpan(run.name || run.id)} ${outcome}`;
  if (run.why.length > 0) yield run.why.map(codeSpan).join("  \n");
  const length = run.durationMs === null ? "" : ` in ${formatDuration(run.durationMs)}`;
  const began = run.beganMs === null
    ? ""
    : `, begun ${formatTime(new Date(run.beganMs).toISOString())}`;
  yield `${countsOf(data)}${length}${began}, run ${codeSpan(run.id)}`;
  for (const text of run.damage) yield `⚠️ ${codeSpan(text)}`;
  const goOn = problem === undefined ? undefined : hintOf(run.next);
  if (goOn !== undefined) yield goOn;
}

function markOfRun({ outcome, kind, isLive }: PageRun): string {
  if (outcome === "completed") return MARKS.completed;
  if (isLive) return MARKS.running;
  return kind === "log" ? MARKS.pending : MARKS.failed;
}

function hintOf([hint]: readonly PageHint[]): string | undefined {
  // What only looks at it stands in the page.
  if (hint?.command === undefined || !hint.isFirst) return undefined;
  return `To ${hint.text}: ${codeSpan(hint.command)}`;
}

/** `12 nodes: 9 completed, 1 failed, 2 skipped`. */
function countsOf({ run, nodes }: PageData): string {
  const states = Map.groupBy(nodes, (node) => {
    if (isAllowed(node, run)) return "failed and may";
    return node.state === "pending" ? "not started" : node.state;
  });
  const counts = Array.from(states, ([state, { length }]) => `${length} ${state}`);
  const all = counted(nodes.length, nounOf(run));
  return counts.length === 0 ? all : `${all}: ${counts.join(", ")}`;
}

function nounOf({ kind }: PageRun): string {
  return kind === "program" ? "step" : "node";
}

/** What has failed first, then what may go on, and then all others, each in the order of the flow. */
function byUrgency({ run, nodes }: Pick<PageData, "run" | "nodes">): PageNode[] {
  const rank = (node: PageNode) => {
    if (node.state === "failed" && !isAllowed(node, run)) return 0;
    return isBad(node) || node.state === "running" || node.state === "waiting" ? 1 : 2;
  };
  return nodes.toSorted((a, b) => rank(a) - rank(b));
}

const TABLE_HEAD = ["| | Node | State | Time | Attempts |", "|-|-|-|-:|-:|"];

function rowOf(node: PageNode, { run }: PageData): string {
  const last = lastOf(node);
  const length = node.state === "skipped" || last === undefined ? undefined : lengthOf(last);
  const cells = [
    markOf(node, run),
    inCell(codeSpan(node.id)),
    inCell(codeSpan(stateOf(node, run))),
    length === undefined ? "" : formatDuration(length),
    node.attempts.length > 1 ? String(node.attempts.length) : "",
  ];
  return `| ${cells.join(" | ")} |`;
}

function markOf(node: PageNode, run: PageRun): string {
  return isAllowed(node, run) ? "⚠️" : MARKS[node.state];
}

/** Of a failure the table says less than what stands below. */
function stateOf(node: PageNode, run: PageRun): string {
  return isBad(node) ? howFailed(node, run) : whyOf(node, run);
}

/** What a failed node has printed in the end, folded. */
function detailsOf(node: PageNode, { run }: PageData): string {
  const ends = endsOf(lastOf(node));
  const summary = `${markOf(node, run)} <code>${htmlText(node.id)}</code> ` +
    `<code>${htmlText(whyOf(node, run))}</code>`;
  if (ends.length === 0) return summary;
  const blocks = ends.map(({ title, text }) => {
    return `${title === "" ? "" : `${title}:\n\n`}${fenced(text)}`;
  });
  return [`<details>\n<summary>${summary}</summary>`, ...blocks, "</details>"].join("\n\n");
}

/** A text of one line as code. */
function codeSpan(text: string): string {
  const line = oneLine(text);
  if (line === "") return "";
  const fence = "`".repeat(longestRun(line) + 1);
  const pad = line.startsWith("`") || line.endsWith("`") ? " " : "";
  return `${fence}${pad}${line}${pad}${fence}`;
}

/** What begins a line, or leaves one blank, may end whatever it stands in. */
function oneLine(text: string): string {
  return text.toWellFormed().replaceAll(/\s+/g, " ").trim();
}

/** In a table a bar ends a cell, in code too, unless an odd number of backslashes stands before it. */
function inCell(code: string): string {
  return code.replaceAll(/(\\*)\|/g, (_, { length }) => `${"\\".repeat(length + 1 - length % 2)}|`);
}

/** Lines as a block that nothing in them can end. */
function fenced(text: string): string {
  const fence = "`".repeat(Math.max(3, longestRun(text) + 1));
  return `${fence}text\n${text.toWellFormed()}\n${fence}`;
}

function longestRun(text: string): number {
  let longest = 0;
  for (const [run] of text.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  return longest;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function htmlText(text: string): string {
  return oneLine(text).replaceAll(/[&<>"']/g, (found) => ENTITIES[found]!);
}

/** Paragraphs, as many as there is room for. */
class BoundedText {
  /** All that there was room for. */
  text = "";
  /** Whether something was left out. */
  isCut = false;
  readonly #mostBytes: number;
  #bytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Adds a paragraph. */
  add(paragraph: string): void {
    this.addLines([paragraph], 1);
  }

  /** Adds a paragraph, as many of its lines as take no more than this part of all the room. */
  addLines(lines: readonly string[], share: number): void {
    const most = Math.min(this.#mostBytes, this.#bytes + this.#mostBytes * share);
    let taken = "";
    for (const line of lines) {
      const bytes = encodeUtf8(line).length + 1;
      if (this.#bytes + bytes + 1 > most) {
        this.isCut = true;
        break;
      }
      this.#bytes += bytes;
      taken += `${line}\n`;
    }
    if (taken === "") return;
    this.text += `${taken}\n`;
    this.#bytes++;
  }
}
