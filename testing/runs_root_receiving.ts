/** The rules of taking in a run from another root: as it was, whole or not at all, and never in place of another. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { OutputChunk, ReceivedRun, RunStream, RunView } from "../run/types.ts";
import { eventText, idsOf, kindOf, type RootCheck, type RootUse } from "./runs_root_use.ts";

const ABOUT = { name: "demo" };
const RUN_ID = "copied-1";

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** What cannot be read of lines stands where it stood. */
const DAMAGED = [bytesOf('{"n":'), new Uint8Array(), Uint8Array.of(0, 255, 0), bytesOf("é")];
const LINES: Readonly<Record<RunStream | "events", readonly Uint8Array[]>> = {
  capture: [bytesOf('{"n":1}'), ...DAMAGED, bytesOf('{ "n" : 6 }')],
  events: [bytesOf(eventText(RUN_ID, 1)), ...DAMAGED, bytesOf(eventText(RUN_ID, 6))],
  processes: [bytesOf('{"n":1}'), ...DAMAGED],
  inbox: [...DAMAGED, bytesOf('{"op":"1","gate":"ask"}')],
};
const STREAMS = Object.keys(LINES) as (keyof typeof LINES)[];
const RUN_JSON = bytesOf('{"format":1,"name":"demo","created_at":"2026-01-01T00:00:00.000Z"}');
const OUT = { nodeId: "a:b", attempt: 2, stream: "out" } as const;
const TIMES: OutputChunk[] = [
  { atMs: 1000, stream: "out", byteLength: 3 },
  { atMs: 1200, stream: "err", byteLength: 700 },
];

async function receiveAll(received: ReceivedRun): Promise<void> {
  for (const stream of STREAMS) {
    await received.appendLines(stream, LINES[stream].slice(0, 2));
    await received.appendLines(stream, LINES[stream].slice(2));
  }
  await received.putDocument("run.json", RUN_JSON);
  await received.putDocument("capture.json", bytesOf("{}\n"));
  await received.appendOutput(OUT, bytesOf("on"));
  await received.appendOutput(OUT, bytesOf("e"));
  await received.appendOutput({ ...OUT, stream: "err" }, bytesOf("two"));
  await received.putTimes(OUT, TIMES);
}

async function rawOf(view: RunView, stream: RunStream | "events"): Promise<unknown[]> {
  const lines: unknown[] = [];
  for await (const line of view.raw(stream)) {
    lines.push(line instanceof Uint8Array ? line.slice() : line);
  }
  return lines;
}

async function isTakenInAsItWas({ open }: RootUse): Promise<void> {
  await using root = await open();
  {
    await using received = await root.receive(RUN_ID);
    await receiveAll(received);
    await received.commit();
  }
  await using other = await open();
  assertEquals(await idsOf(other), [RUN_ID]);
  const view = other.view(RUN_ID);
  for (const stream of STREAMS) assertEquals(await rawOf(view, stream), [...LINES[stream]], stream);
  const { events, gaps } = await view.events.read({ limit: 100 });
  assertEquals(events.map(({ seq }) => seq), [1, 6]);
  assertEquals(gaps.map(({ seq }) => seq), [2, 3, 4, 5]);
  assertEquals((await view.lines("inbox")).events.map(({ seq }) => seq), [5]);
  assertEquals(await view.document("run.json"), RUN_JSON);
  assertEquals(await view.document("capture.json"), bytesOf("{}\n"));
  assertEquals(await view.document("flow.json"), undefined);
  assertEquals(await view.output(OUT), bytesOf("one"));
  assertEquals(await view.output({ ...OUT, stream: "err" }), bytesOf("two"));
  assertEquals(await view.times(OUT), TIMES);
  const [listed] = (await other.list()).runs;
  assertEquals(listed?.createdAt, "2026-01-01T00:00:00.000Z");
}

async function isFollowedStrictly({ open }: RootUse): Promise<void> {
  await using root = await open();
  const [first, third, fifth] = [1, 3, 5].map((n) => bytesOf(eventText(RUN_ID, n)));
  {
    await using received = await root.receive(RUN_ID);
    await received.putDocument("run.json", RUN_JSON);
    const blank = new Uint8Array();
    await received.appendLines("events", [first!, blank, third!, bytesOf("[]"), fifth!]);
    await received.commit();
  }
  const passed: number[] = [];
  const kind = await kindOf(async () => {
    for await (const { seq } of root.view(RUN_ID).events.follow({ strict: true })) passed.push(seq);
  });
  assertEquals([kind, ...passed], ["malformed", 1, 2, 3]);
}

async function canBeGoneOnWith({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using received = await root.receive(RUN_ID);
  await receiveAll(received);
  await received.commit();
  assertEquals(await root.view(RUN_ID).holder(), undefined);
  await using held = await root.hold(RUN_ID);
  await held.append({ capture: ['{"n":7}'], events: [eventText(RUN_ID, 7)] });
  await held.barrier();
  for (const stream of ["capture", "events"] as const) {
    assertEquals((await rawOf(held.view, stream)).length, 7);
  }
  assertEquals(await held.view.events.lastSeq(), 7);
}

async function isNoneBeforeItIsWhole({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using other = await open();
  {
    await using received = await root.receive(RUN_ID);
    await receiveAll(received);
    assertEquals(await idsOf(other), []);
    assertEquals(await kindOf(() => other.hold(RUN_ID)), "missing");
    // Whoever sweeps leaves alone what is on its way.
    await other.sweep();
  }
  assertEquals(await idsOf(other), []);
  assertEquals(await other.sweep(), 0);
  await using again = await root.receive(RUN_ID);
  await receiveAll(again);
  await other.sweep();
  await again.commit();
  assertEquals(await idsOf(other), [RUN_ID]);
}

async function takesNoPlaceOfAnother({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using other = await open();
  await using received = await root.receive(RUN_ID);
  await receiveAll(received);
  {
    await using held = await other.create({ about: ABOUT, runId: RUN_ID });
    await held.append({ capture: ['{"n":"own"}'] });
  }
  assertEquals(await kindOf(() => received.commit()), "exists");
  assertEquals(await kindOf(() => root.receive(RUN_ID)), "exists");
  const { events } = await root.view(RUN_ID).lines("capture");
  assertEquals(events.map(({ event }) => event), [{ n: "own" }]);
}

async function oneOfManyIsTakenIn({ open }: RootUse, rounds: number): Promise<void> {
  const roots = await Promise.all([open(), open(), open()]);
  for (let round = 0; round < rounds; round++) {
    const runId = `copied-${round}`;
    const received = await Promise.all(roots.map((root) => root.receive(runId)));
    for (const [index, one] of received.entries()) {
      await one.appendLines("capture", [bytesOf(`{"n":${index}}`)]);
      await one.putDocument("run.json", RUN_JSON);
    }
    const ended = await Promise.allSettled(received.map((one) => one.commit()));
    const kinds = ended.flatMap((one) => one.status === "rejected" ? [one.reason.kind] : []);
    assertEquals(kinds, ["exists", "exists"], `round ${round}`);
    for (const one of received) await one[Symbol.asyncDispose]();
    const winner = ended.findIndex(({ status }) => status === "fulfilled");
    const { events } = await roots[0]!.view(runId).lines("capture");
    assertEquals(events.map(({ event }) => event), [{ n: winner }]);
  }
  for (const root of roots) await root[Symbol.asyncDispose]();
}

async function refusesWhatIsNoLine({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using received = await root.receive(RUN_ID);
  const lines = [bytesOf("{}"), bytesOf("a\nb")];
  await assertRejects(() => received.appendLines("capture", lines), TypeError);
  await received.commit();
  await assertRejects(() => received.appendLines("capture", [bytesOf("{}")]));
  assert((await rawOf(root.view(RUN_ID), "capture")).length === 0);
}

async function keepsWhatWasLeftOfALine({ open }: RootUse): Promise<void> {
  await using root = await open();
  const [first, second] = [1, 2].map((n) => bytesOf(eventText(RUN_ID, n)));
  const stub = bytesOf('{"n":1,"te');
  const kept: Partial<Record<RunStream | "events", boolean>> = {};
  {
    await using received = await root.receive(RUN_ID);
    await received.putDocument("run.json", RUN_JSON);
    await received.appendLines("capture", [bytesOf('{"n":0}')]);
    await received.appendLines("events", [first!]);
    kept.capture = await received.putTail("capture", stub);
    kept.events = await received.putTail("events", second!);
    await received.commit();
  }
  const view = root.view(RUN_ID);
  assertEquals(await view.tail("capture"), kept.capture ? stub : undefined);
  assertEquals(await view.tail("inbox"), undefined);
  assertEquals(await rawOf(view, "capture"), [bytesOf('{"n":0}')]);
  assertEquals(kept.events, true);
  const lines = await rawOf(view, "events");
  assertEquals(lines.length === 2 ? lines : [...lines, await view.tail("events")], [first, second]);
  // What only lacked its newline counts for whoever goes on.
  await using held = await root.hold(RUN_ID);
  assertEquals(await rawOf(held.view, "events"), [first, second]);
  assertEquals(await rawOf(held.view, "capture"), [bytesOf('{"n":0}')]);
  assertEquals(await held.view.tail("capture"), undefined);
}

/** The rules, each with its name. */
export const receivingRules: readonly (readonly [name: string, check: RootCheck])[] = [
  ["a run is taken in from elsewhere as it was, its damaged lines too", isTakenInAsItWas],
  [
    "a blank line of a run is passed over by who follows it strictly, and damage is not",
    isFollowedStrictly,
  ],
  ["a run that was taken in can be gone on with", canBeGoneOnWith],
  [
    "what a killed writer has left of a line is taken in as that, or not at all",
    keepsWhatWasLeftOfALine,
  ],
  [
    "a run that is taken in is none before it is whole, and nothing stays of it",
    isNoneBeforeItIsWhole,
  ],
  ["a run that is taken in takes the place of no other", takesNoPlaceOfAnother],
  ["of those who take in one run at the same time one does", oneOfManyIsTakenIn],
  ["what has a newline in it is taken in as no line", refusesWhatIsNoLine],
];
