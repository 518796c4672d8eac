/**
 * Lesson 5: a store of workers. What a mutation did is on disk when it returns; a program that opens
 * the runtime later, even after a crash, goes on where the last one was.
 *
 * Run: deno run --allow-read=.taffrail-examples --allow-write=.taffrail-examples examples/05_store.ts
 */
// deno-lint-ignore-file no-console -- an example prints
import { FsRuntimeStore, verifyStore, WorkerRuntime } from "@taffrail/taffrail/store";

const root = ".taffrail-examples";
const runtimeId = `tutor-${crypto.randomUUID()}`;
{
  // One program at a time owns a runtime, until it closes it or dies.
  await using runtime = await WorkerRuntime.open({ root, runtimeId, displayName: "Tutor" });
  const { worker_ref } = await runtime.createWorker({
    intent: { kind: "role", role: "tutor" },
    profile: { kind: "runtime_default" },
  });
  await runtime.sendInput(worker_ref, { kind: "user", content: "What is 6 times 7?" });
  // All mutations of a transaction are recorded, or none; and they share one sync.
  await runtime.transaction((transaction) => {
    for (const content of ["Think of 6 times 6.", "Add 6."]) {
      transaction.sendInput(worker_ref, { kind: "system", content });
    }
  });
}

await using runtime = await WorkerRuntime.open({ root, runtimeId });
for (const { worker_id: id, status, transcript_len: length } of runtime.listWorkers()) {
  console.log(`${id} is ${status} and has ${length} entries`);
}
const ref = runtime.listWorkers()[0]!.worker_ref;
await runtime.stopWorker(ref, "answered");

// Anybody may read meanwhile. A page costs what is on it, however long the transcript is.
await using store = await FsRuntimeStore.open({ root, runtimeId, readOnly: true });
for (let start: number | null = 0; start !== null;) {
  const page = await store.readTranscript(ref, { start, limit: 2 });
  console.log(page.items.map(({ role, content }) => `${role}: ${content}`).join(" | "));
  start = page.next_start;
}
const { events } = await store.readEvents({ runtime_id: runtimeId, next_event_id: 1 }, 100);
console.log(events.map(({ kind }) => kind.kind).join(", "));

const { ok, runtimes } = await verifyStore(root, { runtimeId });
console.log(`${runtimes[0]!.events} events; the store is ${ok ? "sound" : "damaged"}`);
