/**
 * The power fails after each operation there is: what was acknowledged with "disk" is there, nothing
 * else is there that was never appended, and the log goes on.
 */

import { assert, assertEquals, assertGreater } from "@std/assert";
import type { FilePort } from "../../_internal/file_port.ts";
import type { FileEventLog } from "../../eventlog/mod.ts";
import { openOnPort, openOnPortSync } from "../../eventlog/open_event_log.ts";
import { type CutInfo, everyCut } from "../_util/every_cut.ts";
import type { FaultPort } from "../_util/fault_port.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { longCount } from "../_util/temp.ts";
import { type AnyEvent, numbered, numberedLines, readAll, RUN_ID, writeRun } from "./_runs.ts";

const SEEDS = longCount(5, 40);

/** An event that fills a page or two now and then, so that pages and lines do not coincide. */
function eventOf(n: number): AnyEvent {
  return { n, text: "x".repeat(n % 7 === 3 ? 5000 : 20) };
}

function open(port: FilePort, root: string): Promise<FileEventLog<AnyEvent>> {
  return openOnPort<AnyEvent>(port, { root, runId: RUN_ID, durability: "disk" });
}

/** Looks at what the disk holds: all that was promised, and nothing that was never appended. */
function checkImage(root: string, { acknowledged }: CutInfo<number>): void {
  using log = openOnPortSync<AnyEvent>(hastyFilePort, { root, runId: RUN_ID });
  const { events } = readAll(root);
  for (const { event } of events) {
    const wanted = "text" in event ? eventOf(event.n as number) : { n: event.n };
    assertEquals(event, wanted, "an event that was never appended");
  }
  const found = events.map(({ event }) => event.n as number);
  assertEquals(new Set(found).size, found.length, "an event is there twice");
  assertEquals(acknowledged.filter((n) => !found.includes(n)), [], "acknowledged events are gone");
  assertEquals(found, found.toSorted((a, b) => a - b));
  const { lastSeq } = log.appendSync({ n: -1 });
  assertEquals(readAll(root).events.at(-1), { seq: lastSeq, event: { n: -1 } });
}

type Workload = (port: FaultPort, root: string, acknowledged: number[]) => Promise<void>;

async function appendOneByOne(port: FaultPort, root: string, acknowledged: number[]) {
  const log = await open(port, root);
  for (let n = 1; n <= 4; n++) {
    await log.append(eventOf(n));
    acknowledged.push(n);
  }
  log.appendSync(eventOf(5));
  acknowledged.push(5);
  await log.close();
}

async function appendBatches(port: FaultPort, root: string, acknowledged: number[]) {
  const log = await open(port, root);
  for (let first = 1; first <= 20; first += 10) {
    const events = Array.from({ length: 10 }, (_, index) => eventOf(first + index));
    await log.appendAll(events);
    acknowledged.push(...events.map(({ n }) => n as number));
  }
  await log.close();
}

async function appendGroups(port: FaultPort, root: string, acknowledged: number[]) {
  const log = await open(port, root);
  const append = (n: number) => log.append(eventOf(n)).then(() => acknowledged.push(n));
  await append(1);
  await allOrFirstError(Array.from({ length: 64 }, (_, index) => append(2 + index)));
  await log.close();
}

/** Waits for all, so that nothing goes on behind the workload's back. */
async function allOrFirstError(promises: Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

async function appendThroughTwoHandles(port: FaultPort, root: string, acknowledged: number[]) {
  const first = await open(port, root);
  await first.append(eventOf(1));
  acknowledged.push(1);
  const second = await open(port, root);
  for (let n = 2; n <= 4; n++) {
    await (n % 2 === 0 ? second : first).append(eventOf(n), { expectedLastSeq: n - 1 });
    acknowledged.push(n);
  }
  await first.close();
  await second.close();
}

async function syncAfterwards(port: FaultPort, root: string, acknowledged: number[]) {
  const log = await open(port, root);
  const unsynced: number[] = [];
  for (let n = 1; n <= 6; n++) {
    await log.append(eventOf(n), { durability: "os" });
    unsynced.push(n);
    if (n === 3) await log.sync();
    if (n === 3) acknowledged.push(...unsynced.splice(0));
  }
  // One on disk takes those before it along.
  await log.append(eventOf(7));
  acknowledged.push(...unsynced, 7);
  await log.append(eventOf(8), { durability: "os" });
  log.syncSync();
  acknowledged.push(8);
  await log.close();
}

const workloads: Record<string, Workload> = {
  "one append after the other": appendOneByOne,
  "batches": appendBatches,
  "groups of 64": appendGroups,
  "two handles in turn": appendThroughTwoHandles,
  "syncs after appends that did not wait for one": syncAfterwards,
};

for (const [name, workload] of Object.entries(workloads)) {
  Deno.test(`a power cut after any operation of ${name} loses nothing acknowledged (W-OMN-1)`, async () => {
    const { cuts } = await everyCut<number>(workload, checkImage, { seeds: SEEDS });
    assertGreater(cuts, 30);
  });
}

for (const tail of ["", '{"n":4}', '{"n":4', "\0".repeat(9000)]) {
  const name = tail === "" ? "no tail" : JSON.stringify(tail.slice(0, 8));
  Deno.test(`a power cut after any operation of opening a log with the tail ${name} loses nothing`, async () => {
    await everyCut<number>(async (port, root, acknowledged) => {
      const log = await open(port, root);
      await log.append(eventOf(5));
      acknowledged.push(5);
      await log.close();
    }, (image, info) => {
      const old = numbered(3).map(({ n }) => n as number);
      checkImage(image, { ...info, acknowledged: [...old, ...info.acknowledged] });
      if (tail !== '{"n":4') return;
      // The tail is somewhere: still there, or in one of the files that it was moved to.
      const names = Array.from(Deno.readDirSync(`${image}/runs/${RUN_ID}`), (entry) => entry.name);
      const torn = names.filter((entry) => entry.includes(".torn-"));
      assert(torn.some((entry) => holds(`${image}/runs/${RUN_ID}/${entry}`, tail)));
    }, { seeds: SEEDS, before: (root) => void writeRun(root, numberedLines(3) + tail) });
  });
}

function holds(path: string, text: string): boolean {
  return Deno.readTextFileSync(path) === text;
}
