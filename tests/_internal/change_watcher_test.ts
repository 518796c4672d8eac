import { assertGreaterOrEqual } from "@std/assert";
import { ChangeWatcher } from "../../_internal/change_watcher.ts";
import { appendTo, readText, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";

const never = new AbortController().signal;

Deno.test("ChangeWatcher wakes at a change, also at one between two waits", () =>
  withTempDir(async (directory) => {
    const path = `${directory}/log`;
    write(path, "");
    using watcher = new ChangeWatcher(path);
    for (let round = 1; round <= 20; round++) {
      appendTo(path, "line\n");
      // A wait may end for an older change; whoever waits looks at the file after each.
      for (let seen = 0; seen < round;) {
        await watcher.wait(never);
        seen = readText(path).length / 5;
      }
    }
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
