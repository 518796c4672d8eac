/**
 * Editors, cleaners, restored copies and other programs at the files of a runtime that is open: its owner
 * notices that what it writes reaches nobody, says so, and stops; what it had acknowledged is there again
 * when the runtime is opened anew, or is told to be missing.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  removeRuntime,
  repairStore,
  RuntimeStoreError,
  verifyStore,
  type WorkerRuntime,
} from "../../store/mod.ts";
import { withStoppedClock } from "../_util/fast_clock.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { appendTo, isThere, readBytes, write } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { FIRST } from "./_damages.ts";
import type { RuntimeModel } from "./_model.ts";
import { look, newModel, openRuntime, pathOf, perform, performBoth, seenIn } from "./_runtime.ts";
import { createPlain, input } from "./_scenes.ts";
import { copyTree, treeOf } from "./_tree.ts";

const isPosix = Deno.build.os !== "windows";

/** What others do to a file that an owner has open. */
const ACTS: Record<string, (path: string) => void | Promise<void>> = {
  "sed -i": async (path) => {
    const { success } = await new Deno.Command("sed", { args: ["-i", "s/none/none/", path] })
      .output();
    assert(success);
  },
  "a copy in its place": (path) => {
    Deno.copyFileSync(path, `${path}~`);
    Deno.renameSync(`${path}~`, path);
  },
  "rm": (path) => Deno.removeSync(path),
  "mv": (path) => Deno.renameSync(path, `${path}.old`),
  "truncated to 0": (path) => write(path, ""),
  "cut by a byte": (path) => write(path, readBytes(path).subarray(0, -1)),
  "appended to": (path) => appendTo(path, "x"),
};

/** A runtime with a checkpoint behind it, and some mutations more. */
async function openWithInputs(
  root: string,
): Promise<{ runtime: WorkerRuntime; model: RuntimeModel }> {
  const model = newModel();
  const first = await openRuntime(root);
  for (const operation of [createPlain, createPlain, input(1, "before")]) {
    await performBoth(first, model, operation);
  }
  await first.close();
  const runtime = await openRuntime(root);
  for (const text of ["one", "two"]) await performBoth(runtime, model, input(1, text));
  return { runtime, model };
}

/** Sends an input a millisecond until one is refused; those before are acknowledged. */
async function untilRefused(
  runtime: WorkerRuntime,
  { model, clock }: { model: RuntimeModel; clock: { advanceMs(ms: number): void } },
): Promise<RuntimeStoreError> {
  for (let n = 1; n <= 3; n++) {
    clock.advanceMs(1);
    try {
      const answer = await perform(runtime, input(1, `later ${n}`));
      assertEquals(answer, model.apply(input(1, `later ${n}`)));
    } catch (error) {
      assert(error instanceof RuntimeStoreError, String(error));
      return error;
    }
  }
  throw new Error("The owner goes on for ever");
}

/** Opens it again, repaired if need be; everything acknowledged is there, or its lack is told. */
async function assertNothingSilentlyGone(root: string, model: RuntimeModel): Promise<void> {
  const { ok } = await verifyStore(root);
  const { problems } = ok ? { problems: [] } : await repairStore(root);
  const runtime = await openRuntime(root);
  const [seen, expected] = [await look(runtime), seenIn(model)];
  const isLost = problems.some(({ kind }) => ["lost", "gap", "dangling"].includes(kind)) ||
    runtime.problems.length > 0;
  if (!isLost) {
    assertEquals([seen.events, seen.transcripts], [expected.events, expected.transcripts]);
  }
  const ids = seen.events.map((event) => JSON.parse(event).id);
  assertEquals(ids.at(-1), JSON.parse(expected.events.at(-1)!).id, "the last event is there");
  await runtime.close();
}

for (const [what, act] of Object.entries(ACTS)) {
  for (const place of ["journal-1.jsonl", "events.jsonl", `${FIRST}/transcript.jsonl`]) {
    Deno.test({
      name: `${what} at ${place} under its owner: it stops, and nothing is silently gone`,
      ignore: !isPosix,
      fn: () =>
        withStoppedClock((clock) =>
          withMemoryDir(async (root) => {
            const { runtime, model } = await openWithInputs(root);
            await act(pathOf(root, place));
            const error = await untilRefused(runtime, { model, clock });
            assertEquals(error.details.path, pathOf(root, place), error.message);
            const again = await assertRejects(() => perform(runtime, input(1, "again")));
            assertEquals((again as RuntimeStoreError).kind, error.kind);
            await runtime.close().catch(() => {});
            await assertNothingSilentlyGone(root, model);
          })
        ),
    });
  }
}

/** What others do to the directories above. */
const MOVES: Record<string, (root: string, aside: string) => Promise<void>> = {
  "the runtime moved": (root, aside) => Deno.rename(pathOf(root), aside),
  "the root moved": (root, aside) => Deno.rename(root, aside),
  "the runtime removed": (root) => Deno.remove(pathOf(root), { recursive: true }),
  "the runtimes removed": (root) => Deno.remove(`${root}/runtimes`, { recursive: true }),
};

for (const [what, move] of Object.entries(MOVES)) {
  Deno.test({
    name: `${what} under its owner: it acknowledges nothing more, and makes nothing`,
    ignore: !isPosix,
    fn: () =>
      withMemoryDir(async (directory) => {
        const root = `${directory}/root`;
        await Deno.mkdir(root);
        const { runtime } = await openWithInputs(root);
        await move(root, `${directory}/aside`);
        const error = await assertRejects(() => perform(runtime, input(1, "x")), RuntimeStoreError);
        assertEquals(error.kind, "replaced", error.message);
        await runtime.close().catch(() => {});
        assertEquals(isThere(pathOf(root)), false);
      }),
  });
}

Deno.test({
  name: "a copy that is put in the runtime's place is not written to, neither then nor at closing",
  ignore: !isPosix,
  fn: () =>
    withMemoryDir(async (directory) => {
      const root = `${directory}/root`;
      await Deno.mkdir(root);
      const { runtime, model } = await openWithInputs(root);
      await Deno.rename(root, `${directory}/aside`);
      await Deno.mkdir(root);
      copyTree(`${directory}/aside`, root);
      const before = treeOf(root);
      const error = await assertRejects(() => perform(runtime, input(1, "x")), RuntimeStoreError);
      assertEquals(error.kind, "replaced");
      await runtime.close().catch(() => {});
      assertEquals(treeOf(root), before);
      await assertNothingSilentlyGone(root, model);
    }),
});

Deno.test({
  name: "closing tells of files that were replaced since the last mutation, and keeps the journal",
  ignore: !isPosix,
  fn: async () => {
    for (const place of ["owner.lock", "journal-1.jsonl", "events.jsonl"]) {
      await withMemoryDir(async (root) => {
        const { runtime, model } = await openWithInputs(root);
        await ACTS["a copy in its place"]!(pathOf(root, place));
        const error = await assertRejects(() => runtime.close(), RuntimeStoreError);
        assertEquals([error.kind, error.details.path], ["replaced", pathOf(root, place)]);
        assert(isThere(pathOf(root, "journal-1.jsonl")));
        await assertNothingSilentlyGone(root, model);
      });
    }
  },
});

Deno.test({
  name: "removing the lock under its owner makes no second one, and the first one stops",
  ignore: !isPosix,
  fn: () =>
    withStoppedClock((clock) =>
      withMemoryDir(async (root) => {
        const { runtime, model } = await openWithInputs(root);
        await Deno.remove(pathOf(root, "owner.lock"));
        const tries = [() => openRuntime(root), () => removeRuntime(root, "rt-1")];
        for (const attempt of tries) {
          const error = await assertRejects(attempt, RuntimeStoreError);
          assertEquals(error.kind, "owned", error.message);
        }
        const { problems } = await repairStore(root);
        assert(problems.every(({ kind }) => kind === "owned"), JSON.stringify(problems));
        clock.advanceMs(1);
        const error = await assertRejects(() => perform(runtime, input(1, "x")), RuntimeStoreError);
        assertEquals([error.kind, error.details.path], ["replaced", pathOf(root, "owner.lock")]);
        await runtime.close();
        await assertNothingSilentlyGone(root, model);
      })
    ),
});

Deno.test("a mutation looks at no file that it writes, once all were seen in their place", () =>
  withStoppedClock((clock) =>
    withMemoryDir(async (root) => {
      await (await openWithInputs(root)).runtime.close();
      const port = new FaultPort({ base: hastyFilePort });
      const runtime = await openRuntime(root, { port });
      const directories = [pathOf(root), pathOf(root, "workers/id-776f726b65722d3030303030303031")];
      const now = Date.now() / 1000;
      for (const path of directories) await Deno.utime(path, now, now - 60);
      for (const content of ["opens the logs", "looks at them"]) {
        clock.advanceMs(1);
        await perform(runtime, input(1, content));
      }
      // The journal's directory each time; once a millisecond those of the lock and of the two logs.
      for (const [ms, looks] of [[0, 1], [1, 4], [0, 1]] as const) {
        for (const count of [1, 64]) {
          clock.advanceMs(ms);
          port.reset();
          await Promise.all(Array.from({ length: count }, () => perform(runtime, input(1, "x"))));
          const looked = port.calls.filter(({ name }) => name === "lstatSync");
          assertEquals(looked.length, looks);
          const seen = new Set(looked.map(({ path }) => path!));
          assertEquals(seen.isSubsetOf(new Set(directories)), true, [...seen].join());
          assertEquals(port.count("syncData", "syncDataSync"), 1);
          assertEquals(port.count("openSync"), 0);
        }
      }
      await runtime.close();
    })
  ));

Deno.test({
  name:
    "a journal that is replaced is noticed behind the next sync, however long nothing had changed",
  ignore: !isPosix,
  fn: () =>
    withMemoryDir(async (root) => {
      for (const what of ["a copy in its place", "rm", "mv", "truncated to 0", "cut by a byte"]) {
        await Deno.mkdir(`${root}/${what}`);
        const { runtime, model } = await openWithInputs(`${root}/${what}`);
        const directory = pathOf(`${root}/${what}`);
        await Deno.utime(directory, 1, 1);
        await performBoth(runtime, model, input(1, "settled"));
        await ACTS[what]!(`${directory}/journal-1.jsonl`);
        const error = await assertRejects(() => perform(runtime, input(1, "x")), RuntimeStoreError);
        assertEquals(error.kind, "replaced", what);
        await runtime.close().catch(() => {});
      }
    }),
});
