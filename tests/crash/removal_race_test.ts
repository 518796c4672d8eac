import { assert, assertEquals } from "@std/assert";
import { listRuns, openEventLog, removeRun, sweepRemovedRuns } from "../../eventlog/mod.ts";
import { removeRuntime, verifyStore, WorkerRuntime } from "../../store/mod.ts";
import { isThere, namesIn, readText, write } from "../_util/files.ts";
import { longCount, withMemoryDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";

const FOLDERS = 20;
const ROUNDS = longCount(40, 1000);

/** Fills a directory with folders that take a while to be removed. */
function fill(directory: string): void {
  for (let folder = 0; folder < FOLDERS; folder++) {
    Deno.mkdirSync(`${directory}/folder-${folder}`);
    for (let file = 0; file < 20; file++) write(`${directory}/folder-${folder}/file-${file}`, "x");
  }
}

/** Removes again and again while links to a folder outside are put in the place of what is removed. */
async function race(
  directory: string,
  { parent, make, remove }: {
    parent: string;
    make: () => Promise<string>;
    remove: () => Promise<void>;
  },
): Promise<void> {
  const outside = `${directory}/outside`;
  await Deno.mkdir(outside);
  for (let file = 0; file < 50; file++) write(`${outside}/file-${file}`, "precious");
  fill(outside);
  const kept = namesIn(outside);
  await using swapper = new Child("./_programs/link_swapper.ts", { args: [parent, outside] });
  await swapper.next();
  let swaps = 0;
  for (let round = 0; round < ROUNDS || swaps === 0; round++) {
    fill(await make());
    // What is put into a folder while it is removed may be in the way; it is swept afterwards.
    await remove().catch(() => {});
    // Lines arrive between two tasks only; removal may do without any.
    await new Promise((resolve) => setTimeout(resolve));
    swaps += swapper.takeLines().length;
    assertEquals(namesIn(outside), kept, `after ${round} rounds and ${swaps} swaps`);
    assertEquals(namesIn(`${outside}/folder-0`).length, 20);
  }
  assertEquals(readText(`${outside}/file-0`), "precious");
}

Deno.test("the removal of runs is led nowhere by links that are put there meanwhile", {
  ignore: Deno.build.os === "windows",
}, () =>
  withMemoryDir(async (directory) => {
    const root = `${directory}/root`;
    let runId = "";
    let count = 0;
    await Deno.mkdir(`${root}/runs`, { recursive: true });
    await race(directory, {
      parent: `${root}/runs`,
      make: async () => {
        runId = `run-${++count}`;
        await (await openEventLog({ root, runId })).close();
        return `${root}/runs/${runId}`;
      },
      remove: () => removeRun(root, runId),
    });
    assertEquals(await listRuns(root), []);
    await sweepRemovedRuns(root);
    assertEquals(namesIn(`${root}/runs`), []);
    assert(isThere(`${directory}/outside/file-0`));
  }));

Deno.test("the removal of runtimes is led nowhere by links that are put there meanwhile", {
  ignore: Deno.build.os === "windows",
}, () =>
  withMemoryDir(async (directory) => {
    const root = `${directory}/root`;
    const parent = `${root}/runtimes`;
    let runtimeId = "";
    let count = 0;
    await Deno.mkdir(parent, { recursive: true });
    await race(directory, {
      parent,
      make: async () => {
        runtimeId = `runtime-${++count}`;
        await (await WorkerRuntime.open({ root, runtimeId, displayName: "demo" })).close();
        return `${parent}/${namesIn(parent).find((name) => name.startsWith("id-"))}/workers`;
      },
      remove: () => removeRuntime(root, runtimeId),
    });
    await removeRuntime(root, "none").catch(() => {});
    assertEquals(namesIn(parent), []);
    assertEquals((await verifyStore(root)).problems, []);
    assert(isThere(`${directory}/outside/file-0`));
  }));
