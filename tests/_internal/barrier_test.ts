import { assert, assertEquals, assertRejects } from "@std/assert";
import { Barrier, turn } from "../../_internal/barrier.ts";

/** A barrier over a counter, whose syncs end when they are told to. */
function controlled() {
  let begins = Promise.withResolvers<void>();
  const state = {
    position: 0,
    syncs: [] as PromiseWithResolvers<void>[],
    begun: [] as number[],
    /** Resolves when the next sync begins. */
    nextBegins: () => begins.promise,
  };
  const barrier = new Barrier({
    position: () => state.position,
    sync: () => {
      const sync = Promise.withResolvers<void>();
      state.syncs.push(sync);
      state.begun.push(state.position);
      begins.resolve();
      begins = Promise.withResolvers();
      return sync.promise;
    },
  });
  return { state, barrier };
}

Deno.test("all who wait in one turn share one sync, which begins when the turn is over", async () => {
  const { state, barrier } = controlled();
  state.position = 1;
  const first = barrier.reach();
  // Many microtasks later, in the same turn.
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  state.position = 2;
  const second = barrier.reach();
  assertEquals(state.begun, []);
  await state.nextBegins();
  assertEquals(state.begun, [2]);
  state.syncs[0]!.resolve();
  await Promise.all([first, second]);
  assertEquals(barrier.synced, 2);
});

Deno.test("what was appended while a sync was under way waits for the next one", async () => {
  const { state, barrier } = controlled();
  state.position = 1;
  const first = barrier.reach();
  await state.nextBegins();
  state.position = 2;
  let isReached = false;
  const second = barrier.reach().then(() => isReached = true);
  state.syncs[0]!.resolve();
  await first;
  assertEquals([barrier.synced, isReached, state.begun], [1, false, [1]]);
  await state.nextBegins();
  assertEquals([isReached, state.begun], [false, [1, 2]]);
  state.syncs[1]!.resolve();
  await second;
  assertEquals(barrier.synced, 2);
});

Deno.test("what is on disk already needs no sync, nor does nothing", async () => {
  const { state, barrier } = controlled();
  await barrier.reach();
  state.position = 3;
  barrier.moveTo(3);
  await barrier.reach();
  barrier.moveTo(1);
  await barrier.reach(2);
  assertEquals([barrier.synced, state.begun], [3, []]);
});

Deno.test("a sync that was made by somebody else before this one begins is not made again", async () => {
  const { state, barrier } = controlled();
  state.position = 1;
  const reached = barrier.reach();
  barrier.moveTo(1);
  await reached;
  assertEquals(state.begun, []);
});

Deno.test("a failure is for good: all who wait get it, and all who come later", async () => {
  const { state, barrier } = controlled();
  const failure = new Error("no space");
  state.position = 1;
  const first = barrier.reach();
  await state.nextBegins();
  state.position = 2;
  const second = barrier.reach();
  state.syncs[0]!.reject(failure);
  for (const waiting of [first, second]) {
    assertEquals(await assertRejects(() => waiting, Error), failure);
  }
  state.position = 3;
  assertEquals(await assertRejects(() => barrier.reach(), Error), failure);
  assertEquals([state.begun, barrier.synced], [[1], 0]);
});

Deno.test("a sync that blocks is one too", async () => {
  let position = 5;
  let syncs = 0;
  const barrier = new Barrier({ position: () => position, sync: () => void syncs++, synced: 5 });
  await barrier.reach();
  position = 6;
  await Promise.all([barrier.reach(), barrier.reach()]);
  assertEquals([barrier.synced, syncs], [6, 1]);
});

Deno.test("a sync that throws before it has made a promise fails like any", async () => {
  const failure = new TypeError("closed");
  const barrier = new Barrier({
    position: () => 1,
    sync: () => {
      throw failure;
    },
  });
  assertEquals(await assertRejects(() => barrier.reach(), TypeError), failure);
});

async function checkTurns(): Promise<void> {
  const steps: string[] = [];
  const work = async (name: string) => {
    for (let awaits = 0; awaits < 100; awaits++) await undefined;
    steps.push(name);
  };
  const first = turn().then(() => steps.push("first"));
  await Promise.resolve();
  const second = turn().then(() => steps.push("second"));
  void work("work of the first");
  await first;
  // Its task has its answer, and what is begun only now is not over.
  const third = turn().then(() => steps.push("third"));
  void work("work of the third");
  await Promise.all([second, third]);
  const [one, ...rest] = steps;
  assertEquals([one, rest.toSorted()], [
    "work of the first",
    ["first", "second", "third", "work of the third"],
  ]);
  assert(steps.indexOf("work of the third") < steps.indexOf("third"), steps.join());
}

Deno.test("who waits for a turn to be over gets behind the microtasks of the turn, whoever asked before", async () => {
  await checkTurns();
  // Behind the first turns of a program immediates end them.
  for (let turns = 0; turns < 200; turns++) await turn();
  await checkTurns();
});

Deno.test("a sync for which somebody has waited until the turn is over begins at once", async () => {
  const { state, barrier } = controlled();
  await turn();
  state.position = 1;
  const reached = barrier.reach();
  assertEquals(state.begun, [1]);
  state.syncs[0]!.resolve();
  await reached;
  // Whatever comes behind that is another turn.
  await turn();
  await undefined;
  state.position = 2;
  const next = barrier.reach();
  assertEquals(state.begun, [1]);
  await state.nextBegins();
  state.syncs[1]!.resolve();
  await next;
});
