/**
 * The rules of a root that a server keeps: connections end, the server crashes and comes back without its last
 * moments, and a holder that is frozen is not seen to be. Nothing of that loses or doubles a line silently.
 */
import { assert, assertEquals, assertFalse } from "@std/assert";
import type { HeldRun, RunsRoot } from "../run/types.ts";
import {
  eventText,
  faultsOf,
  HolderProcess,
  kindOf,
  numbersIn,
  type RootCheck,
  type RootUse,
} from "./runs_root_use.ts";

const ABOUT = { name: "demo" };

async function isHeldThroughInterruptions(use: RootUse, rounds: number): Promise<void> {
  const server = faultsOf(use.server);
  await using root = await use.open();
  await using other = await use.open();
  await using held = await root.create({ about: ABOUT });
  const { runId } = held.view;
  let count = 0;
  for (let round = 0; round < rounds; round++) {
    const appending: Promise<void>[] = [];
    const append = () => appending.push(held.append({ capture: [`{"n":${++count}}`] }));
    for (let n = 0; n < 5; n++) append();
    const interrupting = server.interrupt();
    for (let n = 0; n < 5; n++) append();
    await interrupting;
    append();
    await Promise.all([...appending, held.barrier()]);
  }
  assertEquals(await numbersOf(held), Array.from({ length: count }, (_, at) => at + 1));
  await untilHeld(other, runId);
  assertEquals(await kindOf(() => other.hold(runId)), "live");
  assertFalse(held.lost.aborted);
}

/** All numbers in the journal of a run, by pages. */
async function numbersOf({ view }: HeldRun): Promise<unknown[]> {
  const numbers: unknown[] = [];
  for (let after: Parameters<typeof view.lines>[1] = {};;) {
    const page = await view.lines("capture", { ...after, limit: 1000 });
    numbers.push(...page.events.map(({ event }) => (event as { n: unknown }).n));
    if (!page.hasMore) return numbers;
    after = { after: page.next };
  }
}

/** Whose session was lost takes the run again in a moment. */
async function untilHeld(root: RunsRoot, runId: string): Promise<void> {
  while (await root.view(runId).holder() === undefined) { /* It is asked again. */ }
}

async function isReadThroughInterruptions(use: RootUse, rounds: number): Promise<void> {
  const server = faultsOf(use.server);
  await using root = await use.open();
  await using other = await use.open();
  await using held = await root.create({ about: ABOUT });
  const { runId } = held.view;
  const items = other.view(runId).events.follow()[Symbol.asyncIterator]();
  for (let round = 0; round < rounds; round++) {
    const seqs = [2 * round + 1, 2 * round + 2];
    await held.append({ events: [eventText(runId, seqs[0]!)] });
    if (round % 2 === 0) assertEquals((await items.next()).value?.seq, seqs[0]);
    await server.interrupt();
    await held.append({ events: [eventText(runId, seqs[1]!)] });
    if (round % 2 === 1) assertEquals((await items.next()).value?.seq, seqs[0]);
    assertEquals((await items.next()).value?.seq, seqs[1]);
    assertEquals(await other.view(runId).events.lastSeq(), seqs[1]);
  }
  await items.return?.();
}

/** What a holder was told to be recorded, and is not any more, it is told of before it goes on. */
async function tellsItsHolderWhatIsLost(use: RootUse): Promise<void> {
  const server = faultsOf(use.server);
  await using root = await use.open();
  const held = await root.create({ about: ABOUT });
  const { runId } = held.view;
  await held.append({ capture: ['{"n":1}'], events: [eventText(runId, 1)] });
  await held.barrier();
  await server.rewind(() => held.append({ capture: ['{"n":2}'] }));
  assertEquals(await kindOf(() => held.append({ capture: ['{"n":3}'] })), "rewound");
  assertEquals(await kindOf(() => held.barrier()), "rewound");
  assert(held.lost.aborted);
  await held[Symbol.asyncDispose]();
  await using again = await root.hold(runId, { timeoutMs: 60_000 });
  assertEquals(await numbersIn(again.view, "capture"), [1]);
  await again.append({ capture: ['{"n":4}'] });
  assertEquals(await numbersIn(again.view, "capture"), [1, 4]);
}

/** Also where other lines stand in the place of those that are lost. */
async function tellsItsReadersWhatIsLost(use: RootUse): Promise<void> {
  const server = faultsOf(use.server);
  await using root = await use.open();
  await using other = await use.open();
  const held = await root.create({ about: ABOUT });
  const { runId } = held.view;
  const view = other.view(runId);
  const append = (one: HeldRun, n: number) => one.append({ events: [eventText(runId, n)] });
  await append(held, 1);
  await held.barrier();
  const behind = view.events.follow()[Symbol.asyncIterator]();
  const beyond = view.events.follow()[Symbol.asyncIterator]();
  for (const items of [behind, beyond]) assertEquals((await items.next()).value?.seq, 1);
  const kept = (await view.events.read()).next;
  let lost = kept;
  await server.rewind(async () => {
    await append(held, 2);
    assertEquals((await beyond.next()).value?.seq, 2);
    lost = (await view.events.read()).next;
  });
  await held[Symbol.asyncDispose]();
  await using again = await root.hold(runId, { timeoutMs: 60_000 });
  assertEquals(await kindOf(() => view.events.read({ after: lost })), "cursor");
  await append(again, 3);
  assertEquals(await kindOf(() => beyond.next()), "cursor");
  assertEquals(await kindOf(() => view.events.read({ after: lost })), "cursor");
  const { value } = await behind.next();
  assertEquals([value?.seq, numberOf(value)], [2, 3]);
  assertEquals((await view.events.read({ after: kept })).events.map(numberOf), [3]);
  await behind.return?.();
}

function numberOf(item: unknown): unknown {
  return (item as { event: { n: unknown } }).event.n;
}

/** The server takes a process that is frozen for one that lives. */
async function isTakenFromAFrozenHolder(use: RootUse): Promise<void> {
  await using root = await use.open();
  const created = await root.create({ about: ABOUT });
  const { runId } = created.view;
  await created[Symbol.asyncDispose]();
  await using holder = new HolderProcess(use, runId);
  const token = await holder.token();
  holder.kill("SIGSTOP");
  assertEquals(await kindOf(() => root.hold(runId)), "live");
  await using held = await root.hold(runId, { takeOver: true });
  assert(held.token > token, `${held.token} behind ${token}`);
  await held.append({ capture: ['{"n":3}'] });
  holder.kill("SIGCONT");
  assertEquals(await holder.append(), "lost");
  await held.append({ capture: ['{"n":4}'] });
  await holder.end();
  assertEquals(await numbersIn(held.view, "capture"), [1, 2, 3, 4]);
  assertEquals(await kindOf(() => root.hold(runId)), "live");
  assertFalse(held.lost.aborted);
}

/** The rules of roots that a server keeps. */
export const serverRules: readonly (readonly [name: string, check: RootCheck])[] = [
  ["a run stays held through interruptions, and has each line once", isHeldThroughInterruptions],
  ["whoever follows goes on behind an interruption", isReadThroughInterruptions],
  ["a holder is told what a crash of the server took back", tellsItsHolderWhatIsLost],
  ["whoever reads is told what a crash of the server took back", tellsItsReadersWhatIsLost],
  ["a frozen holder is taken over, and refused when it wakes", isTakenFromAFrozenHolder],
];
