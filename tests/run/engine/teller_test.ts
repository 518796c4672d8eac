import { assertEquals, assertRejects } from "@std/assert";
import { RunFold } from "../../../eventlog/mod.ts";
import { nodeEnded, nodeStarted } from "../../../run/engine/lifecycle.ts";
import { Teller } from "../../../run/engine/teller.ts";
import type { HeldRun } from "../../../run/types.ts";

/** A teller, and what is done by it in order; each barrier waits until it is let through. */
class Telling {
  readonly steps: string[] = [];
  readonly barriers: PromiseWithResolvers<void>[] = [];
  readonly failures: unknown[] = [];
  readonly fold = new RunFold();
  failure: Error | undefined;
  readonly teller: Teller;
  #asked = Promise.withResolvers<void>();

  constructor() {
    const append = ({ events = [] }: { events?: readonly string[] }) => {
      if (this.failure !== undefined) return Promise.reject(this.failure);
      this.steps.push(events.map((line) => outline(JSON.parse(line))).join(", "));
      return Promise.resolve();
    };
    this.teller = new Teller({
      held: { view: { runId: "r" }, append } as unknown as HeldRun,
      fold: this.fold,
      barrier: () => {
        const barrier = Promise.withResolvers<void>();
        this.barriers.push(barrier);
        this.#asked.resolve();
        return barrier.promise;
      },
      onFailure: (error) => this.failures.push(error),
    });
  }

  /** The next barrier that is asked for. */
  async asked(): Promise<PromiseWithResolvers<void>> {
    await this.#asked.promise;
    this.#asked = Promise.withResolvers();
    return this.barriers.at(-1)!;
  }

  begins(nodeId: string, happened?: Promise<boolean>): void {
    this.teller.tell({
      event: () => nodeStarted(0, { nodeId, attempt: 1 }, { kind: "command" }),
      ...(happened && { happened }),
      then: () => this.steps.push(`said begin ${nodeId}`),
    });
  }

  ends(nodeId: string): void {
    const end = { termination: "Completed", end: {} } as const;
    this.teller.tell({
      event: () => nodeEnded(0, { nodeId, attempt: 1 }, end),
      then: () => this.steps.push(`said end ${nodeId}`),
    });
  }
}

function outline({ type, node_id: nodeId }: { type: string; node_id: string }): string {
  return `${type === "node.started" ? "begin" : "end"} ${nodeId}`;
}

Deno.test("what is told in one turn is told behind one barrier, by one write, in its order", async () => {
  const telling = new Telling();
  telling.ends("a");
  await Promise.resolve();
  telling.begins("b");
  const barrier = await telling.asked();
  assertEquals(telling.steps, []);
  barrier.resolve();
  await telling.teller.told();
  assertEquals(telling.steps, ["end a, begin b", "said end a", "said begin b"]);
  assertEquals(telling.barriers.length, 1);
  assertEquals([...telling.fold.nodes()].map(({ id }) => id), ["a", "b"]);
});

Deno.test("what is told while a barrier is under way waits for the next one", async () => {
  const telling = new Telling();
  telling.begins("a");
  const first = await telling.asked();
  telling.ends("a");
  first.resolve();
  const second = await telling.asked();
  assertEquals(telling.steps, ["begin a", "said begin a"]);
  second.resolve();
  await telling.teller.told();
  assertEquals(telling.steps.slice(2), ["end a", "said end a"]);
});

Deno.test("an end stands before the begin that it made ready, which is told when it is known to have happened", async () => {
  const telling = new Telling();
  const [called, notCalled] = [Promise.withResolvers<boolean>(), Promise.withResolvers<boolean>()];
  telling.ends("a");
  telling.begins("b", called.promise);
  telling.begins("c", notCalled.promise);
  telling.ends("d");
  (await telling.asked()).resolve();
  // The log waits for what begins; it is not the other way round.
  notCalled.resolve(false);
  await notCalled.promise;
  assertEquals(telling.steps, []);
  called.resolve(true);
  await telling.teller.told();
  assertEquals(telling.steps, [
    "end a, begin b, end d",
    "said end a",
    "said begin b",
    "said end d",
  ]);
});

Deno.test("once something could not be told nothing more is, and that is said once", async () => {
  for (const what of ["barrier", "append"]) {
    const telling = new Telling();
    const failure = new Error("no space");
    telling.begins("a");
    const barrier = await telling.asked();
    telling.begins("b");
    if (what === "barrier") barrier.reject(failure);
    else {
      telling.failure = failure;
      barrier.resolve();
    }
    assertEquals(await assertRejects(() => telling.teller.told()), failure);
    telling.failure = undefined;
    telling.ends("a");
    assertEquals(await assertRejects(() => telling.teller.told()), failure);
    assertEquals([telling.steps, telling.failures, telling.barriers.length], [[], [failure], 1]);
    // The end of the run is written past the queue.
    await telling.teller.write([nodeEnded(0, { nodeId: "a", attempt: 1 }, {
      termination: "Completed",
      end: {},
    })]);
    assertEquals(telling.steps, ["end a"]);
  }
});

Deno.test("there is nothing to wait for where nothing was told", async () => {
  const telling = new Telling();
  await telling.teller.told();
  await telling.teller.write([]);
  assertEquals([telling.steps, telling.barriers], [[], []]);
});
