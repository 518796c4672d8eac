import { assert, assertEquals } from "@std/assert";
import { RUNTIME_ID, writeSampleStore } from "../../bench/harness/sample_store.ts";
import type { WorkerRuntime } from "../../store/mod.ts";
import { openRuntimeOnPort } from "../../store/runtime/worker_runtime.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";

/** What opening and reading cost, counted in calls and bytes: history must not show in either. */

const WORKERS = longCount(300, 10_000);
const EVENTS = longCount(50_000, 1_000_000);
const READS_A_WORKER = 3;
/** For the runtime itself: its snapshot, the end of its events, its directories, its lock. */
const OTHER_READS = 16;
const PAGE = 100;
const SEARCH_BYTES = 64 * 1024;
/** More than any line of the sample. */
const LINE_BYTES = 200;

function open(port: FaultPort, root: string): Promise<WorkerRuntime> {
  return openRuntimeOnPort(port, { root, runtimeId: RUNTIME_ID });
}

async function readsOfOpening(root: string): Promise<{ reads: number; bytes: number }> {
  const port = new FaultPort({ base: hastyFilePort });
  const runtime = await open(port, root);
  const counted = { reads: port.count("readSync", "read"), bytes: port.bytesRead };
  await runtime.close();
  return counted;
}

Deno.test("opening makes at most three reads a worker, and none an event (W-FRS-1)", () =>
  withTempDir(async (directory) => {
    const counts = [];
    for (const entries of [1, 40]) {
      const root = `${directory}/${entries}`;
      writeSampleStore(root, { workers: WORKERS, events: 1 + WORKERS * (1 + entries) });
      const { reads } = await readsOfOpening(root);
      assert(reads <= READS_A_WORKER * WORKERS + OTHER_READS, `${reads} reads`);
      counts.push(reads);
    }
    assertEquals(counts[0], counts[1], "forty times the history is not seen");
  }));

Deno.test("opening reads no more bytes of a long log than of a short one (W-FRS-1)", () =>
  withTempDir(async (directory) => {
    const counts = [];
    for (const events of [1000, EVENTS]) {
      const root = `${directory}/${events}`;
      writeSampleStore(root, { workers: 10, events });
      counts.push(await readsOfOpening(root));
    }
    const [short, long] = counts;
    assertEquals(long!.reads, short!.reads);
    assert(long!.bytes < 2 * short!.bytes + 64 * 1024, `${long!.bytes} bytes`);
  }));

Deno.test("a page of one event is found with a few reads, however long the log (W-FRS-1)", () =>
  withTempDir(async (root) => {
    writeSampleStore(root, { workers: 10, events: EVENTS });
    const port = new FaultPort({ base: hastyFilePort });
    const runtime = await open(port, root);
    const random = new Random(seed());
    let reads = 0;
    for (let page = 0; page < 100; page++) {
      port.reset();
      const first = 1 + random.below(EVENTS);
      const cursor = { runtime_id: RUNTIME_ID, next_event_id: first };
      const { events } = await runtime.readEvents(cursor, 1);
      assertEquals(events.map(({ id }) => id), [first]);
      reads += port.count("readSync", "read");
    }
    assert(reads <= 6 * 100, `${reads} reads`);
    await runtime.close();
  }));

Deno.test("a page of events reads at most 64 KiB more than the page (W-FRS-1)", () =>
  withTempDir(async (root) => {
    writeSampleStore(root, { workers: 10, events: EVENTS });
    const port = new FaultPort({ base: hastyFilePort });
    const runtime = await open(port, root);
    const random = new Random(seed());
    const ids = [
      1,
      2,
      EVENTS - PAGE,
      EVENTS,
      ...Array.from({ length: 50 }, () => 1 + random.below(EVENTS)),
    ];
    for (const first of ids) {
      port.reset();
      const cursor = { runtime_id: RUNTIME_ID, next_event_id: first };
      const { events, has_more } = await runtime.readEvents(cursor, PAGE);
      const expected = Math.min(PAGE, EVENTS - first + 1);
      assertEquals(
        events.map(({ id }) => id),
        Array.from({ length: expected }, (_, n) => first + n),
      );
      assertEquals(has_more, first + PAGE <= EVENTS);
      assert(port.bytesRead <= SEARCH_BYTES + PAGE * LINE_BYTES, `${port.bytesRead} bytes`);
    }
    await runtime.close();
  }));

Deno.test("a page of a transcript reads at most 64 KiB more than the page (W-FRS-1)", () =>
  withTempDir(async (root) => {
    const entries = EVENTS / 2;
    const ref = { runtime_id: RUNTIME_ID, worker_id: "worker-00000001" };
    writeSampleStore(root, { workers: 1, events: 2 + entries });
    const port = new FaultPort({ base: hastyFilePort });
    const runtime = await open(port, root);
    const random = new Random(seed());
    for (
      const start of [
        0,
        entries - 1,
        ...Array.from({ length: 50 }, () => random.below(entries)),
      ]
    ) {
      port.reset();
      const { items, total_items } = await runtime.readTranscript(ref, { start, limit: PAGE });
      assertEquals(total_items, entries);
      const expected = Math.min(PAGE, entries - start);
      const sequences = items.map(({ sequence }) => sequence);
      assertEquals(sequences, Array.from({ length: expected }, (_, n) => start + 1 + n));
      assert(port.bytesRead <= SEARCH_BYTES + PAGE * LINE_BYTES, `${port.bytesRead} bytes`);
    }
    await runtime.close();
  }));
