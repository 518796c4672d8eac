import { assertEquals, assertRejects } from "@std/assert";
import { newEventId, openEventLog, type RunEvent } from "../../eventlog/mod.ts";
import { RunWorkers } from "../../run/run_workers.ts";
import { runtimeDirectory, type Transaction, verifyStore } from "../../store/mod.ts";
import { namesIn, readText } from "../_util/files.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { checkWorkers, logOf, type Place, workersAskedBy, workersOf } from "./_records.ts";

const PLACE = { runId: "demo-1", name: "demo" };

/** Writes a log as a run might have: attempts side by side, some without an end, perhaps no end at all. */
async function writeLog(root: string, random: Random): Promise<void> {
  await using log = await openEventLog<RunEvent>({ root, runId: PLACE.runId });
  const open: { node_id: string; attempt: number }[] = [];
  const attempts = new Map<string, number>();
  const append = (event: Record<string, unknown> & { type: string }) => {
    const base = { id: newEventId(), ts: "2026-01-01T00:00:00Z", run_id: PLACE.runId };
    return log.append({ ...base, ...event });
  };
  await append({ type: "pipe.started", pipe: "demo", inputs: [], distro_version: "0", nodes: [] });
  for (let step = 0; step < 4 + random.below(30); step++) {
    const node = `n${random.below(6)}`;
    if (random.chance(0.1)) await append({ type: "somebody.else", node_id: node });
    const index = open.findIndex(({ node_id: id }) => id === node);
    if (index === -1) {
      const attempt = (attempts.get(node) ?? 0) + 1;
      attempts.set(node, attempt);
      open.push({ node_id: node, attempt });
      const name = random.chance(0.5) ? { name: `sh ${node}` } : {};
      await append({ type: "node.started", node_id: node, kind: "command", ...name, attempt });
      if (random.chance(0.5)) {
        await append({ type: "node.spawned", node_id: node, pid: 7, attempt });
      }
      continue;
    }
    const [of] = open.splice(index, 1);
    if (random.chance(0.5)) {
      await append({ type: "node.completed", ...of });
    } else {
      const kind = random.pick(["crash", "timeout", "cancelled", "host_missing"]);
      const error = random.pick([{ kind: "crash", cancelled: true }, { kind }, {
        kind,
        exit_code: 3,
      }, { kind, signal: "SIGKILL" }]);
      const message = random.chance(0.5) ? { message: "two\nlines" } : {};
      await append({ type: "node.failed", ...of, error, ...message });
    }
  }
  const end = random.below(3);
  if (end === 1) await append({ type: "pipe.completed" });
  if (end === 2) await append({ type: "pipe.aborted", reason: "enough" });
}

/** Has the workers take events, in an opening of their own. */
async function feed(root: string, events: readonly RunEvent[]): Promise<void> {
  await using workers = await RunWorkers.open({ root, ...PLACE });
  for (const event of events) await workers.take(event);
}

/** Begins of attempts at so many nodes. */
function attempts(count: number, from = 0): RunEvent[] {
  return Array.from({ length: count }, (_, index) => ({
    type: "node.started",
    id: newEventId(),
    ts: "2026-01-01T00:00:00Z",
    run_id: PLACE.runId,
    node_id: `n${from + index}`,
    kind: "task",
    attempt: 1,
  }));
}

/** How many mutations the journal of an open runtime has. */
function mutationsIn(directory: string): number {
  const name = namesIn(directory).find((name) => name.startsWith("journal-"));
  return readText(`${directory}/${name}`).split("\n").filter((line) => line.startsWith('{"crc32"'))
    .length;
}

async function eventsIn({ root, runId }: Place): Promise<string> {
  const name = `${runtimeDirectory(root, runId)}/events.jsonl`;
  return await Deno.readTextFile(name);
}

Deno.test("RunWorkers.take() catches up with a log from anywhere, and taking it again changes nothing (property)", async () => {
  for (let round = 0; round < longCount(15, 150); round++) {
    const random = new Random(mixSeeds(seed(), round));
    await withTempDir(async (root) => {
      const place = { root, runId: PLACE.runId };
      await writeLog(root, random);
      const log = logOf(place);
      // The store is behind the log, perhaps more than once.
      let taken = 0;
      for (let part = random.below(3); part > 0; part--) {
        const more = random.below(log.length - taken);
        await feed(root, log.slice(random.chance(0.5) ? 0 : taken, taken + more));
        taken += more;
        assertEquals(await workersOf(place), workersAskedBy(log.slice(0, taken)));
      }
      await feed(root, log);
      await checkWorkers(place);
      const before = await eventsIn(place);
      await feed(root, log);
      // Not even from the middle.
      const from = random.below(log.length);
      await feed(root, log.slice(from, from + random.below(log.length)));
      assertEquals(await eventsIn(place), before);
      await checkWorkers(place);
    });
  }
});

Deno.test("RunWorkers.takeAll() makes the same of batches of any size, and a stop only of a completed run (property)", async () => {
  for (let round = 0; round < longCount(10, 100); round++) {
    const random = new Random(mixSeeds(seed(), round));
    await withTempDir(async (root) => {
      const place = { root, runId: PLACE.runId };
      await writeLog(root, random);
      const log = logOf(place);
      await using workers = await RunWorkers.open({ root, ...PLACE });
      for (let at = 0; at < log.length;) {
        const size = 1 + random.below(12);
        await workers.takeAll(log.slice(at, at + size));
        at += size;
        // Read beside its owner, which has made no files of workers yet.
        await checkWorkers({ root, runId: PLACE.runId }, log.slice(0, at));
      }
    });
  }
});

Deno.test("a batch is one write and no sync, and workers get their files at the end", () =>
  withTempDir(async (root) => {
    const directory = runtimeDirectory(root, PLACE.runId);
    const workers = await RunWorkers.open({ root, ...PLACE });
    for (let batch = 0; batch < 3; batch++) await workers.takeAll(attempts(100, batch * 100));
    assertEquals(mutationsIn(directory), 1 + 3);
    assertEquals(namesIn(`${directory}/workers`), []);
    await workers.close();
    assertEquals(namesIn(`${directory}/workers`).length, 300);
    assertEquals((await verifyStore(root)).problems, []);
  }));

Deno.test("a batch is taken as a whole or not at all, and what comes behind it only when the log is caught up with", () =>
  withTempDir(async (root) => {
    await using log = await openEventLog<RunEvent>({ root, runId: PLACE.runId });
    await using workers = await RunWorkers.open({ root, ...PLACE });
    const events = attempts(9);
    await log.appendAll(events);
    const { transaction } = workers.runtime;
    workers.runtime.transaction = async (body) => {
      await transaction.call(workers.runtime, (of: Transaction) => {
        body(of);
        throw new Error("no space");
      });
      throw new Error("not reached");
    };
    await assertRejects(() => workers.takeAll(events.slice(0, 6)), Error, "no space");
    workers.runtime.transaction = transaction;
    await workers.takeAll(events.slice(6));
    assertEquals(await workersOf({ root, runId: PLACE.runId }), []);
    await workers.catchUp();
    await checkWorkers({ root, runId: PLACE.runId });
  }));

Deno.test("a batch of texts that no mutation can hold is taken in several", () =>
  withTempDir(async (root) => {
    const long = "\u0001".repeat(300_000);
    const events = attempts(45).map((event) => ({ ...event, name: long }));
    await using workers = await RunWorkers.open({ root, ...PLACE });
    await workers.takeAll(events);
    assertEquals(workers.runtime.summary().worker_count, 45);
  }));

Deno.test("RunWorkers takes an end that stands before its begin, as a mended log has it, and the end of the run at last", () =>
  withTempDir(async (root) => {
    const base = { ts: "2026-01-01T00:00:00Z", run_id: PLACE.runId, node_id: "a", attempt: 1 };
    const end = { ...base, id: newEventId(), type: "node.completed" };
    const begin = { ...base, id: newEventId(), type: "node.started", kind: "task" };
    const expected = [{
      objective: "a#1",
      status: "stopped",
      transcript: ["user a", "system completed"],
    }];
    await feed(root, [end, end, begin, begin, end]);
    assertEquals(await workersOf({ root, runId: PLACE.runId }), expected);
    const { ts, run_id } = base;
    await using log = await openEventLog<RunEvent>({ root, runId: PLACE.runId });
    await log.appendAll([end, { id: newEventId(), type: "pipe.completed", ts, run_id }, begin]);
    await Deno.remove(runtimeDirectory(root, PLACE.runId), { recursive: true });
    await using workers = await RunWorkers.open({ root, ...PLACE });
    await workers.catchUp();
    assertEquals(workers.runtime.summary().status, "stopped");
    assertEquals(await workersOf({ root, runId: PLACE.runId }), expected);
  }));

Deno.test("RunWorkers finds its workers again when there are more than a page of them", () =>
  withTempDir(async (root) => {
    const events: RunEvent[] = Array.from({ length: 101 }, (_, index) => ({
      type: "node.started",
      id: newEventId(),
      ts: "2026-01-01T00:00:00Z",
      run_id: PLACE.runId,
      node_id: `n${index}`,
      kind: "task",
      attempt: 1,
    }));
    {
      await using workers = await RunWorkers.open({ root, ...PLACE });
      await Promise.all(events.map((event) => workers.take(event)));
    }
    await feed(root, events);
    assertEquals((await workersOf({ root, runId: PLACE.runId })).length, 101);
  }));

Deno.test("an end without a begin has no worker, and an attempt without a number is the first", () =>
  withTempDir(async (root) => {
    const base = { ts: "2026-01-01T00:00:00Z", run_id: PLACE.runId, node_id: "a" };
    await feed(root, [
      { ...base, id: newEventId(), type: "node.completed" },
      { ...base, id: newEventId(), type: "node.started", kind: "task" },
      { ...base, id: newEventId(), type: "node.completed", attempt: 2 },
      { ...base, id: newEventId(), type: "node.completed", attempt: 1 },
    ]);
    assertEquals(await workersOf({ root, runId: PLACE.runId }), [
      { objective: "a#1", status: "stopped", transcript: ["user a", "system completed"] },
    ]);
  }));

Deno.test("a command line or a message that is too long for the store is cut there", () =>
  withTempDir(async (root) => {
    const base = { ts: "2026-01-01T00:00:00Z", run_id: PLACE.runId, node_id: "a", attempt: 1 };
    const long = `x${"🙂".repeat(1_000_000)}`;
    await feed(root, [
      { ...base, id: newEventId(), type: "node.started", kind: "command", name: long },
      { ...base, id: newEventId(), type: "node.failed", error: { kind: "crash" }, message: long },
    ]);
    const [worker] = await workersOf({ root, runId: PLACE.runId });
    const cut = `x${"🙂".repeat(149_999)}…`;
    assertEquals(worker?.transcript[0], `user ${cut}`);
    assertEquals(worker?.transcript[1]?.length, "system ".length + 300_000);
  }));

Deno.test("what the store did not take keeps it from being stopped, so that it can catch up", () =>
  withTempDir(async (root) => {
    const { runId } = PLACE;
    const place = { root, runId };
    await using log = await openEventLog({ root, runId });
    await using workers = await RunWorkers.open({ root, runId, name: "demo" });
    const append = async (event: Record<string, unknown>) => {
      const base = { id: newEventId(), ts: "2026-01-01T00:00:00Z", run_id: runId };
      const whole = { ...base, ...event } as RunEvent;
      await log.append(whole);
      await workers.take(whole);
    };
    await append({ type: "pipe.started", pipe: "demo", inputs: [], distro_version: "0" });
    const { transaction } = workers.runtime;
    workers.runtime.transaction = () => Promise.reject(new Error("no space"));
    const begin = { type: "node.started", node_id: "a", kind: "command", attempt: 1 };
    await assertRejects(() => append(begin), Error, "no space");
    workers.runtime.transaction = transaction;
    await append({ type: "pipe.completed" });
    assertEquals(workers.runtime.summary().status, "running");
    await workers.catchUp();
    assertEquals(workers.runtime.summary().status, "stopped");
    assertEquals((await workersOf(place)).map(({ objective }) => objective), ["a#1"]);
  }));
