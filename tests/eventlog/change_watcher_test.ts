import { assertGreaterOrEqual } from "@std/assert";
import { ChangeWatcher } from "../../eventlog/run_reader.ts";
import { appendTo, readText, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";

const realSetTimeout = setTimeout;
const never = new AbortController().signal;

/** Runs with timers that never fire, so that nothing but a change can wake a watcher. */
async function withoutTimers(use: () => Promise<void>): Promise<void> {
  const { setTimeout, clearTimeout } = globalThis;
  const { promise, reject } = Promise.withResolvers<void>();
  const limit = setTimeout(() => reject(new Error("a change was missed")), 30_000);
  globalThis.setTimeout = (() => 0) as unknown as typeof setTimeout;
  globalThis.clearTimeout = () => {};
  try {
    await Promise.race([use(), promise]);
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
    clearTimeout(limit);
  }
}

/** Makes a change, and gives the system and the watcher all the time to tell of it. */
async function changeTold(path: string, change: () => void): Promise<void> {
  using observer = Deno.watchFs(path);
  change();
  for await (const { kind } of observer) if (kind === "modify") break;
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => realSetTimeout(resolve, 1));
}

Deno.test("ChangeWatcher wakes at a change, also at one between two waits", () =>
  withTempDir(async (directory) => {
    const path = `${directory}/log`;
    write(path, "");
    using watcher = new ChangeWatcher(path);
    await withoutTimers(async () => {
      for (let round = 0; round < 20; round++) {
        const waiting = watcher.wait(never);
        appendTo(path, "while it waits\n");
        await waiting;
        await changeTold(path, () => appendTo(path, "between two waits\n"));
        await watcher.wait(never);
      }
    });
  }));

Deno.test("ChangeWatcher wakes at an abort, and does not wait when it is aborted already", () =>
  withTempDir(async (directory) => {
    write(`${directory}/log`, "");
    using watcher = new ChangeWatcher(`${directory}/log`);
    const controller = new AbortController();
    const waiting = watcher.wait(controller.signal);
    controller.abort();
    await waiting;
    await watcher.wait(controller.signal);
  }));

Deno.test("ChangeWatcher wakes by itself after a while only, also where nothing can be watched", () =>
  withTempDir(async (directory) => {
    const path = `${directory}/log`;
    write(path, "text");
    using watched = new ChangeWatcher(path);
    using unwatched = new ChangeWatcher(`${directory}/nothing`);
    const start = performance.now();
    const waited = (waiting: Promise<void>) => waiting.then(() => performance.now() - start);
    const waiting = [waited(watched.wait(never)), waited(unwatched.wait(never))] as const;
    // To read the file, as whoever follows it does, is no change.
    for (let read = 0; read < 10; read++) readText(path);
    const [watchedMs, unwatchedMs] = await Promise.all(waiting);
    assertGreaterOrEqual(watchedMs, 990);
    assertGreaterOrEqual(unwatchedMs, 90);
  }));
