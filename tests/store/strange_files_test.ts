/**
 * What else can stand in the place of a store's file: a pipe would hang whoever opens it, a device never
 * ends, a link leads to a file of somebody else. All of them are told, at once, by everybody; and what the
 * operating system leaves beside the files is nobody's damage.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  FsRuntimeStore,
  removeRuntime,
  repairStore,
  RuntimeStoreError,
  verifyStore,
  WorkerRuntime,
} from "../../store/mod.ts";
import { isThere, namesIn, readText, write } from "../_util/files.ts";
import { makeStranger, STRANGERS } from "../_util/strangers.ts";
import { withMemoryDir, withTempDir } from "../_util/temp.ts";
import { FIRST, goldenPath, writeGoldenStore } from "./_damages.ts";
import { KillableRuntime, openRuntime, pathOf, perform } from "./_runtime.ts";
import { createPlain, input } from "./_scenes.ts";

const isPosix = Deno.build.os !== "windows";
const RUNTIME_ID = "rt-1";
const WORKER = { runtime_id: RUNTIME_ID, worker_id: "worker-00000001" };

/** The files and directories of a runtime whose owner was killed. */
const PLACES = [
  "runtime.json",
  "events.jsonl",
  "owner.lock",
  "journal-1.jsonl",
  "workers",
  FIRST,
  `${FIRST}/worker.json`,
  `${FIRST}/transcript.jsonl`,
];

/** Puts something else into the place of a file or directory, which `outside` gets; false where it cannot. */
const PUT: Record<string, (path: string, outside: string) => Promise<boolean>> = {
  "a link to where it is now": async (path, outside) => {
    await Deno.rename(path, outside);
    await Deno.symlink(outside, path);
    return true;
  },
  "a file in the place of a directory": async (path, outside) => {
    const { isDirectory } = await Deno.lstat(path);
    await Deno.rename(path, outside);
    if (isDirectory) write(path, "a file");
    return isDirectory || await makeStranger("a directory", path);
  },
  ...Object.fromEntries(
    STRANGERS.filter((kind) => kind !== "a directory").map((kind) => [
      kind,
      async (path: string, outside: string) => {
        await Deno.rename(path, outside);
        return await makeStranger(kind, path);
      },
    ]),
  ),
};

async function killedRuntime(root: string): Promise<void> {
  const closed = await openRuntime(root);
  await perform(closed, createPlain);
  await closed.close();
  const open = await KillableRuntime.open(root, 1000);
  await perform(open.runtime, input(1, "one"));
  open.kill();
}

/** The error that something gives, if it gives one; the runtime is closed again. */
async function outcome(open: () => Promise<AsyncDisposable>): Promise<unknown> {
  try {
    await using opened = await open();
    const reader = opened as WorkerRuntime;
    const { problems } = reader;
    await reader.readTranscript(WORKER, { start: 0, limit: 1 });
    return problems[0];
  } catch (error) {
    return error;
  }
}

function assertTells(error: unknown, path: string): void {
  assert(error instanceof RuntimeStoreError, String(error));
  assert(["symlink", "store-corrupt"].includes(error.kind), error.message);
  assert(error.message.includes(path), error.message);
}

for (const [what, put] of Object.entries(PUT)) {
  for (const place of PLACES) {
    Deno.test({
      name: `${what} in the place of ${place} is told by all, at once`,
      ignore: !isPosix,
      fn: () =>
        withTempDir(async (directory) => {
          const root = `${directory}/root`;
          const outside = `${directory}/outside`;
          await killedRuntime(root);
          const path = pathOf(root, place);
          const { isFile } = await Deno.lstat(path);
          if (!await put(path, outside)) return;
          const before = isFile ? readText(outside) : undefined;
          const { ok, problems } = await verifyStore(root);
          assert(!ok && problems.some((each) => each.path === path), JSON.stringify(problems));
          const options = { root, runtimeId: RUNTIME_ID };
          assertTells(
            await outcome(() => FsRuntimeStore.open({ ...options, readOnly: true })),
            path,
          );
          // What an owner wants to write must be a file, too.
          assertTells(await outcome(() => WorkerRuntime.open(options)), path);
          const repair = await repairStore(root);
          assert(repair.actions.length + repair.problems.length > 0);
          assert((await repairStore(root)).actions.length === 0, "it has done all there is to do");
          if (before !== undefined) assertEquals(readText(outside), before, "nothing leads out");
          // A runtime that can be owned can be removed, and only that.
          await removeRuntime(root, RUNTIME_ID).catch((error) => {
            assert(error instanceof RuntimeStoreError, String(error));
          });
          assert(isThere(outside));
        }),
    });
  }
}

Deno.test({
  name: "a second name of a file that is written in place is told, and nothing is written to it",
  ignore: !isPosix,
  fn: async () => {
    const written = PLACES.filter((place) => place.endsWith(".jsonl") || place.endsWith(".lock"));
    for (const place of written) {
      await withTempDir(async (directory) => {
        const root = `${directory}/root`;
        await killedRuntime(root);
        const path = pathOf(root, place);
        const other = `${directory}/other`;
        await Deno.link(path, other);
        const before = readText(other);
        const { problems } = await verifyStore(root);
        assertEquals(problems.map(({ kind, path }) => [kind, path]), [["symlink", path]]);
        const error = await assertRejects(() => openRuntime(root), RuntimeStoreError, "hard link");
        assertEquals([error.kind, error.details.path], ["symlink", path]);
        await using store = await FsRuntimeStore.open({ root, runtimeId: "rt-1", readOnly: true });
        assertEquals(store.problems, []);
        await repairStore(root);
        assertEquals(readText(other), before, place);
      });
    }
  },
});

Deno.test({
  name: "snapshots may have other names, as they are replaced as a whole",
  ignore: !isPosix,
  fn: () =>
    withTempDir(async (directory) => {
      const root = `${directory}/root`;
      await killedRuntime(root);
      for (const place of ["runtime.json", `${FIRST}/worker.json`]) {
        await Deno.link(pathOf(root, place), `${directory}/${place.replace(/\W/g, "-")}`);
      }
      const before = readText(`${directory}/runtime-json`);
      assertEquals((await verifyStore(root)).problems, []);
      const runtime = await openRuntime(root);
      await perform(runtime, input(1, "two"));
      await runtime.close();
      assertEquals(readText(`${directory}/runtime-json`), before);
    }),
});

Deno.test({
  name: "a link in the place of the runtimes, or of one, is told, and nothing behind it is touched",
  ignore: !isPosix,
  fn: async () => {
    for (const place of ["runtimes", goldenPath("").slice(1)]) {
      await withTempDir(async (directory) => {
        const root = `${directory}/root`;
        writeGoldenStore(root);
        await Deno.rename(`${root}/${place}`, `${directory}/outside`);
        await Deno.symlink(`${directory}/outside`, `${root}/${place}`);
        for (const which of [{}, { runtimeId: RUNTIME_ID }]) {
          const { problems } = await verifyStore(root, which);
          assertEquals(problems.map(({ kind, path }) => [kind, path]), [
            ["symlink", `${root}/${place}`],
          ]);
          assertEquals((await repairStore(root, which)).actions, []);
        }
        for (const readOnly of [true, false]) {
          const open = () => FsRuntimeStore.open({ root, runtimeId: RUNTIME_ID, readOnly });
          assertEquals((await assertRejects(open, RuntimeStoreError)).kind, "symlink");
        }
        const remove = () => removeRuntime(root, RUNTIME_ID);
        assertEquals((await assertRejects(remove, RuntimeStoreError)).kind, "symlink");
        assert(!namesIn(`${directory}/outside`).includes("owner.lock"));
      });
    }
  },
});

const SYSTEM_FILES = [
  ".DS_Store",
  "._runtime.json",
  ".nfs00000000019a",
  ".fuse_hidden0001",
  "Thumbs.db",
];
const LEVELS = ["..", ".", "workers", FIRST];

Deno.test("what operating systems leave at any level is no damage, and survives", () =>
  withMemoryDir(async (root) => {
    writeGoldenStore(root);
    const made = LEVELS.flatMap((level) =>
      SYSTEM_FILES.map((name) => goldenPath(root, `${level}/${name}`))
    );
    for (const path of made) write(path, "x");
    assertEquals((await verifyStore(root)).problems, []);
    assertEquals((await repairStore(root)).actions, []);
    // Beside real damage, and moved with the worker that it lies with.
    write(goldenPath(root, "workers/notes.txt"), "x");
    const { ok, actions } = await repairStore(root);
    assertEquals([ok, actions.map(({ action }) => action)], [true, ["quarantine"]]);
    for (const path of made) assertEquals(readText(path), "x");
    await using store = await FsRuntimeStore.open({ root, runtimeId: "rt-1", readOnly: true });
    assertEquals(store.problems, []);
    const runtime = await openRuntime(root);
    assertEquals(runtime.problems, []);
    await runtime.close();
    await removeRuntime(root, RUNTIME_ID);
    assertEquals(isThere(goldenPath(root)), false);
  }));

Deno.test("a runtime of which there is nothing but the system's files is made", () =>
  withMemoryDir(async (root) => {
    await Deno.mkdir(pathOf(root, "workers"), { recursive: true });
    write(pathOf(root, ".DS_Store"), "x");
    write(pathOf(root, "workers/.DS_Store"), "x");
    const runtime = await openRuntime(root);
    assertEquals(runtime.problems, []);
    await runtime.close();
  }));

Deno.test("files that were stretched to gigabytes take neither memory nor time", async () => {
  const stretched = ["runtime.json", `${FIRST}/worker.json`, "journal-1.jsonl", "owner.lock"];
  for (const place of stretched) {
    await withTempDir(async (root) => {
      await killedRuntime(root);
      await Deno.truncate(pathOf(root, place), 6 * 2 ** 30);
      const isSnapshot = place.endsWith(".json");
      const { problems } = await verifyStore(root);
      assertEquals(problems.some(({ path }) => path === pathOf(root, place)), isSnapshot);
      const told = await outcome(() => WorkerRuntime.open({ root, runtimeId: RUNTIME_ID }));
      if (isSnapshot) assertTells(told, pathOf(root, place));
      else assertEquals(told, undefined);
      if (isSnapshot) await repairStore(root);
    });
  }
});
