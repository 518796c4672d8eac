/**
 * Uses every function that `store/mod.ts` exports, with whatever permissions it was given.
 *
 * Usage: store_permissions.ts ROOT RUNTIME_ID
 */
import * as store from "../../../store/mod.ts";
import { tryAll, type Uses } from "./_permissions.ts";

const [root = "", runtimeId = ""] = Deno.args;
const runtime = { root, runtimeId };
const ref = { runtime_id: runtimeId, worker_id: "worker-00000001" };

async function bundleOf(id: string): Promise<store.ConfigBundle> {
  const bundle: store.ConfigBundle = {
    metadata: {
      id,
      digest: "",
      revision: "1",
      workspace_id: "w",
      created_at: "now",
      provenance: { source: "test" },
    },
  };
  bundle.metadata.digest = await store.computeConfigBundleDigest(bundle);
  return bundle;
}

async function mutate(opened: store.WorkerRuntime): Promise<void> {
  await opened.storeConfigBundle(await bundleOf("b"));
  const { worker_ref } = await opened.createWorker({
    intent: { kind: "assistant" },
    profile: { kind: "runtime_default" },
  });
  await opened.sendInput(worker_ref, { kind: "user", content: "hello" });
  await opened.transaction((transaction) => {
    transaction.sendInput(worker_ref, { kind: "user", content: "again" });
    transaction.cancelWorker(worker_ref);
  });
}

/** What must go well with the permission to read alone. */
const readers: Uses = {
  async FsRuntimeStore() {
    await using opened = await store.FsRuntimeStore.open({ ...runtime, readOnly: true });
    opened.summary();
    opened.listWorkers();
    await opened.workerDetail(ref);
    await opened.readEvents({ runtime_id: runtimeId, next_event_id: 1 }, 10);
    await opened.readTranscript(ref, { start: 0, limit: 10 });
  },
  verifyStore: () => store.verifyStore(root),
  async dryRun() {
    await store.repairStore(root, { dryRun: true });
  },
  computeConfigBundleDigest: () => bundleOf("b"),
  runtimeDirectory: () => store.runtimeDirectory(root, runtimeId),
  TaffrailError: () => store.TaffrailError.name,
  RuntimeStoreError: () => new store.RuntimeStoreError("closed", "made"),
};

/** What needs to write. */
const writers: Uses = {
  async WorkerRuntime() {
    const opened = await store.WorkerRuntime.open(runtime);
    await mutate(opened);
    await opened.close();
    // Once more, for what an opening finds.
    await (await store.WorkerRuntime.open(runtime)).close();
  },
  async repairStore() {
    const { path } = await store.FsRuntimeStore.open({ ...runtime, readOnly: true });
    await Deno.writeTextFile(`${path}/events.jsonl`, "{", { append: true });
    await store.repairStore(root);
    const { problems } = await store.verifyStore(root);
    if (problems.length > 0) throw new Error(`Not mended: ${JSON.stringify(problems)}`);
  },
  async removeRuntime() {
    const other = { root, runtimeId: `${runtimeId}-2` };
    await (await store.WorkerRuntime.open(other)).close();
    await store.removeRuntime(root, other.runtimeId);
  },
  async setRuntimeAside() {
    const other = { root, runtimeId: `${runtimeId}-3` };
    await (await store.WorkerRuntime.open({ ...other, durability: "os" })).close();
    const kept = await store.setRuntimeAside(root, other.runtimeId);
    if (kept === undefined) throw new Error("Nothing was set aside");
  },
};

await tryAll(store, { readers, writers });
