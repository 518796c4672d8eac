/** A call of a checkpoint fails, the runtime goes on, and then the power fails. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { RuntimeStoreError } from "../../store/mod.ts";
import type { FilePort } from "../../_internal/file_port.ts";
import { FaultPort } from "../_util/fault_port.ts";
import type { CallName } from "../_util/fault_script.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { longCount, seed, withMemoryDir } from "../_util/temp.ts";
import type { RuntimeModel } from "./_model.ts";
import { assertSeedFiles, look, newModel, openRuntime, performBoth, seenIn } from "./_runtime.ts";
import { createFull, createPlain, input, stopFirst, storeBundle } from "./_scenes.ts";

const STEPS = [
  storeBundle,
  createFull,
  input(1, "one"),
  createPlain,
  input(2, "two"),
  input(1, "three"),
  stopFirst,
];
const CALLS: readonly CallName[] = [
  "openSync",
  "writeSync",
  "truncateSync",
  "syncSync",
  "syncData",
  "syncDataSync",
  "renameSync",
  "removeSync",
  "mkdirSync",
];

/** Does what it can; false when the n-th call does not come. */
async function failOnce(root: string, n: number): Promise<RuntimeModel | undefined> {
  const port = new FaultPort({ root, base: hastyFilePort });
  const runtime = await openRuntime(root, { port, checkpointMutations: 2 });
  const model = newModel();
  port.reset();
  port.failAt(n, { only: CALLS });
  for (const step of STEPS) {
    const before = model.clone();
    try {
      await performBoth(runtime, model, step);
    } catch (error) {
      assertInstanceOf(error, RuntimeStoreError);
      // Memory has only what was acknowledged, even where nobody can tell what is on disk.
      assertEquals(await look(runtime), seenIn(before));
      return await checkImages(port, root, { acknowledged: before, unknown: model });
    }
  }
  if (port.faulted === undefined) {
    port.cutNow();
    port.closeAll();
    return undefined;
  }
  return await checkImages(port, root, { acknowledged: model, unknown: model });
}

/** Whatever the disk holds, it is what was acknowledged, with the last mutation or without it. */
async function checkImages(
  port: FaultPort,
  root: string,
  { acknowledged, unknown }: { acknowledged: RuntimeModel; unknown: RuntimeModel },
): Promise<RuntimeModel> {
  port.cutNow();
  port.closeAll();
  const drawn = Array.from({ length: longCount(1, 30) }, (_, index) => seed() + index);
  for (const number of [0, 1, 2, ...drawn]) {
    const image = `${root}-image`;
    port.crashImage(image, number);
    const runtime = await openRuntime(image);
    const seen = JSON.stringify(await look(runtime));
    const allowed = [acknowledged, unknown].map((model) => JSON.stringify(seenIn(model)));
    assert(allowed.includes(seen), `seed ${number}: ${seen} is not ${allowed[0]}`);
    await runtime.close();
    await Deno.remove(image, { recursive: true });
  }
  return unknown;
}

Deno.test("a checkpoint that fails, and a power cut afterwards, lose nothing (W-FRS-3, W-FRS-6)", async () => {
  let faults = 0;
  for (;; faults++) {
    const failed = await withMemoryDir(async (directory) => {
      await Deno.mkdir(`${directory}/root`);
      try {
        return await failOnce(`${directory}/root`, faults + 1);
      } catch (cause) {
        throw new Error(`Failure ${faults + 1}`, { cause });
      }
    });
    if (failed === undefined) break;
  }
  assert(faults > 60, `${faults}`);
});

/** Files that may have so many bytes and no more, as a quota or a full disk has it. */
function limited(pattern: RegExp, limit: number): FilePort {
  const openSync: FilePort["openSync"] = (path, options) => {
    const file = hastyFilePort.openSync(path, options);
    if (!pattern.test(path)) return file;
    const writeSync = (bytes: Uint8Array) => {
      const room = limit - file.seekSync(0, Deno.SeekMode.Current);
      if (room <= 0) throw new Error("File too large (os error 27)");
      return file.writeSync(bytes.subarray(0, room));
    };
    return new Proxy(file, {
      get(target, name) {
        if (name === "writeSync") return writeSync;
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  };
  return { ...hastyFilePort, openSync };
}

Deno.test("a journal that can grow no more refuses one mutation, and is then begun anew (W-FRS-6)", () =>
  withMemoryDir(async (root) => {
    const runtime = await openRuntime(root, { port: limited(/journal-/, 100_000) });
    const model = newModel();
    await performBoth(runtime, model, createPlain);
    let refused = 0;
    for (let count = 0; count < 40; count++) {
      const operation = input(1, `${count} ${"x".repeat(9000)}`);
      try {
        await performBoth(runtime, model.clone(), operation);
        model.apply(operation);
      } catch (error) {
        assertInstanceOf(error, RuntimeStoreError);
        assertEquals(error.kind, "store-io");
        refused++;
        await performBoth(runtime, model, input(1, "there is room again"));
      }
    }
    assertEquals(refused > 1 && refused < 10, true, `${refused}`);
    assertEquals(await look(runtime), seenIn(model));
    await runtime.close();
    assertSeedFiles(root, model);
  }));
