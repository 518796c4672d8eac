/** What the script of a page computes: its model of a run, rows, axis and words. */
import { assert, assertEquals } from "@std/assert";
import { Axis, makeAxis, ticksOf } from "../../cli/report/client/axis.js";
import {
  firstEndingAfter,
  lanesOf,
  MOST_ROWS,
  waitingSteps,
} from "../../cli/report/client/lanes.js";
import { makeModel } from "../../cli/report/client/model.js";
import { durationText, MARKS, WORDS } from "../../cli/report/client/words.js";
import type { PageNode } from "../../cli/report/page_data.ts";
import { formatDuration } from "../../cli/text/units.ts";
import { Random } from "../_util/random.ts";
import { seed } from "../_util/temp.ts";
import { makePageData, makePageNode } from "./_page.ts";

const HOUR = 3_600_000;

/** Places on an axis are no whole numbers. */
function assertNear(actual: number, expected: number): void {
  const tolerance = 1e-9 * Math.max(1, Math.abs(expected));
  assert(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);
}

function modelOf(nodes: PageNode[], others: Parameters<typeof makePageData>[0] = {}) {
  return makeModel(makePageData({ nodes, ...others, run: { durationMs: null, ...others.run } }));
}

Deno.test("lengths of time are written as the command writes them", () => {
  const random = new Random(seed());
  const lengths = [0, 0.4, 999, 999.6, 1000, 59_949, 59_950, 3_599_499, 48 * HOUR - 1, 100 * HOUR];
  for (let count = 0; count < 2000; count++) {
    lengths.push(random.below(2 ** (1 + random.below(40))));
  }
  for (const length of lengths) assertEquals(durationText(length), formatDuration(length));
});

Deno.test("each state has a mark and a word of its own", () => {
  assertEquals(Object.keys(MARKS), Object.keys(WORDS));
  for (const names of [MARKS, WORDS]) {
    assertEquals(new Set(Object.values(names)).size, Object.keys(names).length);
  }
});

Deno.test("the model of a run adds up the attempts of each node, and knows what needs it", () => {
  const twice: PageNode = {
    ...makePageNode("twice", { startMs: 10, endMs: 30, readyMs: 0 }),
    needs: [1],
    attempts: [
      {
        number: 1,
        state: "failed",
        text: "",
        readyMs: 0,
        startMs: 10,
        endMs: 30,
        outputs: [],
        error: [],
      },
      {
        number: 2,
        state: "completed",
        text: "",
        readyMs: 30,
        startMs: 35,
        endMs: 36,
        outputs: [],
        error: [],
      },
    ],
  };
  const { nodes, spans, totalMs, counts, byKey } = modelOf([
    twice,
    makePageNode("running", { startMs: 20 }, { key: "~1" }),
    { ...makePageNode("never", { startMs: 0 }), state: "pending", attempts: [] },
  ], { run: { isLive: true, beganMs: 0 }, readMs: 50 });
  assertEquals(totalMs, 50);
  assertEquals([nodes[0]!.tookMs, nodes[0]!.waitedMs, nodes[0]!.endMs], [21, 15, 36]);
  assertEquals([nodes[1]!.tookMs, nodes[1]!.endMs, nodes[1]!.neededBy], [30, 50, [0]]);
  assertEquals([nodes[2]!.tookMs, nodes[2]!.startMs], [undefined, undefined]);
  assertEquals(spans.map(({ startMs, endMs }) => [startMs, endMs]), [[10, 30], [20, 50], [35, 36]]);
  assertEquals([counts.completed, counts.running, counts.pending], [1, 1, 1]);
  assertEquals([byKey.get("~1"), byKey.get("running")], [nodes[1], undefined]);
});

Deno.test("up to forty nodes have a row each; of more, none of a row begins before the one before it ended", () => {
  const random = new Random(seed());
  const few = Array.from(
    { length: MOST_ROWS },
    (_, at) => makePageNode(`n${at}`, { startMs: at, endMs: 99 }),
  );
  assertEquals(lanesOf(modelOf(few)).lanes.map(({ node }) => node?.key), few.map(({ id }) => id));
  const many = Array.from({ length: 500 }, (_, at) => {
    const startMs = random.below(10_000);
    return makePageNode(`n${at}`, { startMs, endMs: startMs + random.below(300) });
  });
  const model = modelOf(many);
  const { lanes, isPerNode } = lanesOf(model);
  assert(!isPerNode);
  assertEquals(lanes.reduce((sum, { spans }) => sum + spans.length, 0), 500);
  for (const { spans } of lanes) {
    for (const [at, span] of spans.entries()) {
      // Times are rounded to milliseconds.
      assert(at === 0 || span.startMs >= spans[at - 1]!.endMs - 2);
    }
    const ms = random.below(10_000);
    const first = spans.findIndex(({ endMs }) => endMs > ms);
    assertEquals(firstEndingAfter(spans, ms), first === -1 ? spans.length : first);
  }
});

Deno.test("who waits for people, or sleeps, has no part in the rows of work", () => {
  const nodes = Array.from(
    { length: 60 },
    (_, at) => makePageNode(`n${at}`, { startMs: at * 10, endMs: at * 10 + 9 }),
  );
  const gate = makePageNode("gate", { startMs: 5, endMs: 500 });
  gate.attempts[0]!.isGate = true;
  const waits = [{ id: "nap", kind: "sleep" as const, fromMs: 20, toMs: 400, text: "was over" }];
  const { lanes } = lanesOf(modelOf([gate, ...nodes], { waits }));
  assertEquals(lanes.map(({ spans }) => spans.map(({ node }) => node.data.id)), [
    nodes.map(({ id }) => id),
    ["gate"],
    ["nap"],
  ]);
});

Deno.test("how many wait is counted from when they could begin to when they did", () => {
  const { spans } = modelOf([
    makePageNode("a", { readyMs: 0, startMs: 0, endMs: 10 }),
    makePageNode("b", { readyMs: 0, startMs: 10, endMs: 20 }),
    makePageNode("c", { readyMs: 5, startMs: 10, endMs: 30 }),
  ]);
  assertEquals(waitingSteps(spans), {
    steps: [{ ms: 0, count: 1 }, { ms: 5, count: 2 }, { ms: 10, count: 0 }],
    most: 2,
  });
});

Deno.test("the axis cuts out what is far longer than all work, and nothing else", () => {
  const short = modelOf([
    makePageNode("a", { startMs: 0, endMs: 20_000 }),
    makePageNode("b", { startMs: 35_000, endMs: 60_000 }),
  ]);
  assertEquals(makeAxis(short).parts.map(({ isCut }) => isCut), [false]);
  const long = modelOf([
    makePageNode("a", { startMs: 0, endMs: 20_000 }),
    makePageNode("b", { startMs: 50 * HOUR, endMs: 50 * HOUR + 10_000 }),
  ]);
  const axis = makeAxis(long);
  assertEquals(axis.parts.map(({ fromMs, toMs, isCut }) => [fromMs, toMs, isCut]), [
    [0, 20_000, false],
    [20_000, 50 * HOUR, true],
    [50 * HOUR, 50 * HOUR + 10_000, false],
  ]);
  assert(axis.length < 40_000, `it is ${axis.length} long`);
  for (const ms of [0, 7, 19_999, 20_000, 20 * HOUR, 50 * HOUR, 50 * HOUR + 9999]) {
    assertNear(axis.timeAt(axis.at(ms)), ms);
  }
});

Deno.test("a run that waits for people after all its work is not stretched by that", () => {
  const nodes = [makePageNode("a", { startMs: 0, endMs: 20_000 })];
  const { parts } = makeAxis(
    modelOf(nodes, { run: { isLive: true, beganMs: 0 }, readMs: 90 * HOUR }),
  );
  assertEquals(parts.map(({ isCut }) => isCut), [false, true]);
});

Deno.test("times along the axis are round, and no more than there is room for", () => {
  const random = new Random(seed());
  for (let count = 0; count < 500; count++) {
    const length = 1 + random.below(2 ** (1 + random.below(36)));
    const axis = new Axis([{ fromMs: 0, toMs: length, from: 0, to: length, isCut: false }]);
    const ticks = ticksOf(axis, { from: 0, to: length, most: 10 });
    assert(ticks.length >= 1 && ticks.length <= 12, `${length}: ${ticks.length}`);
    for (const { ms, at } of ticks) assertNear(at, ms);
  }
});
