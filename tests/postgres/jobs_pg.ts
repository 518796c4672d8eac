/** Attempts that are offered to workers: each is made by one at a time, and ends once, whoever is lost. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { migratePostgres, openPostgresRoot, type PostgresConnection } from "../../postgres/mod.ts";
import type { ClaimedJob, HeldRun, JobSource, RunsRoot } from "../../run/mod.ts";
import { clientOf } from "./_client.ts";
import { withDatabase } from "./_server.ts";

const NEVER = new AbortController().signal;

/** A run that is held, and what its attempts are offered and taken by. */
interface Use {
  root: RunsRoot;
  held: HeldRun;
  queue: ReturnType<NonNullable<RunsRoot["queue"]>>;
  worker: (name: string, how?: { labels?: string[]; leaseMs?: number }) => JobSource;
  open: () => Promise<RunsRoot>;
  ask: PostgresConnection["query"];
  url: string;
}

async function withQueue(check: (use: Use) => Promise<void>): Promise<void> {
  await withDatabase(async ({ url }) => {
    await migratePostgres(clientOf(url));
    await using stack = new AsyncDisposableStack();
    const open = async () => stack.use(await openPostgresRoot(clientOf(url)));
    const root = await open();
    const other = await open();
    const held = stack.use(await root.create({ about: { name: "demo" } }));
    const worker: Use["worker"] = (name, { labels = [], leaseMs = 60_000 } = {}) =>
      other.jobs!({ name, labels, leaseMs });
    const connection = await clientOf(url).connect();
    stack.defer(() => connection.close());
    const ask = connection.query.bind(connection);
    await check({ root, held, queue: root.queue!(held), worker, open, ask, url });
  });
}

const offer = (
  nodeId: string,
  more: { attempt?: number; labels?: string[]; priority?: number } = {},
) => ({
  ...{ nodeId, attempt: 1, labels: [], payload: `{"node":"${nodeId}"}` },
  ...more,
});

/** Takes jobs until there are so many. */
async function claim(source: JobSource, count: number): Promise<ClaimedJob[]> {
  const jobs: ClaimedJob[] = [];
  const woken = Promise.withResolvers<void>();
  using _wakes = source.onOffer(woken.resolve);
  while (jobs.length < count) jobs.push(...await source.claim(count - jobs.length));
  return jobs;
}

Deno.test("a job is made by one worker, and its answer is given to who offered it", () =>
  withQueue(async ({ queue, worker }) => {
    const ended = queue.offer(offer("a"), NEVER);
    const [one, other] = [worker("one"), worker("other")];
    const [job] = await claim(one, 1);
    assertEquals(await other.claim(5), []);
    assertEquals([job!.nodeId, job!.attempt, job!.payload], ["a", 1, '{"node":"a"}']);
    assertEquals(await one.renew([job!]), [{ jobNo: job!.jobNo }]);
    assertEquals(await one.end(job!, "done", NEVER), true);
    // Who does not know whether that has arrived says it again.
    assertEquals(await one.end(job!, "done", NEVER), true);
    assertEquals(await one.end(job!, "other", NEVER), false);
    const end = await ended;
    assertEquals(end, { kind: "ended", answer: "done", jobNo: job!.jobNo, worker: "one" });
    await queue.forget([job!.jobNo]);
    assertEquals(await one.end(job!, "done", NEVER), false);
  }));

Deno.test("many workers at the same time take each job once", () =>
  withQueue(async ({ queue, worker }) => {
    const ends = Array.from({ length: 100 }, (_, n) => queue.offer(offer(`n${n}`), NEVER));
    const taken = new Map<string, string>();
    await Promise.all(["a", "b", "c", "d"].map(async (name) => {
      const source = worker(name);
      while (taken.size < 100) {
        for (const job of await source.claim(7)) {
          assert(!taken.has(job.nodeId), `${job.nodeId} is taken by ${taken.get(job.nodeId)}`);
          taken.set(job.nodeId, name);
          await source.end(job, name, NEVER);
        }
      }
    }));
    const answers = await Promise.all(ends);
    assertEquals(answers.map(({ kind }) => kind), Array(100).fill("ended"));
  }));

Deno.test("a worker takes only what its labels allow, and the most urgent first", () =>
  withQueue(async ({ queue, worker }) => {
    const signal = AbortSignal.timeout(60_000);
    const offers = [
      offer("any"),
      offer("gpu", { labels: ["gpu"] }),
      offer("both", { labels: ["gpu", "big"] }),
      offer("urgent", { priority: -1 }),
    ];
    const ends = offers.map((one) => queue.offer(one, signal));
    const plain = worker("plain");
    const first = await claim(plain, 2);
    assertEquals(first.map(({ nodeId }) => nodeId).toSorted(), ["any", "urgent"]);
    assertEquals(await plain.claim(9), []);
    const gpu = worker("gpu", { labels: ["gpu", "fast"] });
    assertEquals((await claim(gpu, 1)).map(({ nodeId }) => nodeId), ["gpu"]);
    assertEquals(await gpu.claim(9), []);
    const big = worker("big", { labels: ["big", "gpu"] });
    const [both] = await claim(big, 1);
    for (const [source, job] of [[plain, first[0]], [plain, first[1]], [big, both]] as const) {
      await source.end(job!, "done", NEVER);
    }
    await Promise.all([ends[0], ends[2], ends[3]]);
    const controller = new AbortController();
    const left = queue.offer(offer("none", { labels: ["none"] }), controller.signal);
    controller.abort();
    assertEquals(await left, { kind: "unbegun" });
    void ends[1]!.catch(() => {});
  }));

Deno.test("a small run does not wait for all of a large one", () =>
  withQueue(async ({ root, queue, worker, ask }) => {
    const large = Array.from({ length: 50 }, (_, n) => queue.offer(offer(`n${n}`), NEVER));
    await using held = await root.create({ about: { name: "small" } });
    const small = root.queue!(held).offer(offer("small"), NEVER);
    void Promise.allSettled([...large, small]);
    const count = async () => (await ask("select count(*)::int as n from taffrail.job"))[0]?.n;
    while (await count() !== 51) { /* They are on their way. */ }
    const jobs = await worker("one").claim(4);
    assertEquals(jobs.length, 4);
    assert(jobs.some(({ nodeId }) => nodeId === "small"));
  }));

Deno.test("what a worker is asked to end it is told with its next lease", () =>
  withQueue(async ({ queue, worker }) => {
    const source = worker("one");
    for (const [how, reason] of [["stop", undefined], ["deadline", "TimeoutError"]] as const) {
      const controller = new AbortController();
      const ended = queue.offer(offer(how), controller.signal);
      const [job] = await claim(source, 1);
      controller.abort(reason && new DOMException("late", reason));
      let [renewed] = await source.renew([job!]);
      while (renewed?.cancel === undefined) [renewed] = await source.renew([job!]);
      assertEquals(renewed.cancel, how);
      await source.end(job!, "ended", NEVER);
      assertEquals((await ended).kind, "ended");
    }
  }));

Deno.test("a job whose lease is over is lost, and what its worker still says is refused", () =>
  withQueue(async ({ queue, worker }) => {
    const ended = queue.offer(offer("a"), NEVER);
    const source = worker("frozen", { leaseMs: 1000 });
    const [job] = await claim(source, 1);
    assertEquals(await ended, { kind: "lost", jobNo: job!.jobNo, worker: "frozen" });
    assertEquals(await source.renew([job!]), []);
    assertEquals(await source.end(job!, "done", NEVER), false);
    const piece = { stream: "out", piece: 0, bytes: Uint8Array.of(1), waits: false } as const;
    assertEquals(await source.putOutput(job!, piece, NEVER), false);
  }));

Deno.test("what a worker prints is an output of the run", () =>
  withQueue(async ({ held, queue, worker }) => {
    void queue.offer(offer("a"), NEVER).catch(() => {});
    const source = worker("one");
    const [job] = await claim(source, 1);
    for (const [piece, byte] of [[0, 65], [1, 66]] as const) {
      const bytes = Uint8Array.of(byte);
      assert(await source.putOutput(job!, { stream: "out", piece, bytes, waits: true }, NEVER));
    }
    const bytes = await held.view.output({ nodeId: "a", attempt: 1, stream: "out" });
    assertEquals(bytes, Uint8Array.of(65, 66));
    await source.end(job!, "done", NEVER);
  }));

Deno.test("a job that is given back is taken by another worker", () =>
  withQueue(async ({ queue, worker }) => {
    const ended = queue.offer(offer("a"), NEVER);
    const [one, other] = [worker("one"), worker("other")];
    const [job] = await claim(one, 1);
    await one.giveBack(job!, NEVER);
    assertEquals(await one.end(job!, "late", NEVER), false);
    const [again] = await claim(other, 1);
    assert(again!.token > job!.token);
    await other.end(again!, "done", NEVER);
    assertEquals((await ended).kind, "ended");
  }));

Deno.test("a job that is to end is so for who takes it when it was given back", () =>
  withQueue(async ({ queue, worker }) => {
    const [one, other] = [worker("one"), worker("other")];
    const controller = new AbortController();
    const ended = queue.offer(offer("a"), controller.signal);
    const jobs = await claim(one, 1);
    controller.abort();
    let [renewed] = await one.renew(jobs);
    while (renewed?.cancel === undefined) [renewed] = await one.renew(jobs);
    await one.giveBack(jobs[0]!, NEVER);
    const [again] = await claim(other, 1);
    assertEquals(await other.renew([again!]), [{ jobNo: again!.jobNo, cancel: "stop" }]);
    await other.end(again!, "ended", NEVER);
    assertEquals((await ended).kind, "ended");
  }));

Deno.test("what a claim has taken whose answer was lost is given back by the next one", () =>
  withQueue(async ({ queue, url }) => {
    let losses = 1;
    const client = clientOf(url);
    await using root = await openPostgresRoot({
      name: client.name,
      async connect(listener) {
        const connection = await client.connect(listener);
        return {
          async query(text, values) {
            const rows = await connection.query(text, values);
            if (!text.includes("claim_jobs_1") || rows.length === 0 || losses-- <= 0) return rows;
            throw Object.assign(new Error("The connection is gone"), { code: "CONNECTION_CLOSED" });
          },
          close: () => connection.close(),
          destroy: () => connection.destroy(),
        };
      },
    });
    const ended = queue.offer(offer("a"), NEVER);
    const source = root.jobs!({ name: "one", labels: [], leaseMs: 60_000 });
    await assertRejects(async () => void await claim(source, 1), Error, "The connection is gone");
    const [job] = await source.claim(1);
    assertEquals([job?.nodeId, job?.token], ["a", 3n]);
    await source.end(job!, "done", NEVER);
    assertEquals((await ended).kind, "ended");
  }));

Deno.test("who holds a run next ends what the one before has left to workers", () =>
  withQueue(async ({ held, queue, worker, open }) => {
    void Promise.allSettled([
      queue.offer(offer("taken"), NEVER),
      queue.offer(offer("ready"), NEVER),
    ]);
    const source = worker("one");
    const jobs = await claim(source, 1);
    const { runId } = held.view;
    const root = await open();
    const next = await root.hold(runId, { takeOver: true });
    await assertRejects(() => held.append({ capture: ['{"n":1}'] }));
    const left: unknown[] = [];
    const ending = root.queue!(next).endLeft((one) => left.push(one));
    let [renewed] = await source.renew(jobs);
    while (renewed?.cancel === undefined) [renewed] = await source.renew(jobs);
    await source.end(jobs[0]!, "ended", NEVER);
    const { nodeId, attempt } = jobs[0]!;
    await ending;
    assertEquals(left, [{ nodeId, attempt, worker: "one" }]);
    assertEquals(await source.claim(5), []);
    await next[Symbol.asyncDispose]();
  }));
