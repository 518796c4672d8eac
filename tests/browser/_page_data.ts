/**
 * Data of pages as large as a test wants them: runs that are computed, as recording 20,000 commands would take
 * minutes. Nodes need others, eight run at a time, some fail and are tried again, and of the
 * tests, which nothing needs, some fail for good.
 */
import type { PageAttempt, PageData, PageNode, PageOutput } from "../../cli/report/page_data.ts";
import { criticalPathOf } from "../../cli/report/critical_path.ts";
import { Random } from "../_util/random.ts";

/** How many run at a time. */
const PLACES = 8;
const MOST_TRIES = 3;
const LINES_OF_OUTPUT = 20;

/** What a computed run is like. */
export interface MadeRun {
  /** How many nodes it has. */
  nodes: number;
  /**
   * How many attempts of 100 at tests fail; others always go well at the second one.
   *
   * @default {30}
   */
  failing?: number;
  /** It is at work, and so much of the time is over, as a part of 1. */
  until?: number;
}

/** Makes the data of a page; the same always for the same. */
export function makePageData({ nodes: count, failing = 30, until }: MadeRun): PageData {
  const random = new Random(count);
  const frees = new Array<number>(PLACES).fill(0);
  const nodes: PageNode[] = [];
  for (let place = 0; place < count; place++) {
    nodes.push(makeNode({ place, nodes, frees, random, failing }));
  }
  const lastMs = Math.max(...frees);
  const nowMs = until === undefined ? undefined : Math.round(lastMs * until);
  const shown = nowMs === undefined ? nodes : nodes.map((node) => cutAt(node, nowMs));
  const failed = shown.find(({ state }) => state === "failed");
  const isLive = nowMs !== undefined;
  const outcome = isLive ? "running" : failed === undefined ? "completed" : "failed";
  const beganMs = Date.UTC(2026, 10, 30, 9, 30);
  return {
    readMs: beganMs + (nowMs ?? lastMs),
    run: {
      id: "build-01kb0000000000000000000000",
      kind: "flow",
      name: "build",
      outcome,
      outcomeText: outcome,
      why: failed === undefined || isLive ? [] : [`${failed.id} exited with 2`],
      next: isLive || failed === undefined ? [] : [
        { text: "go on with it", command: "taffrail resume build-01kb", isFirst: true },
        { text: "all that was printed", command: "taffrail logs build-01kb" },
      ],
      isLive,
      beganMs,
      durationMs: isLive ? null : lastMs,
      damage: [],
      about: [["flow", "build"], ["max_in_flight", String(PLACES)], ["log", "events.jsonl"]],
    },
    nodes: shown,
    critical: criticalPathOf(shown, "needs"),
    decisions: [
      { decision: "Invoke", reason: "capacity available", count },
      { decision: "Defer", reason: "saturated", count: Math.floor(count / 2) },
    ],
    waits: [],
    records: [],
    pauses: [],
    left: 0,
  };
}

/** Nothing needs a test. */
const KINDS = ["compile", "lint", "test", "bundle"];

function pickNeed(place: number, random: Random): number {
  const need = place - 1 - random.below(Math.min(place, 40));
  return KINDS[need % KINDS.length] === "test" ? need - 1 : need;
}

function makeNode({ place, nodes, frees, random, failing }: {
  place: number;
  nodes: readonly PageNode[];
  /** When each place is free, in milliseconds. */
  frees: number[];
  random: Random;
  failing: number;
}): PageNode {
  const needs = place < PLACES
    ? []
    : [...new Set([pickNeed(place, random), pickNeed(place, random)])];
  const kind = KINDS[place % KINDS.length]!;
  const node: PageNode = {
    id: `${kind}:package-${place}`,
    state: "pending",
    text: "",
    command: `deno task ${kind} --filter package-${place} --reporter=dot`,
    about: [],
    needs,
    deferrals: [],
    attempts: [],
  };
  let readyMs = Math.max(0, ...needs.map((need) => nodes[need]!.attempts.at(-1)!.endMs!));
  for (let number = 1; number <= MOST_TRIES; number++) {
    const free = frees.indexOf(Math.min(...frees));
    const startMs = Math.max(readyMs, frees[free]!);
    if (startMs > readyMs) node.deferrals = [{ text: `${PLACES} of ${PLACES} at work`, count: 1 }];
    const tookMs = Math.round(20 * Math.exp(random.below(6000) / 1000));
    const chance = kind === "test" ? failing : number === 1 ? 2 : 0;
    const isBad = random.below(100) < chance;
    const endMs = startMs + tookMs;
    frees[free] = endMs;
    node.attempts.push(makeAttempt({ number, readyMs, startMs, endMs, isBad }));
    readyMs = endMs;
    if (!isBad) break;
  }
  const { state, text } = node.attempts.at(-1)!;
  return { ...node, state, text };
}

function makeAttempt({ isBad, ...times }: {
  number: number;
  readyMs: number;
  startMs: number;
  endMs: number;
  isBad: boolean;
}): PageAttempt {
  const lines = Array.from(
    { length: LINES_OF_OUTPUT },
    (_, line) => `line ${line} of what it says`,
  );
  const output: PageOutput = isBad
    ? { stream: "stderr", text: `${lines.join("\n")}\nerror: it went wrong` }
    : { stream: "stdout", text: "ok" };
  return {
    ...times,
    state: isBad ? "failed" : "completed",
    text: isBad ? "exited with 2" : "",
    outputs: [output],
    error: [],
  };
}

/** The node as it is at a time: what comes later is not known yet. */
function cutAt(node: PageNode, nowMs: number): PageNode {
  const attempts = node.attempts.filter(({ startMs }) => startMs! < nowMs).map((attempt) => {
    if (attempt.endMs! <= nowMs) return attempt;
    const { endMs: _, ...begun } = attempt;
    return { ...begun, state: "running" as const, text: "", outputs: [] };
  });
  const last = attempts.at(-1);
  const { state, text } = last ?? { state: "pending" as const, text: "" };
  return { ...node, state, text, attempts, deferrals: last === undefined ? [] : node.deferrals };
}
