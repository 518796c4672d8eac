import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { FilePort } from "../../_internal/file_port.ts";
import { removeRuntimeOnPort } from "../../store/check/remove_runtime.ts";
import {
  removeRuntime,
  runtimeDirectory,
  RuntimeStoreError,
  verifyStore,
  WorkerRuntime,
} from "../../store/mod.ts";
import { everyCut } from "../_util/every_cut.ts";
import { everyFailure } from "../_util/every_failure.ts";
import { isThere, namesIn, readText, write } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { longCount, withTempDir } from "../_util/temp.ts";
import { Child } from "../crash/_child.ts";
import type { RuntimeModel } from "./_model.ts";
import {
  assertClean,
  KillableRuntime,
  look,
  newModel,
  openRuntime,
  pathOf,
  performBoth,
  RUNTIME_ID,
  seenIn,
} from "./_runtime.ts";
import { createFull, createPlain, input, plainRequest, storeBundle } from "./_scenes.ts";
import { treeOf } from "./_tree.ts";

/** Removing a runtime: all of it or nothing, whatever fails or dies, and never under an owner's feet. */

const IS_WINDOWS = Deno.build.os === "windows";

/** A runtime with history, closed; what readers must see of it. */
async function writeHistory(root: string): Promise<RuntimeModel> {
  const runtime = await openRuntime(root);
  const model = newModel();
  for (const operation of [storeBundle, createFull, input(1, "first"), createPlain]) {
    await performBoth(runtime, model, operation);
  }
  await runtime.close();
  return model;
}

const HISTORY = await withTempDir(async (root) => seenIn(await writeHistory(root)));

async function refusedAs(root: string, kind: string, message = ""): Promise<void> {
  const error = await assertRejects(
    () => removeRuntime(root, RUNTIME_ID),
    RuntimeStoreError,
    message,
  );
  assertEquals(error.kind, kind);
}

/** The whole runtime, or none; what is left of it is no problem, and goes with the next removal. */
async function checkWholeOrNone(root: string): Promise<"whole" | "none"> {
  await assertClean(root);
  const isWhole = isThere(pathOf(root));
  if (isWhole) {
    const runtime = await openRuntime(root);
    assertEquals(await look(runtime), HISTORY);
    await runtime.close();
    removeRuntimeOnPort(hastyFilePort, root, RUNTIME_ID);
  } else {
    assertEquals((await verifyStore(root)).runtimes, []);
    await refusedAs(root, "store-missing");
  }
  assertEquals(namesIn(`${root}/runtimes`), []);
  return isWhole ? "whole" : "none";
}

Deno.test("removeRuntime() removes the runtime with all its files, and no other", () =>
  withTempDir(async (root) => {
    await writeHistory(root);
    await (await WorkerRuntime.open({ root, runtimeId: "other" })).close();
    assertEquals(runtimeDirectory(root, RUNTIME_ID), pathOf(root));
    await removeRuntime(root, RUNTIME_ID);
    assertEquals((await verifyStore(root)).runtimes.map(({ runtime }) => runtime), ["other"]);
    assertEquals(namesIn(`${root}/runtimes`), [runtimeDirectory("", "other").split("/").at(-1)]);
    await refusedAs(root, "store-missing", pathOf(root));
    // Its name can be used again.
    await writeHistory(root);
    await removeRuntime(root, "other");
    assertEquals(await checkWholeOrNone(root), "whole");
  }));

Deno.test("removeRuntime() removes what a killed owner has left, journal and all", () =>
  withTempDir(async (root) => {
    const killable = await KillableRuntime.open(root, 1000);
    await killable.runtime.createWorker(plainRequest);
    killable.kill();
    await removeRuntime(root, RUNTIME_ID);
    assertEquals(namesIn(`${root}/runtimes`), []);
  }));

Deno.test("removeRuntime() leaves a runtime alone that somebody has open (W-FRS-1)", () =>
  withTempDir(async (root) => {
    await writeHistory(root);
    const runtime = await openRuntime(root);
    const before = treeOf(root);
    await refusedAs(root, "owned", `process ${Deno.pid} owns it`);
    assertEquals(treeOf(root), before);
    assertEquals(await look(runtime), HISTORY);
    await runtime.close();
    assertEquals(await checkWholeOrNone(root), "whole");
  }));

for (
  const [what, damage] of [
    ["a newer schema", (root: string) => {
      const path = pathOf(root, "runtime.json");
      write(path, readText(path).replace('"schema_version": 1', '"schema_version": 2'));
    }],
    ["a newer journal without a snapshot", (root: string) => {
      Deno.removeSync(pathOf(root, "runtime.json"));
      for (const name of namesIn(pathOf(root)).filter((name) => name.startsWith("journal-"))) {
        Deno.removeSync(pathOf(root, name));
      }
      write(pathOf(root, "journal-7.jsonl"), '{"format":2,"journal":7}\n');
    }],
    ["a snapshot that cannot be read", (root: string) => write(pathOf(root, "runtime.json"), "{")],
  ] as const
) {
  Deno.test(`removeRuntime() refuses ${what}, and touches nothing (FRS-3)`, () =>
    withTempDir(async (root) => {
      await writeHistory(root);
      damage(root);
      const before = treeOf(root);
      await refusedAs(root, "store-corrupt");
      assertEquals(treeOf(root), before);
      if (what.startsWith("a newer")) {
        // Opening does not even take the lock.
        const error = await assertRejects(() => openRuntime(root), RuntimeStoreError);
        assertStringIncludes(error.remedy!, "or a newer taffrail");
        assertEquals(treeOf(root), before);
      }
    }));
}

Deno.test(
  "removeRuntime() refuses links, and what cannot be a runtime",
  { ignore: IS_WINDOWS },
  () =>
    withTempDir(async (root) => {
      await writeHistory(`${root}/a`);
      await Deno.mkdir(`${root}/b/runtimes`, { recursive: true });
      await Deno.symlink(pathOf(`${root}/a`), pathOf(`${root}/b`));
      await refusedAs(`${root}/b`, "symlink");
      await Deno.mkdir(`${root}/c`);
      await Deno.symlink(`${root}/a/runtimes`, `${root}/c/runtimes`);
      await refusedAs(`${root}/c`, "symlink");
      await Deno.mkdir(`${root}/d/runtimes`, { recursive: true });
      write(pathOf(`${root}/d`), "a file");
      await refusedAs(`${root}/d`, "store-corrupt");
      await refusedAs(`${root}/e`, "store-missing");
      assert(!isThere(`${root}/e`));
      for (const id of ["", "\ud800"]) {
        const error = await assertRejects(() => removeRuntime(`${root}/a`, id), RuntimeStoreError);
        assertEquals(error.kind, "invalid-request");
      }
      assertEquals(await checkWholeOrNone(`${root}/a`), "whole");
    }),
);

Deno.test("removeRuntime() removes a link in the runtime, and not what it leads to", {
  ignore: IS_WINDOWS,
}, () =>
  withTempDir(async (root) => {
    await writeHistory(root);
    await Deno.mkdir(`${root}/precious`);
    write(`${root}/precious/file`, "kept");
    await Deno.symlink(`${root}/precious`, pathOf(root, "workers/link"));
    await removeRuntime(root, RUNTIME_ID);
    assertEquals(readText(`${root}/precious/file`), "kept");
    assertEquals(namesIn(`${root}/runtimes`), []);
  }));

Deno.test("a power cut after any call of removeRuntime() leaves the whole runtime or none", async () => {
  const found = new Set<string>();
  await everyCut<string>((port, root, acknowledged) => {
    removeRuntimeOnPort(port, root, RUNTIME_ID);
    acknowledged.push("removed");
  }, async (image, { acknowledged }) => {
    const outcome = await checkWholeOrNone(image);
    if (acknowledged.length > 0) assertEquals(outcome, "none");
    found.add(outcome);
  }, {
    before: async (root) => void await writeHistory(root),
    base: hastyFilePort,
    seeds: longCount(4, 16),
  });
  assertEquals(found.size, 2);
});

Deno.test("any call of removeRuntime() that fails is told, and leaves the whole runtime or none", async () => {
  const found = new Set<string>();
  await everyFailure((port, root) => {
    try {
      removeRuntimeOnPort(port, root, RUNTIME_ID);
    } finally {
      assertEquals(port.openCount, 0);
    }
  }, async (root, { call, error }) => {
    if (call !== undefined) assertInstanceOf(error, RuntimeStoreError);
    found.add(await checkWholeOrNone(root));
  }, { before: async (root) => void await writeHistory(root), base: hastyFilePort });
  assertEquals(found.size, 2);
});

/** A port on which something happens between opening the lock file and locking it. */
function racedPort(meanwhile: () => void): FilePort {
  let isDone = false;
  return {
    ...hastyFilePort,
    openSync(path, options) {
      const file = hastyFilePort.openSync(path, options);
      if (path.endsWith("owner.lock") && !isDone) {
        isDone = true;
        meanwhile();
      }
      return file;
    },
  };
}

Deno.test(
  "a lock that was opened before the runtime was removed is not taken for that of the next",
  {
    ignore: IS_WINDOWS,
  },
  () =>
    withTempDir(async (root) => {
      await writeHistory(root);
      // Here another runtime takes the place, made by hand since all of this is one call.
      const port = racedPort(() => {
        removeRuntimeOnPort(hastyFilePort, root, RUNTIME_ID);
        Deno.mkdirSync(pathOf(root));
        write(pathOf(root, "owner.lock"), "the next owner\n");
      });
      const error = await assertRejects(
        () => Promise.try(() => removeRuntimeOnPort(port, root, RUNTIME_ID)),
        RuntimeStoreError,
      );
      assertEquals(error.kind, "store-missing");
      assertEquals(readText(pathOf(root, "owner.lock")), "the next owner\n");
      assertEquals(namesIn(`${root}/runtimes`).length, 1);
    }),
);

Deno.test("who opens a runtime while it is removed gets an error, and no runtime that is no more", {
  ignore: IS_WINDOWS,
}, () =>
  withTempDir(async (root) => {
    await writeHistory(root);
    const port = racedPort(() => removeRuntimeOnPort(hastyFilePort, root, RUNTIME_ID));
    const error = await assertRejects(() => openRuntime(root, { port }), RuntimeStoreError);
    assertEquals(error.kind, "store-missing");
    assertEquals(namesIn(`${root}/runtimes`), []);
  }));

const REMOVER = "../crash/_programs/store_remover.ts";

Deno.test("of many processes that remove one runtime at once, one does, and the others are told", () =>
  withTempDir(async (root) => {
    await writeHistory(root);
    await using stack = new AsyncDisposableStack();
    const children = Array.from({ length: 4 }, () => {
      return stack.use(new Child(REMOVER, { args: [root, RUNTIME_ID] }));
    });
    for (const child of children) assertEquals(await child.next(), "ready");
    await Promise.all(children.map((child) => child.send("remove")));
    const said = await Promise.all(children.map((child) => child.next()));
    assertEquals(said.filter((line) => line === "removed").length, 1);
    for (const line of said) assert(/^(removed|refused (owned|store-missing))$/.test(line), line);
    for (const child of children) await child.end();
    // Whoever came last has looked after what others may have left.
    assertEquals(namesIn(`${root}/runtimes`), []);
  }));

Deno.test(
  "a process that is killed before any change of removeRuntime() leaves the whole runtime or none",
  {
    ignore: IS_WINDOWS,
  },
  async () => {
    const found: string[] = [];
    for (let n = 1; found.at(-1) !== "done"; n += longCount(3, 1)) {
      await withTempDir(async (root) => {
        await writeHistory(root);
        await using child = new Child(REMOVER, { args: [root, RUNTIME_ID, n] });
        assertEquals(await child.next(), "ready");
        await child.send("remove");
        const isDone = await child.next().then(() => true, () => false);
        if (isDone) found.push("done");
        else found.push(await checkWholeOrNone(root));
      });
    }
    assert(found.includes("whole") && found.includes("none"), found.join());
  },
);
