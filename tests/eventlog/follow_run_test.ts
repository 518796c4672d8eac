import { assert, assertEquals, assertFalse, assertLessOrEqual, assertRejects } from "@std/assert";
import {
  EventLogError,
  followRun,
  type FollowRunOptions,
  type Gap,
  isLive,
  type Stored,
} from "../../eventlog/mod.ts";
import { followOnPort } from "../../eventlog/read_run.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { appendTo, truncate, write } from "../_util/files.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { type AnyEvent, numbered, numberedLines, openLog, RUN_ID, writeRun } from "./_runs.ts";

type Item = Stored<AnyEvent> | Gap;

function follow(root: string, options: FollowRunOptions<AnyEvent> = {}) {
  return followRun<AnyEvent>(root, RUN_ID, options);
}

async function take(items: AsyncIterator<Item>, count: number): Promise<Item[]> {
  const taken: Item[] = [];
  while (taken.length < count) {
    const { value, done } = await items.next();
    assert(!done, `it ended after ${taken.length} of ${count}`);
    taken.push(value);
  }
  return taken;
}

function seqsOf(items: readonly Item[]): number[] {
  return items.map(({ seq }) => seq);
}

Deno.test("follow() delivers what is there, then what comes, each once and in order", () =>
  withTempDir(async (root) => {
    const random = new Random(mixSeeds(seed(), 4));
    await using log = await openLog(root);
    await log.appendAll(numbered(10));
    const total = longCount(400, 10_000);
    const appending = (async () => {
      for (let n = 11; n <= total;) {
        const count = Math.min(total - n + 1, 1 + random.below(20));
        await log.appendAll(numbered(count, n));
        n += count;
        if (random.chance(0.5)) await new Promise((resolve) => setTimeout(resolve));
      }
    })();
    const items = log.follow();
    const taken = await take(items, total);
    assertEquals(taken, numbered(total).map((event, index) => ({ seq: index + 1, event })));
    await items.return?.();
    await appending;
  }));

Deno.test("follow() misses no event that is appended one at a time", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    const items = log.follow({ after: "end" });
    for (let n = 1; n <= longCount(100, 2000); n++) {
      const next = items.next();
      await log.append({ n });
      assertEquals((await next).value, { seq: n, event: { n } });
    }
    await items.return?.();
  }));

Deno.test("follow() begins behind a seq, a cursor or the end", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    await log.appendAll(numbered(5));
    const { next } = await log.read({ limit: 2 });
    for (const [after, first] of [[0, 1], [3, 4], [next, 3]] as const) {
      const items = log.follow({ after });
      assertEquals((await items.next()).value?.seq, first);
      await items.return?.();
    }
    const items = log.follow({ after: "end" });
    const waiting = items.next();
    await log.append({ n: 6 });
    assertEquals((await waiting).value?.seq, 6);
    await items.return?.();
    await assertRejects(() => log.follow({ after: 99 }).next(), EventLogError, "has 6 lines");
    await assertRejects(() => log.follow({ after: "x" }).next(), TypeError, "no cursor");
  }));

Deno.test("follow() ends by its signal, before, while it waits and between events", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    await log.appendAll(numbered(3));
    assertEquals(await Array.fromAsync(log.follow({ signal: AbortSignal.abort() })), []);

    const waiting = new AbortController();
    const items = log.follow({ after: "end", signal: waiting.signal });
    const next = items.next();
    await new Promise((resolve) => setTimeout(resolve));
    waiting.abort();
    assertEquals(await next, { value: undefined, done: true });

    const between = new AbortController();
    const seqs: number[] = [];
    for await (const { seq } of log.follow({ signal: between.signal })) {
      seqs.push(seq);
      if (seq === 2) between.abort();
    }
    assertEquals(seqs, [1, 2]);
  }));

Deno.test("follow() ends by leaving the loop, and by return() before, while and after it waits", () =>
  withTempDir(async (root) => {
    const port = new FaultPort();
    writeRun(root, numberedLines(1));
    const run = { root, runId: RUN_ID };
    for await (const { seq } of followOnPort<AnyEvent>(port, run, {})) {
      assertEquals(seq, 1);
      break;
    }
    const unused = followOnPort<AnyEvent>(port, run, {});
    assertEquals(await unused.return!(), { value: undefined, done: true });
    assertEquals((await unused.next()).done, true);

    const items = followOnPort<AnyEvent>(port, run, {});
    await items.next();
    const next = items.next();
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals((await items.return!()).done, true);
    assertEquals((await next).done, true);
    assertEquals((await items.return!()).done, true);
    assertEquals(port.openCount, 0);
  }));

Deno.test("follow() ends when its log is closed, and does not begin on a closed one", () =>
  withTempDir(async (root) => {
    const log = await openLog(root);
    await log.append({ n: 1 });
    const following = Array.fromAsync(log.follow());
    const items = log.follow({ after: "end" });
    const next = items.next();
    await new Promise((resolve) => setTimeout(resolve));
    await log.close();
    assertEquals(seqsOf(await following), [1]);
    assertEquals((await next).done, true);
    assertEquals(await Array.fromAsync(log.follow()), []);
  }));

Deno.test("follow() waits for the rest of a line that is in flight", () =>
  withTempDir(async (root) => {
    const path = writeRun(root, numberedLines(1) + '{"text":"');
    const items = follow(root);
    await items.next();
    const next = items.next();
    for (const part of ["a", "é", '"}']) {
      appendTo(path, part);
      await new Promise((resolve) => setTimeout(resolve));
    }
    appendTo(path, "\n");
    assertEquals((await next).value, { seq: 2, event: { text: "aé" } });
    await items.return?.();
  }));

Deno.test("follow() goes on behind a torn tail that was moved aside", () =>
  withTempDir(async (root) => {
    writeRun(root, numberedLines(1) + '{"n":"torn');
    const items = follow(root);
    await items.next();
    const next = items.next();
    await using log = await openLog(root);
    await log.append({ n: 2 });
    assertEquals((await next).value, { seq: 2, event: { n: 2 } });
    await items.return?.();
  }));

Deno.test("follow() delivers gaps between the events", () =>
  withTempDir(async (root) => {
    writeRun(root, '{"n":1}\n\ngarbage\n\0\0{"n":4}\n');
    const items = follow(root);
    const taken = await take(items, 5);
    await items.return?.();
    assertEquals(
      taken.map((item) => "reason" in item ? [item.seq, item.reason] : [item.seq, item.event.n]),
      [[1, 1], [2, "not-json"], [3, "not-json"], [4, "nul-run"], [4, 4]],
    );
  }));

Deno.test("follow(), strict, delivers what stands before the first bad line and throws there (OLG-5)", () =>
  withTempDir(async (root) => {
    const path = writeRun(root, '{"n":1}\n\n{"n":3}\ngarbage\n{"n":5}\n');
    const seqs: number[] = [];
    const error = await assertRejects(
      async () => {
        for await (const item of follow(root, { strict: true })) {
          if ("event" in item) seqs.push(item.seq);
        }
      },
      EventLogError,
      `malformed event at ${path}:4: `,
    );
    assertEquals([error.kind, error.details.line, error.details.byteOffset], ["malformed", 4, 17]);
    assertEquals(seqs, [1, 3]);
  }));

Deno.test("follow() notices that the log was rewound, also when it has grown again meanwhile", () =>
  withTempDir(async (root) => {
    for (const after of ["", numberedLines(50, 7)]) {
      const path = writeRun(root, numberedLines(20));
      const items = follow(root);
      await take(items, 20);
      const next = items.next();
      truncate(path, 0);
      write(path, after);
      const error = await assertRejects(() => next, EventLogError);
      assertEquals(error.kind, "cursor");
    }
  }));

Deno.test("follow() reads nothing while nothing happens, but for a look every second", () =>
  withTempDir(async (root) => {
    writeRun(root, numberedLines(3));
    const port = new FaultPort();
    const items = followOnPort<AnyEvent>(port, { root, runId: RUN_ID }, {});
    await take(items, 3);
    const next = items.next();
    await new Promise((resolve) => setTimeout(resolve));
    port.reset();
    const start = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 1200));
    const looks = Math.ceil((performance.now() - start) / 1000);
    assertLessOrEqual(port.count("readSync", "read"), 4 * looks);
    assertLessOrEqual(port.bytesRead, 4096 * looks);
    await items.return?.();
    await next;
    assertEquals(port.openCount, 0);
  }));

Deno.test("follow() does not make the run live, and several follow at the same time", () =>
  withTempDir(async (root) => {
    const log = await openLog(root);
    const followers = Array.from({ length: 5 }, () => follow(root));
    const firsts = Promise.all(followers.map((items) => items.next()));
    await log.append({ n: 1 });
    await log.close();
    assertEquals((await firsts).map(({ value }) => value?.seq), [1, 1, 1, 1, 1]);
    assertFalse(await isLive(root, RUN_ID));
    await Promise.all(followers.map((items) => items.return!()));
  }));

Deno.test("follow() validates with the schema, and what that refuses is a gap", () =>
  withTempDir(async (root) => {
    writeRun(root, numberedLines(3));
    const schema = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value: unknown) => {
          const event = value as AnyEvent;
          return event.n === 2
            ? { issues: [{ message: "two" }, { message: "is bad" }] }
            : { value: { n: -(event.n as number) } };
        },
      },
    } as const;
    const items = follow(root, { schema });
    const [first, second, third] = await take(items, 3);
    assertEquals(first, { seq: 1, event: { n: -1 } });
    assert("reason" in second!);
    assertEquals([second.reason, second.message], ["schema", "two; is bad"]);
    assertEquals(third, { seq: 3, event: { n: -3 } });
    await items.return?.();
  }));

Deno.test("follow() refuses a log that is not there, and a run id that is none", () =>
  withTempDir(async (root) => {
    const missing = await assertRejects(() => follow(root).next(), EventLogError, "I/O error on");
    assertEquals(missing.kind, "io");
    await assertRejects(() => followRun(root, "../x").next(), TypeError, "Cannot use run id");
  }));

const begin = (members = {}) => ({ type: "pipe.started", run_id: RUN_ID, ...members });
const END = { type: "pipe.aborted", run_id: RUN_ID, reason: "cancelled" };
const RESUMED = begin({ resumed: true });

Deno.test("followRun(), untilEnd, ends at an end that no begin follows, though somebody has it open", () =>
  withTempDir(async (root) => {
    await using log = await openLog(root);
    await log.appendAll([begin(), END, { type: "node.started" }] as unknown as AnyEvent[]);
    const all = () => Array.fromAsync(follow(root, { untilEnd: true }));
    assertEquals(seqsOf(await all()), [1, 2, 3]);
    await log.appendAll([RESUMED] as unknown as AnyEvent[]);
    const items = follow(root, { untilEnd: true });
    assertEquals(seqsOf(await take(items, 4)), [1, 2, 3, 4]);
    const rest = Array.fromAsync(items);
    await log.appendAll([{ type: "pipe.completed" }] as unknown as AnyEvent[]);
    assertEquals(seqsOf(await rest), [5]);
    // What is gone on with later is followed anew.
    await log.appendAll([RESUMED, END] as unknown as AnyEvent[]);
    assertEquals(seqsOf(await Array.fromAsync(follow(root, { after: 5, untilEnd: true }))), [6, 7]);
  }));

Deno.test("followRun(), untilEnd, ends when nobody has the run open, with all that was written", () =>
  withTempDir(async (root) => {
    const log = await openLog(root);
    await log.appendAll([begin()] as unknown as AnyEvent[]);
    const items = follow(root, { untilEnd: true });
    assertEquals(seqsOf(await take(items, 1)), [1]);
    const rest = Array.fromAsync(items);
    await log.appendAll(numbered(3));
    await log.close();
    assertEquals(seqsOf(await rest), [2, 3, 4]);
    // Behind its end there is nothing to wait for either, and what is torn is said.
    const path = writeRun(root, numberedLines(2) + '{"torn":');
    const found = await Array.fromAsync(follow(root, { after: 1, untilEnd: true }));
    assertEquals(found.map((item) => "reason" in item ? item.reason : item.seq), [2, "torn"]);
    appendTo(path, "x");
    assertEquals((await Array.fromAsync(follow(root, { after: "end", untilEnd: true }))).length, 1);
  }));

Deno.test("followRun(), untilEnd, says why it cannot be told whether the run is open", {
  ignore: Deno.build.os === "windows",
}, () =>
  withTempDir(async (root) => {
    writeRun(root, numberedLines(1));
    await Deno.symlink("/dev/null", runPaths(root, RUN_ID).liveLock);
    await assertRejects(() => Array.fromAsync(follow(root, { untilEnd: true })), TypeError, "link");
    assertEquals(seqsOf(await take(follow(root), 1)), [1]);
  }));
