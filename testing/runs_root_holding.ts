/** The rules of holding a run: alone, until it is given up or the holder dies, and never again after that. */
import { assert, assertEquals } from "@std/assert";
import type { HeldRun } from "../run/types.ts";
import {
  eventText,
  HolderProcess,
  kindOf,
  numbersIn,
  type RootCheck,
  type RootUse,
} from "./runs_root_use.ts";

const ABOUT = { name: "demo" };

async function isHeldAlone({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using other = await open();
  const held = await root.create({ about: ABOUT });
  const { runId } = held.view;
  const holder = await other.view(runId).holder();
  assert(holder !== undefined);
  // By a message it is asked to stop where it is known by its token, else by a signal.
  if (holder.token !== undefined) assertEquals(holder.token, held.token);
  for (const one of [root, other]) {
    assertEquals(await kindOf(() => one.hold(runId, { timeoutMs: 0 })), "live");
    assertEquals(await kindOf(() => one.hold(runId)), "live");
  }
  await held[Symbol.asyncDispose]();
  await held[Symbol.asyncDispose]();
  assertEquals(await other.view(runId).holder(), undefined);
  const again = await other.hold(runId, { timeoutMs: 0 });
  assertEquals(await kindOf(() => root.hold(runId)), "live");
  await again[Symbol.asyncDispose]();
}

async function oneOfManyHolds({ open }: RootUse, rounds: number): Promise<void> {
  const roots = await Promise.all([open(), open(), open()]);
  const { view: { runId }, [Symbol.asyncDispose]: giveUp } = await create(roots[0]!);
  await giveUp();
  for (let round = 0; round < rounds; round++) {
    const holding = await Promise.allSettled(
      roots.map((root) => root.hold(runId, { timeoutMs: 0 })),
    );
    const held = holding.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    const kinds = holding.flatMap((one) => one.status === "rejected" ? [one.reason.kind] : []);
    for (const one of held) await one[Symbol.asyncDispose]();
    assertEquals([held.length, ...kinds], [1, "live", "live"], `round ${round}`);
  }
  for (const root of roots) await root[Symbol.asyncDispose]();
}

async function create(root: Awaited<ReturnType<RootUse["open"]>>) {
  const held = await root.create({ about: ABOUT });
  return { view: held.view, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
}

async function isWaitedFor({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using other = await open();
  const held = await root.create({ about: ABOUT });
  const waiting = other.hold(held.view.runId, { timeoutMs: 60_000 });
  await held.append({ capture: ['{"n":1}'] });
  await held[Symbol.asyncDispose]();
  await using next = await waiting;
  assertEquals(await numbersIn(next.view, "capture"), [1]);
}

/** What a holder that is none any more sends is refused. */
async function isFenced({ open }: RootUse): Promise<void> {
  await using root = await open();
  const old = await root.create({ about: ABOUT });
  const { runId } = old.view;
  await old.append({ capture: ['{"n":1}'], events: [eventText(runId, 1)] });
  await old.putDocument("flow.json", Uint8Array.of(1));
  await old[Symbol.asyncDispose]();
  await refusesAll(old);
  await using held = await root.hold(runId);
  assert(held.token > old.token, `${held.token} behind ${old.token}`);
  await held.append({ capture: ['{"n":2}'] });
  await refusesAll(old);
  await held.append({ capture: ['{"n":3}'] });
  assertEquals(await numbersIn(held.view, "capture"), [1, 2, 3]);
  assertEquals(await held.view.document("flow.json"), Uint8Array.of(1));
  assertEquals((await held.view.events.read()).events.length, 1);
}

async function refusesAll(held: HeldRun): Promise<void> {
  const of = { nodeId: "a", attempt: 1, stream: "out" } as const;
  const calls = [
    () => held.append({ capture: ['{"n":9}'] }),
    () => held.append({ events: [eventText(held.view.runId, 9)] }),
    () => held.barrier(),
    () => held.putDocument("flow.json", Uint8Array.of(9)),
    // deno-lint-ignore require-await -- it throws at once, and so rejects
    async () => held.openOutput(of, { maxBytes: 10 }),
  ];
  for (const call of calls) assertEquals(await kindOf(call), "lost");
}

async function isFreeWhenItsHolderDies(use: RootUse): Promise<void> {
  await using root = await use.open();
  const { view, [Symbol.asyncDispose]: giveUp } = await create(root);
  await giveUp();
  await using holder = new HolderProcess(use, view.runId);
  const token = await holder.token();
  assertEquals((await view.holder())?.pid ?? holder.pid, holder.pid);
  assertEquals(await kindOf(() => root.hold(view.runId)), "live");
  assertEquals(await kindOf(() => root.remove(view.runId)), "live");
  holder.kill("SIGKILL");
  assertEquals(await holder.line(), undefined);
  await using held = await root.hold(view.runId, { timeoutMs: 60_000 });
  assert(held.token > token, `${held.token} behind ${token}`);
  assertEquals(await numbersIn(view, "capture"), [1, 2]);
  assertEquals(await numbersIn(view, "processes"), [holder.pid]);
  assertEquals(await view.events.lastSeq(), 1);
  await held.append({ capture: ['{"n":3}'] });
  assertEquals(await numbersIn(view, "capture"), [1, 2, 3]);
}

/** The rules of holding. */
export const holdingRules: readonly (readonly [name: string, check: RootCheck])[] = [
  ["a run is held alone", isHeldAlone],
  ["of those who want to hold a run at the same time one does", oneOfManyHolds],
  ["a run that is given up is held by whoever waits", isWaitedFor],
  ["what a former holder sends is refused", isFenced],
  ["a run is free when its holder dies, and has what it appended", isFreeWhenItsHolderDies],
];
