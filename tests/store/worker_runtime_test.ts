/** What a runtime does (WRT-1 to WRT-14), what it writes (the files of spec 4.2), and at what cost. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { turn } from "../../_internal/barrier.ts";
import {
  DEFAULT_RUNTIME_LIMITS,
  FsRuntimeStore,
  RuntimeStoreError,
  type RuntimeStoreErrorKind,
  verifyStore,
  WorkerRuntime,
} from "../../store/mod.ts";
import type { ConfigBundle, CreateWorkerRequest, WorkerRef } from "../../store/types.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { namesIn, readText } from "../_util/files.ts";
import { withMemoryDir, withTempDir } from "../_util/temp.ts";
import {
  GOLDEN_EVENTS,
  GOLDEN_FIRST_WORKER,
  GOLDEN_RUNTIME,
  GOLDEN_SECOND_WORKER,
  GOLDEN_TRANSCRIPT,
  goldenFirstWorker,
  goldenRuntime,
} from "./_golden.ts";
import {
  look,
  openRuntime,
  openStore,
  pathOf,
  RUNTIME_ID,
  workerPathOf,
  workerRef,
} from "./_runtime.ts";
import { plainRequest } from "./_scenes.ts";

const HELLO = { kind: "user", content: "hello" } as const;

function goldenBundle(): ConfigBundle {
  return goldenRuntime().config_bundles["bundle-1"]!;
}

/** A fresh runtime in a directory of its own, which is closed afterwards. */
function withRuntime(
  use: (runtime: WorkerRuntime, root: string, port: FaultPort) => Promise<void>,
): Promise<void> {
  return withTempDir(async (root) => {
    const port = new FaultPort();
    await using runtime = await openRuntime(root, { port });
    await use(runtime, root, port);
  });
}

async function assertKind(promise: Promise<unknown>, kind: RuntimeStoreErrorKind): Promise<void> {
  assertEquals((await assertRejects(() => promise, RuntimeStoreError)).kind, kind);
}

Deno.test("the files of a closed runtime and its answers are the seed's, byte for byte (spec 4.2)", () =>
  withTempDir(async (root) => {
    const runtime = await openRuntime(root);
    await runtime.storeConfigBundle(goldenBundle());
    const { worker_ref: first } = await runtime.createWorker(goldenFirstWorker().request);
    const input = { kind: "user", content: "héllo\nline2" } as const;
    assertEquals(
      JSON.stringify(await runtime.sendInput(first, input)),
      '{"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"status":"running","transcript_sequence":1,"event_id":3}',
    );
    await runtime.createWorker(plainRequest);
    assertEquals(
      JSON.stringify(await runtime.stopWorker(first, "done")),
      '{"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"status":"stopped","event_id":5}',
    );
    assertEquals(
      JSON.stringify(runtime.summary()),
      '{"runtime_id":"rt-1","display_name":"demo","backend":"fs_store","status":"running","worker_count":2,"active_worker_count":1,"stopped_worker_count":1,"cancelled_worker_count":0,"diagnostic_count":2,"limits":{"max_transcript_projection_items":256,"max_event_batch_items":256}}',
    );
    const cursor = { runtime_id: RUNTIME_ID, next_event_id: 1 };
    assertEquals(
      JSON.stringify(await runtime.readEvents(cursor, 2)),
      '{"runtime_id":"rt-1","cursor":{"runtime_id":"rt-1","next_event_id":3},"events":[{"id":1,"kind":{"kind":"runtime_started"},"message":"runtime started"},{"id":2,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"kind":{"kind":"worker_created"},"message":"worker worker-00000001 created"}],"has_more":true}',
    );
    assertEquals(
      JSON.stringify(await runtime.readTranscript(first, { start: 0, limit: 1 })),
      '{"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"start":0,"limit":1,"total_items":1,"items":[{"sequence":1,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"role":"user","content":"héllo\\nline2","event_id":3}],"next_start":null}',
    );
    assertEquals(
      JSON.stringify(runtime.subscribeEvents()),
      '{"runtime_id":"rt-1","cursor":{"runtime_id":"rt-1","next_event_id":1},"mode":"poll_only"}',
    );
    await runtime.close();
    assertEquals(readText(pathOf(root, "runtime.json")), GOLDEN_RUNTIME);
    assertEquals(readText(pathOf(root, "events.jsonl")), GOLDEN_EVENTS);
    const [one, two] = [first.worker_id, workerRef(2).worker_id];
    assertEquals(readText(workerPathOf(root, one, "worker.json")), GOLDEN_FIRST_WORKER);
    assertEquals(readText(workerPathOf(root, one, "transcript.jsonl")), GOLDEN_TRANSCRIPT);
    assertEquals(readText(workerPathOf(root, two, "worker.json")), GOLDEN_SECOND_WORKER);
    assertEquals(readText(workerPathOf(root, two, "transcript.jsonl")), "");
  }));

/** The writes and syncs since the port was reset, by file name; a sync may block where it is fast. */
function costOf(port: FaultPort): Record<string, number> {
  const cost: Record<string, number> = {};
  for (const { name, path = "" } of port.calls) {
    if (!/^(write|sync|truncate)/.test(name)) continue;
    const call = name === "syncDataSync" ? "syncData" : name;
    const key = `${call} ${path.slice(path.lastIndexOf("/") + 1)}`;
    cost[key] = (cost[key] ?? 0) + 1;
  }
  return cost;
}

const ONE_MUTATION = {
  "writeSync journal-1.jsonl": 1,
  "syncData journal-1.jsonl": 1,
  "writeSync events.jsonl": 1,
  "writeSync transcript.jsonl": 1,
};

Deno.test("an input costs one write and one sync, and two writes that nobody waits for (W-FRS-4, W-FRS-9)", () =>
  withRuntime(async (runtime, _root, port) => {
    const { worker_ref } = await runtime.createWorker(plainRequest);
    for (let round = 0; round < 3; round++) {
      port.reset();
      await runtime.sendInput(worker_ref, HELLO);
      assertEquals(costOf(port), ONE_MUTATION);
    }
  }));

Deno.test("with durability os nothing is synced, and only the journal is written to until a checkpoint", () =>
  withTempDir(async (root) => {
    const port = new FaultPort();
    const syncs = () => port.count("syncData", "syncDataSync", "sync", "syncSync");
    const open = () => openRuntime(root, { port, durability: "os" });
    let runtime = await open();
    port.reset();
    const { worker_ref } = await runtime.createWorker(plainRequest);
    await runtime.sendInput(worker_ref, HELLO);
    await runtime.transaction((transaction) => {
      transaction.sendInput(worker_ref, HELLO);
      transaction.stopWorker(worker_ref);
    });
    assertEquals(costOf(port), { "writeSync journal-1.jsonl": 3 });
    assertEquals(namesIn(pathOf(root)), ["journal-1.jsonl", "owner.lock", "workers"]);
    assertEquals(namesIn(pathOf(root, "workers")), []);
    // Who owns it and who reads beside it see the same.
    const before = await look(runtime);
    assertEquals(before.transcripts.map(({ length }) => length), [2]);
    await using store = await openStore(root);
    assertEquals(await look(store), before);
    assertEquals((await verifyStore(root)).problems, []);
    await runtime.close();
    runtime = await open();
    assertEquals(await look(runtime), before);
    await runtime.close();
    assertEquals([syncs(), port.count("writeSync") > 0], [0, true]);
    assertEquals(namesIn(pathOf(root)), ["events.jsonl", "owner.lock", "runtime.json", "workers"]);
  }));

Deno.test("a checkpoint of many workers leaves the event loop its turns, though nothing is synced", () =>
  withMemoryDir(async (root) => {
    const runtime = await openRuntime(root, { durability: "os" });
    await runtime.transaction((transaction) => {
      for (let n = 0; n < 100; n++) transaction.createWorker(plainRequest);
    });
    let turns = 0;
    let isClosed = false;
    const closing = runtime.close().then(() => isClosed = true);
    while (!isClosed) {
      // Who waits for the same turn goes on in the same one, however slow the machine is.
      await turn();
      turns++;
    }
    await closing;
    assert(turns > 2, `${turns} turns`);
    assertEquals(namesIn(pathOf(root, "workers")).length, 100);
  }));

Deno.test("with durability os mutations in any number make no checkpoint, but 4 MiB of them do", () =>
  withMemoryDir(async (root) => {
    const runtime = await openRuntime(root, { durability: "os" });
    const { worker_ref } = await runtime.createWorker(plainRequest);
    for (let n = 0; n < 1100; n++) await runtime.sendInput(worker_ref, HELLO);
    assertEquals(namesIn(pathOf(root, "workers")), []);
    const large = { ...HELLO, content: "x".repeat(1_000_000) };
    for (let n = 0; n < 5; n++) await runtime.sendInput(worker_ref, large);
    assertEquals(namesIn(pathOf(root, "workers")).length, 1);
    assertEquals((await look(runtime)).transcripts[0]?.length, 1105);
    await runtime.close();
  }));

Deno.test("a durability that there is not is refused before anything is made", () =>
  withTempDir(async (root) => {
    const error = await assertRejects(
      () => WorkerRuntime.open({ root, durability: "none" as "os" }),
      TypeError,
    );
    assertEquals(
      error.message,
      'Cannot open a runtime with durability "none": it is "os" or "disk"',
    );
    assertEquals(namesIn(root), []);
  }));

Deno.test("a journal that was never synced never says so: behind a power cut its torn line is one that never was", () =>
  withTempDir(async (root) => {
    const runtime = await openRuntime(root, { durability: "os" });
    const { worker_ref } = await runtime.createWorker(plainRequest);
    for (let n = 0; n < 3; n++) await runtime.sendInput(worker_ref, HELLO);
    const path = pathOf(root, "journal-1.jsonl");
    const lines = readText(path).split("\n").filter((line) => line.startsWith('{"crc32"'));
    assertEquals(lines.map((line) => JSON.parse(line).mutation.synced), [0, 0, 0, 0, 0]);
    await runtime.close();
  }));

Deno.test("64 callers at the same time share one write and one sync, in call order", () =>
  withRuntime(async (runtime, _root, port) => {
    const { worker_ref } = await runtime.createWorker(plainRequest);
    port.reset();
    const acks = await Promise.all(
      Array.from(
        { length: 64 },
        (_, n) => runtime.sendInput(worker_ref, { ...HELLO, content: `${n}` }),
      ),
    );
    assertEquals(costOf(port), ONE_MUTATION);
    assertEquals(acks.map(({ transcript_sequence }) => transcript_sequence), range(64));
    const { items } = await runtime.readTranscript(worker_ref, { start: 0, limit: 64 });
    assertEquals(items.map(({ content }) => Number(content) + 1), range(64));
  }));

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index + 1);
}

Deno.test("a transaction is one line, one write and one sync, and all or nothing", () =>
  withRuntime(async (runtime, root, port) => {
    port.reset();
    const refs = await runtime.transaction((transaction) => {
      const made = [1, 2, 3].map(() => transaction.createWorker(plainRequest).worker_ref);
      for (const ref of made) transaction.sendInput(ref, HELLO);
      transaction.stopWorker(made[0]!);
      return made;
    });
    assertEquals(port.count("syncData", "syncDataSync"), 1);
    assertEquals(readText(pathOf(root, "journal-1.jsonl")).split("\n").length - 1, 3);
    assertEquals(runtime.summary().stopped_worker_count, 1);
    assertEquals((await runtime.workerDetail(refs[2]!)).transcript_len, 1);
    port.reset();
    const before = JSON.stringify(runtime.summary());
    const failing = runtime.transaction((transaction) => {
      transaction.createWorker(plainRequest);
      transaction.sendInput(refs[0]!, HELLO);
    });
    assertEquals(
      (await assertRejects(() => failing, RuntimeStoreError)).message,
      "invalid request: worker worker-00000001 is not running",
    );
    assertEquals([JSON.stringify(runtime.summary()), costOf(port)], [before, {}]);
  }));

Deno.test("a mutation that fails inside a transaction leaves nothing, even when that goes on", () =>
  withRuntime(async (runtime) => {
    const worker = await runtime.transaction((transaction) => {
      assertThrows(() =>
        transaction.createWorker({ ...plainRequest, profile: { kind: "named", value: "mine" } })
      );
      assertThrows(() => transaction.sendInput(workerRef(1), HELLO), RuntimeStoreError);
      return transaction.createWorker(plainRequest);
    });
    assertEquals([worker.worker_id, worker.last_event_id], ["worker-00000001", 2]);
  }));

Deno.test("a transaction cannot wait, and cannot be used afterwards", () =>
  withRuntime(async (runtime) => {
    let kept: Parameters<Parameters<WorkerRuntime["transaction"]>[0]>[0] | undefined;
    await assertRejects(
      () =>
        runtime.transaction((transaction) => {
          kept = transaction;
          transaction.createWorker(plainRequest);
          return Promise.reject(new Error("not looked at"));
        }),
      TypeError,
      "Cannot wait inside a transaction",
    );
    assertThrows(
      () => kept!.createWorker(plainRequest),
      TypeError,
      "Cannot go on with a transaction",
    );
    assertEquals(runtime.summary().worker_count, 0);
  }));

Deno.test("what is recorded wins over the options of a later opening, which writes no event (WRT-3)", () =>
  withTempDir(async (root) => {
    const limits = { max_transcript_projection_items: 2, max_event_batch_items: 3 };
    const first = await WorkerRuntime.open({ root, runtimeId: "r", displayName: "one", limits });
    await first.createWorker(plainRequest);
    await first.close();
    await using again = await WorkerRuntime.open({ root, runtimeId: "r", displayName: "two" });
    const { display_name, limits: kept } = again.summary();
    assertEquals([display_name, kept], ["one", limits]);
    const { events } = await again.readEvents({ runtime_id: "r", next_event_id: 1 }, 3);
    assertEquals(events.length, 2);
    assertEquals((await again.createWorker(plainRequest)).worker_id, "worker-00000002");
    await assertKind(again.readEvents({ runtime_id: "r", next_event_id: 1 }, 4), "limit-too-large");
    const unknown = { runtime_id: "r", worker_id: "unknown" };
    await assertKind(again.readTranscript(unknown, { start: 0, limit: 3 }), "limit-too-large");
    await assertKind(again.readTranscript(unknown, { start: 0, limit: 2 }), "worker-not-found");
  }));

Deno.test("a stopped runtime refuses every mutation, also after it was opened again (WRT-7, WRT-8)", () =>
  withTempDir(async (root) => {
    const runtime = await openRuntime(root);
    const { worker_ref: ref } = await runtime.createWorker(plainRequest);
    const { worker_ref: other } = await runtime.createWorker(plainRequest);
    await runtime.cancelWorker(other);
    assertEquals(await runtime.stopRuntime(), 5);
    assertEquals(await runtime.stopRuntime(), 5);
    const statuses = runtime.listWorkers().map((
      { status, last_event_id },
    ) => [status, last_event_id]);
    assertEquals(statuses, [["stopped", 2], ["cancelled", 4]]);
    await runtime.close();
    await using again = await openRuntime(root);
    // The runtime comes first, whatever else is wrong.
    await assertKind(
      again.createWorker({ ...plainRequest, intent: { kind: "task", objective: "" } }),
      "runtime-stopped",
    );
    await assertKind(again.sendInput(ref, { kind: "user", content: "" }), "runtime-stopped");
    await assertKind(again.stopWorker(ref), "runtime-stopped");
    await assertKind(again.cancelWorker(workerRef(9)), "runtime-stopped");
    await assertKind(again.storeConfigBundle(goldenBundle()), "runtime-stopped");
    assertEquals(await again.stopRuntime(), 5);
    assertEquals((await again.readEvents({ runtime_id: RUNTIME_ID, next_event_id: 5 }, 9)).events, [
      { id: 5, kind: { kind: "runtime_stopped" }, message: "runtime rt-1 stopped" },
    ]);
  }));

Deno.test("the first end of a worker stays, and saying so writes nothing (WRT-6)", () =>
  withRuntime(async (runtime, _root, port) => {
    const { worker_ref: ref } = await runtime.createWorker(plainRequest);
    const stopped = await runtime.stopWorker(ref);
    port.reset();
    assertEquals(await runtime.cancelWorker(ref, "late"), stopped);
    assertEquals(costOf(port), {});
    await assertKind(runtime.sendInput(ref, HELLO), "invalid-request");
  }));

Deno.test("inputs are checked in the seed's order (WRT-5)", () =>
  withRuntime(async (runtime) => {
    const blank = { kind: "user", content: " \n" } as const;
    const elsewhere: WorkerRef = { runtime_id: "other", worker_id: "w" };
    const messages = [];
    for (
      const [ref, input] of [[elsewhere, blank], [elsewhere, HELLO], [workerRef(7), HELLO]] as const
    ) {
      messages.push(
        (await assertRejects(() => runtime.sendInput(ref, input), RuntimeStoreError)).message,
      );
    }
    assertEquals(messages, [
      "invalid request: worker input content must not be empty",
      "worker w belongs to runtime other, not runtime rt-1",
      "worker worker-00000007 was not found in runtime rt-1",
    ]);
  }));

Deno.test("arguments count as they are at the call", () =>
  withRuntime(async (runtime) => {
    const request = structuredClone(plainRequest) as {
      intent: { kind: string; objective?: string };
    };
    const ref = { ...workerRef(1) };
    const input = { ...HELLO, content: "before" };
    const made = runtime.createWorker(request as CreateWorkerRequest);
    const sent = runtime.sendInput(ref, input);
    request.intent = { kind: "task", objective: "after" };
    ref.worker_id = "after";
    input.content = "after";
    assertEquals((await made).intent, { kind: "assistant" });
    assertEquals((await sent).transcript_sequence, 1);
    const { items } = await runtime.readTranscript(workerRef(1), { start: 0, limit: 1 });
    assertEquals(items[0]!.content, "before");
    const detail = await made;
    detail.intent = { kind: "task", objective: "changed" };
    assertEquals((await runtime.workerDetail(workerRef(1))).intent, { kind: "assistant" });
  }));

Deno.test("the newest 1,000 diagnostics are kept (W-FRS-9)", () =>
  withTempDir(async (root) => {
    const runtime = await openRuntime(root);
    await runtime.transaction((transaction) => {
      for (let count = 0; count < 501; count++) transaction.createWorker(plainRequest);
    });
    await runtime.close();
    await using again = await openRuntime(root);
    const ids = again.diagnostics().map(({ id }) => id);
    assertEquals([ids.length, ids[0], ids.at(-1)], [1000, 3, 1002]);
    assertEquals(again.summary().diagnostic_count, 1000);
    const page = again.listWorkers({ after: "worker-00000100", limit: 3 });
    assertEquals(page.map(({ worker_id }) => worker_id), [
      "worker-00000101",
      "worker-00000102",
      "worker-00000103",
    ]);
    assertEquals(again.listWorkers({ after: "worker-000001f5" }), []);
    assertEquals(again.listWorkers({ limit: 0 }), []);
  }));

Deno.test("what is too long or no text is refused, and leaves nothing", () =>
  withTempDir(async (root) => {
    await using runtime = await WorkerRuntime.open({ root, runtimeId: "r", maxContentBytes: 100 });
    const { worker_ref: ref } = await runtime.createWorker(plainRequest);
    const error = await assertRejects(
      () => runtime.sendInput(ref, { kind: "user", content: "é".repeat(51) }),
      RuntimeStoreError,
    );
    assertEquals([error.kind, error.details.actual, error.details.expected], [
      "content-too-large",
      102,
      100,
    ]);
    await runtime.sendInput(ref, { kind: "user", content: "é".repeat(50) });
    await assertKind(runtime.stopWorker(ref, "x".repeat(101)), "content-too-large");
    const intent = { kind: "task", objective: "x".repeat(100) } as const;
    await assertKind(runtime.createWorker({ ...plainRequest, intent }), "content-too-large");
    await assertKind(
      runtime.sendInput(ref, { kind: "user", content: "\ud800" }),
      "invalid-request",
    );
    await assertKind(runtime.stopWorker(ref, "\ud800"), "invalid-request");
    assertEquals(runtime.summary().active_worker_count, 1);
    assertEquals((await runtime.workerDetail(ref)).transcript_len, 1);
    for (const runtimeId of ["", " ", "x".repeat(127), "\ud800"]) {
      await assertKind(WorkerRuntime.open({ root, runtimeId }), "invalid-request");
    }
    await using longest = await WorkerRuntime.open({ root, runtimeId: "x".repeat(126) });
    assert(longest.path.endsWith("78".repeat(126)));
    const options = { root, runtimeId: "r", maxContentBytes: -1 };
    await assertRejects(
      async () => await WorkerRuntime.open(options),
      RangeError,
      "maxContentBytes",
    );
  }));

Deno.test("a config bundle is replaced, told about, and not an event (WRT-9)", () =>
  withRuntime(async (runtime) => {
    const bundle = goldenBundle();
    const { reference, summary } = await runtime.storeConfigBundle(bundle);
    assertEquals(reference, { id: "bundle-1", digest: bundle.metadata.digest });
    assertEquals(runtime.configBundleAvailability(reference), { reference, summary });
    assertEquals(runtime.listConfigBundles(), [summary]);
    const failing = () => runtime.configBundleAvailability({ ...reference, digest: "other" });
    assertEquals(assertThrows(failing, RuntimeStoreError).kind, "config-bundle-digest-mismatch");
    const batch = await runtime.readEvents({ runtime_id: RUNTIME_ID, next_event_id: 2 }, 1);
    assertEquals([batch.events, batch.has_more], [[], false]);
  }));

Deno.test("a closed runtime says so, and closing it again does nothing", () =>
  withTempDir(async (root) => {
    const runtime = await openRuntime(root);
    const last = runtime.createWorker(plainRequest);
    await Promise.all([runtime.close(), runtime.close()]);
    assertEquals((await last).worker_id, "worker-00000001");
    await assertKind(runtime.createWorker(plainRequest), "closed");
    await assertKind(runtime.readEvents({ runtime_id: RUNTIME_ID, next_event_id: 1 }, 1), "closed");
    const error = assertThrows(() => runtime.summary());
    assertInstanceOf(error, RuntimeStoreError);
    assertStringIncludes(error.message, "open it again");
  }));

Deno.test("options of a runtime that nobody knows are refused, and null is no name", () =>
  withTempDir(async (root) => {
    const open = (options: object) => WorkerRuntime.open({ root, runtimeId: "rt-1", ...options });
    await assertRejects(() => open({ limits: { foo: 3 } }), TypeError, "limit foo: there are only");
    await assertRejects(() => open({ displayName: 7 }), TypeError, "displayName is not a string");
    assertEquals(namesIn(root), []);
    const runtime = await open({ displayName: null, limits: { max_event_batch_items: 3 } });
    const { display_name, limits } = runtime.summary();
    assertEquals([display_name, limits], [null, {
      max_transcript_projection_items: 256,
      max_event_batch_items: 3,
    }]);
    await runtime.close();
  }));

Deno.test("a runtime without an id gets one that no other has, also in another process (W-FRS-11)", () =>
  withMemoryDir(async (root) => {
    const ids = new Set<string>();
    for (let n = 0; n < 3; n++) {
      await using runtime = await WorkerRuntime.open({ root });
      assertMatch(runtime.runtimeId, /^runtime-[0-9a-z]{26}$/);
      assertEquals(runtime.summary().runtime_id, runtime.runtimeId);
      ids.add(runtime.runtimeId);
    }
    assertEquals(ids.size, 3);
    assertEquals((await verifyStore(root)).runtimes.map(({ runtime }) => runtime), [...ids].sort());
  }));

Deno.test("cursors of the first event and behind the last one are had without counting", () =>
  withRuntime(async (runtime) => {
    const { worker_ref } = await runtime.createWorker(plainRequest);
    const start = { runtime_id: RUNTIME_ID, next_event_id: 1 };
    assertEquals(runtime.eventCursorFromStart(), start);
    const now = runtime.eventCursorNow();
    assertEquals((await runtime.readEvents(now, 10)).events, []);
    await runtime.sendInput(worker_ref, HELLO);
    const { events, cursor } = await runtime.readEvents(now, 10);
    assertEquals(events.map(({ id }) => id), [now.next_event_id]);
    assertEquals(cursor, runtime.eventCursorNow());
  }));

Deno.test("a reader of the files may have other limits than the runtime (FRS-8, FRS-10, WRT-14)", () =>
  withRuntime(async (runtime, root) => {
    assertEquals(runtime.summary().limits, DEFAULT_RUNTIME_LIMITS);
    const { worker_ref } = await runtime.createWorker(plainRequest);
    const options = { root, runtimeId: RUNTIME_ID, readOnly: true };
    const { max_event_batch_items } = DEFAULT_RUNTIME_LIMITS;
    const limits = { max_event_batch_items: max_event_batch_items + 1 };
    await using store = await FsRuntimeStore.open({ ...options, limits });
    const cursor = store.eventCursorFromStart();
    assertEquals((await store.readEvents(cursor, 257)).events.length, 2);
    await assertRejects(() => store.readEvents(cursor, 258), RuntimeStoreError, "maximum 257");
    const entries = () => store.readTranscript(worker_ref, { start: 0, limit: 257 });
    await assertRejects(entries, RuntimeStoreError, "maximum 256");
    for (const wrong of [-1, 1.5, NaN]) {
      const limits = { max_event_batch_items: wrong };
      await assertRejects(() => FsRuntimeStore.open({ ...options, limits }), RangeError);
    }
  }));
