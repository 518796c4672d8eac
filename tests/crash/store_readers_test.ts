/**
 * Opening for reading beside a writer that changes a runtime and makes checkpoints all the time: each
 * opening sees the state after some mutation, whole, and never an older one than before.
 */
import { assert, assertEquals } from "@std/assert";
import { FsRuntimeStore } from "../../store/mod.ts";
import { longCount, withTempDir } from "../_util/temp.ts";
import { readWorkers } from "../store/_read.ts";
import { Child } from "./_child.ts";
import { nextTurn } from "./_programs/_pipe.ts";
import { type Acknowledged, RUNTIME_ID } from "./_programs/_store.ts";
import { report } from "./_report.ts";

const OPENINGS = longCount(300, 10_000);
/** So that no runtime grows large. */
const OPENINGS_A_WRITER = 1000;

/** The last event of something that was acknowledged. */
function lastEventOf(acknowledged: Acknowledged): number {
  if (acknowledged.did === "created") return acknowledged.event;
  return Math.max(...acknowledged.inputs.map(({ event }) => event));
}

/** Opens, looks that all that is counted agrees, and returns the last event. */
async function openAndCheck(root: string): Promise<number> {
  await using store = await FsRuntimeStore.open({ root, runtimeId: RUNTIME_ID, readOnly: true });
  const workers = await readWorkers(store);
  const { worker_count, active_worker_count } = store.summary();
  assertEquals(worker_count, workers.length);
  assertEquals(active_worker_count, workers.length);
  const inputs = workers.reduce((sum, { transcript_len }) => sum + transcript_len, 0);
  // The runtime's start, one event each for a worker and an input, and nothing else.
  const last = 1 + workers.length + inputs;
  assertEquals(Math.max(1, ...workers.map(({ last_event_id }) => last_event_id)), last);
  await checkEvents(store, last);
  for (const { worker_ref, transcript_len, last_event_id } of workers) {
    if (transcript_len === 0) continue;
    const query = { start: transcript_len - 1, limit: 10 };
    const { items, total_items, next_start } = await store.readTranscript(worker_ref, query);
    assertEquals([total_items, next_start], [transcript_len, null]);
    assertEquals(items.map(({ sequence, event_id }) => [sequence, event_id]), [
      [transcript_len, last_event_id],
    ]);
  }
  return last;
}

async function checkEvents(store: FsRuntimeStore, last: number): Promise<void> {
  const first = Math.max(1, last - 4);
  const batch = await store.readEvents({ runtime_id: RUNTIME_ID, next_event_id: first }, 10);
  const ids = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  assertEquals(batch.events.map(({ id }) => id), ids);
  assertEquals([batch.cursor.next_event_id, batch.has_more], [last + 1, false]);
}

async function openBeside(root: string, openings: number): Promise<number> {
  let acknowledged = 0;
  const opened = Promise.withResolvers<void>();
  await using writer = new Child("./_programs/store_writer.ts", {
    args: [root, 0],
    onLine: (line) => {
      if (line === "ready") return opened.resolve();
      acknowledged = lastEventOf(JSON.parse(line));
    },
  });
  await opened.promise;
  let before = 0;
  for (let opening = 0; opening < openings; opening++) {
    await nextTurn();
    const known = acknowledged;
    const last = await openAndCheck(root);
    assert(last >= known, `event ${known} was acknowledged, and ${last} is the last one seen`);
    assert(last >= before, `event ${before} was seen before, and ${last} is the last one now`);
    before = last;
  }
  assert(!writer.ended, "the writer was there all the time");
  await writer.kill();
  return before;
}

Deno.test("every opening for reading beside a writer and its checkpoints sees one whole state", async () => {
  let events = 0;
  for (let done = 0; done < OPENINGS; done += OPENINGS_A_WRITER) {
    await withTempDir(async (root) => {
      events += await openBeside(root, Math.min(OPENINGS_A_WRITER, OPENINGS - done));
    });
  }
  report(`${OPENINGS} openings beside ${events} events`);
});
