/**
 * What a root of runs has to keep, wherever it records: the four things that a run has (lines, documents,
 * outputs, being held), what their holder may rely on, and what becomes of them when it dies.
 */
import { assert, assertEquals, assertFalse, assertNotEquals, assertRejects } from "@std/assert";
import type { HeldRun, RunsRoot, RunStream } from "../run/types.ts";
import type { ContractOptions, ContractTest } from "./types.ts";
import { holdingRules } from "./runs_root_holding.ts";
import { outputRules } from "./runs_root_outputs.ts";
import { readingRules } from "./runs_root_reading.ts";
import { receivingRules } from "./runs_root_receiving.ts";
import { serverRules } from "./runs_root_server.ts";
import {
  eventText,
  idsOf,
  kindOf,
  numbersIn,
  type RootCheck,
  type RootUse,
} from "./runs_root_use.ts";

/** Provides a new, empty root while `use` runs. */
export type ProvideRoot = (use: (root: RootUse) => Promise<void>) => Promise<void>;

const ROUNDS = 20;

/**
 * The contract of the `RunsRoot` port: a test for each rule, in the order in which they build on each
 * other.
 *
 * @param provide Provides a new, empty root for each test: how to open it, which is done several times for
 * one root, and a command that holds a run of it, to be killed. Its program calls
 * {@linkcode holdUntilKilled}.
 * @param options How often what needs luck to fail is tried, and whether a server keeps the root.
 * @returns The tests.
 *
 * @example Usage
 * ```ts
 * import { openFileRoot } from "@taffrail/taffrail/run";
 * import { runsRootContract } from "@taffrail/taffrail/testing";
 *
 * const tests = runsRootContract(async (use) => {
 *   const path = await Deno.makeTempDir();
 *   await use({
 *     open: () => openFileRoot(path), // your root
 *     holder: (runId) => ["deno", "run", "--allow-all", "holder.ts", path, runId],
 *   });
 * });
 * await tests[0]?.fn(); // or: for (const { name, fn } of tests) Deno.test(name, fn);
 * ```
 */
export function runsRootContract(
  provide: ProvideRoot,
  options: ContractOptions = {},
): ContractTest[] {
  const { rounds = ROUNDS, server = false } = options;
  const rules = [
    ...RULES,
    ...readingRules,
    ...outputRules,
    ...receivingRules,
    ...holdingRules,
    ...(server ? serverRules : []),
  ];
  return rules.map(([name, check]) => {
    return { name, fn: () => provide((root) => check(root, rounds)) };
  });
}

const ABOUT = { name: "demo" };
const STREAMS = ["capture", "events", "processes"] as const;

async function isEmpty({ open }: RootUse): Promise<void> {
  await using root = await open();
  assertEquals(await root.list(), { runs: [] });
  assertEquals(await root.sweep(), 0);
  for (const call of callsOnMissing(root, "demo-1")) assertEquals(await kindOf(call), "missing");
  assertEquals(await root.view("demo-1").holder(), undefined);
  assertEquals(await root.list(), { runs: [] });
}

/** Everything that needs a run, of one that is not there. */
function callsOnMissing(root: RunsRoot, runId: string): (() => Promise<unknown>)[] {
  const view = root.view(runId);
  return [
    () => root.hold(runId),
    () => root.post(runId, { op: "1", gate: "ask" }),
    () => root.remove(runId),
    () => view.peek(),
    () => view.events.read(),
    () => view.events.lastSeq(),
    () => view.lines("capture"),
    () => view.document("run.json"),
    () => view.has("run.json"),
    () => view.lastLine("capture"),
    () => view.output({ nodeId: "a", attempt: 1, stream: "out" }),
    () => view.times({ nodeId: "a", attempt: 1 }),
    () => view.size(),
  ];
}

async function saysWhatItIs({ open }: RootUse): Promise<void> {
  await using root = await open();
  const about = { name: "demo", cwd: "/somewhere", command: ["deno", "run"], version: "3" };
  await using held = await root.create({ about });
  const { runId } = held.view;
  assert(runId.startsWith("demo-"), runId);
  const document = JSON.parse(new TextDecoder().decode(await held.view.document("run.json")));
  assertEquals({ ...document, ...about, format: 1 }, document);
  const { runs } = await root.list();
  assertEquals(runs.map(({ runId, createdAt }) => [runId, createdAt]), [[
    runId,
    document.created_at,
  ]]);
  assertFalse(Number.isNaN(Date.parse(document.created_at)));
  await using other = await open();
  assertEquals(await idsOf(other), [runId]);
}

async function givesOutGreaterIds({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using other = await open();
  const ids: string[] = [];
  for (let count = 0; count < 6; count++) {
    await using held = await (count % 2 === 0 ? root : other).create({ about: ABOUT });
    ids.push(held.view.runId);
  }
  assertEquals(ids.toSorted(), ids);
  assertEquals(new Set(ids).size, ids.length);
}

async function beginsARunOnce({ open }: RootUse, rounds: number): Promise<void> {
  await using root = await open();
  await using other = await open();
  for (let round = 0; round < rounds; round++) {
    const runId = `demo-${round}`;
    const begun = await Promise.allSettled(
      [root, other, root].map((one) => one.create({ about: ABOUT, runId })),
    );
    const won = begun.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    const kinds = begun.flatMap((one) => one.status === "rejected" ? [one.reason.kind] : []);
    for (const held of won) await held[Symbol.asyncDispose]();
    assertEquals([won.length, ...kinds], [1, "exists", "exists"]);
    assertEquals(await kindOf(() => other.create({ about: ABOUT, runId })), "exists");
  }
}

async function listsByPages({ open }: RootUse): Promise<void> {
  await using root = await open();
  for (const runId of ["b-2", "a-1", "b-10", "c-1", "b-1"]) {
    await (await root.create({ about: ABOUT, runId }))[Symbol.asyncDispose]();
  }
  assertEquals(await idsOf(root), ["a-1", "b-1", "b-10", "b-2", "c-1"]);
  const first = await root.list({ limit: 2 });
  assertEquals(first.runs.map(({ runId }) => runId), ["a-1", "b-1"]);
  const second = await root.list({ limit: 2, after: first.next! });
  assertEquals(second.runs.map(({ runId }) => runId), ["b-10", "b-2"]);
  const last = await root.list({ limit: 2, after: second.next! });
  assertEquals([last.runs.map(({ runId }) => runId), last.next], [["c-1"], undefined]);
  const chosen = await root.list({ prefix: "b-", after: "b-1" });
  assertEquals(chosen.runs.map(({ runId }) => runId), ["b-10", "b-2"]);
  const newest = await root.list({ prefix: "b-", limit: 2, newestFirst: true });
  assertEquals(newest.runs.map(({ runId }) => runId), ["b-2", "b-10"]);
  const older = await root.list({ prefix: "b-", newestFirst: true, after: newest.next! });
  assertEquals([older.runs.map(({ runId }) => runId), older.next], [["b-1"], undefined]);
  for (const limit of [0, -1, 1.5, NaN]) {
    await assertRejects(() => root.list({ limit }), RangeError);
  }
}

async function appendsInOrder({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  const { runId } = held.view;
  const appending: Promise<void>[] = [];
  for (let n = 1; n <= 50; n++) {
    appending.push(held.append({
      capture: [`{"n":${2 * n - 1}}`, `{"n":${2 * n}}`],
      events: [eventText(runId, n)],
      ...(n % 2 === 0 && { processes: [`{"n":${n / 2}}`] }),
    }));
  }
  await held.append({ capture: [] });
  await Promise.all(appending);
  await using other = await open();
  const view = other.view(runId);
  for (const [stream, count] of [["capture", 100], ["processes", 25]] as const) {
    const { events } = await view.lines(stream, { limit: 1000 });
    assertEquals(events, Array.from({ length: count }, (_, at) => line(at + 1)), stream);
  }
  const { events } = await view.events.read({ limit: 1000 });
  assertEquals(events.map(({ seq }) => seq), Array.from({ length: 50 }, (_, at) => at + 1));
  assertEquals(events.map(({ event }) => Reflect.get(event, "n")), events.map(({ seq }) => seq));
  assertEquals(await view.events.lastSeq(), 50);
}

function line(n: number) {
  return { seq: n, event: { n } };
}

async function refusesWhatIsNoLine({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  await assertRejects(() => held.append({ capture: ['{"n":1}', '{"n":\n2}'] }), TypeError);
  await held.append({ capture: ['{"n":1}'] });
  assertEquals(await numbersIn(held.view, "capture"), [1]);
}

async function readsLinesByPages({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  for (const stream of [...STREAMS, "inbox"] satisfies RunStream[] | string[]) {
    if (stream === "events") continue;
    const page = await held.view.lines(stream as RunStream);
    assertEquals([page.events, page.gaps, page.hasMore], [[], [], false]);
    if (stream === "inbox") continue;
    const lines = Array.from({ length: 25 }, (_, at) => `{"n":${at + 1}}`);
    await held.append({ [stream]: lines });
    const first = await held.view.lines(stream as RunStream, { after: page.next, limit: 10 });
    assertEquals([first.events.length, first.hasMore], [10, true]);
    const rest = await held.view.lines(stream as RunStream, { after: first.next });
    assertEquals(rest.events, Array.from({ length: 15 }, (_, at) => line(at + 11)));
    assertEquals(rest.hasMore, false);
  }
}

async function isOnDiskBehindABarrier({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  await held.barrier();
  await held.append({ capture: ['{"n":1}'], processes: ['{"n":1}'] });
  await Promise.all([
    held.barrier(),
    held.barrier({ of: ["capture"] }),
    held.barrier({ of: ["events", "processes"] }),
    held.barrier({ of: [] }),
  ]);
  await held.append({ capture: ['{"n":2}'] });
  await held.barrier();
  assertEquals(await numbersIn(held.view, "capture"), [1, 2]);
}

async function followsEvents({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using other = await open();
  await using held = await root.create({ about: ABOUT });
  const { runId } = held.view;
  await held.append({ events: [eventText(runId, 1)] });
  const items = other.view(runId).events.follow()[Symbol.asyncIterator]();
  for (let n = 1; n <= 10; n++) {
    const next = items.next();
    if (n > 1) await held.append({ events: [eventText(runId, n)] });
    assertEquals((await next).value?.seq, n);
  }
  await items.return?.();
  const { events, whole } = await other.view(runId).peek();
  assertEquals([events.length, whole], [10, true]);
  const { runs } = await other.list();
  assertEquals([runs[0]?.first, runs[0]?.last], [events[0]!, events.at(-1)!]);
}

async function keepsDocuments({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  await using other = await open();
  const view = other.view(held.view.runId);
  for (const name of ["flow.json", "capture.json", "trace.json"] as const) {
    assertEquals(await view.document(name), undefined);
    await held.putDocument(name, Uint8Array.of(1, 2, 3));
    assertEquals(await view.document(name), Uint8Array.of(1, 2, 3));
    await held.putDocument(name, Uint8Array.of(4));
    assertEquals(await view.document(name), Uint8Array.of(4));
  }
  await held.putDocument("capture.json", undefined);
  await held.putDocument("capture.json", undefined);
  assertEquals(await view.document("capture.json"), undefined);
  assertEquals(await view.document("flow.json"), Uint8Array.of(4));
  await held.putDocument("trace.json", new Uint8Array());
  assertEquals(await view.document("trace.json"), new Uint8Array());
}

/** Whoever reads while a document is replaced finds one or the other. */
async function replacesDocumentsAsAWhole({ open }: RootUse, rounds: number): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  await using other = await open();
  const view = other.view(held.view.runId);
  // An even number of them: a byte tells whether its round is even.
  const put = (round: number) =>
    held.putDocument("flow.json", new Uint8Array(round % 2 === 0 ? 300_000 : 17).fill(round % 250));
  await put(0);
  for (let round = 1; round <= rounds; round++) {
    const putting = put(round).then(() => true);
    for (let isPut = false; !isPut;) {
      const bytes = await view.document("flow.json");
      assert(bytes !== undefined && bytes.every((byte) => byte === bytes[0]), "a mixture");
      const whole = bytes[0]! % 2 === round % 2 ? round : round - 1;
      assertEquals(bytes.length, whole % 2 === 0 ? 300_000 : 17);
      isPut = await Promise.race([putting, turn()]);
    }
  }
}

/** Lets what is under way go on. */
async function turn(): Promise<false> {
  await crypto.subtle.digest("SHA-256", new Uint8Array());
  return false;
}

async function takesMessages({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using other = await open();
  const held = await root.create({ about: ABOUT });
  const { runId } = held.view;
  await other.post(runId, { op: "a", by: "ada", gate: "ask", value: { n: 1 } });
  await root.post(runId, { op: "b", gate: "ask", denied: true });
  assertEquals((await held.view.lines("inbox")).events.map(({ event }) => event), [
    { op: "a", by: "ada", gate: "ask", value: { n: 1 } },
    { op: "b", gate: "ask", denied: true },
  ]);
  await held[Symbol.asyncDispose]();
  await other.post(runId, { op: "c", stop: "SIGTERM", token: "1" });
  assertEquals((await other.view(runId).lines("inbox")).events[2]?.event, {
    op: "c",
    stop: "SIGTERM",
    token: "1",
  });
}

/** Who does not know whether a message arrived sends it again. */
async function takesAMessageOnce({ open }: RootUse, rounds: number): Promise<void> {
  await using root = await open();
  await using other = await open();
  await using held = await root.create({ about: ABOUT });
  const { runId } = held.view;
  const ops: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const op = `op-${round}`;
    ops.push(op);
    const send = (one: RunsRoot) => one.post(runId, { op, gate: "ask", value: round });
    await Promise.all([send(root), send(other), send(root)]);
    await send(other);
  }
  const { events } = await held.view.lines("inbox", { limit: 1000 });
  assertEquals(events.map(({ event }) => (event as { op: string }).op), ops);
}

async function refusesWhatIsNoMessage({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  const { runId } = held.view;
  const gate = "ask";
  await assertRejects(() => root.post(runId, { op: "", gate }), TypeError);
  assertEquals(await kindOf(() => root.post(runId, { op: "1", gate, value: NaN })), "not-json");
  const huge = "x".repeat(17 * 1024 ** 2);
  assertEquals(await kindOf(() => root.post(runId, { op: "1", gate, value: huge })), "too-large");
  assertEquals((await held.view.lines("inbox")).events, []);
}

async function hasOneKey({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using other = await open();
  const keys = await Promise.all([root.digestKey(), other.digestKey(), root.digestKey()]);
  const { id, key } = keys[0];
  assertEquals(key.length, 32);
  assertNotEquals(key, new Uint8Array(32));
  assert(id.length > 0);
  for (const one of [...keys, await other.digestKey()]) assertEquals(one, { id, key });
}

async function isRemovedWhole({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using other = await open();
  const held = await root.create({ about: ABOUT, runId: "demo-1" });
  await fill(held);
  await held[Symbol.asyncDispose]();
  await other.remove("demo-1");
  assertEquals(await idsOf(root), []);
  for (const call of callsOnMissing(root, "demo-1")) assertEquals(await kindOf(call), "missing");
  await using again = await root.create({ about: ABOUT, runId: "demo-1" });
  assertEquals(await numbersIn(again.view, "capture"), []);
  assertEquals((await again.view.lines("inbox")).events, []);
  assertEquals(await again.view.document("flow.json"), undefined);
  assertEquals(await again.view.output({ nodeId: "a", attempt: 1, stream: "out" }), undefined);
}

async function isNotRemovedUnderItsHolder({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using other = await open();
  await using held = await root.create({ about: ABOUT });
  await fill(held);
  const { runId } = held.view;
  assertEquals(await kindOf(() => other.remove(runId)), "live");
  await held.append({ capture: ['{"n":2}'] });
  await held.barrier();
  assertEquals(await numbersIn(other.view(runId), "capture"), [1, 2]);
  assertEquals(await other.view(runId).document("flow.json"), Uint8Array.of(1));
  assertEquals(await idsOf(other), [runId]);
  assertFalse(held.lost.aborted);
}

async function fill(held: HeldRun): Promise<void> {
  await held.append({ capture: ['{"n":1}'], events: [eventText(held.view.runId, 1)] });
  await held.putDocument("flow.json", Uint8Array.of(1));
  const output = held.openOutput({ nodeId: "a", attempt: 1, stream: "out" }, { maxBytes: 100 });
  output.write(Uint8Array.of(1), Date.now());
  await output.close({ sync: true });
}

async function hasASize({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  const empty = await held.view.size();
  await held.append({ capture: [`{"text":"${"x".repeat(5000)}"}`] });
  const filled = await held.view.size();
  assert(filled >= empty + 5000, `${empty} bytes, then ${filled}`);
}

const RULES: readonly (readonly [name: string, check: RootCheck])[] = [
  ["a new root has no runs, and says so of each", isEmpty],
  ["a run says what it is, and is listed", saysWhatItIs],
  ["the ids that are given out grow", givesOutGreaterIds],
  ["of those who begin one run at the same time one does", beginsARunOnce],
  ["runs are listed in the order of their ids, or the opposite one, by pages", listsByPages],
  ["lines get dense seqs in the order of the calls, waited for or not", appendsInOrder],
  ["a text with a newline is no line, and none of its append is there", refusesWhatIsNoLine],
  ["lines are read by pages, and of a stream without any there are none", readsLinesByPages],
  ["a barrier resolves, whatever was appended and is asked for", isOnDiskBehindABarrier],
  ["events are followed live, and seen at both ends", followsEvents],
  ["documents are kept, replaced and removed", keepsDocuments],
  ["a document is replaced as a whole", replacesDocumentsAsAWhole],
  ["messages are taken with a holder and without", takesMessages],
  ["a message that is sent again is there once", takesAMessageOnce],
  ["what is no message is refused, and not left", refusesWhatIsNoMessage],
  ["a root has one key, whoever asks first", hasOneKey],
  ["a run has a size that grows", hasASize],
  ["a run that is removed is gone, and its id is free", isRemovedWhole],
  ["a run is not removed under its holder", isNotRemovedUnderItsHolder],
];
