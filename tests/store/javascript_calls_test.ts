/** What JavaScript leaves out, or gives of a wrong type, is refused by its name. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  FsRuntimeStore,
  type OpenRuntimeOptions,
  type OpenStoreOptions,
  removeRuntime,
  repairStore,
  runtimeDirectory,
  RuntimeStoreError,
  verifyStore,
  WorkerRuntime,
} from "../../store/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { workerRef } from "./_runtime.ts";

/** Types do not stop JavaScript. */
const none = undefined as never;
const seven = 7 as never;

async function assertNamed(call: () => unknown, named: string): Promise<void> {
  const error = await assertRejects(async () => await call(), TypeError);
  assertStringIncludes(error.message, `Cannot use ${named}: expected a `);
}

Deno.test("a missing root or runtimeId is a TypeError that names it, and nothing is made", () =>
  withTempDir(async (root) => {
    for (const wrong of [none, seven]) {
      await assertNamed(() => WorkerRuntime.open(wrong), "root");
      await assertNamed(() => FsRuntimeStore.open(wrong), "root");
      await assertNamed(() => verifyStore(wrong), "root");
      await assertNamed(() => repairStore(wrong), "root");
      await assertNamed(() => removeRuntime(wrong, "rt-1"), "root");
      await assertNamed(() => runtimeDirectory(wrong, "rt-1"), "root");
      await assertNamed(() => removeRuntime(root, wrong), "runtimeId");
      await assertNamed(() => runtimeDirectory(root, wrong), "runtimeId");
    }
    for (const wrong of [null, 7, {}]) {
      const options = { root, runtimeId: wrong } as unknown as OpenRuntimeOptions;
      await assertNamed(() => WorkerRuntime.open(options), "runtimeId");
    }
    await assertNamed(() => FsRuntimeStore.open({ root } as OpenStoreOptions), "runtimeId");
    await assertNamed(() => verifyStore(root, { runtimeId: seven }), "runtimeId");
    await assertNamed(() => repairStore(root, { runtimeId: seven }), "runtimeId");
    assertEquals(namesIn(root), []);
  }));

Deno.test("a missing argument of a runtime's method is refused in words of the store", () =>
  withTempDir(async (root) => {
    await using runtime = await WorkerRuntime.open({ root, runtimeId: "rt-1" });
    const page = { start: 0, limit: 1 };
    await assertNamed(() => runtime.readEvents(none, 1), "runtime_id of the cursor");
    await assertNamed(() => runtime.readTranscript(none, page), "runtime_id");
    await assertNamed(() => runtime.workerDetail(none), "runtime_id");
    await assertNamed(() => runtime.configBundleAvailability(none), "id");
    await assertNamed(() => runtime.transaction(none), "body");
    await assertRejects(() => runtime.readTranscript(workerRef(1), none), RangeError, "limit");
    for (
      const call of [
        () => runtime.createWorker(none),
        () => runtime.sendInput(none, { kind: "user", content: "hello" }),
        () => runtime.sendInput(workerRef(1), none),
        () => runtime.stopWorker(none),
        () => runtime.storeConfigBundle(none),
      ]
    ) {
      assertEquals((await assertRejects(call, RuntimeStoreError)).kind, "invalid-request");
    }
  }));
