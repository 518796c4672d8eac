/**
 * A server that goes away in the middle of a run: for a while, or for ever, with a standby in its place. What is
 * shown: nothing is ended that runs, nothing that was acknowledged is lost where the standby had it, and where
 * it had not, both the writer and whoever follows are told.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { migratePostgres, openPostgresRoot, type PostgresClient } from "../../postgres/mod.ts";
import { openRun, type Run } from "../../run/mod.ts";
import type { HeldRun, RunsRoot } from "../../run/types.ts";
import { longCount } from "../_util/temp.ts";
import { clientBySocket, clientOf } from "./_client.ts";
import { failOver, leaveBehind, requireStandby, until, withCluster } from "./_failover.ts";
import { type OwnServer, type PostgresServer, startServer } from "./_server.ts";

const STEPS = longCount(40, 400);

/** What the steps of a run saw. */
class Steps {
  /** How often each was begun. */
  readonly begun = new Map<number, number>();
  /** Those whose result the program was given. */
  readonly told = new Set<number>();
  /** Those that were begun although their result had been given. */
  readonly again: number[] = [];
  /** How many were told to end. */
  aborted = 0;

  /** Runs those from `first` to `last`, a few at a time. */
  async run(run: Run, { first, last }: { first: number; last: number }): Promise<void> {
    const numbers = Array.from({ length: last - first + 1 }, (_, at) => first + at);
    const running = numbers.map(async (n) => {
      const result = await run.step(`step-${n}`, ({ signal }) => {
        this.begun.set(n, (this.begun.get(n) ?? 0) + 1);
        if (this.told.has(n)) this.again.push(n);
        signal.addEventListener("abort", () => this.aborted++);
        return n * n;
      });
      assertEquals(result, n * n);
      this.told.add(n);
    });
    const failed = (await Promise.allSettled(running)).find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
  }

  /** The steps that were begun more than once. */
  get twice(): number[] {
    return [...this.begun].filter(([, times]) => times > 1).map(([n]) => n);
  }
}

function begin(root: RunsRoot): Promise<Run> {
  const constraints = { max_in_flight: 4 };
  return openRun({ root, runId: "demo", name: "demo", constraints });
}

/** Checks what is recorded of a run that has completed: every step once, and dense. */
async function checkCompleted(url: string): Promise<void> {
  await using root = await openPostgresRoot(clientOf(url));
  const seqs: number[] = [];
  const completed: string[] = [];
  const { events } = root.view("demo");
  for (let after: Parameters<typeof events.read>[0] = {};;) {
    const page = await events.read({ ...after, limit: 1000 });
    assertEquals(page.gaps, []);
    seqs.push(...page.events.map(({ seq }) => seq));
    for (const { event } of page.events) {
      if (event.type === "node.completed") completed.push(String(event.node_id));
    }
    if (!page.hasMore) break;
    after = { after: page.next };
  }
  assertEquals(seqs, seqs.map((_, at) => at + 1));
  assertEquals(
    completed.toSorted(),
    Array.from({ length: STEPS }, (_, at) => `step-${at + 1}`).toSorted(),
  );
  const again = new Steps();
  const run = await begin(root);
  await again.run(run, { first: 1, last: STEPS });
  await run.finish();
  assertEquals(again.begun.size, 0);
}

/** The socket of a server that is away is not even there. */
const WAYS: Record<string, (server: PostgresServer) => PostgresClient> = {
  loopback: (server) => clientOf(server.url()),
  "a socket of Unix": ({ place }) => clientBySocket(place),
};

for (const [way, clientBy] of Object.entries(WAYS)) {
  Deno.test(`a server that is away for a while ends nothing, by ${way}`, () => {
    return checkAway(clientBy);
  });
}

async function checkAway(clientBy: (server: PostgresServer) => PostgresClient): Promise<void> {
  await using server = await startServer({ fsync: true });
  const url = server.url();
  await migratePostgres(clientOf(url));
  await server.orLog(async () => {
    await using root = await openPostgresRoot(clientBy(server));
    const run = await begin(root);
    const steps = new Steps();
    await steps.run(run, { first: 1, last: STEPS / 2 });
    const running = steps.run(run, { first: STEPS / 2 + 1, last: STEPS });
    await server.stop("fast");
    await new Promise((resolve) => setTimeout(resolve, longCount(3000, 10_000)));
    await server.start();
    await running;
    assertEquals((await run.finish()).state, "Completed");
    assertEquals([steps.aborted, steps.twice], [0, []]);
    await checkCompleted(url);
  });
}

Deno.test("a synchronous standby takes over in the middle of a run with all that was told", async () => {
  await withCluster({ synchronous: true }, async (cluster) => {
    const steps = new Steps();
    const root = await openPostgresRoot(clientOf(cluster.url));
    const run = await begin(root);
    await steps.run(run, { first: 1, last: STEPS / 2 });
    const running = steps.run(run, { first: STEPS / 2 + 1, last: STEPS });
    const ending = running.then(() => run.finish());
    const [ended] = await Promise.allSettled([ending, failOver(cluster)]);
    await root[Symbol.asyncDispose]();
    if (ended.status === "rejected") {
      // What nobody had waited for may be gone; the run is told so, and gone on with.
      assertEquals(ended.reason.kind, "rewound", String(ended.reason));
      await using other = await openPostgresRoot(clientOf(cluster.url));
      const resumed = await begin(other);
      await steps.run(resumed, { first: 1, last: STEPS });
      assertEquals((await resumed.finish()).state, "Completed");
    }
    assertEquals(steps.again, []);
    await checkCompleted(cluster.url);
  });
});

Deno.test("a standby that takes over without the tail of a run tells its writer and its readers", async () => {
  await withCluster({ synchronous: false }, async (cluster) => {
    const root = await openPostgresRoot(clientOf(cluster.url));
    await using reader = await openPostgresRoot(clientOf(cluster.url));
    const run = await begin(root);
    const steps = new Steps();
    const [kept, lost] = [Math.ceil(STEPS / 4), Math.ceil(STEPS / 2)];
    await steps.run(run, { first: 1, last: kept });
    const { events } = reader.view("demo");
    await leaveBehind(cluster);
    await steps.run(run, { first: kept + 1, last: lost });
    const { seq } = await lastItem(events, lost);
    const items = events.follow({ after: (await events.read({ after: seq - 1 })).next })
      [Symbol.asyncIterator]();
    const toldReader = assertRejects(() => items.next(), Error);
    await failOver(cluster);
    const told = await assertRejects(() => steps.run(run, { first: lost + 1, last: STEPS }), Error);
    assertEquals((told as { kind?: unknown }).kind, "rewound", told.message);
    assertEquals((await toldReader as { kind?: unknown }).kind, "cursor");
    await root[Symbol.asyncDispose]();

    await using other = await openPostgresRoot(clientOf(cluster.url));
    const resumed = await begin(other);
    await steps.run(resumed, { first: 1, last: STEPS });
    assertEquals((await resumed.finish()).state, "Completed");
    const again = steps.twice;
    assert(again.every((n) => n > kept), `steps ${again} were begun again`);
    assert(again.length >= lost - kept, `only steps ${again} were begun again`);
    await checkCompleted(cluster.url);
  });
});

/** The event that says that a step has completed. */
async function lastItem(events: ReturnType<RunsRoot["view"]>["events"], n: number) {
  for await (const item of events.follow()) {
    if (!("event" in item) || item.event.type !== "node.completed") continue;
    if (item.event.node_id === `step-${n}`) return item;
  }
  throw new Error(`step ${n} has not completed`);
}

/** What waits for the disk, and so for a standby: an append by itself, or a barrier behind one. */
const WAITS = {
  append: { durability: "disk", wait: (held: HeldRun) => held.append({ capture: ['{"n":1}'] }) },
  barrier: {
    durability: "os",
    wait: async (held: HeldRun) => {
      await held.append({ capture: ['{"n":1}'] });
      await held.barrier();
    },
  },
} as const;

/** Has something wait for a standby which is not there, and runs `use` meanwhile. */
async function withWait(
  { durability, wait }: typeof WAITS[keyof typeof WAITS],
  use: (parts: { server: OwnServer; held: HeldRun; waiting: Promise<void> }) => Promise<void>,
): Promise<void> {
  await using server = await startServer();
  const url = server.url();
  await migratePostgres(clientOf(url));
  await server.orLog(async () => {
    await using root = await openPostgresRoot(clientOf(url));
    const held = await root.create({ about: { name: "demo" }, runId: "demo", durability });
    await requireStandby(server, "missing");
    const waiting = wait(held);
    waiting.catch(() => {});
    await until(async () => (await server.sql(WAITING)).length > 0);
    await use({ server, held, waiting });
    await requireStandby(server, "");
    await held[Symbol.asyncDispose]();
  });
}

/** Who waits for a standby. */
const WAITING = "select pid from pg_stat_activity where wait_event = 'SyncRep'";

for (const [what, how] of Object.entries(WAITS)) {
  Deno.test(`the ${what} whose wait for a standby is cancelled is not acknowledged`, async () => {
    await withWait(how, async ({ server, held, waiting }) => {
      await server.sql(`select pg_cancel_backend(pid) from (${WAITING}) waiting`);
      const error = await assertRejects(() => waiting, Error);
      assertEquals((error as { kind?: unknown }).kind, "sync", error.message);
      assert(held.lost.aborted);
    });
  });

  Deno.test(`the ${what} whose session ends while it waits for a standby waits again`, async () => {
    await withWait(how, async ({ server, held, waiting }) => {
      const [before] = await server.sql(WAITING);
      await server.terminateBackends("wait_event = 'SyncRep'");
      let isAcknowledged = false;
      const acknowledging = waiting.then(() => isAcknowledged = true);
      await until(async () => {
        return isAcknowledged || (await server.sql(WAITING)).some((pid) => pid !== before);
      });
      assert(!isAcknowledged, "no standby has it");
      await requireStandby(server, "");
      await acknowledging;
      await held.append({ capture: ['{"n":2}'] });
      const { events } = await held.view.lines("capture");
      assertEquals(events.map(({ event }) => event), [{ n: 1 }, { n: 2 }]);
    });
  });
}

Deno.test("who waits for a standby takes up two connections of the server at most", async () => {
  await withWait(WAITS.append, async ({ server, waiting }) => {
    const at = (condition: string) =>
      server.sql(`select pid from pg_stat_activity where state = 'active' and ${condition}`);
    const behind = "wait_event_type = 'Lock'";
    const seen = new Set<string>();
    // Each is another connection, by which the append was sent again.
    while (seen.size < 3) {
      const pids = await at(behind);
      assert(pids.length <= 1, `${pids.length} wait behind the first`);
      pids.forEach((pid) => seen.add(pid));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assertEquals((await at("wait_event = 'SyncRep'")).length, 1);
    await requireStandby(server, "");
    await waiting;
  });
});
