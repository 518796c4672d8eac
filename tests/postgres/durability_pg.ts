/**
 * What is on disk when its call resolves: it is there after a crash that takes back all else, also in a database
 * whose own setting is not to wait for the disk.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { migratePostgres, openPostgresLog, openPostgresRoot } from "../../postgres/mod.ts";
import type { ClaimedJob, HeldRun, JobSource, RunsRoot } from "../../run/mod.ts";
import { clientOf } from "./_client.ts";
import { faultsOf, startForgetfulServer } from "./_faults.ts";

const server = await startForgetfulServer();
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

interface Place {
  root: RunsRoot;
  held: HeldRun;
  url: string;
}

const NEVER = new AbortController().signal;
const BYTES = Uint8Array.of(1, 2, 3);
const OUT = { nodeId: "a", attempt: 1, stream: "out" } as const;

const JOB = { nodeId: "a", attempt: 1, labels: [], payload: "{}" };

function jobsOf(root: RunsRoot, labels: string[] = [], leaseMs = 60_000): JobSource {
  return root.jobs!({ name: "one", labels, leaseMs });
}

async function claimOne(root: RunsRoot, leaseMs?: number): Promise<ClaimedJob> {
  for (;;) {
    const [job] = await jobsOf(root, [], leaseMs).claim(1);
    if (job !== undefined) return job;
  }
}

async function kindOf(call: () => Promise<unknown>): Promise<unknown> {
  return (await assertRejects(call, Error) as { kind?: unknown }).kind;
}

/** What is done, and how it is seen afterwards to be there. */
const OPERATIONS: Record<string, {
  act: (place: Place) => Promise<unknown>;
  check: (root: RunsRoot, given: unknown) => Promise<void>;
}> = {
  "lines behind a barrier": {
    act: async ({ held }) => {
      await held.append({ capture: ['{"n":1}'], processes: ['{"n":2}'] });
      await held.barrier();
    },
    check: async (root) => {
      const view = root.view("demo");
      assertEquals((await view.lines("capture")).events, [{ seq: 1, event: { n: 1 } }]);
      assertEquals((await view.lines("processes")).events, [{ seq: 1, event: { n: 2 } }]);
    },
  },
  "an event that is appended to disk": {
    act: async ({ url }) => {
      await using log = await openPostgresLog<{ n: number }>(clientOf(url), { runId: "log" });
      await log.append({ n: 1 }, { durability: "disk" });
    },
    check: async (root) => assertEquals(await root.view("log").events.lastSeq(), 1),
  },
  "a document": {
    act: ({ held }) => held.putDocument("flow.json", BYTES),
    check: async (root) => assertEquals(await root.view("demo").document("flow.json"), BYTES),
  },
  "an output that is closed to be synced": {
    act: async ({ held }) => {
      const sink = held.openOutput(OUT, { maxBytes: 100 });
      sink.write(BYTES, 1000);
      await sink.close({ sync: true });
    },
    check: async (root) => assertEquals(await root.view("demo").output(OUT), BYTES),
  },
  "what a worker has printed": {
    act: async ({ root, held }) => {
      // Nobody waits for its end.
      root.queue!(held).offer(JOB, NEVER).catch(() => {});
      const piece = { stream: "out", piece: 0, bytes: BYTES, waits: true } as const;
      assert(await jobsOf(root).putOutput(await claimOne(root), piece, NEVER));
    },
    check: async (root) => assertEquals(await root.view("demo").output(OUT), BYTES),
  },
  "a job that is lost": {
    act: async ({ root, held }) => {
      const ended = root.queue!(held).offer(JOB, NEVER);
      const job = await claimOne(root, 1000);
      assertEquals(await ended, { kind: "lost", jobNo: job.jobNo, worker: "one" });
      return job;
    },
    check: async (root, job) => {
      assertEquals(await jobsOf(root).end(job as ClaimedJob, "done", NEVER), false);
    },
  },
  "a job that is never begun": {
    act: async ({ root, held }) => {
      const cancelling = new AbortController();
      const queue = root.queue!(held);
      const ended = queue.offer({ ...JOB, nodeId: "b", labels: ["other"] }, cancelling.signal);
      queue.offer(JOB, NEVER).catch(() => {});
      // What was offered before it is on disk, too.
      await claimOne(root);
      cancelling.abort();
      assertEquals(await ended, { kind: "unbegun" });
    },
    check: async (root) => assertEquals(await jobsOf(root, ["other"]).claim(5), []),
  },
  "a message": {
    act: ({ root }) => root.post("demo", { op: "1", gate: "ask" }),
    check: async (root) => {
      const { events } = await root.view("demo").lines("inbox");
      assertEquals(events.map(({ event }) => event), [{ op: "1", gate: "ask" }]);
    },
  },
  "a run that is begun": {
    act: async ({ root }) => {
      await (await root.create({ about: { name: "demo" }, runId: "new" }))[Symbol.asyncDispose]();
    },
    check: async (root) => assertEquals(await root.view("new").events.lastSeq(), 0),
  },
  "a run that is removed": {
    act: ({ root }) => root.remove("old"),
    check: async (root) => assertEquals(await kindOf(() => root.view("old").peek()), "missing"),
  },
  "a run that is taken in": {
    act: async ({ root }) => {
      await using received = await root.receive("copied");
      await received.putDocument("run.json", new TextEncoder().encode('{"format":1}'));
      await received.appendLines("capture", [new TextEncoder().encode('{"n":1}')]);
      await received.appendOutput(OUT, BYTES);
      await received.commit();
    },
    check: async (root) => {
      const view = root.view("copied");
      assertEquals((await view.lines("capture")).events, [{ seq: 1, event: { n: 1 } }]);
      assertEquals(await view.output(OUT), BYTES);
    },
  },
};

const WAITS = { "that waits": "on", "that does not wait by itself": "off" };

for (const [setting, value] of Object.entries(WAITS)) {
  for (const [what, { act, check }] of Object.entries(OPERATIONS)) {
    Deno.test(`${what}: on disk in a database ${setting}`, async () => {
      await server.withDatabase(async ({ url, name }) => {
        await migratePostgres(clientOf(url));
        await server.sql(`alter database ${name} set synchronous_commit = ${value}`);
        const root = await openPostgresRoot(clientOf(url));
        await (await root.create({ about: { name: "demo" }, runId: "old" }))[Symbol.asyncDispose]();
        const held = await root.create({ about: { name: "demo" }, runId: "demo" });
        let given: unknown;
        await faultsOf(server).rewind(async () => {
          given = await act({ root, held, url });
        });
        await root[Symbol.asyncDispose]();
        await using other = await openPostgresRoot(clientOf(url));
        await check(other, given);
      });
    });
  }
}

Deno.test("the digest key of a root is the same behind a crash", async () => {
  await server.withDatabase(async ({ url, name }) => {
    await migratePostgres(clientOf(url));
    await server.sql(`alter database ${name} set synchronous_commit = off`);
    const root = await openPostgresRoot(clientOf(url));
    let given: unknown;
    await faultsOf(server).rewind(async () => {
      given = await root.digestKey();
    });
    await root[Symbol.asyncDispose]();
    await using other = await openPostgresRoot(clientOf(url));
    assertEquals(await other.digestKey(), given);
  });
});
