import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import type { Cursor, EventLog, Gap, Stored } from "../eventlog/types.ts";
import { serverRules } from "./event_log_server.ts";
import type {
  ContractEvent,
  ContractOptions,
  ContractTest,
  OpenLog,
  ServerFaults,
} from "./types.ts";

/** Provides a new, empty log while `use` runs, and what its server can be made to do, where it has one. */
export type ProvideLog = (
  use: (open: OpenLog, server?: ServerFaults) => Promise<void>,
) => Promise<void>;

/** What a rule is checked with. */
type Check = (open: OpenLog, rounds: number, server?: ServerFaults) => Promise<void>;

const ROUNDS = 20;

/**
 * The contract of the `EventLog` port, for the file log and for every other engine: a test for each rule,
 * in the order in which they build on each other.
 *
 * @param provide Provides a new, empty log for each test.
 * @param options How often what needs luck to fail is tried, and whether a server keeps the log.
 * @returns The tests.
 *
 * @example Usage
 * ```ts
 * import { openEventLog } from "@taffrail/taffrail/eventlog";
 * import { type ContractEvent, eventLogContract } from "@taffrail/taffrail/testing";
 *
 * const tests = eventLogContract(async (use) => {
 *   const root = await Deno.makeTempDir();
 *   await use(() => openEventLog<ContractEvent>({ root, runId: "demo" }));
 * });
 * for (const { name, fn } of tests.slice(0, 3)) {
 *   await fn(); // or Deno.test(name, fn)
 *   console.log(`${name}: ok`);
 * }
 * ```
 */
export function eventLogContract(
  provide: ProvideLog,
  options: ContractOptions = {},
): ContractTest[] {
  const { rounds = ROUNDS, server = false } = options;
  const rules: readonly (readonly [name: string, check: Check])[] = [
    ...RULES,
    ...(server ? serverRules : []),
  ];
  return rules.map(([name, check]) => {
    return { name, fn: () => provide((open, faults) => check(open, rounds, faults)) };
  });
}

const RACERS = 8;

function events(count: number, first = 1): ContractEvent[] {
  return Array.from({ length: count }, (_, index) => ({ n: first + index }));
}

function stored(count: number, first = 1): Stored<ContractEvent>[] {
  return events(count, first).map((event, index) => ({ seq: first + index, event }));
}

/** The kind of the error that a call rejects with. */
async function kindOf(call: () => Promise<unknown>): Promise<unknown> {
  const error = await assertRejects(call, Error);
  return (error as { kind?: unknown }).kind;
}

async function take(
  items: AsyncIterator<Stored<ContractEvent> | Gap>,
  count: number,
): Promise<unknown[]> {
  const taken: unknown[] = [];
  while (taken.length < count) {
    const { value, done } = await items.next();
    assert(!done, `it ended after ${taken.length} of ${count} events`);
    taken.push(value);
  }
  return taken;
}

function iterate(
  log: EventLog<ContractEvent>,
  options: Parameters<EventLog<ContractEvent>["follow"]>[0] = {},
): AsyncIterator<Stored<ContractEvent> | Gap> {
  return log.follow(options)[Symbol.asyncIterator]();
}

async function isEmpty(open: OpenLog): Promise<void> {
  await using log = await open();
  assertEquals(await log.lastSeq(), 0);
  const { events, gaps, hasMore, next } = await log.read();
  assertEquals([events, gaps, hasMore], [[], [], false]);
  await log.append({ n: 1 });
  assertEquals((await log.read({ after: next })).events, stored(1));
}

async function numbersEvents(open: OpenLog): Promise<void> {
  await using log = await open();
  assertEquals(await log.append({ n: 1 }), { firstSeq: 1, lastSeq: 1 });
  assertEquals(await log.append({ n: 2, text: "é\n😀" }), { firstSeq: 2, lastSeq: 2 });
  assertEquals((await log.read()).events, [
    { seq: 1, event: { n: 1 } },
    { seq: 2, event: { n: 2, text: "é\n😀" } },
  ]);
  assertEquals(await log.lastSeq(), 2);
}

async function takesEventsAsTheyAre(open: OpenLog): Promise<void> {
  await using log = await open();
  const event = { n: 1 };
  const batch = [{ n: 2 }];
  const appending = [log.append(event), log.appendAll(batch)];
  event.n = 100;
  batch[0]!.n = 100;
  batch.push({ n: 3 });
  await Promise.all(appending);
  assertEquals((await log.read()).events, stored(2));
}

async function appendsBatches(open: OpenLog): Promise<void> {
  await using log = await open();
  assertEquals(await log.appendAll([]), { firstSeq: 1, lastSeq: 0 });
  assertEquals(await log.appendAll(events(3)), { firstSeq: 1, lastSeq: 3 });
  assertEquals(await log.appendAll([]), { firstSeq: 4, lastSeq: 3 });
  assertEquals(await log.appendAll(events(2, 4)), { firstSeq: 4, lastSeq: 5 });
  assertEquals((await log.read()).events, stored(5));
}

async function keepsCallOrder(open: OpenLog): Promise<void> {
  await using log = await open();
  const appended = await Promise.all(events(50).map((event) => log.append(event)));
  assertEquals(appended.map(({ firstSeq }) => firstSeq), events(50).map(({ n }) => n));
  assertEquals((await log.read()).events, stored(50));
}

async function refusesOneEventOnly(open: OpenLog): Promise<void> {
  await using log = await open();
  const first = log.append({ n: 1 });
  const bad = log.append({ n: NaN });
  const batch = log.appendAll([{ n: 7 }, { n: Infinity }]);
  const second = log.append({ n: 2 });
  await assertRejects(() => bad, TypeError);
  await assertRejects(() => batch, TypeError);
  await Promise.all([first, second]);
  assertEquals((await log.read()).events, stored(2));
}

async function expectsTheLastSeq(open: OpenLog): Promise<void> {
  await using log = await open();
  await log.append({ n: 1 }, { expectedLastSeq: 0 });
  await log.appendAll(events(2, 2), { expectedLastSeq: 1 });
  for (const expectedLastSeq of [0, 2, 4]) {
    const error = await assertRejects(() => log.append({ n: 9 }, { expectedLastSeq }), Error);
    const { kind, details } = error as Error & { kind?: string; details?: object };
    const wanted = { ...details, expected: expectedLastSeq, actual: 3 };
    assertEquals({ kind, details }, { kind: "conflict", details: wanted });
    assertEquals(await kindOf(() => log.appendAll([], { expectedLastSeq })), "conflict");
  }
  for (const expectedLastSeq of [-1, 1.5, NaN]) {
    await assertRejects(() => log.append({ n: 9 }, { expectedLastSeq }), RangeError);
  }
  assertEquals((await log.read()).events, stored(3));
}

async function expectsInOrder(open: OpenLog): Promise<void> {
  await using log = await open();
  const outcomes = await Promise.allSettled([
    log.append({ n: 1 }, { expectedLastSeq: 0 }),
    log.append({ n: 9 }, { expectedLastSeq: 0 }),
    log.append({ n: 2 }),
    log.append({ n: 9 }, { expectedLastSeq: 1 }),
    log.append({ n: 3 }, { expectedLastSeq: 2 }),
  ]);
  assertEquals(outcomes.map(({ status }) => status === "fulfilled"), [
    true,
    false,
    true,
    false,
    true,
  ]);
  assertEquals((await log.read()).events, stored(3));
}

/** Everybody expects the same seq: one wins each round, and exactly that one's event is there. */
async function race(
  log: EventLog<ContractEvent>,
  { racers, rounds }: { racers: EventLog<ContractEvent>[]; rounds: number },
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const expectedLastSeq = await log.lastSeq();
    const outcomes = await Promise.allSettled(
      racers.map((racer, n) => racer.append({ n }, { expectedLastSeq })),
    );
    const winners = outcomes.flatMap(({ status }, n) => status === "fulfilled" ? [n] : []);
    assertEquals(winners.length, 1, `round ${round}: ${winners.length} won`);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") assertEquals(outcome.reason.kind, "conflict");
    }
    assertEquals((await log.read({ after: expectedLastSeq })).events, [
      { seq: expectedLastSeq + 1, event: { n: winners[0]! } },
    ]);
  }
}

async function hasOneWinnerAmongCallers(open: OpenLog, rounds: number): Promise<void> {
  await using log = await open();
  await race(log, { racers: Array.from({ length: RACERS }, () => log), rounds });
}

async function hasOneWinnerAmongHandles(open: OpenLog, rounds: number): Promise<void> {
  await using log = await open();
  const racers: EventLog<ContractEvent>[] = [];
  try {
    for (let n = 0; n < RACERS; n++) racers.push(await open());
    await race(log, { racers, rounds });
  } finally {
    for (const racer of racers) await racer[Symbol.asyncDispose]();
  }
}

async function readsPages(open: OpenLog): Promise<void> {
  await using log = await open();
  await log.appendAll(events(250));
  assertEquals((await log.read()).events, stored(100));
  const read: unknown[] = [];
  let after: Cursor | number = 0;
  for (let pages = 1;; pages++) {
    const page: Awaited<ReturnType<typeof log.read>> = await log.read({ after, limit: 60 });
    assert(page.events.length <= 60);
    read.push(...page.events);
    after = page.next;
    assertEquals(page.hasMore, pages < 5);
    if (!page.hasMore) break;
  }
  assertEquals(read, stored(250));
  assertEquals((await log.read({ after: 248 })).events, stored(2, 249));
  assertEquals((await log.read({ after: 250 })).events, []);
  assertEquals((await log.read({ after: "end" })).events, []);
  assertEquals((await log.read({ limit: 10_000 })).events.length, 250);
}

async function goesOnFromACursor(open: OpenLog): Promise<void> {
  await using log = await open();
  await log.appendAll(events(3));
  const { next } = await log.read({ limit: 2 });
  await log.append({ n: 4 });
  assertEquals((await log.read({ after: next })).events, stored(2, 3));
  await using other = await open();
  assertEquals((await other.read({ after: next })).events, stored(2, 3));
}

async function refusesBadPlaces(open: OpenLog): Promise<void> {
  await using log = await open();
  await log.appendAll(events(3));
  for (const limit of [0, -1, 1.5, 10_001, NaN]) {
    await assertRejects(() => log.read({ limit }), RangeError);
  }
  for (const after of [-1, 0.5, NaN]) await assertRejects(() => log.read({ after }), RangeError);
  await assertRejects(() => log.read({ after: "no cursor" }), TypeError);
  assertEquals(await kindOf(() => log.read({ after: 4 })), "cursor");
}

async function givesUpBySignal(open: OpenLog): Promise<void> {
  await using log = await open();
  const reason = new Error("given up");
  const signal = AbortSignal.abort(reason);
  for (
    const call of [
      () => log.append({ n: 9 }, { signal }),
      () => log.appendAll(events(2), { signal }),
      () => log.read({ signal }),
    ]
  ) assertEquals(await assertRejects(call), reason);
  const late = new AbortController();
  await log.append({ n: 1 }, { signal: late.signal });
  late.abort();
  assertEquals((await log.read()).events, stored(1));
}

async function followsLive(open: OpenLog): Promise<void> {
  await using log = await open();
  await using other = await open();
  await log.appendAll(events(5));
  const items = iterate(other);
  assertEquals(await take(items, 5), stored(5));
  for (let n = 6; n <= 30; n++) {
    const next = items.next();
    await log.append({ n });
    assertEquals((await next).value, { seq: n, event: { n } });
  }
  await log.appendAll(events(120, 31));
  assertEquals(await take(items, 120), stored(120, 31));
  await items.return?.();
}

async function followsFromAPlace(open: OpenLog): Promise<void> {
  await using log = await open();
  await log.appendAll(events(5));
  const { next } = await log.read({ limit: 3 });
  for (const after of [3, next]) {
    const items = iterate(log, { after });
    assertEquals(await take(items, 2), stored(2, 4));
    await items.return?.();
  }
  const items = iterate(log, { after: "end" });
  const waiting = items.next();
  await log.append({ n: 6 });
  assertEquals((await waiting).value, { seq: 6, event: { n: 6 } });
  await items.return?.();
}

async function stopsFollowing(open: OpenLog): Promise<void> {
  const log = await open();
  await log.appendAll(events(2));
  const controller = new AbortController();
  const bySignal = Array.fromAsync(log.follow({ signal: controller.signal }));
  const byClose = Array.fromAsync(log.follow());
  const byReturn = iterate(log, { after: "end" });
  const waiting = byReturn.next();
  for await (const { seq } of log.follow()) if (seq === 2) break;
  await byReturn.return?.();
  assert((await waiting).done);
  controller.abort();
  assertEquals(await bySignal, stored(2));
  await log[Symbol.asyncDispose]();
  assertEquals(await byClose, stored(2));
}

async function answersBeforeItCloses(open: OpenLog): Promise<void> {
  const log = await open();
  const appending = events(20).map((event) => log.append(event));
  await log[Symbol.asyncDispose]();
  assertEquals((await Promise.all(appending)).at(-1), { firstSeq: 20, lastSeq: 20 });
  assertEquals(await kindOf(() => log.append({ n: 21 })), "closed");
  assertEquals(await kindOf(() => log.appendAll(events(2))), "closed");
  await log[Symbol.asyncDispose]();
  await using again = await open();
  assertEquals((await again.read()).events, stored(20));
}

async function isSharedByHandles(open: OpenLog): Promise<void> {
  await using log = await open();
  await using other = await open();
  assertEquals(log.runId, other.runId);
  assertFalse(log.runId === "");
  for (let n = 1; n <= 20; n++) {
    const seqs = await (n % 2 === 0 ? log : other).append({ n }, { durability: "disk" });
    assertEquals(seqs, { firstSeq: n, lastSeq: n });
  }
  assertEquals(await log.lastSeq(), 20);
  assertEquals((await log.read()).events, (await other.read()).events);
}

/** Who does not know whether an append arrived sends it again, behind the same seq. */
async function isSentAgain(open: OpenLog): Promise<void> {
  await using log = await open();
  await log.appendAll(events(2));
  const batch = events(3, 3);
  await log.appendAll(batch, { expectedLastSeq: 2 });
  assertEquals(await kindOf(() => log.appendAll(batch, { expectedLastSeq: 2 })), "conflict");
  await using other = await open();
  assertEquals(await kindOf(() => other.appendAll(batch, { expectedLastSeq: 2 })), "conflict");
  const both = await Promise.allSettled([
    log.append({ n: 6 }, { expectedLastSeq: 5 }),
    other.append({ n: 6 }, { expectedLastSeq: 5 }),
  ]);
  assertEquals(both.filter(({ status }) => status === "fulfilled").length, 1);
  assertEquals((await log.read()).events, stored(6));
}

/** Every rule, in the order in which they build on each other. */
const RULES: readonly (readonly [name: string, check: Check])[] = [
  ["a new log is empty", isEmpty],
  ["events get the seqs 1, 2, … and are read as they were appended", numbersEvents],
  ["an event is taken as it is at the call", takesEventsAsTheyAre],
  ["a batch gets consecutive seqs, and an empty one none", appendsBatches],
  ["callers at the same time get their seqs in call order", keepsCallOrder],
  ["what JSON cannot hold rejects its own caller only", refusesOneEventOnly],
  ["expectedLastSeq is checked, 0 for empty, and nothing written", expectsTheLastSeq],
  ["expectedLastSeq is checked in call order", expectsInOrder],
  ["of equal expectedLastSeq from 8 callers one wins", hasOneWinnerAmongCallers],
  ["of equal expectedLastSeq from 8 handles one wins", hasOneWinnerAmongHandles],
  ["pages follow each other without gap or repetition", readsPages],
  ["a cursor goes on where its page ended, for all handles", goesOnFromACursor],
  ["limits and places that are none are refused", refusesBadPlaces],
  ["an aborted signal gives up, a late one does nothing", givesUpBySignal],
  ["follow catches up, then delivers what comes", followsLive],
  ["follow begins behind a seq, a cursor or the end", followsFromAPlace],
  ["follow ends by signal, by leaving the loop and by closing", stopsFollowing],
  ["closing answers who waits and refuses who comes", answersBeforeItCloses],
  ["handles share one log", isSharedByHandles],
  ["what is sent again behind the same seq is there once", isSentAgain],
];
