import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { FilePort } from "../../_internal/file_port.ts";
import {
  FsRuntimeStore,
  RuntimeStoreError,
  verifyStore,
  type WorkerRuntime,
} from "../../store/mod.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { appendTo, isThere, namesIn, readText, truncate, write } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { withTempDir } from "../_util/temp.ts";
import {
  assertClean,
  assertSeedFiles,
  KillableRuntime,
  look,
  newModel,
  openRuntime,
  openStore,
  pathOf,
  performBoth,
  RUNTIME_ID,
  seenIn,
  workerPathOf,
  workerRef,
  writeSeedFiles,
} from "./_runtime.ts";
import { createFull, createPlain, input, plainRequest, storeBundle } from "./_scenes.ts";

/** What opening a runtime does with what it finds, and what it leaves alone. */

const WORKER = workerRef(1).worker_id;
const INPUT = { kind: "user", content: "hello" } as const;

async function openingError(root: string): Promise<RuntimeStoreError> {
  return await assertRejects(() => openRuntime(root), RuntimeStoreError);
}

/** A runtime with history, closed. */
async function writeHistory(root: string): Promise<void> {
  const runtime = await openRuntime(root);
  const model = newModel();
  for (const operation of [storeBundle, createFull, input(1, "first"), createPlain]) {
    await performBoth(runtime, model, operation);
  }
  await runtime.close();
}

function treeOf(directory: string): string[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) => {
    const path = `${directory}/${name}`;
    return isDirectory ? [path, ...treeOf(path)] : [`${path} ${Deno.readTextFileSync(path)}`];
  }).sort();
}

for (
  const [what, from, to, message] of [
    [
      "a newer schema",
      '"schema_version": 1',
      '"schema_version": 2',
      "unsupported schema version 2",
    ],
    ["an unknown field", '"schema_version"', '"more": 1, "schema_version"', "unknown field `more`"],
    ["another backend", '"fs_store"', '"memory"', "runtime snapshot backend is Memory"],
    ["another id", '"rt-1"', '"rt-2"', "snapshot id rt-2 does not match requested runtime rt-1"],
  ] as const
) {
  Deno.test(`a runtime of ${what} is refused, and not even a lock is written (FRS-3)`, () =>
    withTempDir(async (root) => {
      writeSeedFiles(root, newModel());
      const path = pathOf(root, "runtime.json");
      write(path, readText(path).replace(from, to));
      const before = treeOf(root);
      const error = await openingError(root);
      assertEquals([error.kind, error.details.path], ["store-corrupt", path]);
      assertStringIncludes(error.message, message);
      assertEquals(treeOf(root), before);
    }));
}

Deno.test("links where files and directories are expected are refused", async () => {
  for (
    const name of ["", "workers", "runtime.json", "events.jsonl", "owner.lock", "journal-1.jsonl"]
  ) {
    await withTempDir(async (root) => {
      await writeHistory(root);
      const path = pathOf(root, name);
      if (isThere(path)) await Deno.rename(path, `${root}/elsewhere`);
      await Deno.symlink(`${root}/elsewhere`, path);
      assertEquals((await openingError(root)).kind, "symlink", name);
    });
  }
});

Deno.test("a worker that cannot be read blocks no other one, and its refs say why (W-FRS-12)", async () => {
  const damages: Record<string, (path: string) => void> = {
    "store-corrupt": () => {},
    "store-missing": (path) => Deno.removeSync(path),
    "symlink": (path) => {
      Deno.renameSync(path, `${path}.real`);
      Deno.symlinkSync(`${path}.real`, path);
    },
  };
  for (const [kind, damage] of Object.entries(damages)) {
    await withTempDir(async (root) => {
      await writeHistory(root);
      const path = workerPathOf(root, WORKER, "worker.json");
      if (kind === "store-corrupt") write(path, '{\n"schema_version": 1,\n"');
      damage(path);
      const before = treeOf(workerPathOf(root, WORKER));
      const runtime = await openRuntime(root);
      assertEquals(runtime.problems.map((problem) => [problem.kind, problem.details.path]), [[
        kind,
        path,
      ]]);
      for (
        const use of [
          () => runtime.sendInput(workerRef(1), INPUT),
          () => runtime.stopWorker(workerRef(1)),
          () => runtime.workerDetail(workerRef(1)),
          () => runtime.readTranscript(workerRef(1), { start: 0, limit: 1 }),
        ]
      ) {
        const error = await assertRejects(use, RuntimeStoreError);
        assertEquals([error.kind, error.details.path], [kind, path]);
      }
      await runtime.sendInput(workerRef(2), INPUT);
      assertEquals(
        (await runtime.createWorker(plainRequest)).worker_id,
        "worker-00000003",
      );
      await runtime.stopRuntime();
      await runtime.close();
      assertEquals(treeOf(workerPathOf(root, WORKER)), before);
    });
  }
});

Deno.test("lines of a log that cannot be written are kept, read, and written later (W-FRS-6)", () =>
  withTempDir(async (root) => {
    const port = new FaultPort({ base: hastyFilePort });
    const runtime = await openRuntime(root, { port });
    const model = newModel();
    for (const operation of [storeBundle, createFull]) await performBoth(runtime, model, operation);
    for (const nth of [2, 3]) {
      port.reset();
      // The first write is the journal's; then the event's and the entry's.
      port.shortWriteAt(nth, 10, { thenFail: true });
      await performBoth(runtime, model, input(1, `acknowledged ${nth}`));
      assertEquals(await look(runtime), seenIn(model));
      const store = await openStore(root);
      assertEquals((await look(store)).transcripts, seenIn(model).transcripts);
      const refused = () => runtime.sendInput(workerRef(1), INPUT);
      assertEquals((await assertRejects(refused, RuntimeStoreError)).kind, "store-io");
      assertEquals(await look(runtime), seenIn(model));
      port.reset();
      await performBoth(runtime, model, input(1, "next"));
      assertEquals(await look(runtime), seenIn(model));
    }
    await runtime.close();
    assertSeedFiles(root, model);
    await assertClean(root);
  }));

Deno.test("a close that fails lets go, loses nothing, and the next opening does its work", () =>
  withTempDir(async (root) => {
    const port = new FaultPort({ base: hastyFilePort });
    const runtime = await openRuntime(root, { port });
    const model = newModel();
    for (const operation of [storeBundle, createFull]) await performBoth(runtime, model, operation);
    port.reset();
    port.failAt(1, { only: ["renameSync"] });
    assertEquals((await assertRejects(() => runtime.close(), RuntimeStoreError)).kind, "store-io");
    assertEquals(port.openCount, 0);
    const again = await openRuntime(root);
    assertEquals(await look(again), seenIn(model));
    await again.close();
    assertSeedFiles(root, model);
  }));

Deno.test("a checkpoint that keeps failing stops mutations before the journal gets too long", () =>
  withTempDir(async (root) => {
    const port = new FaultPort({ base: hastyFilePort });
    const runtime = await openRuntime(root, { port, checkpointMutations: 5 });
    const model = newModel();
    port.reset();
    port.failAt(1, { only: ["renameSync"], andLater: true });
    let refused: unknown;
    let done = 0;
    for (; refused === undefined && done < 100; done++) {
      await performBoth(runtime, model, createPlain).catch((error) => refused = error);
    }
    // The runtime's own beginning is in the journal too.
    assertEquals(done, 20);
    port.reset();
    model.apply(createPlain);
    await runtime.close();
    const again = await openRuntime(root);
    assertEquals(again.summary().worker_count, 19);
    await again.close();
  }));

/** A runtime that was killed with a journal. */
async function kill(root: string): Promise<ReturnType<typeof newModel>> {
  const { runtime, kill } = await killable(root);
  const model = newModel();
  for (const operation of [storeBundle, createFull, input(1, "first"), createPlain]) {
    await performBoth(runtime, model, operation);
  }
  kill();
  return model;
}

async function killable(root: string): Promise<{ runtime: WorkerRuntime; kill: () => void }> {
  const open = await KillableRuntime.open(root, 1000);
  return { runtime: open.runtime, kill: () => open.kill() };
}

Deno.test("what another program appended to a log that has a journal is kept aside", () =>
  withTempDir(async (root) => {
    const model = await kill(root);
    appendTo(pathOf(root, "events.jsonl"), '{"id":2,"foreign":true}\n');
    const runtime = await openRuntime(root);
    assertEquals(runtime.problems.length, 1);
    assertStringIncludes(runtime.problems[0]!.message, "events.jsonl.torn-1");
    assertEquals(readText(pathOf(root, "events.jsonl.torn-1")), '{"id":2,"foreign":true}\n');
    assertEquals(await look(runtime), seenIn(model));
    await runtime.close();
  }));

Deno.test("logs that were lost or cut behind the journal's back are written from the journal", () =>
  withTempDir(async (root) => {
    const model = await kill(root);
    truncate(pathOf(root, "events.jsonl"), 5);
    await Deno.remove(workerPathOf(root, WORKER), { recursive: true });
    const runtime = await openRuntime(root);
    assertEquals([runtime.problems, await look(runtime)], [[], seenIn(model)]);
    await runtime.close();
    assertSeedFiles(root, model);
  }));

Deno.test("a log that was cut behind a whole record is seen as opening makes it, by all", () =>
  withTempDir(async (root) => {
    const first = await openRuntime(root);
    const model = newModel();
    await performBoth(first, model, createPlain);
    await first.close();
    const { runtime, kill } = await killable(root);
    await performBoth(runtime, model, createPlain);
    kill();
    const path = pathOf(root, "events.jsonl");
    const [started, created] = readText(path).split("\n");
    write(path, `${started}\n${created}`);
    const ids = async (readable: FsRuntimeStore | WorkerRuntime) => {
      const cursor = { runtime_id: RUNTIME_ID, next_event_id: 1 };
      return (await readable.readEvents(cursor, 100)).events.map(({ id }) => id);
    };

    const store = await openStore(root);
    assertEquals(await ids(store), [1, 2, 3]);
    assertEquals(await look(store), seenIn(model));
    const problems = store.problems.map(({ message }) => message);
    assertEquals(problems.length, 1);
    const { length } = `${started}\n${created}`;
    assertStringIncludes(problems[0]!, `it has ${length} bytes, and had ${length + 1}`);
    await store.close();
    const verified = await verifyStore(root);
    assertEquals(verified.problems.map(({ kind, message }) => [kind, message]), [
      ["lost", "1 bytes before the lines of the journal are missing"],
    ]);
    const [verdict] = verified.runtimes;
    assertEquals(verdict?.events, 3);

    const owner = await openRuntime(root);
    assertEquals(await ids(owner), [1, 2, 3]);
    assertEquals(owner.problems.map(({ message }) => message), problems);
    await owner.close();
    assertSeedFiles(root, model);
  }));

Deno.test("a runtime.json that looks damaged beside a writer is believed the third time", () =>
  withTempDir(async (root) => {
    await writeHistory(root);
    let bad = 0;
    const port: FilePort = {
      ...hastyFilePort,
      openSync: (path, options) => {
        const file = hastyFilePort.openSync(path, options);
        if (!path.endsWith("runtime.json") || bad === 0) return file;
        bad--;
        return new Proxy(file, {
          get: (target, name) => {
            const member: unknown = Reflect.get(target, name);
            if (name !== "readSync") {
              return typeof member === "function" ? member.bind(target) : member;
            }
            return (buffer: Uint8Array) => {
              const count = target.readSync(buffer);
              if (count !== null) buffer.fill(0, Math.floor(count / 2), count);
              return count;
            };
          },
        });
      },
    };
    bad = 2;
    const store = await openStore(root, { port });
    assertEquals(store.summary().worker_count, 2);
    await store.close();
    bad = 3;
    const opening = () => openStore(root, { port });
    assertEquals((await assertRejects(opening, RuntimeStoreError)).kind, "store-corrupt");
    assertEquals(bad, 0);
  }));

Deno.test("reading beside nobody, and of what is not there, writes nothing", () =>
  withTempDir(async (root) => {
    const open = (runtimeId = RUNTIME_ID) =>
      FsRuntimeStore.open({ root, runtimeId, readOnly: true });
    assertEquals((await assertRejects(() => open(), RuntimeStoreError)).kind, "store-missing");
    const owning = () => FsRuntimeStore.open({ root, runtimeId: RUNTIME_ID });
    assertEquals((await assertRejects(owning, RuntimeStoreError)).kind, "store-missing");
    assertEquals(namesIn(root), []);
    const model = await kill(root);
    const before = treeOf(root);
    await using store = await open();
    assertEquals(await look(store), seenIn(model));
    assertEquals(treeOf(root), before);
  }));

/** Every file of a runtime by its path. */
type Image = Map<string, string>;

function imageOf(directory: string): Image {
  const image: Image = new Map();
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (!isDirectory) image.set(path, Deno.readTextFileSync(path));
    else for (const [file, text] of imageOf(path)) image.set(file, text);
  }
  return image;
}

/** Does what the owner did between two images, in its order: logs, snapshots, journals. */
function become(now: Image, next: Image): void {
  const isSnapshot = (path: string) => path.endsWith(".json");
  const isJournal = (path: string) => path.includes("/journal-");
  const rank = (path: string) => isJournal(path) ? 2 : isSnapshot(path) ? 1 : 0;
  const changed = [...next].filter(([path, text]) => now.get(path) !== text);
  for (const [path, text] of changed.sort(([a], [b]) => rank(a) - rank(b))) {
    if (isSnapshot(path)) {
      write(`${path}.new`, text);
      Deno.renameSync(`${path}.new`, path);
    } else {
      write(path, text);
    }
  }
  for (const path of now.keys()) if (!next.has(path)) Deno.removeSync(path);
}

Deno.test("a reader of many workers follows an owner through many checkpoints to one state", () =>
  withTempDir(async (root) => {
    const runtime = await openRuntime(root, { checkpointMutations: 2 });
    const model = newModel();
    for (let count = 0; count < 40; count++) await performBoth(runtime, model, createPlain);
    const states = [JSON.stringify(seenIn(model))];
    const images = [imageOf(pathOf(root))];
    for (let count = 0; count < 20; count++) {
      const worker = 1 + (count * 17) % 40;
      await performBoth(runtime, model, input(worker, `while ${count}`));
      states.push(JSON.stringify(seenIn(model)));
      images.push(imageOf(pathOf(root)));
    }
    const journals = images.map((image) =>
      [...image.keys()].filter((path) => /journal-\d/.test(path))
    );
    assert(new Set(journals.flat()).size > 8);
    for (const every of [2, 3, 7]) {
      become(images.at(-1)!, images[0]!);
      let looks = 0;
      let at = 0;
      const port: FilePort = {
        ...hastyFilePort,
        openSync: (path, options) => {
          const isDue = path.endsWith("worker.json") && ++looks % every === 0;
          if (isDue && at < images.length - 1) become(images[at]!, images[++at]!);
          return hastyFilePort.openSync(path, options);
        },
      };
      await using store = await openStore(root, { port });
      const expected = states[at];
      // It begins again only when journals came and went between two of its looks for them.
      assertEquals(looks === 40, every === 7);
      assertEquals(JSON.stringify(await look(store)), expected, `every ${every}`);
      assertEquals(store.problems, []);
      become(images[at]!, images.at(-1)!);
    }
    // Its files were replaced all the time.
    await assertRejects(() => runtime.close(), RuntimeStoreError, "is another file now");
  }));

Deno.test("of a worker that is not there, the store says that its transcript is missing (FRS-10)", () =>
  withTempDir(async (root) => {
    await writeHistory(root);
    const { worker_id } = workerRef(7);
    for (const readOnly of [true, false]) {
      await using store = await FsRuntimeStore.open({ root, runtimeId: RUNTIME_ID, readOnly });
      const read = () => store.readTranscript(workerRef(7), { start: 0, limit: 1 });
      const path = workerPathOf(root, worker_id, "transcript.jsonl");
      const error = await assertRejects(read, RuntimeStoreError);
      assertEquals([error.kind, error.details.path], ["store-missing", path]);
      assertEquals(error.message, `runtime store read transcript missing data at ${path}`);
      const limit = () => store.readTranscript(workerRef(7), { start: 0, limit: 1000 });
      assertEquals((await assertRejects(limit, RuntimeStoreError)).kind, "limit-too-large");
    }
    const runtime = await openRuntime(root);
    const read = () => runtime.readTranscript(workerRef(7), { start: 0, limit: 1 });
    assertEquals((await assertRejects(read, RuntimeStoreError)).kind, "worker-not-found");
    await runtime.close();
  }));
